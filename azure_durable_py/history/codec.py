"""Events as JSON, and back. What is read is checked field by field: storage is not trusted."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, ClassVar, cast

from azure_durable_py import shape
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
    TaskScheduled,
    TimerCreated,
    TimerFired,
    Value,
)
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
    return _to_text(event_to_json(event))


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


_PLAIN = frozenset({str, int, bool, type(None)})
# Of the module's `dumps` each call would make an encoder of its own.
_to_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
MAX_FAILURE_DEPTH = 100
"""Inner failures that are read: whoever walks down them must get to the end."""
_read_ref = shape.record(PayloadRef)
_read_parent = shape.record(ParentInstance)
_read_failure = shape.record(FailureDetails, {FailureDetails: _as_it_is})
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
