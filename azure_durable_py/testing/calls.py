"""What an orchestrator decided: its history as calls in order, with what came of each.

Owns how steps of a history become calls of its code: attempts of the same task and the pauses between them are one
call, and pauses that the engine takes by itself are none. How a history becomes steps is told in
`inspection.joining`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from azure_durable_py import wording
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.status import plain
from azure_durable_py.durable_http import HTTP_ACTIVITY
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    ContinuedAsNew,
    Event,
    TaskScheduled,
    TimerCreated,
    Value,
)
from azure_durable_py.inspection.joining import join
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome
from azure_durable_py.inspection.timeline import see

CallKind = Literal[
    "activity",
    "http",
    "timer",
    "event",
    "event_sent",
    "sub_orchestration",
    "entity_call",
    "entity_signal",
    "lock",
    "continue_as_new",
]
"""What an orchestrator can decide, or wait for."""


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that an orchestrator decided or waited for, and what came of it.

    `name` is that of the activity, orchestrator, event or operation, or the method and address of an HTTP request; a
    timer is "timer", and locks are "lock" and "release". `target` is the instance that it concerns: a child, an entity
    (`@name@key`), the receiver of an event. `input` and `result` are plain JSON values; the result of an event is its
    data. `failure` is how the last attempt failed, `failures` how each did that failed, and `attempts` how often it
    was tried by now.

    `scheduled_at` is when it was decided, `completed_at` when its answer was taken up; an event is both when it
    arrives. `due` is when a timer fires, or a signal is delivered.
    """

    kind: CallKind
    name: str
    scheduled_at: datetime
    input: Any = None
    result: Any = None
    failure: FailureDetails | None = None
    outcome: StepOutcome = StepOutcome.open
    completed_at: datetime | None = None
    target: str | None = None
    due: datetime | None = None
    attempts: int = 1
    failures: tuple[FailureDetails, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        """In a line, for people: what it is, and what came of it."""
        return f"<{_what(self)}{_outcome(self)}>"


class Named(Protocol):
    """A call: made, or waited for."""

    @property
    def name(self) -> str:
        """What is called."""
        ...

    @property
    def input(self) -> Any:
        """What it is given, as plain JSON."""
        ...


C = TypeVar("C", bound=Named)


class NamedList(list[C]):
    """A list of calls with a few words for assertions."""

    @property
    def names(self) -> list[str]:
        """The name of each."""
        return [call.name for call in self]

    @property
    def inputs(self) -> list[Any]:
        """The input of each, as plain JSON."""
        return [call.input for call in self]

    @property
    def with_inputs(self) -> list[tuple[str, Any]]:
        """The name of each and its input, as plain JSON."""
        return [(call.name, call.input) for call in self]


class CallList(NamedList[Call]):
    """The calls of an orchestrator, in order. A list with a few words for assertions."""

    @property
    def results(self) -> list[Any]:
        """The result of each, as plain JSON; None where there is none."""
        return [call.result for call in self]

    def of(self, *wanted: str | Callable[..., Any]) -> CallList:
        """Those of the given functions only.

        :param wanted: names, or functions with a durable decorator. An entity stands for all calls, signals and locks
            of it.
        """
        tests = [_test(each) for each in wanted]
        return CallList(call for call in self if any(test(call) for test in tests))

    def of_kind(self, *kinds: CallKind) -> CallList:
        """Those of the given kinds only."""
        return CallList(call for call in self if call.kind in kinds)


async def read_calls(client: DurableOrchestrationClient, instance_id: str) -> CallList:
    """What an instance has called in its current generation, and what it waits for.

    :raises InstanceNotFoundError: there is none.
    """
    events = await client.get_history(instance_id)
    seen = await see(client.hub, instance_id)
    state = None if seen is None else seen.look.state
    if state is None:
        return calls_of(events)
    calls = calls_of(events, open_timers=state.timers)
    calls += [Call("event", name, since) for name, since in state.awaited.items()]
    return calls


def calls_of(history: Sequence[Event], *, open_timers: Collection[int] | None = None) -> CallList:
    """The calls behind a history.

    What a rewind made void is left out. External events are there once they have arrived: for which ones code waits,
    no history tells.

    :param history: the events of one generation, with their values.
    :param open_timers: the tasks of timers that are to fire. None: all that have not fired, since a history does not
        tell which were cancelled; once it has ended, none is.
    """
    steps = join(history, _unfired(history) if open_timers is None else open_timers).steps
    requests = {
        (event.id, event.timestamp): event.input
        for event in history
        if isinstance(event, TaskScheduled) and event.name == HTTP_ACTIVITY
    }
    made: dict[int, Call] = {}
    for place, step in enumerate(steps):
        if step.outcome is StepOutcome.void or step.kind is StepKind.control:
            continue
        if step.retry_of in made:
            made[step.retry_of] = _again(made[step.retry_of], step)
        elif step.kind in _OWN and not (step.kind is StepKind.timer and step.detail):
            key = -1 - place if step.task_id is None else step.task_id
            made[key] = _call(step, requests.get((key, step.began), step.input))
    ends = (event for event in history if isinstance(event, ContinuedAsNew))
    return CallList([*made.values(), *map(_continued, ends)])


def _unfired(history: Sequence[Event]) -> set[int]:
    answered = {event.task_id for event in history if isinstance(event, Answer)}
    return {event.id for event in history if isinstance(event, TimerCreated)} - answered


_OWN: dict[StepKind, CallKind] = {
    StepKind.activity: "activity",
    StepKind.http: "http",
    StepKind.timer: "timer",
    StepKind.event: "event",
    StepKind.event_sent: "event_sent",
    StepKind.sub_orchestration: "sub_orchestration",
    StepKind.entity_call: "entity_call",
    StepKind.entity_signal: "entity_signal",
    StepKind.lock: "lock",
}
"""The steps that code decides, or waits for."""


def _call(step: Step, given: Value) -> Call:
    is_event = step.kind is StepKind.event
    return Call(
        kind=_OWN[step.kind],
        name=step.name,
        scheduled_at=step.began,
        input=None if is_event else _plain(given),
        result=_plain(step.input if is_event else step.result),
        failure=step.failure,
        outcome=step.outcome,
        completed_at=step.ended,
        target=step.target,
        due=step.due,
        failures=() if step.failure is None else (step.failure,),
    )


def _again(call: Call, step: Step) -> Call:
    """The same call after one more step of it: a pause, or the next attempt."""
    if step.kind is StepKind.retry_delay:
        # A pause that is over is followed by an attempt.
        outcome = StepOutcome.open if step.outcome is StepOutcome.completed else step.outcome
        return replace(call, outcome=outcome, completed_at=None)
    return replace(
        call,
        result=_plain(step.result),
        failure=step.failure,
        outcome=step.outcome,
        completed_at=step.ended,
        attempts=step.attempt,
        failures=call.failures if step.failure is None else (*call.failures, step.failure),
    )


def _continued(event: ContinuedAsNew) -> Call:
    at = event.timestamp
    return Call(
        "continue_as_new", "continue_as_new", at, _plain(event.input), outcome=StepOutcome.completed, completed_at=at
    )


def _plain(value: Value) -> Any:
    return plain(value) if isinstance(value, str) else None


def _test(wanted: str | Callable[..., Any]) -> Callable[[Call], bool]:
    """Whether a call is of a function."""
    name = wanted if isinstance(wanted, str) else getattr(wanted, "durable_name", None)
    if not isinstance(name, str):
        raise TypeError(f"{wanted!r} has no durable name: give the name, or the function with its decorator.")
    if getattr(wanted, "durable_kind", None) == "entity":
        entity = f"@{name.lower()}@"
        return lambda call: call.target is not None and call.target.startswith(entity)
    return lambda call: call.name.lower() == name.lower()


# --- in a line -------------------------------------------------------------------------------------------


def _what(call: Call) -> str:
    match call.kind:
        case "timer":
            return f"timer until {call.due:%Y-%m-%d %H:%M:%S}"
        case "event":
            return f"event {call.name}"
        case "entity_call" | "entity_signal":
            return f"{call.kind} {call.target}.{call.name}({_shown(call.input)})"
        case "lock":
            return f"{call.name} {call.target}"
        case _:
            return f"{call.kind} {call.name}({_shown(call.input)})"


def _outcome(call: Call) -> str:
    tried = f" in attempt {call.attempts}" if call.attempts > 1 else ""
    match call.outcome:
        case StepOutcome.failed:
            return f" failed{tried}: {wording.summary(call.failure) if call.failure else 'nobody knows why'}"
        case StepOutcome.completed if call.kind in _ANSWERED:
            return f" = {call.result!r}{tried}"
        case StepOutcome.completed:
            return ""
        case _:
            return f", {call.outcome.value}{tried}"


_ANSWERED = ("activity", "http", "event", "sub_orchestration", "entity_call")


def _shown(value: Any) -> str:
    return "" if value is None else repr(value)
