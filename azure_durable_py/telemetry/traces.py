"""Writes the spans of what the engine does, and makes them current where users' code runs.

A span that only one process is concerned with is started and ended as it happens: the sending of a client, the run of
an activity or of an operation. Those of an orchestration are written when they have ended (`spans`).
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Token
from datetime import datetime
from types import TracebackType

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from azure_durable_py.durable_http import shown_input
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import EventRaised, OperationArrived
from azure_durable_py.observer import (
    UNOBSERVED,
    ActivityRun,
    FirstTurn,
    InstanceStarted,
    MessageSent,
    Observation,
    Observer,
    OperationRun,
    TurnTaken,
)
from azure_durable_py.telemetry import names
from azure_durable_py.telemetry.spans import Attributes, EndedSpan, TurnSpans
from azure_durable_py.telemetry.tracer import Tracing, context_of, fail, nanoseconds, sound, stored
from azure_durable_py.times import UTC
from azure_durable_py.trace_context import TraceContext


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


class TraceObserver(Observer):
    """Writes spans.

    :param provider: where they go; None: to the provider that the app has set up, once it has.
    :param values: whether inputs and outputs are in them.
    :param replays: whether each replay of a history gets a span.
    :param now: tells the time.
    """

    def __init__(
        self,
        provider: trace.TracerProvider | None = None,
        *,
        values: bool = False,
        replays: bool = False,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.tracing = Tracing(provider)
        self._values = values
        self._replays = replays
        self._now = now

    # --- orchestrations -------------------------------------------------------------------------------

    def root(self, first: FirstTurn) -> TraceContext | None:
        if self.tracing.tracer is None:
            return None
        root = TraceContext.root(first.execution_id)
        name = names.create_orchestration(first.name, first.version)
        sampled = self.tracing.samples(root, name, names.attributes(names.ORCHESTRATION, first.name, first.instance_id))
        return TraceContext.root(first.execution_id, sampled=sampled)

    def turn(self, taken: TurnTaken) -> None:
        if taken.trace is None or self.tracing.tracer is None:
            return
        if taken.is_first and taken.trace == TraceContext.root(taken.execution_id, sampled=taken.trace.sampled):
            self.tracing.write(_start_of(taken, taken.trace))
        for span in TurnSpans(taken, taken.trace, self._values, self._replays).all():
            self.tracing.write(span)

    def within(self, place: TraceContext) -> Observation:
        return UNOBSERVED if self.tracing.tracer is None else _Within(place)

    def requested(self, by: TraceContext) -> Observation:
        # Whoever instruments HTTP servers has a span for the request itself.
        known = trace.get_current_span().get_span_context().is_valid
        return UNOBSERVED if known else self.within(by)

    # --- users' code ----------------------------------------------------------------------------------

    def activity(self, run: ActivityRun) -> Observation:
        if run.trace is None:
            return UNOBSERVED
        attributes = names.attributes(names.ACTIVITY, run.name, run.instance_id)
        attributes |= {names.TASK_ID: run.task_id, **self._value(names.INPUT, shown_input(run.name, run.input))}
        return _Running(self, names.activity(run.name), SpanKind.SERVER, attributes, run.trace)

    def operation(self, run: OperationRun) -> Observation:
        attributes = names.attributes(names.ENTITY, None, run.instance_id)
        attributes[names.OPERATION] = names.SIGNAL_ENTITY if run.caller is None else names.CALL_ENTITY
        attributes |= self._value(names.INPUT, run.input)
        kind = SpanKind.CONSUMER if run.caller is None else SpanKind.SERVER
        return _OperationRunning(self, run, kind, attributes)

    # --- clients --------------------------------------------------------------------------------------

    def sending(self, sending: InstanceStarted | MessageSent) -> Observation:
        found = self._described(sending)
        return UNOBSERVED if found is None else _Sending(self, found[0], SpanKind.PRODUCER, found[1], None)

    def _described(self, sending: InstanceStarted | MessageSent) -> tuple[str, dict[str, str | int | bool]] | None:
        match sending:
            case InstanceStarted():
                name = names.create_orchestration(sending.name, sending.version)
                attributes = names.attributes(names.ORCHESTRATION, sending.name, sending.instance_id, sending.version)
                return name, attributes | {names.EXECUTION_ID: sending.execution_id}
            case MessageSent(event=EventRaised() as event):
                attributes = names.attributes(names.EVENT, event.name, None)
                attributes |= {names.TARGET: sending.instance_id, **self._value(names.INPUT, event.data)}
                return names.event(event.name), attributes
            case MessageSent(event=OperationArrived() as event):
                attributes = names.attributes(names.ENTITY, None, None)
                attributes |= {names.OPERATION: names.SIGNAL_ENTITY, names.TARGET: sending.instance_id}
                attributes |= self._value(names.INPUT, event.input)
                due = {} if event.signal_time is None else {names.SCHEDULED_TIME: event.signal_time.isoformat()}
                return names.operation(sending.instance_id, event.operation), attributes | due
            case _:
                return None

    # --- for the observations ---------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time."""
        return self._now()

    def value_of(self, name: str, value: str | None) -> dict[str, str | int | bool]:
        """An input or output as an attribute, if those are shown."""
        return self._value(name, value)

    def described(self, sending: InstanceStarted | MessageSent) -> tuple[str, dict[str, str | int | bool]] | None:
        """The span of something that is sent: its name and attributes."""
        return self._described(sending)

    def _value(self, name: str, value: object) -> dict[str, str | int | bool]:
        return names.value(name, value) if self._values and (value is None or isinstance(value, str)) else {}


class _Within(Observation):
    """Code that stands at some place of a trace: not a span of its own."""

    def __init__(self, place: TraceContext) -> None:
        self._place = place
        self._token: Token[otel_context.Context] | None = None

    def __enter__(self) -> Observation:
        self._token = otel_context.attach(context_of(self._place, otel_context.get_current()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)


class _Running(Observation):
    """A span around something that runs here, current while it does.

    :param parent: what it is a part of; None: it begins a trace.
    """

    within = False
    """Whether it is then a part of what is under way here."""

    def __init__(
        self, owner: TraceObserver, name: str, kind: SpanKind, attributes: Attributes, parent: TraceContext | None
    ) -> None:
        self._owner = owner
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._parent = parent
        self._token: Token[otel_context.Context] | None = None
        self._ended = False
        self.span: Span | None = None

    def __enter__(self) -> Observation:
        owner = self._owner
        self.span = owner.tracing.start(
            self._name, self._kind, owner.now(), self._attributes, self._parent, within=self.within
        )
        if self.span is not None:
            self._token = otel_context.attach(trace.set_span_in_context(self.span))
            self.trace = stored(self.span.get_span_context())
        return self

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        self._ended = True
        if self.span is None:
            return
        self.span.set_attributes(sound(self._owner.value_of(names.OUTPUT, result)))
        if failure is not None:
            fail(self.span, failure, self._owner.now())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            otel_context.detach(self._token)
        if self.span is None:
            return
        if not self._ended:
            self.left(error)
        self.span.end(nanoseconds(self._owner.now()))

    def left(self, error: BaseException | None) -> None:
        """It was left without an end: the worker stops."""
        del error
        if self.span is not None:
            self.span.set_attribute(names.STATUS, names.STOPPED)


class _Sending(_Running):
    """The sending of something by a client. What it raises is how it ended."""

    within = True

    def left(self, error: BaseException | None) -> None:
        if error is not None and self.span is not None:
            fail(self.span, FailureDetails.from_exception(error), self._owner.now())


class _OperationRunning(_Running):
    """The run of an operation, and what it sends."""

    def __init__(self, owner: TraceObserver, run: OperationRun, kind: SpanKind, attributes: Attributes) -> None:
        super().__init__(owner, names.operation(run.instance_id, run.operation), kind, attributes, run.trace)
        self._entity = run.instance_id

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        super().ended(result, failure)
        if self.span is None:
            return
        if failure is None:
            self.span.set_status(Status(StatusCode.OK))
        else:
            self.span.set_attribute(names.ENTITY_ERROR, names.sound(failure.message[: names.MAX_VALUE_CHARS]))

    def sends(self, sending: InstanceStarted | MessageSent) -> TraceContext | None:
        """The span of something that the operation has sent: it is over at once."""
        found = self._owner.described(sending)
        if found is None or self.trace is None:
            return None
        name, attributes = found
        attributes[names.INSTANCE_ID] = self._entity
        if isinstance(sending, InstanceStarted):
            name = names.entity_starts(self._entity)
            attributes = names.attributes(names.ENTITY, sending.name, self._entity, sending.version)
            attributes[names.TARGET] = sending.instance_id
        at = self._owner.now()
        span = self._owner.tracing.start(name, SpanKind.PRODUCER, at, attributes, self.trace)
        if span is None:
            return None
        span.end(nanoseconds(at))
        return stored(span.get_span_context())


def _start_of(taken: TurnTaken, trace: TraceContext) -> EndedSpan:
    """The span of a start that nobody traced."""
    attributes = names.attributes(names.ORCHESTRATION, taken.name, taken.instance_id, taken.version)
    attributes |= {names.EXECUTION_ID: taken.execution_id}
    name = names.create_orchestration(taken.name, taken.version)
    start = min(taken.created_at, taken.taken_at)
    return EndedSpan(name, SpanKind.PRODUCER, start, taken.taken_at, attributes, None, trace)
