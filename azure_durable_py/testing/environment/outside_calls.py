"""Calls that come from outside of the engine's event loop, and the event loop of a test that they come from.

Owns when such a loop has said all that it has to say: then the engine may run. Who runs it is told in `loop_thread`.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
from collections.abc import Coroutine, Sequence
from typing import Any, Generic, Protocol, TypeVar

_T = TypeVar("_T")

_PASSES = 20
"""Rounds of a test's event loop in which it makes no call before the engine runs. What an answer sets off in a test is
waited for through gather, wait_for and groups of tasks, each of which takes a few."""
CLOSED = "This test environment is closed: its engine has ended, and nothing can be asked of it any more."


class OutsideCall(Generic[_T]):
    """A coroutine that somebody waits for.

    :param caller: the event loop that he is on; None: he keeps a thread waiting that has none.
    """

    def __init__(self, work: Coroutine[Any, Any, _T], caller: OutsideLoop | None) -> None:
        self.work = work
        self.caller = caller
        self.context = contextvars.copy_context()
        self.done: concurrent.futures.Future[_T] = concurrent.futures.Future()
        self.is_cancelled = False
        self.failure: BaseException | None = None
        """What it fails with in place of what it comes to."""
        self.task: asyncio.Task[_T] | None = None

    def refuse(self) -> None:
        """It is not to begin any more."""
        self.work.close()
        self.give_up()

    def give_up(self) -> None:
        """It comes to nothing any more."""
        # Not `done.cancel()`: nobody who waits for a future hears of that.
        self.done.set_exception(RuntimeError(CLOSED))

    def end(self, task: asyncio.Task[_T]) -> None:
        """Tell who waits."""
        if self.failure is not None:
            self.done.set_exception(self.failure)
        elif task.cancelled():
            self.done.set_exception(asyncio.CancelledError("Code that this call ran has raised it."))
        elif (error := task.exception()) is not None:
            self.done.set_exception(error)
        else:
            self.done.set_result(task.result())


class Runner(Protocol):
    """Who runs the engine."""

    def hold(self, caller: OutsideLoop) -> None:
        """Stand still until a caller has taken in an answer."""
        ...

    def go_on(self, caller: OutsideLoop | None, calls: Sequence[OutsideCall[Any]]) -> None:
        """A caller waits, and for these calls, too."""
        ...

    def cancel(self, call: OutsideCall[Any]) -> None:
        """Cancel a call. Nobody waits for it any more."""
        ...


class OutsideLoop:
    """An event loop on which tests make calls.

    :param thread: who answers.
    """

    def __init__(self, thread: Runner, loop: asyncio.AbstractEventLoop) -> None:
        self._thread = thread
        self._loop = loop
        self._calls: list[OutsideCall[Any]] = []
        self._passes = 0

    @property
    def is_running(self) -> bool:
        """Whether anything is still to be expected of it."""
        return self._loop.is_running()

    def made(self) -> list[OutsideCall[Any]]:
        """The calls that are not handed over yet; they are taken."""
        made, self._calls = self._calls, []
        return made

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Have a coroutine run, and wait for it."""
        __tracebackhide__ = True
        call = OutsideCall(work, self)
        answer: asyncio.Future[_T] = self._loop.create_future()
        call.done.add_done_callback(lambda done: self._answered(answer, done))
        self._calls.append(call)
        self._wait()
        try:
            return await answer
        except asyncio.CancelledError:
            if call in self._calls:
                # The loop may end before it hands it over.
                self._calls.remove(call)
                work.close()
            else:
                self._thread.cancel(call)
            raise

    def _answered(self, answer: asyncio.Future[_T], done: concurrent.futures.Future[_T]) -> None:
        # In the thread of the engine.
        self._thread.hold(self)
        try:
            self._loop.call_soon_threadsafe(self._take, answer, done)
        except RuntimeError:  # The test's loop has ended.
            self._thread.go_on(self, [])

    def _take(self, answer: asyncio.Future[_T], done: concurrent.futures.Future[_T]) -> None:
        if not answer.done():
            if (error := done.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(done.result())
        self._wait()

    def _wait(self) -> None:
        """Hand over once nothing has been called for a while."""
        if not self._passes:
            self._loop.call_soon(self._pass)
        self._passes = _PASSES

    def _pass(self) -> None:
        self._passes -= 1
        if self._passes:
            self._loop.call_soon(self._pass)
        else:
            self._thread.go_on(self, self.made())
