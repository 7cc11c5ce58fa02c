"""The statement that lists headers, and the token by which a listing goes on."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from azure_durable_py import shape
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed, Page
from azure_durable_py.taskhub.sqlite.database import BY_CREATION, HAS_OUTBOX, IS_UNUSUAL, USUAL
from azure_durable_py.taskhub.sqlite.values import COLUMNS, to_columns, to_micros

_NO_VALUES = COLUMNS.replace("custom_status, input,", "NULL, NULL,").replace("output, ", "NULL, ", 1)
_CUSTOM_STATUS = COLUMNS.replace("custom_status, input,", "custom_status, NULL,").replace("output, ", "NULL, ", 1)


def start_of(query: InstanceQuery) -> str:
    """The id after which a page begins.

    :raises InvalidRequestError: the continuation token is not one of ours.
    """
    return "" if query.continuation_token is None else _decode_token(query.continuation_token)


def list_page(db: sqlite3.Connection, hub: str, query: InstanceQuery, after: str) -> Page:
    """One page of headers in the order of their ids; a short one where much had to be gone through to fill it.

    What only few instances can be has an index. Everything else goes through all instances in slices, since nobody
    else's calls are done meanwhile.
    """
    end = _LAST
    conditions, values = _conditions(query)
    parts = [_Part(conditions, values)]
    if _is_narrow(db, hub, query):
        parts = [_Part(conditions, values, f"INDEXED BY {BY_CREATION}")]
    elif query.kind is Kind.orchestration and query.runtime_status and USUAL not in query.runtime_status:
        # One for each status: each finds its instances in the order of their ids.
        conditions += [IS_UNUSUAL, "runtime_status = ?"]
        parts = [_Part(conditions, [*values, status]) for status in set(query.runtime_status)]
    elif not query.with_outbox:
        end = _end_of_slice(db, hub, query, after)
    columns = COLUMNS if query.with_values else _CUSTOM_STATUS if query.with_custom_status else _NO_VALUES
    rows = _select(db, f"instance_id, {columns}", hub, parts, (*_bounds(query), after, end), query.page_size + 1)
    items = tuple(Listed(row[0], *to_columns(row[0], row[1:])) for row in rows[: query.page_size])
    if len(rows) > query.page_size:
        end = items[-1].instance_id
    return Page(items, None if end == _LAST else _encode_token(end))


class _Part(NamedTuple):
    """Some of the instances that are listed."""

    conditions: Sequence[str] = ()
    values: Sequence[Any] = ()
    by: str = ""


def _select(
    db: sqlite3.Connection, what: str, hub: str, parts: Sequence[_Part], bounds: tuple[str, ...], limit: int
) -> list[Any]:
    """The first of some parts together, by their ids."""
    selects = [
        f"SELECT {what} FROM instances {part.by} WHERE {' AND '.join((_WITHIN, *part.conditions))}"  # noqa: S608
        for part in parts
    ]
    values = [value for part in parts for value in (hub, *bounds, *part.values)]
    return db.execute(f"{' UNION ALL '.join(selects)} ORDER BY instance_id LIMIT ?", (*values, limit)).fetchall()


_WITHIN = "hub = ? AND instance_id >= ? AND instance_id < ? AND instance_id > ? AND instance_id <= ?"


def _bounds(query: InstanceQuery) -> tuple[str, str]:
    """The ids that may be asked for: from the first, below the second."""
    # Ids of entities, and no others, begin with '@'.
    prefix = query.instance_id_prefix or ("@" if query.kind is Kind.entity else None)
    return limits.prefix_range(prefix) if prefix else ("", _LAST)


def _end_of_slice(db: sqlite3.Connection, hub: str, query: InstanceQuery, after: str) -> str:
    """The last id that is looked at."""
    ids = _select(db, "instance_id", hub, [_Part()], (*_bounds(query), after, _LAST), SLICE)
    return ids[-1][0] if len(ids) == SLICE else _LAST


def _is_narrow(db: sqlite3.Connection, hub: str, query: InstanceQuery) -> bool:
    """Whether few instances were created in the time that is asked for: then they are found by that, and sorted."""
    if query.created_from is None and query.created_to is None:
        return False
    low = 0 if query.created_from is None else to_micros(query.created_from)
    high = _LATEST if query.created_to is None else to_micros(query.created_to)
    try:
        [count] = db.execute(_COUNT_CREATED, (hub, query.kind.value, low, high, _NARROW + 1)).fetchone()
    except sqlite3.OperationalError:
        return False  # There is no such index (yet).
    return count <= _NARROW


SLICE = 5_000
"""Instances that one page looks at: some milliseconds."""
_LAST = limits.prefix_range("\U0010ffff")[1]
_LATEST = 2**62
_NARROW = 2_500
_COUNT_CREATED = (
    f"SELECT count(*) FROM (SELECT 1 FROM instances INDEXED BY {BY_CREATION} "  # noqa: S608
    "WHERE hub = ? AND kind = ? AND created_time >= ? AND created_time <= ? LIMIT ?)"
)


def with_inbox(db: sqlite3.Connection, hub: str, before: datetime) -> list[str]:
    """The ids of instances with an inbox row that was taken before this time."""
    statement = "SELECT DISTINCT instance_id FROM inbox WHERE hub = ? AND taken < ? ORDER BY instance_id"
    return [row[0] for row in db.execute(statement, (hub, to_micros(before)))]


def _conditions(query: InstanceQuery) -> tuple[list[str], list[Any]]:
    conditions = ["kind = ?"]
    values: list[Any] = [query.kind.value]

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    for condition, moment in (
        ("created_time >= ?", query.created_from),
        ("created_time <= ?", query.created_to),
        ("last_updated_time >= ?", query.updated_from),
        ("last_updated_time <= ?", query.updated_to),
    ):
        if moment is not None:
            add(condition, to_micros(moment))
    for column, accepted in (("runtime_status", query.runtime_status), ("name", query.names)):
        if accepted:
            add(f"{column} IN ({', '.join('?' * len(accepted))})", *accepted)
    if query.with_outbox is not None:
        add(HAS_OUTBOX if query.with_outbox else "has_outbox = 0")
    return conditions, values


def _encode_token(instance_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(["after", instance_id]).encode()).decode()


def _decode_token(token: str) -> str:
    try:
        word, instance_id = _TOKEN(shape.parse(base64.b64decode(token, altchars=b"-_", validate=True)))
    except ValueError as error:
        raise limits.unknown_token(token) from error
    if word != "after":
        raise limits.unknown_token(token)
    return instance_id


_TOKEN = shape.row(shape.text, shape.word(shape.MAX_INSTANCE_ID_CHARS))
