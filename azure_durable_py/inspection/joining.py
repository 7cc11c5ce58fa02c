"""The events of a history joined to steps: decisions with their answers, attempts with those before them.

Owns what a history does not say in so many words: which pause belongs to which failure, which call is the next
attempt of which, and what a rewind made of all that. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from azure_durable_py.durable_http import HTTP_ACTIVITY, shown_input
from azure_durable_py.failures import FailureDetails, is_cancellation
from azure_durable_py.history.events import (
    ANSWERED,
    Answer,
    ContinuedAsNew,
    Decision,
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
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    Value,
)
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome

_RETRY = re.compile(r"retry (\d+) of \d+")
_ANSWERED = frozenset(ANSWERED.values())
_NOT_DONE = (StepOutcome.failed, StepOutcome.cancelled)


@dataclass(frozen=True, slots=True)
class JoinedHistory:
    """What a history tells: its steps in order, and how it stands.

    `last_failures` has, by the place of a step, how the attempt before it failed. `suspended` is why and since when
    it is suspended, `terminated` that it was ended by somebody.
    """

    steps: tuple[Step, ...] = ()
    began: datetime | None = None
    ended: datetime | None = None
    started: ExecutionStarted | None = None
    failure: FailureDetails | None = None
    last_failures: dict[int, FailureDetails] = field(default_factory=lambda: {})
    suspended: ExecutionSuspended | None = None
    terminated: ExecutionTerminated | None = None
    rewound: ExecutionRewound | None = None


def join(events: Sequence[Event], open_timers: Collection[int]) -> JoinedHistory:
    """The steps behind a history.

    :param events: those of one generation, in order.
    :param open_timers: the tasks of the timers that are to fire: a history does not tell which were cancelled.
    """
    joiner = _Joiner()
    for position, event in enumerate(events):
        joiner.take(position, event)
    return joiner.joined(open_timers)


@dataclass(slots=True, eq=False)
class _Draft:
    """A step on its way. `position` is that of its decision; `answered` that of its answer."""

    step: Step
    position: int
    answered: int | None = None
    before: _Draft | None = None

    @property
    def first(self) -> int | None:
        return self.step.task_id if self.step.retry_of is None else self.step.retry_of


class _Joiner:
    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._by_id: dict[int, _Draft] = {}
        self._failures: list[_Draft] = []
        self._pauses_over: list[_Draft] = []
        self._began: datetime | None = None
        self._started: ExecutionStarted | None = None
        self._end: ExecutionCompleted | ContinuedAsNew | None = None
        self._suspended: ExecutionSuspended | None = None
        self._terminated: ExecutionTerminated | None = None
        self._rewound: ExecutionRewound | None = None

    def take(self, position: int, event: Event) -> None:
        """Take the next event."""
        if self._began is None:
            self._began = event.timestamp
        match event:
            case OrchestratorStarted():
                # What arrives while it is suspended is shown to the function when it is resumed.
                if self._suspended is None:
                    self._failures.clear()
                    self._pauses_over.clear()
            case ExecutionStarted():
                self._started = event
            case Decision():
                self._decide(position, event)
            case Answer():
                self._answer(position, event)
            case EventRaised(name=name, data=data):
                self._note(position, event, StepKind.event, name, value=data)
            case ExecutionRewound():
                self._note(position, event, StepKind.control, "rewind", detail=event.reason)
                self._rewind(position, event)
            case ExecutionCompleted() | ContinuedAsNew():
                self._end = event
            case _:
                self._control(position, event)

    def _control(self, position: int, event: Event) -> None:
        match event:
            case ExecutionSuspended(reason=reason):
                self._suspended = event
                self._note(position, event, StepKind.control, "suspend", detail=reason)
            case ExecutionResumed(reason=reason):
                self._suspended = None
                self._note(position, event, StepKind.control, "resume", detail=reason)
            case ExecutionTerminated(reason=reason):
                self._terminated = event
                self._note(position, event, StepKind.control, "terminate", detail=reason)
            case _:
                pass

    def _note(
        self, position: int, event: Event, kind: StepKind, name: str, *, value: Value = None, detail: str | None = None
    ) -> None:
        """Something without a length, that no task stands for."""
        at = event.timestamp
        step = Step(kind, name, None, at, at, StepOutcome.completed, input=value, detail=detail or None)
        self._drafts.append(_Draft(step, position))

    # --- decisions and answers -------------------------------------------------------------------

    def _decide(self, position: int, event: Decision) -> None:
        draft = _Draft(_step(event), position)
        if isinstance(event, TimerCreated):
            self._pause(draft, event)
        elif isinstance(event, TaskScheduled | SubOrchestrationCreated):
            self._retry(draft)
        self._drafts.append(draft)
        self._by_id[event.id] = draft

    def _pause(self, draft: _Draft, event: TimerCreated) -> None:
        """See which failure a pause follows: the first of this turn whose attempt has this number."""
        found = _RETRY.fullmatch(event.reason or "")
        if found is None:
            return
        count = int(found[1])
        failed = next((each for each in self._failures if each.step.attempt == count), None)
        name = draft.step.name if failed is None else failed.step.name
        if failed is not None:
            self._failures.remove(failed)
        draft.before = failed
        draft.step = replace(
            draft.step,
            kind=StepKind.retry_delay,
            name=name,
            attempt=count + 1,
            retry_of=None if failed is None else failed.first,
        )

    def _retry(self, draft: _Draft) -> None:
        """See whether a call is the next attempt of one whose pause is over in this turn."""
        step = draft.step
        for pause in self._pauses_over:
            failed = pause.before
            if failed is not None and _same_call(failed.step, step):
                self._pauses_over.remove(pause)
                draft.before = failed
                draft.step = replace(step, attempt=pause.step.attempt, retry_of=failed.first)
                return

    def _answer(self, position: int, event: Answer) -> None:
        draft = self._by_id.get(event.task_id)
        if draft is None or draft.answered is not None:
            return
        draft.answered = position
        result, failure = _outcome(event)
        outcome = StepOutcome.completed if failure is None else StepOutcome.failed
        if failure is not None and isinstance(event, TaskFailed) and is_cancellation(failure):
            outcome, failure = StepOutcome.cancelled, None
        draft.step = replace(draft.step, ended=event.timestamp, outcome=outcome, result=result, failure=failure)
        if failure is not None:
            self._failures.append(draft)
        elif draft.step.kind is StepKind.retry_delay:
            self._pauses_over.append(draft)

    # --- rewinding, and the end ------------------------------------------------------------------

    def _rewind(self, position: int, event: ExecutionRewound) -> None:
        """What was decided behind the cut is void, and what failed there is open again (see `history.rewinding`)."""
        self._end = self._suspended = self._terminated = None
        self._rewound = event
        self._failures.clear()
        self._pauses_over.clear()
        again: list[_Draft] = []
        for draft in self._drafts:
            if draft.step.task_id is None or draft.step.outcome is StepOutcome.void or draft.position >= position:
                continue
            if draft.position >= event.cut:
                self._void(draft)
                if self._by_id.get(draft.step.task_id) is draft:
                    del self._by_id[draft.step.task_id]
            elif draft.step.outcome in _NOT_DONE and (draft.answered or 0) >= event.cut:
                reopened = replace(
                    draft.step, began=event.timestamp, ended=None, outcome=StepOutcome.open, failure=None, result=None
                )
                again.append(_Draft(reopened, draft.position, before=draft.before))
                self._void(draft)
        for draft in again:
            assert draft.step.task_id is not None
            self._by_id[draft.step.task_id] = draft
        self._drafts += again

    def _void(self, draft: _Draft) -> None:
        draft.step = replace(draft.step, outcome=StepOutcome.void)

    def joined(self, open_timers: Collection[int]) -> JoinedHistory:
        """What all the events came to."""
        ended = None if self._end is None else self._end.timestamp
        for draft in self._drafts:
            step = draft.step
            is_timer = step.kind in (StepKind.timer, StepKind.retry_delay)
            if step.outcome is StepOutcome.open and (ended or (is_timer and step.task_id not in open_timers)):
                draft.step = replace(step, outcome=StepOutcome.cancelled, ended=ended)
        return JoinedHistory(
            tuple(draft.step for draft in self._drafts),
            self._began,
            ended,
            self._started,
            self._end.failure if isinstance(self._end, ExecutionCompleted) else None,
            {
                at: draft.before.step.failure
                for at, draft in enumerate(self._drafts)
                if draft.before is not None and draft.before.step.failure is not None
            },
            self._suspended,
            self._terminated,
            self._rewound,
        )


def _outcome(event: Answer) -> tuple[Value, FailureDetails | None]:
    match event:
        case TaskCompleted(result=result) | SubOrchestrationCompleted(result=result):
            return result, None
        case EntityOperationCompleted(result=result):
            return result, None
        case TaskFailed(failure=failure) | SubOrchestrationFailed(failure=failure):
            return None, failure
        case EntityOperationFailed(failure=failure):
            return None, failure
        case _:
            return None, None


def _same_call(first: Step, second: Step) -> bool:
    return first.kind is second.kind and first.name == second.name and _same_value(first.input, second.input)


def _same_value(first: Value, second: Value) -> bool:
    # Large values are stored with each attempt.
    return first == second if isinstance(first, str) and isinstance(second, str) else type(first) is type(second)


def _step(event: Decision) -> Step:
    """The step that a decision begins; one that nothing answers ends at once."""
    kind, name, target, value, due, detail = _described(event)
    ends = type(event) not in _ANSWERED
    return Step(
        kind,
        name,
        event.id,
        event.timestamp,
        event.timestamp if ends else None,
        StepOutcome.completed if ends else StepOutcome.open,
        target=target,
        due=due,
        input=value,
        detail=detail,
    )


_Described = tuple[StepKind, str, str | None, Value, datetime | None, str | None]


def _described(event: Decision) -> _Described:
    match event:
        case TaskScheduled(name=name, input=value) if name == HTTP_ACTIVITY:
            shown = shown_input(name, value)
            return StepKind.http, _http_name(shown), None, shown, None, None
        case TaskScheduled(name=name, input=value):
            return StepKind.activity, name, None, value, None, None
        case TimerCreated(fire_at=fire_at, reason=reason):
            return StepKind.timer, "timer", None, None, fire_at, reason
        case SubOrchestrationCreated(name=name, instance_id=instance_id, input=value):
            return StepKind.sub_orchestration, name, instance_id, value, None, None
        case EventSent(name=name, instance_id=instance_id, data=data):
            return StepKind.event_sent, name, instance_id, data, None, None
        case EntityOperationCalled(operation=operation, instance_id=instance_id, input=value):
            return StepKind.entity_call, operation, instance_id, value, None, None
        case EntityOperationSignaled(operation=operation, instance_id=instance_id, input=value):
            return StepKind.entity_signal, operation, instance_id, value, event.signal_time, None
        case EntityLockRequested(instance_id=instance_id):
            return StepKind.lock, "lock", instance_id, None, None, None
        case EntityLockReleased(instance_id=instance_id):
            return StepKind.lock, "release", instance_id, None, None, None
        case _:
            return StepKind.control, type(event).__name__, None, None, None, None


def _http_name(shown: Value) -> str:
    if not isinstance(shown, str):
        return "HTTP call"
    request: dict[str, str] = json.loads(shown)
    return f"{request['method']} {request['uri']}"
