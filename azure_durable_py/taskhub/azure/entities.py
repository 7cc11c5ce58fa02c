"""Entities of a table: requests about them, and their form in JSON.

Owns `TableWire` and OData's JSON, of which a row has the types that our columns are of. Every answer is asked for with
types, so that what another tool put into a column is seen for what it is.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote

from azure_durable_py.taskhub.azure import batches
from azure_durable_py.taskhub.azure.answers import NoAnswerError
from azure_durable_py.taskhub.azure.batches import RowChange
from azure_durable_py.taskhub.azure.wire import Wire
from azure_durable_py.times import UTC, to_iso

Row = dict[str, Any]
"""Columns by name. One that is read has its ETag and its time as texts beside them."""
HEADERS = {"Accept": "application/json;odata=minimalmetadata", "DataServiceVersion": "3.0"}
"""What every request to the service has."""
ETAG = "odata.etag"
TIMESTAMP = "Timestamp"

_TYPE = "@odata.type"
_WRITING = {"Content-Type": "application/json"}
# Else an insert is answered with the whole of what was inserted.
_INSERTING = {**_WRITING, "Prefer": "return-no-content"}
_JSON_TYPES = frozenset({"Edm.String", "Edm.Boolean", "Edm.Int32"})
_KEYS = ("PartitionKey", "RowKey")
_KEY_SAFE = "$@:~!'"
_compact = json.JSONEncoder(separators=(",", ":")).encode


# --- changes ---------------------------------------------------------------------------------------


class TableWire:
    """The requests about the entities of one table."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._path = f"/{name}"

    def insert(self, row: Row) -> RowChange:
        """Insert a row; 409 if it exists."""
        return RowChange("POST", self._path, _INSERTING, encode(row))

    def replace(self, row: Row, etag: str | None = None) -> RowChange:
        """Replace a row with this ETag; without one, insert or replace it."""
        path = self._entity(row["PartitionKey"], row["RowKey"])
        return RowChange("PUT", path, {**_WRITING, "If-Match": etag} if etag is not None else _WRITING, encode(row))

    def delete(self, partition: str, key: str, etag: str = "*") -> RowChange:
        """Delete a row, with this ETag or whatever it is; 404 if there is none."""
        return RowChange("DELETE", self._entity(partition, key), {"If-Match": etag})

    async def apply(self, changes: Sequence[RowChange]) -> str:
        """Make changes of one partition, all or none; returns the ETag of the first ('' when that was deleted).

        :raises RefusalError: with the index of a change if it was one of several.
        """
        if len(changes) == 1:
            # Half the cost of a transaction.
            [change] = changes
            answer = await self._wire.send(change.method, change.path, None, change.headers, change.body)
            return "" if change.method == "DELETE" else answer.header("ETag")
        request = batches.encode(self._wire.uri, changes, HEADERS)
        answer = await self._wire.send("POST", "/$batch", None, batches.HEADERS, request)
        [first, *_] = batches.etags(answer.body, len(changes))
        if first is None and changes[0].method != "DELETE":
            raise NoAnswerError("an answer without ETag")
        return first or ""

    def _entity(self, partition: str, key: str) -> str:
        return f"{self._path}(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(key)}')"

    # --- reads -----------------------------------------------------------------------------------

    async def read(self, partition: str, key: str) -> Row:
        """A row; 404 if there is none."""
        answer = await self._wire.send("GET", self._entity(partition, key))
        [row] = _rows([_json(answer.body)], _KEYS)
        row[ETAG] = answer.header("ETag")
        return row

    async def page(
        self, condition: str, size: int, select: Sequence[str] = (), token: Mapping[str, str | None] | None = None
    ) -> tuple[list[Row], dict[str, str | None] | None]:
        """One response to a query, and the token for the next.

        :param condition: in OData's language.
        :param size: most rows of the response.
        :param select: columns, if not all.
        """
        query = {"$top": str(size)}
        if select:
            query["$select"] = ",".join(select)
        query["$filter"] = condition
        for name, value in (token or {}).items():
            if value is not None:
                query[f"Next{name}"] = value
        answer = await self._wire.send("GET", f"{self._path}()", query)
        found = _json(answer.body)
        if not isinstance(found, dict):
            raise NoAnswerError("an answer that is no page of rows")
        following = {name: answer.headers.get(f"x-ms-continuation-Next{name}") for name in _KEYS}
        needed = [name for name in _KEYS if name in select] if select else (*_KEYS, ETAG)
        rows = _rows(cast("Row", found).get("value"), needed)
        return rows, following if following["PartitionKey"] else None


def _quoted(key: str) -> str:
    return quote(key.replace("'", "''"), safe=_KEY_SAFE)


# --- JSON ------------------------------------------------------------------------------------------


def encode(row: Row) -> bytes:
    """A row as it is sent: its columns are texts, truth values, 32-bit numbers, times and bytes."""
    columns: Row = {}
    for name, value in row.items():
        if isinstance(value, bytes):
            columns[name + _TYPE] = "Edm.Binary"
            columns[name] = base64.b64encode(value).decode()
        elif isinstance(value, datetime):
            columns[name + _TYPE] = "Edm.DateTime"
            columns[name] = to_iso(value)
        else:
            columns[name] = value
    return _compact(columns).encode()


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"an answer that is no JSON: {error}") from None


def _rows(found: Any, needed: Sequence[str]) -> list[Row]:
    if not isinstance(found, list):
        raise NoAnswerError("an answer without rows")
    for row in cast("list[Any]", found):
        if not isinstance(row, dict):
            raise NoAnswerError("a row that is no object")
        for name in needed:
            if not isinstance(cast("Row", row).get(name), str):
                raise NoAnswerError(f"a row without {name}")
        _type_columns(cast("Row", row))
    return cast("list[Row]", found)


def _type_columns(row: Row) -> None:
    for name in [name for name in row if name.endswith(_TYPE)]:
        column, kind = name[: -len(_TYPE)], row.pop(name)
        if column in row:
            row[column] = _typed(kind, row[column])


def _typed(kind: Any, value: Any) -> Any:
    """A value of a type that JSON does not have; of one that no column of ours has, something that fits none."""
    if kind in _JSON_TYPES:
        return value
    try:
        if kind == "Edm.Binary" and isinstance(value, str):
            return base64.b64decode(value)
        if kind == "Edm.DateTime" and isinstance(value, str):
            return time_of(value)
    except ValueError:
        pass
    return (kind, value)


def time_of(text: str) -> datetime:
    """A time as the service writes it: UTC, with up to seven digits of a second's fraction, of which six count.

    :raises ValueError: it is none.
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    if text[-1:] != "Z":
        raise ValueError(text)
    # Python 3.10 reads fractions of six digits only.
    return datetime.fromisoformat(f"{whole}.{fraction:0<6.6}").replace(tzinfo=UTC)
