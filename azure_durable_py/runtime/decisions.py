"""The decisions of one generation: their ids, their tasks, and whether replay repeats them.

Owns the counter of task ids and the open tasks. In a replayed turn each decision is held
against the recorded one; in a live turn it is collected for the history.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NoReturn

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import (
    ANSWERED,
    Answer,
    Decision,
    EntityOperationCompleted,
    EntityOperationFailed,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TimerCreated,
)
from azure_durable_py.history.rewinding import RecordedTurn
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.runtime.determinism import (
    ENDED,
    NOTHING_MORE,
    Altered,
    Notice,
    calling_place,
    describe,
    describe_apart,
    difference,
    same_decision,
)
from azure_durable_py.runtime.failures import task_failed
from azure_durable_py.runtime.tasks import DecisionTask, TimerTask
from azure_durable_py.times import UTC

_RESULTS = (TaskCompleted, SubOrchestrationCompleted, EntityOperationCompleted)
_FAILURES = (TaskFailed, SubOrchestrationFailed, EntityOperationFailed)
BEFORE = datetime.min.replace(tzinfo=UTC)
"""Replay time before the first turn."""


class Halt(BaseException):
    """Stops user code for good. Not an `Exception`, so that user code does not swallow it."""


def _nowhere() -> None:
    return None


class Decisions:
    """Makes decisions, and completes their tasks when the answers arrive."""

    def __init__(self, limit: int, waiting_place: Callable[[], str | None], notice: Notice | None = None) -> None:
        self._limit = limit
        self._notice = notice
        self._waiting_place = waiting_place
        self._next = 0
        self._tasks: dict[int, DecisionTask[Any]] = {}
        """What waits for its answer."""
        self._answered: dict[int, DecisionTask[Any]] = {}
        """What was answered or cancelled in the current turn."""
        self._sent: dict[int, Decision] = {}
        """What is never answered."""
        self._recorded: RecordedTurn | None = None
        self._repeated = 0
        self._exactly = False
        self._made: list[Decision] = []
        self.now = BEFORE
        """Replay time: that of the current turn."""
        self.timers: dict[int, datetime] = {}
        self.children: dict[int, SubOrchestrationCreated] = {}
        self.abandoned: dict[int, Decision] = {}
        """By task id, the activities under way that code was cancelled which waited for them."""
        self.failed_attempts: dict[int, FailedAttempt] = {}
        """By task id, the attempts that failed in the current turn."""
        self.attempts: dict[int, int] = {}
        """By task id, the number of the attempt that a decision of the current turn is, if it is not the first."""
        self.error: BaseException | None = None
        self.closed = False

    @property
    def replaying(self) -> bool:
        """Whether the turn repeats what the history holds."""
        return self._recorded is not None or self.closed

    def begin(
        self,
        now: datetime,
        recorded: RecordedTurn | None = None,
        *,
        exactly: bool = False,
    ) -> None:
        """Begin a turn: with the one whose decisions are to be repeated, or None when it is live.

        `exactly`: what is no part of a decision's identity is to be repeated as well.
        """
        self.now = now
        self._exactly = exactly
        self._recorded = recorded
        self._repeated = 0
        self._made = []
        self._answered = {}
        if self.failed_attempts:
            self.failed_attempts.clear()
        if self.attempts:
            self.attempts.clear()

    def end(self, instead: Callable[[], tuple[str, str]]) -> None:
        """End a replayed turn: nothing recorded may be left.

        The difference, if there is one, is kept as `error`.

        :param instead: tells what the code did in place of what is left, and where.
        """
        recorded = self._recorded
        if recorded is not None and self._repeated < len(recorded.decisions) and self.error is None:
            self.error = difference(self._position(recorded), self._told(recorded), *instead())

    def _position(self, recorded: RecordedTurn) -> int:
        """The place in the history of the decision to repeat next, or behind the last."""
        behind = self._repeated == len(recorded.decisions)
        if not recorded.decisions:
            return recorded.position + 1 + len(recorded.arrived)
        last = recorded.decisions[self._repeated - behind]
        return recorded.position + behind + next(at for at, event in enumerate(recorded.events) if event is last)

    def _told(self, recorded: RecordedTurn) -> str:
        """What the history has next, for a message."""
        if self._repeated < len(recorded.decisions):
            return describe(recorded.decisions[self._repeated])
        return NOTHING_MORE if recorded.end is None else ENDED

    def made(self) -> list[Decision]:
        """The decisions of the current turn."""
        return self._made

    def open_before(self) -> list[Decision]:
        """The decisions of earlier turns whose tasks are open."""
        first = self._next - len(self._made)
        return [self._tasks[number].decision for number in sorted(self._tasks) if number < first]

    def open_ids(self) -> tuple[int, ...]:
        """The ids of all open tasks."""
        return tuple(sorted(self._tasks))

    def never_awaited(self) -> tuple[Decision, ...]:
        """What was called, has no answer, and no code has ever waited for. Timers do no harm by that."""
        return tuple(
            task.decision
            for _, task in sorted(self._tasks.items())
            if task.was_never_awaited and not isinstance(task, TimerTask)
        )

    def forget_turn(self) -> None:
        """Take back the decisions of the current turn: nothing of them may leave."""
        for decision in self._made:
            self._close(decision.id)
        self._made = []

    def make(self, build: Callable[[int], Decision], task: DecisionTask[Any] | None = None) -> int:
        """Decide: `build` makes the event for the next id, which is returned; `task` is completed by its answer."""
        if self.closed or self.error is not None:
            raise Halt
        number = self._next
        event = build(number)
        if self._recorded is not None:
            event = self._repeat(event, self._recorded)
        elif len(self._made) >= self._limit:
            self._halt(
                OrchestratorError(
                    f"The orchestrator took more than {self._limit} steps without waiting for one "
                    f"({calling_place() or 'place unknown'}). Wait for tasks in between, split the work over "
                    "sub-orchestrations, or raise maxOrchestrationActions in host.json."
                )
            )
        self._next = number + 1
        self._made.append(event)
        if task is None:
            self._sent[number] = event
        else:
            task.number = number
            task.decision = event
            self._tasks[number] = task
        if type(event) is TimerCreated:
            self.timers[number] = event.fire_at
        elif type(event) is SubOrchestrationCreated:
            self.children[number] = event
        return number

    def _repeat(self, made: Decision, recorded: RecordedTurn) -> Decision:
        at, decisions = self._repeated, recorded.decisions
        expected = decisions[at] if at < len(decisions) else None
        if expected is None or not same_decision(expected, made):
            self._differ(recorded, self._told(recorded), describe(made))
        if (self._exactly or self._notice is not None) and expected != made:
            if self._exactly:
                self._differ(recorded, describe_apart(expected, made), describe_apart(made, expected))
            if self._notice is not None:
                self._notice(Altered(self._position(recorded), expected, made, self._place()))
        self._repeated = at + 1
        return expected

    def _differ(self, turn: RecordedTurn, recorded: str, made: str) -> NoReturn:
        self._halt(difference(self._position(turn), recorded, made, self._place()))

    def forget_code(self) -> None:
        """There is no code any more of which to ask where it waits."""
        self._waiting_place = _nowhere

    def _place(self) -> str:
        waiting = self._waiting_place()
        return (calling_place() if waiting is None else waiting) or "an unknown place"

    def _halt(self, error: BaseException) -> NoReturn:
        self.error = error
        raise Halt

    def get(self, task_id: int) -> Decision:
        """The decision with this id, if it has no answer yet, or got it in the current turn.

        :raises KeyError: there is none.
        """
        task = self._tasks.get(task_id) or self._answered.get(task_id)
        found = self._sent.get(task_id) if task is None else task.decision
        if found is None:
            raise KeyError(f"No decision has the id {task_id}, or it was answered in an earlier turn.")
        return found

    def task(self, task_id: int) -> DecisionTask[Any] | None:
        """The open task with this id, if it is open."""
        return self._tasks.get(task_id)

    def expects(self, answer: Answer) -> bool:
        """Whether this is the answer to an open task."""
        task = self._tasks.get(answer.task_id)
        return task is not None and type(task.decision) is ANSWERED[type(answer)]

    def answer(self, answer: Answer) -> bool:
        """Complete the open task that this answers; False: there is none."""
        task = self._tasks.get(answer.task_id)
        if task is None or type(task.decision) is not ANSWERED[type(answer)]:
            return False
        self._close(task.number)
        if isinstance(answer, _RESULTS):
            task.answer(answer.result)
        elif isinstance(answer, _FAILURES):
            task.fail(task_failed(task.subject, answer.failure))
        else:
            task.answer(None)
        return True

    def attempt_failed(self, task_id: int, attempt: FailedAttempt) -> None:
        """A task failed that has a retry policy."""
        self.failed_attempts[task_id] = attempt

    def attempt_begun(self, task_id: int, number: int) -> None:
        """A task is attempt `number` of something."""
        if number > 1:
            self.attempts[task_id] = number

    def timer(self, build: Callable[[int], TimerCreated]) -> TimerTask:
        """Decide a timer."""
        task = TimerTask(self._close)
        self.make(build, task)
        return task

    def _close(self, task_id: int) -> DecisionTask[Any] | None:
        task = self._tasks.pop(task_id, None)
        if task is not None:
            self._answered[task_id] = task
            if self.timers:
                self.timers.pop(task_id, None)
            if self.children:
                self.children.pop(task_id, None)
            if self.abandoned:
                self.abandoned.pop(task_id, None)
        return task
