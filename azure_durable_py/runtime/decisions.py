"""The decisions of one generation: their ids, their tasks, and whether replay repeats them.

Owns the counter of task ids and the open tasks. In a replayed turn each decision is held
against the recorded one; in a live turn it is collected for the history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

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
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.runtime.determinism import (
    ENDED,
    NOTHING_MORE,
    Altered,
    Notice,
    Recorded,
    calling_place,
    describe,
    describe_apart,
    difference,
    same_decision,
)
from azure_durable_py.runtime.failures import task_failed
from azure_durable_py.runtime.tasks import DecisionTask, TimerTask


class Halt(BaseException):
    """Stops user code for good. Not an `Exception`, so that user code does not swallow it."""


class Decisions:
    """Makes decisions, and completes their tasks when the answers arrive."""

    def __init__(self, limit: int, waiting_place: Callable[[], str | None], notice: Notice | None = None) -> None:
        self._limit = limit
        self._notice = notice
        self._waiting_place = waiting_place
        self._all: list[Decision] = []
        self._tasks: dict[int, DecisionTask[Any]] = {}
        self._recorded: deque[Recorded] | None = None
        self._exactly = False
        self._ended = False
        self._position = 0
        self._made = 0
        self.now: datetime | None = None
        self.timers: dict[int, datetime] = {}
        self.children: dict[int, SubOrchestrationCreated] = {}
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
        recorded: Iterable[Recorded] | None,
        position: int,
        *,
        exactly: bool = False,
        ended: bool = False,
    ) -> None:
        """Begin a turn: with the decisions to repeat, or None when it is live.

        `position` is the place in the history that follows the turn's inputs. `exactly`: what is no part of a
        decision's identity is to be repeated as well. `ended`: the history says that the code ended in this turn.
        """
        self.now = now
        self._exactly = exactly
        self._ended = ended
        self._recorded = None if recorded is None else deque(recorded)
        self._position = position
        self._made = 0
        self.failed_attempts.clear()
        self.attempts.clear()

    def end(self, instead: Callable[[], tuple[str, str]]) -> None:
        """End a replayed turn: nothing recorded may be left.

        The difference, if there is one, is kept as `error`.

        :param instead: tells what the code did in place of what is left, and where.
        """
        if self._recorded and self.error is None:
            left = self._recorded[0]
            self.error = difference(left.position, describe(left.decision), *instead())

    def made(self) -> list[Decision]:
        """The decisions of the current turn."""
        return self._all[len(self._all) - self._made :]

    def open_before(self) -> list[Decision]:
        """The decisions of earlier turns whose tasks are open."""
        first = len(self._all) - self._made
        return [self._all[number] for number in sorted(self._tasks) if number < first]

    def open_ids(self) -> tuple[int, ...]:
        """The ids of all open tasks."""
        return tuple(sorted(self._tasks))

    def never_awaited(self) -> tuple[Decision, ...]:
        """What was called, has no answer, and no code has ever waited for. Timers do no harm by that."""
        return tuple(
            self._all[number]
            for number, task in sorted(self._tasks.items())
            if task.was_never_awaited and not isinstance(task, TimerTask)
        )

    def forget_turn(self) -> None:
        """Take back the decisions of the current turn: nothing of them may leave."""
        for decision in self.made():
            self._close(decision.id)
        self._made = 0

    def make(self, build: Callable[[int], Decision], task: DecisionTask[Any] | None = None) -> int:
        """Decide: `build` makes the event for the next id, which is returned; `task` is completed by its answer."""
        if self.closed or self.error is not None:
            raise Halt
        number = len(self._all)
        event = build(number)
        if self._recorded is not None:
            event = self._repeat(event, self._recorded)
        elif self._made >= self._limit:
            self._halt(
                OrchestratorError(
                    f"The orchestrator took more than {self._limit} steps without waiting for one "
                    f"({calling_place() or 'place unknown'}). Wait for tasks in between, split the work over "
                    "sub-orchestrations, or raise maxOrchestrationActions in host.json."
                )
            )
        self._all.append(event)
        self._made += 1
        if task is not None:
            task.decided(number)
            self._tasks[number] = task
        if isinstance(event, TimerCreated):
            self.timers[number] = event.fire_at
        elif isinstance(event, SubOrchestrationCreated):
            self.children[number] = event
        return number

    def _repeat(self, made: Decision, recorded: deque[Recorded]) -> Decision:
        if not recorded:
            self._differ(self._position, ENDED if self._ended else NOTHING_MORE, describe(made))
        expected = recorded.popleft()
        if not same_decision(expected.decision, made):
            self._differ(expected.position, describe(expected.decision), describe(made))
        if self._exactly and expected.decision != made:
            recorded_apart = describe_apart(expected.decision, made)
            self._differ(expected.position, recorded_apart, describe_apart(made, expected.decision))
        if self._notice is not None and expected.decision != made:
            self._notice(Altered(expected.position, expected.decision, made, self._place()))
        self._position = expected.position + 1
        return expected.decision

    def _differ(self, position: int, recorded: str, made: str) -> None:
        self._halt(difference(position, recorded, made, self._place()))

    def _place(self) -> str:
        waiting = self._waiting_place()
        return (calling_place() if waiting is None else waiting) or "an unknown place"

    def _halt(self, error: BaseException) -> None:
        self.error = error
        raise Halt

    def get(self, task_id: int) -> Decision:
        """The decision with this id.

        :raises KeyError: no decision has it.
        """
        if not 0 <= task_id < len(self._all):
            raise KeyError(f"No decision has the id {task_id}; there are {len(self._all)}.")
        return self._all[task_id]

    def task(self, task_id: int) -> DecisionTask[Any] | None:
        """The open task with this id, if it is open."""
        return self._tasks.get(task_id)

    def expects(self, answer: Answer) -> bool:
        """Whether this is the answer to an open task."""
        number = answer.task_id
        return number in self._tasks and isinstance(self._all[number], ANSWERED[type(answer)])

    def answer(self, answer: Answer) -> None:
        """Complete the task that this answers."""
        task = self._close(answer.task_id)
        if task is None:
            return
        match answer:
            case (
                TaskFailed(failure=failure)
                | SubOrchestrationFailed(failure=failure)
                | EntityOperationFailed(failure=failure)
            ):
                task.fail(task_failed(task.subject, failure))
            case (
                TaskCompleted(result=result)
                | SubOrchestrationCompleted(result=result)
                | EntityOperationCompleted(result=result)
            ):
                task.answer(result)
            case _:
                task.answer(None)

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
        self.timers.pop(task_id, None)
        self.children.pop(task_id, None)
        return self._tasks.pop(task_id, None)
