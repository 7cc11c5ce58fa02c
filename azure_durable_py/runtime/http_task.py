"""A task that makes an HTTP request, and looks again on durable timers while the answer is "not yet".

Owns the asynchronous pattern of HTTP: 202 with a `Location` to look at, after the time that `Retry-After` names. Each
request is an activity, each pause a timer; so what is decided follows from the history alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from azure_durable_py.durable_http import (
    DurableHttpRequest,
    DurableHttpResponse,
    HttpHeaders,
    check_location,
    origin_of_address,
    shown_address,
    without_body_headers,
    without_credentials,
)
from azure_durable_py.errors import HttpRefusedError, HttpTimeoutError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.runtime.failures import task_failed
from azure_durable_py.runtime.retry import RetryTask
from azure_durable_py.runtime.tasks import ParentTask, Task, TimerTask
from azure_durable_py.times import utc

SHORTEST_PAUSE = timedelta(seconds=1)
"""Between two looks, even if the server says that none is needed: each is kept in the history."""
LONGEST_PAUSE = timedelta(days=365)


class HttpTask(ParentTask[DurableHttpResponse]):
    """One HTTP call, with all requests that it takes.

    :param request: what is asked first.
    :param send: schedules a request, with its retries if there are any.
    :param delay: creates a timer after a duration; the text says what for.
    :param now: replay time.
    :param pause: between two looks if the server does not say; None: 202 is an answer like any other.
    """

    __slots__ = ("_begun", "_current", "_delay", "_limit", "_looks", "_now", "_pause", "_place", "_request", "_send")

    def __init__(
        self,
        request: DurableHttpRequest,
        send: Callable[[DurableHttpRequest], Task[DurableHttpResponse]],
        delay: Callable[[timedelta, str], TimerTask],
        now: Callable[[], datetime],
        pause: timedelta | None,
    ) -> None:
        super().__init__()
        self._request = request
        self._send = send
        self._delay = delay
        self._now = now
        self._pause = pause
        self._place: str | None = None
        self._looks = 0
        self._begun = now()
        self._limit: TimerTask | None = None
        self._current: Task[Any] = self._follow(send(request))
        if request.timeout is not None:
            self._limit = delay(timedelta(seconds=request.timeout), "time limit of an HTTP call")
            self._limit.attach(self)

    def cancel(self) -> bool:
        """Make no more requests. False, without effect, if the call has come to its end.

        A request that is under way is not taken back; its answer has no effect.
        """
        cancelled = self._cancel()
        if cancelled:
            self._leave()
        return cancelled

    def _stop(self) -> None:
        self.cancel()

    def child_done(self, child: Task[Any]) -> None:
        """A request was answered or has failed, a pause is over, or the time is up."""
        if self.is_completed:
            return
        if child is self._limit:
            self._end(self._timed_out())
        elif child is not self._current:
            return
        elif child.error is not None:
            self._end(child.error)
        elif isinstance(child, TimerTask):
            self._look()
        else:
            self._answered(child.result)

    def acts_on(self, child: Task[Any]) -> bool:
        """An answer may lead to another look, and the end of a pause does."""
        return child is not self._limit

    # --- the asynchronous pattern ------------------------------------------------------------------------

    def _answered(self, response: DurableHttpResponse) -> None:
        if response.status_code == 202 and self._pause is not None:
            location = response.headers.first("Location")
            if location:
                try:
                    base = response.uri or self._place or self._request.uri
                    self._place = check_location(base, location)
                except ValueError as error:
                    self._end(self._misled(location, error))
                    return
            if self._place is not None:
                self._looks += 1
                pause = self._pause_after(response.headers, self._pause)
                self._current = self._follow(self._delay(pause, f"look {self._looks} of an HTTP call"))
                return
        self.settle(response)
        self._leave()

    def _look(self) -> None:
        asked, place = self._request, self._place or self._request.uri
        # As the .NET extension does: the key of the function that was called is seldom good for the place to look.
        headers = without_body_headers(asked.headers).without({"x-functions-key"})
        source = asked.token_source
        if origin_of_address(place) != origin_of_address(asked.uri):
            headers, source = without_credentials(headers), None
        left = None
        if asked.timeout is not None:
            left = round(max(asked.timeout - (self._now() - self._begun).total_seconds(), 0.001), 3)
        look = replace(
            asked,
            method="GET",
            uri=place,
            headers=headers,
            content=None,
            is_base64=False,
            token_source=source,
            timeout=left,
        )
        self._current = self._follow(self._send(look))

    def _pause_after(self, headers: HttpHeaders, default: timedelta) -> timedelta:
        """How long to wait: by `Retry-After` in seconds or as a date, else by the default."""
        text = (headers.first("Retry-After") or "").strip()
        pause = None
        if re.fullmatch(r"\d{1,9}", text, re.ASCII):
            pause = timedelta(seconds=int(text))
        elif text:
            with suppress(TypeError, ValueError, OverflowError):  # What cannot be understood says nothing.
                pause = utc(parsedate_to_datetime(text)) - self._now()
        return default if pause is None else min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE)

    def _follow(self, task: Task[Any]) -> Task[Any]:
        task.attach(self)
        return task

    # --- the end -----------------------------------------------------------------------------------------

    def _end(self, error: BaseException) -> None:
        self.fail(error)
        self._leave()

    def _leave(self) -> None:
        """Leave no timer behind that would wake the instance for nothing."""
        if self._limit is not None:
            self._limit.cancel()
        if isinstance(self._current, TimerTask | RetryTask):
            self._current.cancel()

    def _timed_out(self) -> BaseException:
        where = f" It was last looked for at {shown_address(self._place)}." if self._place else ""
        return self._failed(
            HttpTimeoutError(
                f"{self._request.subject} had no final answer within {self._request.timeout:g} s, the timeout of the "
                f"call.{where} Give it a longer timeout, or catch the error and ask later."
            )
        )

    def _misled(self, location: str, error: ValueError) -> BaseException:
        return self._failed(
            HttpRefusedError(
                f"{self._request.subject} was answered with 202 and a Location that cannot be looked at, "
                f"{shown_address(location)!r}: {error}. With asynchronous_pattern_enabled=False the answer is returned."
            )
        )

    def _failed(self, error: Exception) -> BaseException:
        return task_failed(f"HTTP call {self._request.subject!r}", FailureDetails.from_exception(error))
