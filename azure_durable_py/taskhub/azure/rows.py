"""Rows of the hub's table: keys, columns, bodies.

Owns the names of columns and the escaping of instance ids. A body is split over binary
properties, since a property holds at most 64 KiB.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from azure_durable_py import shape
from azure_durable_py.taskhub import columns
from azure_durable_py.taskhub.azure.entities import ETAG, TIMESTAMP, Row, time_of
from azure_durable_py.taskhub.limits import prefix_range
from azure_durable_py.taskhub.naming import HEADER_KEY, INBOX_PREFIX, KEYRING_KEY, MARKER_PARTITION
from azure_durable_py.taskhub.protocol import BlobRow, Columns, Header, InboxRow, Listed, StoredKeys
from azure_durable_py.times import UTC

_PROPERTY_BYTES = 65_536
_MAX_PARTITION_CHARS = 400
_UNSAFE = re.compile(r"[^A-Za-z0-9._@:-]")
_ESCAPE = re.compile(rb"~([0-9A-F]{2})")
_HASHED = "~."

# --- keys --------------------------------------------------------------------------------------------


def partition_key(instance_id: str) -> str:
    """The PartitionKey of an instance.

    Every character outside a safe set becomes `~XX` per UTF-8 byte, so that the key of a prefix is a
    prefix of the key. A key beyond 400 characters is cut there and ends in a hash of the id.
    """
    escaped = _escape(instance_id)
    if len(escaped) <= _MAX_PARTITION_CHARS:
        return escaped
    digest = hashlib.blake2b(instance_id.encode(), digest_size=16).hexdigest()
    return f"{escaped[:_MAX_PARTITION_CHARS]}{_HASHED}{digest}"


def partition_range(instance_id_prefix: str) -> tuple[str, str]:
    """Bounds of the PartitionKeys of all ids with this prefix (a few others may lie between)."""
    return prefix_range(_escape(instance_id_prefix)[:_MAX_PARTITION_CHARS])


def _escape(text: str) -> str:
    return _UNSAFE.sub(lambda match: "".join(f"~{byte:02X}" for byte in match[0].encode()), text)


def is_shortened(partition: str) -> bool:
    """Whether a PartitionKey holds a part of the instance id only."""
    return _HASHED in partition


def instance_id_of(row: Mapping[str, Any]) -> str:
    """The id behind a key; where the key is shortened, the row of the header tells it. Else something to show."""
    key: str = row["PartitionKey"]
    if is_shortened(key):
        found = row.get("InstanceId")
        return found if isinstance(found, str) else key
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()), key.encode()).decode(errors="replace")


# --- headers -----------------------------------------------------------------------------------------

_COLUMNS = {
    "Kind": "kind",
    "Name": "name",
    "RuntimeStatus": "runtime_status",
    "CreatedTime": "created_time",
    "LastUpdatedTime": "last_updated_time",
    "ExecutionId": "execution_id",
    "TurnId": "turn_id",
    "Generation": "generation",
    "CompletedTime": "completed_time",
    "CustomStatus": "custom_status",
    "Input": "input",
    "InputPayload": "input_payload",
    "Output": "output",
    "OutputPayload": "output_payload",
    "Version": "version",
    "Tags": "tags",
    "ParentInstanceId": "parent_instance_id",
    "WakeTime": "wake_time",
    "HasOutbox": "has_outbox",
}
VALUE_COLUMNS = frozenset({"CustomStatus", "Input", "Output"})
LISTED = ("PartitionKey", "RowKey", "InstanceId", *_COLUMNS)


def header_row(header: Header) -> Row:
    """The row of a header."""
    row: Row = {"PartitionKey": partition_key(header.instance_id), "RowKey": HEADER_KEY}
    if _HASHED in row["PartitionKey"]:
        row["InstanceId"] = header.instance_id
    for name, attribute in _COLUMNS.items():
        value = getattr(header.columns, attribute)
        if value is not None:
            row[name] = value
    row["Kind"] = header.columns.kind.value
    return row | _split(header.body)


def header_of(instance_id: str, row: Mapping[str, Any]) -> Header:
    """The header that a row holds.

    :raises DamagedHeaderError: columns are missing or damaged.
    """
    return columns.header_of(instance_id, _columns_of(instance_id, row), _join(row), row[ETAG])


def listed_of(row: Mapping[str, Any]) -> Listed:
    """The entry of a listing for the selected columns of a header."""
    instance_id = instance_id_of(row)
    return Listed(instance_id, *_columns_of(instance_id, row))


def _columns_of(instance_id: str, row: Mapping[str, Any]) -> tuple[Columns, str]:
    return columns.read_columns(instance_id, {attribute: row.get(name) for name, attribute in _COLUMNS.items()}, _time)


def _time(value: Any) -> datetime:
    """:raises ShapeError: it is not a time."""
    if not isinstance(value, datetime):
        raise shape.refused("a time", value)
    return value


# --- other rows ----------------------------------------------------------------------------------------


def inbox_row(instance_id: str, row: InboxRow) -> Row:
    """The row of an inbox event."""
    return {"PartitionKey": partition_key(instance_id), "RowKey": INBOX_PREFIX + row.key, **_split(row.body)}


def inbox_of(row: Mapping[str, Any]) -> InboxRow:
    """The inbox event that a row holds."""
    return InboxRow(row["RowKey"][len(INBOX_PREFIX) :], _join(row), _timestamp(row))


def blob_row(instance_id: str, row: BlobRow) -> Row:
    """The row of a history page or payload chunk."""
    return {"PartitionKey": partition_key(instance_id), "RowKey": row.key, **_split(row.body)}


def blob_of(row: Mapping[str, Any]) -> BlobRow:
    """The history page or payload chunk that a row holds."""
    return BlobRow(row["RowKey"], _join(row), _timestamp(row))


def keys_row(body: bytes) -> Row:
    """The row of the keys of the hub."""
    return {"PartitionKey": MARKER_PARTITION, "RowKey": KEYRING_KEY, **_split(body)}


def keys_of(row: Mapping[str, Any]) -> StoredKeys:
    """The keys of the hub that a row holds."""
    return StoredKeys(_join(row), row[ETAG])


def taken_at(row: Mapping[str, Any]) -> datetime:
    """When storage took a row."""
    return _timestamp(row) or datetime.now(UTC)


def _timestamp(row: Mapping[str, Any]) -> datetime | None:
    try:
        return time_of(row[TIMESTAMP])
    except (KeyError, ValueError):
        return None


def _split(body: bytes) -> Row:
    return {
        f"B{number:02d}": body[start : start + _PROPERTY_BYTES]
        for number, start in enumerate(range(0, len(body), _PROPERTY_BYTES))
    }


def _join(row: Mapping[str, Any]) -> bytes:
    parts: list[bytes] = []
    while (part := row.get(f"B{len(parts):02d}")) is not None:
        parts.append(columns.body_of(part))
    return parts[0] if len(parts) == 1 else b"".join(parts)
