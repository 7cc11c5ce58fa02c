"""The statements that list headers, and the token by which a listing goes on.

Theory of operation
-------------------
A listing goes through the instances along an index: in the order of ids, or of creation where a name or a time is
given; and only through those with an outbox, or of some status, where those are few. It goes in slices, since nobody
else's calls are done meanwhile: a page ends where it is full or where enough was looked at, and may be empty. The token
tells how far that was, in terms of the index, so that no page goes again through what another has gone through.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from azure_durable_py import shape
from azure_durable_py.shape import Reader, ShapeError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind, Listed, Page
from azure_durable_py.taskhub.sqlite.database import HAS_OUTBOX, IS_UNUSUAL, USUAL
from azure_durable_py.taskhub.sqlite.values import COLUMNS, to_columns, to_micros

_NO_VALUES = COLUMNS.replace("custom_status, input,", "NULL, NULL,").replace("output, ", "NULL, ", 1)
_CUSTOM_STATUS = COLUMNS.replace("custom_status, input,", "custom_status, NULL,").replace("output, ", "NULL, ", 1)
SLICE = 1_000
"""Instances that one page looks at: some milliseconds, or a tenth of a second where the disk is asked for each."""
FEW = 2_000
"""Instances of some status that are looked through whenever they were created."""

_Keys = tuple[Any, ...]
_Condition = tuple[str, tuple[Any, ...]]
"""What follows the other conditions of a statement, with the values of its parameters."""


class _Way(NamedTuple):
    """The instances with keys from `low` to `high` that meet one of some conditions, each of which has an index."""

    keys: str
    conditions: Sequence[_Condition]
    low: tuple[str, _Keys]
    high: tuple[str, _Keys]


def place_of(query: InstanceQuery) -> _Keys | None:
    """The keys after which a page begins; None: it is the first.

    :raises InvalidRequestError: the continuation token is not one of ours.
    """
    return None if query.continuation_token is None else _decode_token(query.continuation_token)


def list_page(db: sqlite3.Connection, hub: str, query: InstanceQuery, place: _Keys | None) -> Page:
    """One page of headers.

    :param place: from `place_of`.
    """
    way = _way_of(db, hub, query, place)
    end = _select(db, hub, way, (), "LIMIT 1 OFFSET ?", SLICE - 1)
    if end:
        way = way._replace(high=("<=", end[0]))
    columns = COLUMNS if query.with_values else _CUSTOM_STATUS if query.with_custom_status else _NO_VALUES
    rows = _select(db, hub, way, ("instance_id", columns), "LIMIT ?", query.page_size + 1, _criteria(query))
    at = len(way.low[1])
    items = tuple(Listed(row[at], *to_columns(row[at], row[at + 1 :])) for row in rows[: query.page_size])
    if len(rows) > query.page_size:
        end = [rows[query.page_size - 1][:at]]
    return Page(items, _encode_token(end[0]) if end else None)


def _select(
    db: sqlite3.Connection,
    hub: str,
    way: _Way,
    columns: Sequence[str],
    limit: str,
    count: int,
    criteria: _Condition = ("", ()),
) -> list[Any]:
    """The keys and columns of the next instances on a way."""
    (low, first), (high, last) = way.low, way.high
    marks = ", ".join("?" * len(first))
    within = f"hub = ? AND ({way.keys}) {low} ({marks}) AND ({way.keys}) {high} ({marks})"
    selects: list[str] = []
    values: list[Any] = []
    for condition, of_condition in way.conditions:
        found = f"SELECT {', '.join((way.keys, *columns))} FROM instances "  # noqa: S608
        selects.append(f"{found} WHERE {within}{condition}{criteria[0]}")
        values += (hub, *first, *last, *of_condition, *criteria[1])
    order = ", ".join(str(number) for number in range(1, len(first) + 1))
    return db.execute(f"{' UNION ALL '.join(selects)} ORDER BY {order} {limit}", (*values, count)).fetchall()


# --- ways --------------------------------------------------------------------------------------------


def _way_of(db: sqlite3.Connection, hub: str, query: InstanceQuery, place: _Keys | None) -> _Way:
    """The way with the fewest instances; where a listing goes on, what is left of the way on which it began."""
    conditions = _rare(query)
    if place is not None:
        is_by_time = len(place) > 1
    else:
        is_by_time = _is_choosy(query) and not query.instance_id_prefix and not _are_few(db, hub, conditions)
    way = _by_time(query) if is_by_time else _by_id(query, conditions or [("", ())])
    return way if place is None else way._replace(low=(">", place))


def _is_choosy(query: InstanceQuery) -> bool:
    """Whether few may be listed of many: these lie in the table as they were created, and are read fastest so."""
    times = (query.created_from, query.created_to, query.updated_from, query.updated_to)
    return bool(query.names) or any(moment is not None for moment in times)


def _by_id(query: InstanceQuery, conditions: Sequence[_Condition]) -> _Way:
    # Ids of entities, and no others, begin with '@'.
    prefix = query.instance_id_prefix or ("@" if query.kind is Kind.entity else None)
    low, high = limits.prefix_range(prefix) if prefix else ("", _LAST_ID)
    return _Way("instance_id", conditions, (">=", (low,)), ("<", (high,)))


def _by_time(query: InstanceQuery) -> _Way:
    low = _FIRST_TIME if query.created_from is None else to_micros(query.created_from)
    high = _LAST_TIME if query.created_to is None else to_micros(query.created_to)
    of_kind = (" AND kind = ?", (query.kind.value,))
    return _Way("created_time, rowid", [of_kind], (">=", (low, _FIRST_TIME)), ("<=", (high, _LAST_TIME)))


def _rare(query: InstanceQuery) -> list[_Condition]:
    """Conditions that few instances meet, each with an index of them in the order of ids; none: many may be listed."""
    if query.with_outbox:
        return [(f" AND kind = ? AND {HAS_OUTBOX}", (query.kind.value,))]
    if query.kind is Kind.entity or not query.runtime_status or USUAL in query.runtime_status:
        return []
    # One for each status: those of one condition for all would have to be sorted.
    return [(f" AND {IS_UNUSUAL} AND runtime_status = ?", (status,)) for status in sorted(set(query.runtime_status))]


def _are_few(db: sqlite3.Connection, hub: str, conditions: Sequence[_Condition]) -> bool:
    if not conditions:
        return False
    way = _Way("instance_id", conditions, (">=", ("",)), ("<", (_LAST_ID,)))
    return not _select(db, hub, way, (), "LIMIT 1 OFFSET ?", FEW)


_LAST_ID = limits.prefix_range("\U0010ffff")[1]
_FIRST_TIME, _LAST_TIME = -(2**63), 2**63 - 1


def _criteria(query: InstanceQuery) -> _Condition:
    """What must be true of an instance that is listed, beside its id."""
    conditions = [" AND kind = ?"]
    values: list[Any] = [query.kind.value]
    for condition, moment in (
        ("created_time >= ?", query.created_from),
        ("created_time <= ?", query.created_to),
        ("last_updated_time >= ?", query.updated_from),
        ("last_updated_time <= ?", query.updated_to),
    ):
        if moment is not None:
            conditions.append(condition)
            values.append(to_micros(moment))
    for column, accepted in (("runtime_status", query.runtime_status), ("name", query.names)):
        if accepted:
            conditions.append(f"{column} IN ({', '.join('?' * len(accepted))})")
            values += accepted
    if query.with_outbox is not None:
        conditions.append(HAS_OUTBOX if query.with_outbox else "has_outbox = 0")
    return " AND ".join(conditions), tuple(values)


# --- tokens ------------------------------------------------------------------------------------------


def _encode_token(keys: _Keys) -> str:
    return base64.urlsafe_b64encode(json.dumps(["after", *keys]).encode()).decode()


def _decode_token(token: str) -> _Keys:
    try:
        word, *keys = _TOKEN(shape.parse(base64.b64decode(token, altchars=b"-_", validate=True)))
    except ValueError as error:
        raise limits.unknown_token(token) from error
    if word != "after":
        raise limits.unknown_token(token)
    return tuple(keys)


def _one_of(first: Reader[_Keys], second: Reader[_Keys]) -> Reader[_Keys]:
    def read(value: Any) -> _Keys:
        try:
            return first(value)
        except ShapeError:
            return second(value)

    return read


_NUMBER = shape.whole(_FIRST_TIME, _LAST_TIME)
_TOKEN = _one_of(
    shape.row(shape.text, shape.word(shape.MAX_INSTANCE_ID_CHARS)), shape.row(shape.text, _NUMBER, _NUMBER)
)


# --- inboxes -----------------------------------------------------------------------------------------


def with_inbox(db: sqlite3.Connection, hub: str, before: datetime) -> list[str]:
    """The ids of instances with an inbox row that was taken before this time."""
    statement = "SELECT DISTINCT instance_id FROM inbox WHERE hub = ? AND taken < ? ORDER BY instance_id"
    return [row[0] for row in db.execute(statement, (hub, to_micros(before)))]
