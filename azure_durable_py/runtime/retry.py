"""A task that tries again on durable timers until it succeeds or its policy gives up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.retry_policy import FailedAttempt, RetryPolicy
from azure_durable_py.runtime.tasks import DecisionTask, ParentTask, Task, TimerTask

T = TypeVar("T")


class RetryTask(ParentTask[T]):
    """Runs attempts one after the other; every attempt and every delay is a decision of its own.

    :param attempt: schedules an attempt.
    :param delay: creates a timer after a duration; the text says what for.
    :param now: replay time.
    :param begun: told of each attempt, by its task and number.
    :param failed: told of each attempt that fails, by its task.
    """

    __slots__ = (
        "_attempt",
        "_begun_at",
        "_count",
        "_current",
        "_delay",
        "_failed",
        "_now",
        "_pause",
        "_policy",
        "_tell",
    )

    def __init__(
        self,
        policy: RetryPolicy,
        attempt: Callable[[], Task[T]],
        delay: Callable[[timedelta, str], TimerTask],
        now: Callable[[], datetime],
        *,
        begun: Callable[[int, int], None],
        failed: Callable[[int, FailedAttempt], None],
    ) -> None:
        super().__init__()
        self._policy = policy
        self._attempt = attempt
        self._delay = delay
        self._now = now
        self._failed = failed
        self._tell = begun
        self._begun_at = now()
        self._count = 0
        self._current: Task[Any] | None = None
        self._pause: TimerTask | None = None
        self._try()

    def child_done(self, child: Task[Any]) -> None:
        """An attempt has ended, or a delay is over."""
        if self.is_completed:
            return
        if child is not self._current:
            self._try()
        elif child.error is None:
            self.settle(child.get_result())
        else:
            self._again(child.error)

    def acts_on(self, child: Task[Any]) -> bool:
        """The end of a delay schedules the next attempt."""
        return child is not self._current

    def cancel(self) -> bool:
        """Try no more; an attempt that is under way has no effect. False, without effect, if it has come to its end."""
        cancelled = self._cancel()
        if cancelled and self._pause is not None:
            self._pause.cancel()
        elif cancelled and self._current is not None:
            self._current.detach(self)
            self._current.abandon()
        return cancelled

    def _stop(self) -> None:
        self.cancel()

    def _try(self) -> None:
        self._pause = None
        self._count += 1
        self._current = self._attempt()
        if self._count == 1:
            self.number = hash(self._current)
        if isinstance(self._current, DecisionTask):
            self._tell(self._current.id, self._count)
        self._current.attach(self)

    def _again(self, error: BaseException) -> None:
        delay = None
        if isinstance(error, TaskFailedError):
            try:
                delay = self._policy.next_delay(self._count, self._now() - self._begun_at, error.details)
            except Exception as broken:  # noqa: BLE001 - the predicate is user code; its error is the outcome
                self.fail(broken)
                return
        if isinstance(self._current, DecisionTask):
            attempt = FailedAttempt(self._count, self._policy.max_number_of_attempts, delay)
            self._failed(self._current.id, attempt)
        if delay is None:
            self.fail(error)
        else:
            self._pause = self._delay(delay, f"retry {self._count} of {self._policy.max_number_of_attempts - 1}")
            self._pause.attach(self)
