"""Calls on a database file that wait to be done, and how those who wait for them are answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.sqlite.transactions import Job, JobCall


@dataclass(slots=True, eq=False)
class WaitingCall(JobCall):
    """A call, and who waits for it."""

    writes: bool
    future: asyncio.Future[Any]
    is_short: bool = False
    """Whether it touches so few rows that the event loop may do it by itself."""
    then: Job[Any] | None = None
    """The job that writes, if this one, which only reads, finds something."""

    @property
    def goes_on(self) -> bool:
        """Whether there is more to be done, now that the job is."""
        return self.then is not None and self.error is None and bool(self.result)

    def answer(self) -> None:
        """Tell who waits, unless nobody does any more. Runs on the loop of who waits."""
        error, self.error = self.error, None
        if self.future.done():
            return
        if error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(error)


def writes_of(calls: Iterable[WaitingCall]) -> list[WaitingCall]:
    """The calls that write, now that those which only read are done."""
    writing = [call for call in calls if call.writes or call.goes_on]
    for call in writing:
        call.job, call.then, call.writes = call.then or call.job, None, True
    return writing


def refuse(calls: Sequence[WaitingCall], error: StorageError) -> None:
    """Give all calls this answer."""
    for call in calls:
        call.error = error
    answer(calls)


def answer(calls: Iterable[WaitingCall]) -> None:
    """Answer all calls that wait on one loop in one step of it, from any thread."""
    by_loop: dict[asyncio.AbstractEventLoop, list[WaitingCall]] = {}
    for call in calls:
        by_loop.setdefault(call.future.get_loop(), []).append(call)
    for loop, answered in by_loop.items():
        call_on(loop, answer_here, answered)


def answer_here(calls: Iterable[WaitingCall]) -> None:
    """Answer calls that all wait on the running loop."""
    for call in calls:
        call.answer()


def call_on(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: object) -> None:
    """Call back on a loop, from any thread. Nobody waits on a loop that is closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)
