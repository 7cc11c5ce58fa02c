"""The spans that a turn of an orchestration brings to their end: pure, from what is told of the turn.

Names, kinds and attributes are those of the .NET framework's distributed tracing, version 2. A span is written when it
is known how it ended: that of an activity as its caller sees it with the turn that took the result, that of a whole
generation with its last turn. Nothing is written of what a replay goes through, for no turn is told of twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from opentelemetry.trace import SpanKind

from azure_durable_py.durable_http import shown_input
from azure_durable_py.errors import DurableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    ContinuedAsNew,
    Decision,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    EventSent,
    ExecutionCompleted,
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
from azure_durable_py.observer import TurnTaken
from azure_durable_py.telemetry import names
from azure_durable_py.trace_context import TraceContext

Attributes: TypeAlias = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class EndedSpan:
    """A span that is known from its start to its end.

    :param span: its own place in the trace; None: any.
    :param parent: what it is a part of; None: it begins a trace, that of `span` if there is one.
    :param links: what it comes from beside its parent.
    :param failure: why what it stands for failed.
    """

    name: str
    kind: SpanKind
    start: datetime
    end: datetime
    attributes: Attributes
    parent: TraceContext | None
    span: TraceContext | None = None
    links: tuple[TraceContext, ...] = ()
    failure: FailureDetails | None = None


@dataclass(frozen=True, slots=True)
class TurnSpans:
    """The spans of one turn of a traced orchestration.

    :param values: whether inputs and outputs are in them.
    :param replays: whether a replay of the history gets a span of its own.
    """

    taken: TurnTaken
    trace: TraceContext
    values: bool = False
    replays: bool = False
    _own: TraceContext = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_own", self._of_generation(self.taken.generation, self.taken.rewinds))

    def all(self) -> Iterator[EndedSpan]:
        """What the turn brought to its end, the whole last."""
        taken = self.taken
        if self.replays and taken.replayed:
            yield self._replay()
        for event, trace in taken.raised:
            attributes = self._attributes(names.EVENT, event.name)
            links = () if trace is None else (trace,)
            name = names.event(event.name)
            start = min(event.timestamp, taken.taken_at)
            yield EndedSpan(name, SpanKind.CONSUMER, start, taken.taken_at, attributes, self._own, links=links)
        for event in taken.arrived:
            if isinstance(event, Answer):
                yield from self._answered(event)
        for decision in taken.decided:
            yield from self._sent(decision)
        if taken.end is not None:
            for task_id in taken.unanswered:
                yield from self._abandoned(task_id)
            yield self._whole(taken.end)

    # --- what was called ------------------------------------------------------------------------------

    def _answered(self, answer: Answer) -> Iterator[EndedSpan]:
        decision = self._decision(answer.task_id)
        match answer:
            case (
                TaskFailed(failure=failure)
                | SubOrchestrationFailed(failure=failure)
                | EntityOperationFailed(failure=failure)
            ):
                yield from self._call(decision, failure=failure)
            case (
                TaskCompleted(result=result)
                | SubOrchestrationCompleted(result=result)
                | EntityOperationCompleted(result=result)
            ):
                yield from self._call(decision, self._value(names.OUTPUT, result))
            case TimerFired():
                yield from self._timer(decision)
            case _:
                return

    def _abandoned(self, task_id: int) -> Iterator[EndedSpan]:
        """What the orchestration did not wait for any more when it ended: others may name the span of it."""
        yield from self._call(self._decision(task_id), {names.STATUS: names.ABANDONED})

    def _call(
        self, decision: Decision | None, more: Attributes | None = None, failure: FailureDetails | None = None
    ) -> Iterator[EndedSpan]:
        match decision:
            case TaskScheduled():
                name = names.activity(decision.name)
                attributes = self._attributes(names.ACTIVITY, decision.name)
                given = shown_input(decision.name, decision.input)
            case SubOrchestrationCreated():
                name = names.orchestration(decision.name, decision.version)
                attributes = self._attributes(names.ORCHESTRATION, decision.name, decision.version)
                attributes[names.TARGET] = decision.instance_id
                given = decision.input
            case EntityOperationCalled():
                name = names.operation(decision.instance_id, decision.operation)
                attributes = self._attributes(names.ENTITY, None)
                given = decision.input
                attributes |= {names.OPERATION: names.CALL_ENTITY, names.TARGET: decision.instance_id}
            case _:
                return
        attributes |= {names.TASK_ID: decision.id, **self._value(names.INPUT, given), **(more or {})}
        yield self._task(name, SpanKind.CLIENT, decision, decision.timestamp, attributes, failure)

    def _timer(self, decision: Decision | None) -> Iterator[EndedSpan]:
        if isinstance(decision, TimerCreated):
            attributes = self._attributes(names.TIMER, self.taken.name)
            attributes |= {names.TASK_ID: decision.id, names.FIRE_AT: decision.fire_at.isoformat()}
            name = names.timer(self.taken.name)
            yield self._task(name, SpanKind.INTERNAL, decision, decision.timestamp, attributes)

    def _sent(self, decision: Decision) -> Iterator[EndedSpan]:
        match decision:
            case EventSent():
                name = names.event(decision.name)
                attributes = self._attributes(names.EVENT, decision.name)
                attributes |= {names.TARGET: decision.instance_id, **self._value(names.INPUT, decision.data)}
            case EntityOperationSignaled(signal_time=moment):
                name = names.operation(decision.instance_id, decision.operation)
                attributes = self._attributes(names.ENTITY, None)
                attributes |= {names.OPERATION: names.SIGNAL_ENTITY, names.TARGET: decision.instance_id}
                attributes |= self._value(names.INPUT, decision.input)
                attributes |= {} if moment is None else {names.SCHEDULED_TIME: moment.isoformat()}
            case _:
                return
        attributes[names.TASK_ID] = decision.id
        yield self._task(name, SpanKind.PRODUCER, decision, self.taken.taken_at, attributes)

    def _task(
        self,
        name: str,
        kind: SpanKind,
        decision: Decision,
        start: datetime,
        attributes: dict[str, str | int | bool],
        failure: FailureDetails | None = None,
    ) -> EndedSpan:
        taken = self.taken
        span = self.trace.task(taken.execution_id, taken.generation, taken.rewinds, decision.id)
        return EndedSpan(name, kind, start, taken.taken_at, attributes, self._own, span, failure=failure)

    def _decision(self, task_id: int) -> Decision | None:
        try:
            decision = self.taken.decision(task_id)
        except (DurableError, KeyError):
            return None
        return decision if isinstance(decision, Decision) else None

    # --- the whole ------------------------------------------------------------------------------------

    def _whole(self, end: ExecutionCompleted | ContinuedAsNew) -> EndedSpan:
        taken = self.taken
        attributes = self._attributes(names.ORCHESTRATION, taken.name, taken.version)
        attributes |= {names.EXECUTION_ID: taken.execution_id}
        failure = None
        if isinstance(end, ExecutionCompleted):
            attributes |= {names.STATUS: end.status, **self._value(names.OUTPUT, end.result)}
            failure = end.failure
        else:
            attributes |= {names.STATUS: names.CONTINUED_AS_NEW, **self._value(names.OUTPUT, end.input)}
        return EndedSpan(
            names.orchestration(taken.name, taken.version),
            SpanKind.SERVER,
            taken.began_at or taken.created_at,
            taken.taken_at,
            attributes,
            self.trace,
            self._own,
            tuple(self._before()),
            failure,
        )

    def _before(self) -> Iterator[TraceContext]:
        """The generation, or the attempt, that this one goes on from."""
        taken = self.taken
        if taken.rewinds:
            yield self._of_generation(taken.generation, taken.rewinds - 1)
        elif taken.generation:
            yield self._of_generation(taken.generation - 1, 0)

    def _replay(self) -> EndedSpan:
        taken = self.taken
        attributes = self._attributes(names.ORCHESTRATION, taken.name, taken.version)
        attributes[names.REPLAYED] = taken.replayed
        name = names.replay(taken.name)
        return EndedSpan(name, SpanKind.INTERNAL, taken.taken_at, taken.taken_at, attributes, self._own)

    def _of_generation(self, generation: int, rewinds: int) -> TraceContext:
        return self.trace.orchestration(self.taken.execution_id, generation, rewinds)

    # --- attributes -----------------------------------------------------------------------------------

    def _attributes(self, kind: str, name: str | None, version: str | None = None) -> dict[str, str | int | bool]:
        return names.attributes(kind, name, self.taken.instance_id, version)

    def _value(self, name: str, value: Value) -> dict[str, str | int | bool]:
        return names.value(name, value) if self.values else {}
