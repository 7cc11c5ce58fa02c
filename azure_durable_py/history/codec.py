"""Events as JSON, and back. What is read is checked field by field: storage is not trusted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast, get_args

from azure_durable_py import shape
from azure_durable_py.compact_json import compact_encoder
from azure_durable_py.errors import LONGEST_WAIT
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityLockGranted,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
    OrchestratorStarted,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskId,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    Value,
)
from azure_durable_py.shape import ShapeError
from azure_durable_py.times import to_iso

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
        ExecutionRewound,
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
    head, fields = _WRITERS[type(event)]
    text = head
    for lead, name, default in fields:
        content: object = getattr(event, name)
        if content is not default and content != default:
            text += lead + _TEXTS.get(type(content), _to_text_of_any)(content)
    return text + "}"


def decode_event(text: str) -> Event:
    """The event that `encode_event` wrote.

    :raises ShapeError: the text is not such an event.
    """
    return event_from_json(shape.parse(text))


def decode_events(texts: Sequence[str]) -> list[Event]:
    """The events of many texts that `encode_event` wrote.

    :raises ShapeError: one of them is not such a text.
    """
    # One text is parsed in two thirds of the time of many.
    try:
        found = shape.parse(f"[{','.join(texts)}]")
    except ShapeError:
        found = None
    if not isinstance(found, list) or len(cast("list[Any]", found)) != len(texts):
        return [decode_event(text) for text in texts]  # One of them is refused.
    return list(map(event_from_json, cast("list[Any]", found)))


def event_to_json(event: Event) -> dict[str, Any]:
    """One event as JSON-ready values; `type` is the name of its class."""
    return {"type": type(event).__name__, **_encode_fields(event)}


def event_from_json(data: Any) -> Event:
    """The event that `event_to_json` gave.

    :raises ShapeError: unknown type, or a field is missing, malformed or out of its bounds.
    """
    if not isinstance(data, dict):
        raise shape.refused("an event", data)
    fields = cast("dict[str, Any]", data)
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _READERS:
        raise shape.refused("the name of an event", kind).under("type")
    if kind in _AT_ONCE:
        try:
            event = _AT_ONCE[kind](fields)
        except (KeyError, ShapeError):
            event = None  # The reader of all fields says what is wrong, or that one is left out.
        if event is not None:
            return event
    return _READERS[kind]({name: content for name, content in fields.items() if name != "type"})


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


def may_refer_to_rows(text: str) -> bool:
    """Whether an encoded event may hold a reference. No is certain, so that most events need no decoding to know."""
    return _IN_EVERY_REFERENCE in text


def is_encoded(text: str, kind: type[Event]) -> bool:
    """Whether an encoded event is of this kind, without decoding it."""
    return text.startswith(f'{{"type":"{kind.__name__}"')


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
    if type(value) in _PLAIN:
        return value
    match value:
        case datetime():
            return to_iso(value)
        case timedelta():
            return value.total_seconds()
        case Event():
            return event_to_json(value)
        case tuple():
            return [_encode_any(item) for item in cast("tuple[Any, ...]", value)]
        case _ if dataclasses.is_dataclass(value):
            return _encode_fields(value)
        case _:
            return value


# --- the events that histories are made of -------------------------------------------------------------
#
# Nearly all events of a long history are of these few kinds, and have all of their fields. Read at once they take a
# fifth of the time that they take field by field. None: something is left out, or there is more than that.


def _read_turn(fields: dict[str, Any]) -> Event | None:
    return OrchestratorStarted(shape.time(fields["timestamp"])) if len(fields) == 2 else None


def _read_scheduled(fields: dict[str, Any]) -> Event | None:
    if len(fields) != 5:
        return None
    name, value = fields["name"], fields["input"]
    if type(name) is not str or type(value) is not str:
        return None
    return TaskScheduled(shape.time(fields["timestamp"]), _task_id(fields["id"]), name, value)


def _read_completed(fields: dict[str, Any]) -> Event | None:
    value = fields["result"]
    if len(fields) != 4 or type(value) is not str:
        return None
    return TaskCompleted(shape.time(fields["timestamp"]), _task_id(fields["task_id"]), value)


def _read_timer(fields: dict[str, Any]) -> Event | None:
    if len(fields) != 4:
        return None
    return TimerCreated(shape.time(fields["timestamp"]), _task_id(fields["id"]), shape.time(fields["fire_at"]))


def _read_fired(fields: dict[str, Any]) -> Event | None:
    if len(fields) != 4:
        return None
    return TimerFired(shape.time(fields["timestamp"]), _task_id(fields["task_id"]), shape.time(fields["fire_at"]))


def _read_raised(fields: dict[str, Any]) -> Event | None:
    if len(fields) != 4:
        return None
    return EventRaised(shape.time(fields["timestamp"]), shape.text(fields["name"]), decode_value(fields["data"]))


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


def _to_text_of_any(value: Any) -> str:
    return _to_text(_encode_any(value))


def _to_text_of_time(value: datetime) -> str:
    return f'"{to_iso(value)}"'


def _writer(cls: type[Event]) -> tuple[str, list[tuple[str, str, Any]]]:
    """How an event begins, and how each of its fields does, with the name and the default."""
    return f'{{"type":"{cls.__name__}"', [(f',"{name}":', name, default) for name, default in _Shapes.of(cls)]


_PLAIN = frozenset({str, int, bool, type(None)})
_to_text = compact_encoder()
_TEXTS: dict[type, Callable[[Any], str]] = {str: _to_text, int: int.__repr__, datetime: _to_text_of_time}
_WRITERS = {cls: _writer(cls) for cls in _EVENTS.values()}
_AT_ONCE: dict[str, Callable[[dict[str, Any]], Event | None]] = {
    OrchestratorStarted.__name__: _read_turn,
    TaskScheduled.__name__: _read_scheduled,
    TaskCompleted.__name__: _read_completed,
    TimerCreated.__name__: _read_timer,
    TimerFired.__name__: _read_fired,
    EventRaised.__name__: _read_raised,
}
_task_id: shape.Reader[int] = get_args(TaskId)[1]
MAX_FAILURE_DEPTH = 100
"""Inner failures that are read: whoever walks down them must get to the end."""
_read_ref = shape.record(PayloadRef)
_read_parent = shape.record(ParentInstance)
_read_failure = shape.record(FailureDetails, {FailureDetails: _as_it_is, timedelta: shape.duration(LONGEST_WAIT)})
_READERS = {
    name: shape.record(cls, {Value: decode_value, FailureDetails: decode_failure, EventRaised: _read_carried})
    for name, cls in _EVENTS.items()
}
_IN_EVERY_REFERENCE = f'"{dataclasses.fields(PayloadRef)[-1].name}":'
_VALUE_NAMES = ("input", "result", "data")
_VALUE_FIELDS: dict[type[Event], tuple[str, ...]] = {
    cls: tuple(field.name for field in dataclasses.fields(cls) if field.name in _VALUE_NAMES)
    for cls in _EVENTS.values()
}
