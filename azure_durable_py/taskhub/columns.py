"""The columns of a header as a store found them, read against their shape.

Owns that shape, and what is made of a header that does not fit it: the columns that can be read, and the
reason why the rest cannot. Everybody who loads such a header is told by an error; whoever looks after
damaged instances finds in the error what there is to work with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

from azure_durable_py import shape
from azure_durable_py.history.codec import decode_value
from azure_durable_py.history.events import PayloadRef
from azure_durable_py.shape import Reader, ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.payloads import check_version
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, Header, Kind
from azure_durable_py.taskhub.upgrades import Record
from azure_durable_py.times import UTC

UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for a time that cannot be read."""

_STATUSES = frozenset(status.value for status in OrchestrationRuntimeStatus)


class DamagedHeaderError(CorruptRowError):
    """The columns of a header cannot be read.

    `header` is what could be; a column that could not holds nothing. `reason` names those columns.
    """

    def __init__(self, header: Header, reason: str) -> None:
        super().__init__(f"The header of instance {header.instance_id!r} is damaged: {reason}.")
        self.header = header
        self.reason = reason


def read_columns(instance_id: str, found: Mapping[str, Any], time: Reader[datetime]) -> tuple[Columns, str]:
    """The columns of a header, and why some of them cannot be read (empty if all can).

    :param found: what is stored, by the names of `Columns`.
    :param time: reads what this store keeps as a time.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, reader in _readers(time).items():
        try:
            values[name] = reader(found.get(name))
        except ShapeError as error:
            values[name] = _missing(name, instance_id)
            problems.append(f"{name}: {error}")
    return Columns(**values), "; ".join(problems)


def header_of(instance_id: str, found: tuple[Columns, str], body: bytes, etag: str) -> Header:
    """A header as it was loaded.

    :raises DamagedHeaderError: some of its columns cannot be read.
    :raises NewerFormatError: nor need they be: it is of a version to come.
    """
    columns, reason = found
    header = Header(instance_id, columns, body, etag)
    if reason:
        check_version(body, Record.header)
        raise DamagedHeaderError(header, reason)
    return header


def body_of(value: Any) -> bytes:
    """A body as bytes, whatever was put in its place: its reader finds out what it is."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else repr(value)).encode("utf-8", "surrogatepass")


def _missing(name: str, instance_id: str) -> Any:
    match name:
        case "kind":
            return Kind.entity if instance_id.startswith("@") else Kind.orchestration
        case "name" | "runtime_status" | "execution_id" | "turn_id":
            return ""
        case "created_time" | "last_updated_time":
            return UNKNOWN_TIME
        case "generation":
            return 0
        case "has_outbox":
            return False
        case _:
            return None


# --- the shape -------------------------------------------------------------------------------------


def _readers(time: Reader[datetime]) -> dict[str, Reader[Any]]:
    readers = _CACHE.get(time)
    if readers is None:
        readers = {**_READERS, **dict.fromkeys(_TIMES, time), **dict.fromkeys(_LATE_TIMES, shape.optional(time))}
        assert set(readers) == {field.name for field in fields(Columns)}
        _CACHE[time] = readers
    return readers


def _one_of(names: frozenset[str], what: str) -> Reader[str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise shape.refused(what, value)
        return value

    return read


def _kind(value: Any) -> Kind:
    return Kind(_one_of(frozenset(Kind), "a kind of instance")(value))


def _truth(value: Any) -> bool:
    # A row that a query tells no column of has no outbox; SQLite has no truth values.
    if value not in (None, 0, 1, False, True):
        raise shape.refused("true or false", value)
    return bool(value)


def _tags(value: Any) -> str:
    shape.mapping(shape.text, shape.text)(shape.parse(_TEXT(value)))
    return value


def _reference(value: Any) -> str:
    if not isinstance(decode_value(shape.parse(_TEXT(value))), PayloadRef):
        raise shape.refused("a reference to a payload", value)
    return value


_TEXT = shape.word(32_768, least=0)
_OPTIONAL_TEXT = shape.optional(_TEXT)
_TIMES = ("created_time", "last_updated_time")
_LATE_TIMES = ("completed_time", "wake_time")
_CACHE: dict[Callable[[Any], datetime], dict[str, Reader[Any]]] = {}
_READERS: dict[str, Reader[Any]] = {
    "kind": _kind,
    "name": _TEXT,
    "runtime_status": _one_of(_STATUSES, "a runtime status"),
    "execution_id": _TEXT,
    "turn_id": _TEXT,
    "generation": shape.whole(0, 0x7FFFFFFF),
    "custom_status": _OPTIONAL_TEXT,
    "input": _OPTIONAL_TEXT,
    "input_payload": shape.optional(_reference),
    "output": _OPTIONAL_TEXT,
    "output_payload": shape.optional(_reference),
    "version": _OPTIONAL_TEXT,
    "tags": shape.optional(_tags),
    "parent_instance_id": _OPTIONAL_TEXT,
    "has_outbox": _truth,
}
