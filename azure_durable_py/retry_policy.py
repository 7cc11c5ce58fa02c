"""When a failed task is tried again."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from azure_durable_py.errors import LONGEST_WAIT
from azure_durable_py.failures import FailureDetails


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt that failed, of a task with a retry policy: the `number`-th (from 1) of at most `most`.

    `delay` is after what time the next one comes; None: there is none.
    """

    number: int
    most: int
    delay: timedelta | None


class RetryPolicy:
    """When and how often a failed activity or sub-orchestration is tried again.

    Attempts count the first try. The delay before retry i (from 0) is
    `min(first_retry_interval * backoff_coefficient ** i, max_retry_interval)`, or what an
    `ActivityError` asks for if that is longer; all is measured on replay time.

    :param first_retry_interval: delay before the first retry, > 0.
    :param max_number_of_attempts: how often it runs at most, the first try included, >= 1.
    :param backoff_coefficient: what each delay is multiplied with to get the next, >= 1.
    :param max_retry_interval: no delay is longer than this, > 0.
    :param retry_timeout: no attempt begins later than this after the first one began, > 0.
    :param handle: tells whether a failure is worth another attempt. It runs inside the
        orchestrator, so it must be deterministic.
    :raises ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        first_retry_interval: timedelta,
        max_number_of_attempts: int,
        backoff_coefficient: float = 1.0,
        max_retry_interval: timedelta | None = None,
        retry_timeout: timedelta | None = None,
        handle: Callable[[FailureDetails], bool] | None = None,
    ) -> None:
        _check_positive("first_retry_interval", first_retry_interval)
        _check_positive("max_retry_interval", max_retry_interval)
        _check_positive("retry_timeout", retry_timeout)
        if max_number_of_attempts < 1:
            raise ValueError("max_number_of_attempts must be at least 1: it counts the first try.")
        if not 1 <= backoff_coefficient < math.inf:
            raise ValueError("backoff_coefficient must be a finite number of at least 1.")
        self._first_retry_interval = first_retry_interval
        self._max_number_of_attempts = max_number_of_attempts
        self._backoff_coefficient = backoff_coefficient
        self._max_retry_interval = max_retry_interval
        self._retry_timeout = retry_timeout
        self._handle = handle

    @property
    def first_retry_interval(self) -> timedelta:
        """Delay before the first retry."""
        return self._first_retry_interval

    @property
    def max_number_of_attempts(self) -> int:
        """How often it runs at most, the first try included."""
        return self._max_number_of_attempts

    @property
    def backoff_coefficient(self) -> float:
        """What each delay is multiplied with to get the next."""
        return self._backoff_coefficient

    @property
    def max_retry_interval(self) -> timedelta | None:
        """The longest delay, if there is a limit."""
        return self._max_retry_interval

    @property
    def retry_timeout(self) -> timedelta | None:
        """How long after the first attempt the last one may begin, if there is a limit."""
        return self._retry_timeout

    def next_delay(self, attempt: int, elapsed: timedelta, failure: FailureDetails) -> timedelta | None:
        """How long to wait after failed attempt number `attempt` (from 1), or None to give up.

        :param elapsed: replay time since the first attempt was scheduled.
        """
        if attempt >= self._max_number_of_attempts or not failure.retryable:
            return None
        if self._handle is not None and not self._handle(failure):
            return None
        delay = self.delay_before_retry(attempt)
        if failure.retry_after is not None:
            delay = max(delay, failure.retry_after)
        if self._retry_timeout is not None and elapsed + delay > self._retry_timeout:
            return None
        return delay

    def narrowed(self, worth: Callable[[FailureDetails], bool]) -> RetryPolicy:
        """The same policy for fewer failures: only those that `worth` accepts as well."""
        narrowed, own = copy.copy(self), self._handle

        def handle(failure: FailureDetails) -> bool:
            return worth(failure) and (own is None or own(failure))

        narrowed._handle = handle
        return narrowed

    def delay_before_retry(self, attempt: int) -> timedelta:
        """The policy's own delay after failed attempt number `attempt` (from 1)."""
        longest = self._max_retry_interval or LONGEST_WAIT
        try:
            factor = self._backoff_coefficient ** (attempt - 1)
            return min(self._first_retry_interval * factor, longest)
        except OverflowError:
            return longest


def _check_positive(name: str, value: timedelta | None) -> None:
    if value is not None and value <= timedelta(0):
        raise ValueError(f"{name} must be greater than 0.")


class RetryOptions(RetryPolicy):
    """A retry policy with a constant delay, given in milliseconds.

    :param first_retry_interval_in_milliseconds: delay before each retry, > 0.
    :param max_number_of_attempts: how often it runs at most, the first try included, >= 1.
    :raises ValueError: an argument is out of its range.
    """

    def __init__(self, first_retry_interval_in_milliseconds: int, max_number_of_attempts: int) -> None:
        if first_retry_interval_in_milliseconds <= 0:
            raise ValueError("first_retry_interval_in_milliseconds must be greater than 0.")
        super().__init__(timedelta(milliseconds=first_retry_interval_in_milliseconds), max_number_of_attempts)
        self._first_retry_interval_in_milliseconds = first_retry_interval_in_milliseconds

    @property
    def first_retry_interval_in_milliseconds(self) -> int:
        """Delay before the first retry, in milliseconds."""
        return self._first_retry_interval_in_milliseconds

    def to_json(self) -> dict[str, str | int]:
        """JSON-ready values by their names in the protocol of Durable Functions."""
        return {
            "firstRetryIntervalInMilliseconds": self.first_retry_interval_in_milliseconds,
            "maxNumberOfAttempts": self.max_number_of_attempts,
        }


class HttpRetryOptions(RetryPolicy):
    """When and how often a request of `call_http` is made again: when it gets no answer, and for some status codes.

    The other parameters are those of `RetryPolicy`.

    :param status_codes_to_retry: answers with these codes are failures; empty: those from 400 on.
    :raises ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        first_retry_interval: timedelta,
        max_number_of_attempts: int,
        backoff_coefficient: float = 1.0,
        max_retry_interval: timedelta | None = None,
        retry_timeout: timedelta | None = None,
        handle: Callable[[FailureDetails], bool] | None = None,
        *,
        status_codes_to_retry: Collection[int] = (),
    ) -> None:
        super().__init__(
            first_retry_interval, max_number_of_attempts, backoff_coefficient, max_retry_interval, retry_timeout, handle
        )
        codes = tuple(sorted({int(code) for code in status_codes_to_retry}))
        if not all(100 <= code <= 599 for code in codes):
            raise ValueError(f"status_codes_to_retry must hold HTTP status codes, 100 to 599; it holds {codes}.")
        self._status_codes_to_retry = codes

    @property
    def status_codes_to_retry(self) -> tuple[int, ...]:
        """The status codes that are failures; empty: those from 400 on."""
        return self._status_codes_to_retry
