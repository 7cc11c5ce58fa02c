"""What the entity of a schedule remembers, and its JSON form.

Owns data only. The form is stored: a field that is added needs a default.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from azure_durable_py import shape
from azure_durable_py.schedules.definition import ScheduleDefinition
from azure_durable_py.times import to_iso


@dataclass(frozen=True, slots=True)
class ScheduledRun:
    """A run that is under way: its instance, since when, and the instance that waits for its end."""

    instance_id: str
    watcher: str
    since: datetime


@dataclass(slots=True)
class ScheduleState:
    """A schedule.

    :param anchor: from when intervals are counted.
    :param next_run_at: the next occurrence; None: there is none any more.
    :param wakes: when signals to itself are on their way for.
    :param waiting: the occurrence that begins when the runs under way have ended.
    :param looked_at: when it was last looked whether they have.
    """

    definition: Annotated[ScheduleDefinition, ScheduleDefinition.from_json]
    created_at: datetime
    modified_at: datetime
    anchor: datetime
    next_run_at: datetime | None = None
    is_paused: bool = False
    paused_reason: str | None = None
    wakes: tuple[datetime, ...] = ()
    runs: int = 0
    missed: int = 0
    skipped: int = 0
    last_run_at: datetime | None = None
    last_instance_id: str | None = None
    running: tuple[ScheduledRun, ...] = ()
    waiting: datetime | None = None
    looked_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        found = {name: _plain(getattr(self, name)) for name in _NAMES}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_json(cls, data: Any) -> ScheduleState:
        """The state that plain JSON values stand for.

        :raises ShapeError: they stand for none.
        """
        return _read(data)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_iso(value)
    if isinstance(value, ScheduleDefinition):
        return value.to_json()
    if isinstance(value, ScheduledRun):
        return {"instance_id": value.instance_id, "watcher": value.watcher, "since": to_iso(value.since)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownVariableType]


_NAMES = [item.name for item in dataclasses.fields(ScheduleState)]
_read = shape.record(ScheduleState)
