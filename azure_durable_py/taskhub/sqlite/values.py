"""How times and headers look in the tables: microseconds since 1970, one column for each field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from azure_durable_py.models import UTC
from azure_durable_py.taskhub.protocol import Columns, Header, Kind

COLUMNS = (
    "kind, name, runtime_status, created_time, last_updated_time, execution_id, turn_id, generation, completed_time, "
    "custom_status, input, input_payload, output, output_payload, version, tags, parent_instance_id, wake_time, "
    "has_outbox"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """A time as it is stored."""
    return (moment - _EPOCH) // _MICROSECOND


def to_time(micros: int) -> datetime:
    """A stored time."""
    return _EPOCH + micros * _MICROSECOND


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


def to_columns(row: Sequence[Any]) -> Columns:
    """The columns from a row in the order of `COLUMNS`."""
    kind, name, status, created, updated, execution_id, turn_id, generation, completed, *texts, wake, outbox = row
    return Columns(
        Kind(kind),
        name,
        status,
        to_time(created),
        to_time(updated),
        execution_id,
        turn_id,
        generation,
        None if completed is None else to_time(completed),
        *texts,
        wake_time=None if wake is None else to_time(wake),
        has_outbox=bool(outbox),
    )


def to_header(instance_id: str, row: Sequence[Any] | None) -> Header | None:
    """A header from a row of ETag, body and columns."""
    return None if row is None else Header(instance_id, to_columns(row[2:]), row[1], row[0])


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else to_micros(moment)
