"""The statement that lists headers, and the token by which a listing goes on."""

from __future__ import annotations

import base64
import json
import sqlite3
from datetime import datetime
from typing import Any

from azure_durable_py import shape
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed, Page
from azure_durable_py.taskhub.sqlite.database import BY_CREATION
from azure_durable_py.taskhub.sqlite.values import COLUMNS, to_columns, to_micros

_NO_VALUES = COLUMNS.replace("custom_status, input,", "NULL, NULL,").replace("output, ", "NULL, ", 1)
_CUSTOM_STATUS = COLUMNS.replace("custom_status, input,", "custom_status, NULL,").replace("output, ", "NULL, ", 1)


def start_of(query: InstanceQuery) -> str:
    """The id after which a page begins.

    :raises InvalidRequestError: the continuation token is not one of ours.
    """
    return "" if query.continuation_token is None else _decode_token(query.continuation_token)


def list_page(db: sqlite3.Connection, hub: str, query: InstanceQuery, after: str) -> Page:
    """One page of headers in the order of their ids."""
    conditions, values = _conditions(query)
    columns = COLUMNS if query.with_values else _CUSTOM_STATUS if query.with_custom_status else _NO_VALUES
    index = f"INDEXED BY {BY_CREATION} " if _is_narrow(db, hub, query) else ""
    statement = (
        f"SELECT instance_id, {columns} FROM instances {index}WHERE hub = ? AND instance_id > ? "  # noqa: S608
        f"{''.join(f'AND {condition} ' for condition in conditions)}ORDER BY instance_id LIMIT ?"
    )
    rows = db.execute(statement, (hub, after, *values, query.page_size + 1)).fetchall()
    items = tuple(Listed(row[0], *to_columns(row[0], row[1:])) for row in rows[: query.page_size])
    more = len(rows) > query.page_size
    return Page(items, _encode_token(items[-1].instance_id) if more else None)


def _is_narrow(db: sqlite3.Connection, hub: str, query: InstanceQuery) -> bool:
    """Whether few instances were created in the time that is asked for: then they are found by that, and sorted.

    Else all are gone through in the order of their ids, and a page ends where it is full.
    """
    if query.created_from is None and query.created_to is None:
        return False
    low = 0 if query.created_from is None else to_micros(query.created_from)
    high = _LAST if query.created_to is None else to_micros(query.created_to)
    try:
        [count] = db.execute(_COUNT_CREATED, (hub, query.kind.value, low, high, _NARROW + 1)).fetchone()
    except sqlite3.OperationalError:
        return False  # There is no such index (yet).
    return count <= _NARROW


_NARROW = 2_500
_LAST = 2**62
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
    # Ids of entities, and no others, begin with '@'.
    prefix = query.instance_id_prefix or ("@" if query.kind is Kind.entity else None)
    if prefix:
        add("instance_id >= ? AND instance_id < ?", *limits.prefix_range(prefix))
    if query.with_outbox is not None:
        add("has_outbox = ?", query.with_outbox)
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
