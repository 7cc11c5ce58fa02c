"""The events of an instance's history and their encoding.

Owns the vocabulary in which everything that happened to an instance is told: what came in
(completions, timers, external events, control), and what the orchestrator decided (the
`Scheduled`/`Created`/`Sent` kinds: their place in the history *is* the decision, and the
worker derives what it must hand over from them). It never decides anything itself.

Values (inputs, results, event data) are JSON text. In storage a large one is replaced by a
`PayloadRef`; the pure runtime only ever sees text or None for what it must read.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, ClassVar, TypeAlias, cast

from azure_durable_py import shape
from azure_durable_py.models import FailureDetails

MAX_CHUNKS = 2_000
"""Rows of one page or payload at most: more than the largest value takes."""

TaskId: TypeAlias = Annotated[int, shape.whole(0, 0xFFFFFFFF)]
Count: TypeAlias = Annotated[int, shape.whole(0, 0x7FFFFFFF)]
Address: TypeAlias = Annotated[str, shape.instance_id]
"""The id of an instance that answers are sent to."""


@dataclass(frozen=True, slots=True)
class PayloadRef:
    """Names a value kept in payload rows of the instance's partition. `size` is characters of JSON."""

    key: Annotated[str, shape.blob_key]
    size: Annotated[int, shape.whole(0, 256 * 1024 * 1024)]
    chunks: Annotated[int, shape.whole(1, MAX_CHUNKS)]


Value: TypeAlias = str | PayloadRef | None
"""JSON text, a reference to it, or None where no value was given at all."""


@dataclass(frozen=True, slots=True)
class ParentInstance:
    """Who started a sub-orchestration: the parent's ids and the task that awaits it.

    `sent_at` is the time of the parent's turn that decided it.
    """

    instance_id: Address
    execution_id: str
    generation: Count
    attempt: Count
    task_id: TaskId
    name: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """Root of all history events. `timestamp` is the time of the turn that wrote it."""

    timestamp: datetime


# --- the frame of turns and executions -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrchestratorStarted(Event):
    """A turn begins; replay time is this timestamp until the next one."""


@dataclass(frozen=True, slots=True)
class ExecutionStarted(Event):
    """First event of every generation."""

    name: str
    input: Value = None
    version: str | None = None
    parent: ParentInstance | None = None
    tags: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ExecutionCompleted(Event):
    """The orchestrator function returned, raised or was terminated. `status` is a runtime status name."""

    status: str
    result: Value = None
    failure: FailureDetails | None = None


@dataclass(frozen=True, slots=True)
class ContinuedAsNew(Event):
    """Last event of a generation that goes on in the next one with `input`.

    `carried` are the external events that the next generation begins with.
    """

    input: Value = None
    new_version: str | None = None
    carried: tuple[EventRaised, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionTerminated(Event):
    """Asked to stop. `reason` becomes the output. `recurse` also terminates open children."""

    reason: str | None = None
    recurse: bool = False


@dataclass(frozen=True, slots=True)
class ExecutionSuspended(Event):
    """Asked to hold: what arrives is kept, and shown to the function after `ExecutionResumed`."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class ExecutionResumed(Event):
    """Asked to go on after `ExecutionSuspended`."""

    reason: str | None = None


# --- tasks: decided by the orchestrator (id) and answered (task_id) --------------------------


@dataclass(frozen=True, slots=True)
class TaskScheduled(Event):
    """An activity call was decided."""

    id: TaskId
    name: str
    input: Value = None


@dataclass(frozen=True, slots=True)
class TaskCompleted(Event):
    """An activity returned."""

    task_id: TaskId
    result: Value = None


@dataclass(frozen=True, slots=True)
class TaskFailed(Event):
    """An activity raised."""

    task_id: TaskId
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class TimerCreated(Event):
    """`reason` says what for, where the user did not ask for it himself (a retry ...)."""

    id: TaskId
    fire_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TimerFired(Event):
    """A timer was due."""

    task_id: TaskId
    fire_at: datetime


@dataclass(frozen=True, slots=True)
class SubOrchestrationCreated(Event):
    """The start of a sub-orchestration was decided."""

    id: TaskId
    name: str
    instance_id: str
    input: Value = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class SubOrchestrationCompleted(Event):
    """A sub-orchestration returned."""

    task_id: TaskId
    result: Value = None


@dataclass(frozen=True, slots=True)
class SubOrchestrationFailed(Event):
    """A sub-orchestration failed, was terminated or could not be started."""

    task_id: TaskId
    failure: FailureDetails


# --- events between instances ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventSent(Event):
    """An external event to another orchestration was decided."""

    id: TaskId
    instance_id: str
    name: str
    data: Value = None


@dataclass(frozen=True, slots=True)
class EventRaised(Event):
    """An external event arrived."""

    name: str
    data: Value = None


# --- entities ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntityCaller:
    """Who asked an entity for something and waits for the answer: an orchestration's task."""

    instance_id: Address
    execution_id: str
    generation: Count
    attempt: Count
    task_id: TaskId


@dataclass(frozen=True, slots=True)
class EntityOperationCalled(Event):
    """A call of an entity operation was decided. `instance_id` is the entity's (@name@key).

    `section` names the critical section that it was called from: the entity lets it pass its lock.
    """

    id: TaskId
    instance_id: str
    operation: str
    input: Value = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class EntityOperationSignaled(Event):
    """A signal to an entity was decided, to be delivered now or at `signal_time`."""

    id: TaskId
    instance_id: str
    operation: str
    input: Value = None
    signal_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class EntityOperationCompleted(Event):
    """An entity operation that was called returned."""

    task_id: TaskId
    result: Value = None


@dataclass(frozen=True, slots=True)
class EntityOperationFailed(Event):
    """An entity operation that was called raised."""

    task_id: TaskId
    failure: FailureDetails


@dataclass(frozen=True, slots=True)
class EntityLockRequested(Event):
    """One entity of a critical section is asked for its lock (each in turn, sorted order)."""

    id: TaskId
    instance_id: str
    section: str


@dataclass(frozen=True, slots=True)
class EntityLockGranted(Event):
    """An entity gave its lock. `instance_id` is the entity's, so that whoever has no use for it can give it back."""

    task_id: TaskId
    instance_id: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True)
class EntityLockReleased(Event):
    """The release of one entity's lock (or of the request for it) was decided."""

    id: TaskId
    instance_id: str
    section: str


# --- what arrives at an entity -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperationArrived(Event):
    """An operation is to be run; `caller` waits for its result, a signal has none.

    `section` names the critical section that a call was made from.
    """

    operation: str
    input: Value = None
    caller: EntityCaller | None = None
    signal_time: datetime | None = None
    section: str | None = None


@dataclass(frozen=True, slots=True)
class LockRequestArrived(Event):
    """A critical section asks for the entity's lock."""

    section: str
    caller: EntityCaller


@dataclass(frozen=True, slots=True)
class LockReleaseArrived(Event):
    """A critical section gives the lock, or its place among those that wait for it, back."""

    section: str


# --- encoding ------------------------------------------------------------------------------------

_EVENTS: dict[str, type[Event]] = {
    cls.__name__: cls
    for cls in (
        OrchestratorStarted,
        ExecutionStarted,
        ExecutionCompleted,
        ContinuedAsNew,
        ExecutionTerminated,
        ExecutionSuspended,
        ExecutionResumed,
        TaskScheduled,
        TaskCompleted,
        TaskFailed,
        TimerCreated,
        TimerFired,
        SubOrchestrationCreated,
        SubOrchestrationCompleted,
        SubOrchestrationFailed,
        EventSent,
        EventRaised,
        EntityOperationCalled,
        EntityOperationSignaled,
        EntityOperationCompleted,
        EntityOperationFailed,
        EntityLockRequested,
        EntityLockGranted,
        EntityLockReleased,
        OperationArrived,
        LockRequestArrived,
        LockReleaseArrived,
    )
}


def encode_event(event: Event) -> str:
    """One event as compact JSON. Fields that hold their default are left out."""
    return json.dumps(event_to_json(event), ensure_ascii=False, separators=(",", ":"))


def decode_event(text: str) -> Event:
    """The event that `encode_event` wrote.

    :raises ShapeError: the text is not such an event.
    """
    return event_from_json(shape.parse(text))


def event_to_json(event: Event) -> dict[str, Any]:
    """One event as JSON-ready values; `type` is the name of its class."""
    return {"type": type(event).__name__, **_encode_fields(event)}


def event_from_json(data: Any) -> Event:
    """The event that `event_to_json` gave.

    :raises ShapeError: unknown type, or a field is missing, malformed or out of its bounds.
    """
    if not isinstance(data, dict):
        raise shape.refused("an event", data)
    fields = dict(cast("dict[str, Any]", data))
    kind = fields.pop("type", None)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise shape.refused("the name of an event", kind).under("type")
    return read(fields)


def encode_time(moment: datetime) -> str:
    """A UTC datetime as ISO 8601 with microseconds and a `Z`."""
    return moment.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def encode_value(value: Value) -> Any:
    """A value as JSON: text, null, or `{"key", "size", "chunks"}` for a reference."""
    return _encode_fields(value) if isinstance(value, PayloadRef) else value


def decode_value(data: Any) -> Value:
    """The value that `encode_value` gave.

    :raises ShapeError: it is none.
    """
    return data if data is None or isinstance(data, str) else _read_ref(data)


def encode_failure(failure: FailureDetails | None) -> Any:
    """A failure as JSON-ready values."""
    return None if failure is None else _encode_fields(failure)


def decode_failure(data: Any) -> FailureDetails | None:
    """The failure that `encode_failure` gave; inner failures below the hundredth are left out.

    :raises ShapeError: it is none.
    """
    levels: list[FailureDetails] = []
    while data is not None and len(levels) < MAX_FAILURE_DEPTH:
        levels.append(_read_failure(data))
        data = levels[-1].inner_failure
    failure = None
    for level in reversed(levels):
        failure = dataclasses.replace(level, inner_failure=failure)
    return failure


def encode_parent(parent: ParentInstance | None) -> Any:
    """A parent as JSON-ready values."""
    return None if parent is None else _encode_fields(parent)


def decode_parent(data: Any) -> ParentInstance | None:
    """The parent that `encode_parent` gave.

    :raises ShapeError: it is none.
    """
    return None if data is None else _read_parent(data)


def map_values(event: Event, change: Callable[[Value], Value]) -> Event:
    """The same event with `change` applied to each of its values (input, result, data, carried)."""
    replaced: dict[str, Any] = {}
    for field in value_fields(event):
        before = getattr(event, field)
        after = change(before)
        if after is not before:
            replaced[field] = after
    if isinstance(event, ContinuedAsNew) and event.carried:
        replaced["carried"] = tuple(map_values(carried, change) for carried in event.carried)
    return dataclasses.replace(event, **replaced) if replaced else event


def value_fields(event: Event) -> tuple[str, ...]:
    """The names of the fields of this event that hold values."""
    return _VALUE_FIELDS[type(event)]


def payload_refs(events: Iterable[Event]) -> Iterable[PayloadRef]:
    """Every payload reference in these events."""
    for event in events:
        for field in value_fields(event):
            value = getattr(event, field)
            if isinstance(value, PayloadRef):
                yield value
        if isinstance(event, ContinuedAsNew):
            yield from payload_refs(event.carried)


def _as_it_is(value: Any) -> Any:
    return value


def _read_carried(data: Any) -> EventRaised:
    event = event_from_json(data)
    if not isinstance(event, EventRaised):
        raise shape.refused("an external event", type(event).__name__).under("type")
    return event


def _encode_any(value: Any) -> Any:
    match value:
        case datetime():
            return encode_time(value)
        case Event():
            return event_to_json(value)
        case tuple():
            return [_encode_any(item) for item in cast("tuple[Any, ...]", value)]
        case _ if dataclasses.is_dataclass(value):
            return _encode_fields(value)
        case _:
            return value


class _Shapes:
    """Field names and defaults per class, looked up once."""

    cache: ClassVar[dict[type, tuple[tuple[str, Any], ...]]] = {}

    @classmethod
    def of(cls, kind: type) -> tuple[tuple[str, Any], ...]:
        shape = cls.cache.get(kind)
        if shape is None:
            shape = tuple((field.name, field.default) for field in dataclasses.fields(kind))
            cls.cache[kind] = shape
        return shape


def _encode_fields(value: Any) -> dict[str, Any]:
    encoded: dict[str, Any] = {}
    for name, default in _Shapes.of(cast("type[Any]", type(value))):
        content = getattr(value, name)
        if content is not default and content != default:
            encoded[name] = _encode_any(content)
    return encoded


MAX_FAILURE_DEPTH = 100
"""Inner failures that are read: whoever walks down them must get to the end."""

_read_ref = shape.record(PayloadRef)
_read_parent = shape.record(ParentInstance)
_read_failure = shape.record(FailureDetails, {FailureDetails: _as_it_is})
_READERS = {
    name: shape.record(cls, {Value: decode_value, FailureDetails: decode_failure, EventRaised: _read_carried})
    for name, cls in _EVENTS.items()
}

_VALUE_NAMES = ("input", "result", "data")
_VALUE_FIELDS: dict[type[Event], tuple[str, ...]] = {
    cls: tuple(field.name for field in dataclasses.fields(cls) if field.name in _VALUE_NAMES)
    for cls in _EVENTS.values()
}
