"""How times and headers look in the tables: microseconds since 1970, one column for each field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from azure_durable_py import shape
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.columns import body_of, header_of, read_columns
from azure_durable_py.taskhub.protocol import Columns, Header
from azure_durable_py.times import UTC

COLUMNS = (
    "kind, name, runtime_status, created_time, last_updated_time, execution_id, turn_id, generation, completed_time, "
    "custom_status, input, input_payload, output, output_payload, version, tags, parent_instance_id, wake_time, "
    "has_outbox"
)

_NAMES = COLUMNS.split(", ")
INDEXED = "kind, runtime_status, created_time, has_outbox"
"""The columns in indexes beside the ids: they tell where an instance is listed. Most changes of a header leave them."""
UNINDEXED = ", ".join(name for name in _NAMES if name not in INDEXED.split(", "))
INDEXED_OF = itemgetter(*map(_NAMES.index, INDEXED.split(", ")))
UNINDEXED_OF = itemgetter(*map(_NAMES.index, UNINDEXED.split(", ")))
"""Take from a row in the order of `COLUMNS` what is in one of these."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICROS = shape.whole(-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The microseconds from the year 1 to the year 9999."""


def to_micros(moment: datetime) -> int:
    """A time as it is stored."""
    return (moment - _EPOCH) // _MICROSECOND


def to_time(micros: Any) -> datetime:
    """A stored time.

    :raises ShapeError: it is not a time.
    """
    return _EPOCH + _MICROS(micros) * _MICROSECOND


def taken(micros: Any) -> datetime | None:
    """When storage took a row; None where that cannot be read: nothing hangs on it."""
    try:
        return to_time(micros)
    except ShapeError:
        return None


def to_text(value: Any) -> str:
    """The text of a message, whatever was put in its place."""
    return value if isinstance(value, str) else body_of(value).decode(errors="replace")


def duration(seconds: float) -> int:
    """Seconds in microseconds, never less."""
    return math.ceil(seconds * 1_000_000)


def to_row(columns: Columns) -> tuple[Any, ...]:
    """The columns in the order of `COLUMNS`."""
    return (
        columns.kind.value,
        columns.name,
        columns.runtime_status,
        to_micros(columns.created_time),
        to_micros(columns.last_updated_time),
        columns.execution_id,
        columns.turn_id,
        columns.generation,
        _optional(columns.completed_time),
        columns.custom_status,
        columns.input,
        columns.input_payload,
        columns.output,
        columns.output_payload,
        columns.version,
        columns.tags,
        columns.parent_instance_id,
        _optional(columns.wake_time),
        columns.has_outbox,
    )


def to_columns(instance_id: str, row: Sequence[Any]) -> tuple[Columns, str]:
    """The columns from a row in the order of `COLUMNS`, and what is damaged of them."""
    return read_columns(instance_id, dict(zip(_NAMES, row, strict=True)), to_time)


def to_header(instance_id: str, row: Sequence[Any] | None) -> Header | None:
    """A header from a row of ETag, body and columns.

    :raises DamagedHeaderError: its columns cannot be read.
    """
    return None if row is None else header_of(instance_id, to_columns(instance_id, row[2:]), body_of(row[1]), row[0])


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)
