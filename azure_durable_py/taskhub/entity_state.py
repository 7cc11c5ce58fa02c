"""What a header holds of an entity, beside its state: lock, backlog, scheduled signals.

Owns `EntityState`, its encoding, and the summary that listings show. The state itself, JSON text, is
the header's output column. It holds no behaviour of operations.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from azure_durable_py import shape
from azure_durable_py.history.events import MAX_CHUNKS
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, Header, Kind
from azure_durable_py.taskhub.state import InstanceState, PageRef
from azure_durable_py.times import to_iso
from azure_durable_py.trace_context import TraceContext

EXISTS = "Running"
"""Runtime status of an entity that has a state."""
EMPTY = "Pending"
"""Runtime status of an entity without a state: its header only remembers what it has taken."""
MOST_TRACES = 50
"""Of how many kept events the spans are remembered: all of those are in the header."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """The critical section that holds an entity's lock, and the execution that it belongs to."""

    section: str
    instance_id: str
    execution_id: str
    since: datetime


@dataclass(slots=True)
class EntityState:
    """What an entity remembers between turns.

    What arrives while another section holds the lock is the backlog, in order: `front`, then the
    sealed `pages`, then `tail` (encoded events). `waiters` are the sections in the backlog that wait
    for the lock, with their instance ids. `scheduled` are signals to come, by timer id. `traces` are the spans that
    asked for what is kept, by `trace_key` of its text; not of more than `MOST_TRACES`.
    """

    last_operation: datetime | None = None
    holder: LockHolder | None = None
    waiters: dict[str, str] = field(default_factory=lambda: {})
    front: list[str] = field(default_factory=lambda: [])
    pages: list[PageRef] = field(default_factory=lambda: [])
    tail: list[str] = field(default_factory=lambda: [])
    scheduled: dict[int, str] = field(default_factory=lambda: {})
    traces: dict[str, TraceContext] = field(default_factory=lambda: {})

    def keep_trace(self, text: str, trace: TraceContext | None) -> None:
        """Remember which span asked for an event that is kept."""
        if trace is not None and len(self.traces) < MOST_TRACES:
            self.traces[trace_key(text)] = trace

    def take_trace(self, text: str) -> TraceContext | None:
        """The span that asked for an event that is kept no longer, if it is known."""
        return self.traces.pop(trace_key(text), None) if self.traces else None

    @property
    def backlog_size(self) -> int:
        """How many requests are held back."""
        return len(self.front) + sum(page.events for page in self.pages) + len(self.tail)

    @property
    def is_runnable(self) -> bool:
        """Whether requests that were held back can run now."""
        return self.holder is None and bool(self.front or self.pages or self.tail)

    @property
    def is_idle(self) -> bool:
        """Whether nobody holds or waits for anything."""
        return self.holder is None and not self.waiters and not self.backlog_size and not self.scheduled

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready values for the header."""
        holder = self.holder
        fields = {
            "last": _time(self.last_operation),
            "holder": None
            if holder is None
            else [holder.section, holder.instance_id, holder.execution_id, to_iso(holder.since)],
            "waiters": self.waiters,
            "front": self.front,
            "pages": [[page.key, page.chunks, page.events] for page in self.pages],
            "tail": self.tail,
            "scheduled": [list(item) for item in self.scheduled.items()],
            "traces": {key: trace.encode() for key, trace in self.traces.items()},
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def of(cls, state: InstanceState) -> EntityState:
        """The entity in a header's state; empty where there is none yet.

        :raises CorruptRowError: it cannot be read.
        """
        try:
            data = Fields(state.entity or {})
            return cls(
                last_operation=data.get("last", _MOMENT, None),
                holder=data.get("holder", _holder, None),
                waiters=data.get("waiters", shape.mapping(shape.text, shape.instance_id), {}),
                front=data.get("front", _TEXTS, []),
                pages=[PageRef(*page) for page in data.get("pages", shape.items(_PAGE), [])],
                tail=data.get("tail", _TEXTS, []),
                scheduled=dict(data.get("scheduled", shape.items(shape.row(_NUMBER, shape.text)), [])),
                traces={key: trace for key, trace in data.get("traces", _TRACES, {}).items() if trace is not None},
            )
        except ShapeError as error:
            raise CorruptRowError(f"the entity in a header cannot be read: {error}") from error


def is_runnable(state: InstanceState) -> bool:
    """Whether requests that an entity held back can run now."""
    data = state.entity or {}
    return "holder" not in data and any(name in data for name in ("front", "pages", "tail"))


def trace_key(text: str) -> str:
    """What stands for a kept event beside it: events of a version before have no place for their trace."""
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_iso(moment)


def _holder(data: Any) -> LockHolder | None:
    return None if data is None else LockHolder(*_HOLDER_ROW(data))


_NUMBER = shape.whole(0, shape.LARGEST)
_CHUNKS = shape.whole(1, MAX_CHUNKS)
_TEXTS = shape.items(shape.text)
_MOMENT = shape.optional(shape.time)
_HOLDER_ROW = shape.row(shape.text, shape.instance_id, shape.text, shape.time)
_PAGE = shape.row(shape.blob_key, _CHUNKS, _NUMBER)
_TRACES = shape.mapping(shape.text, TraceContext.decode)
_SUMMARY = shape.row(_MOMENT, _NUMBER, shape.optional(shape.text))


# --- headers ---------------------------------------------------------------------------------------


def is_entity(instance_id: str) -> bool:
    """Whether an instance id is that of an entity."""
    return instance_id.startswith("@")


def is_vain(header: Header, state: InstanceState) -> bool:
    """Whether an entity has no state, and nothing to do or to send."""
    return (
        header.columns.runtime_status == EMPTY
        and not state.has_sends
        and state.arming is None
        and not state.sender_pages
        and EntityState.of(state).is_idle
    )


def new_entity_header(instance_id: str, execution_id: str, now: datetime) -> tuple[Header, InstanceState]:
    """The header of an entity that nobody has talked to yet; not written."""
    state = InstanceState(execution_id=execution_id, turn_time=now)
    columns = Columns(
        kind=Kind.entity,
        name=instance_id.split("@", 2)[1],
        runtime_status=EMPTY,
        created_time=now,
        last_updated_time=now,
        execution_id=execution_id,
        turn_id="",
    )
    return Header(instance_id, columns, b""), state


@dataclass(frozen=True, slots=True)
class Summary:
    """What a listing shows of an entity. `locked_by` is the instance id of the orchestration that holds its lock."""

    last_operation: datetime | None = None
    backlog_size: int = 0
    locked_by: str | None = None

    @classmethod
    def of(cls, entity: EntityState) -> Summary:
        """The summary of an entity."""
        return cls(entity.last_operation, entity.backlog_size, entity.holder.instance_id if entity.holder else None)

    def encode(self) -> str:
        """As the text of the custom status column."""
        return json.dumps([_time(self.last_operation), self.backlog_size, self.locked_by], ensure_ascii=False)

    @classmethod
    def decode(cls, text: str | None) -> Summary:
        """The summary that `encode` wrote.

        :raises CorruptRowError: it is damaged.
        """
        if text is None:
            return cls()
        try:
            return cls(*_SUMMARY(shape.parse(text)))
        except ShapeError as error:
            raise CorruptRowError(f"the summary of an entity cannot be read: {error}") from error
