"""A thread with an event loop at virtual time, which runs only while somebody waits for what it does.

Owns the taking of turns. Either the test runs or the engine does, never both: calls that a test makes side by side are
all taken before the engine runs, and as soon as one of them is answered the engine stands still until the test has
taken the answer in, and waits again. So nothing depends on which thread is faster, and between calls time stands still.

It knows nothing of task hubs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from azure_durable_py.runtime.event_loop import running_loop
from azure_durable_py.testing.environment.outside_calls import CLOSED, OutsideCall, OutsideLoop
from azure_durable_py.testing.virtual.time import PATIENCE, StuckError, VirtualTimeLoop

_T = TypeVar("_T")

_LOOK_SECONDS = 1.0
"""How long a thread waits without being open to a Ctrl+C on Windows."""
_CLOSING_SECONDS = 10.0
"""Real time that closing may take. Longer takes only who is kept by code that does not return."""
_TAKING_SECONDS = 0.5
"""Real time that a test has to take in an answer while somebody else waits. Longer takes only who waits for him."""


class VirtualThread:
    """An event loop at virtual time in a thread of its own.

    :param within: how much virtual time one call may take.
    :param prepare: called in the context of each call before it begins.
    """

    def __init__(self, within: timedelta = PATIENCE, prepare: Callable[[], None] = lambda: None) -> None:
        self._within = within.total_seconds()
        self.loop = VirtualTimeLoop()
        self._prepare = prepare
        self._process = os.getpid()
        self._turn = threading.Condition()
        self._new: list[OutsideCall[Any]] = []
        self._open: list[OutsideCall[Any]] = []
        self._callers: dict[asyncio.AbstractEventLoop, OutsideLoop] = {}
        self._held: set[OutsideLoop] = set()
        self._last_work: Coroutine[Any, Any, None] | None = None
        self._is_ending = False
        self._ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        # A daemon: code that does not return must not keep the test run from its end.
        self._thread = threading.Thread(target=self._serve, name="durable test environment", daemon=True)
        self._thread.start()

    # --- for who calls -------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """Whether this is code that runs on the loop itself."""
        return running_loop() is self.loop

    @property
    def is_this(self) -> bool:
        """Whether this is code in the thread of the loop, on it or not."""
        return threading.current_thread() is self._thread

    @property
    def is_app_code(self) -> bool:
        """Whether this is code on the loop that is no call of a test, so of the app: an activity, a stand-in of one."""
        if not self.is_here:
            return False
        task = asyncio.current_task()
        return all(call.task is not task for call in self._open)

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the loop, wait for it on another event loop, and return or raise what it does.

        :raises StuckError: nothing is left that could ever end it, or it is not over within its time.
        :raises RuntimeError: it would wait for itself, this is another process, or the environment is closed.
        """
        __tracebackhide__ = True
        if self.is_here:
            return await work
        with _closing_if_refused(work):
            self._check()
            loop = running_loop()
            if loop is None:
                raise RuntimeError(
                    "A DurableTestEnvironment is used on an event loop of asyncio, and none runs here. For tests "
                    "without one (and for trio) there is DurableTestSyncEnvironment."
                )
        return await self._caller_on(loop).run(work)

    def run_and_wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine on the loop, keep this thread waiting for it, and return or raise what it does.

        :raises StuckError: as `run`.
        :raises RuntimeError: as `run`.
        """
        __tracebackhide__ = True
        call = self.submit(work)
        return self.wait_for(call)

    def submit(self, work: Coroutine[Any, Any, _T]) -> OutsideCall[_T]:
        """Begin to run a coroutine, for a thread that will wait for it."""
        with _closing_if_refused(work):
            self._check()
        loop = running_loop()
        caller = None if loop is None else self._caller_on(loop)
        call = OutsideCall(work, caller)
        # A loop that is kept waiting makes no more calls before this one is answered.
        self.go_on(caller, [call] if caller is None else [*caller.made(), call])
        return call

    def wait_for(self, call: OutsideCall[_T]) -> _T:
        """Keep this thread waiting for a call."""
        __tracebackhide__ = True
        try:
            # In slices: on Windows nothing interrupts a wait without an end.
            while not concurrent.futures.wait([call.done], _LOOK_SECONDS).done:
                pass
        except BaseException:
            self.cancel(call)
            raise
        return call.done.result()

    def cancel(self, call: OutsideCall[Any]) -> None:
        """Cancel a call. Nobody waits for it any more."""
        call.is_cancelled = True
        self._call_on_loop(self._cancel, call)

    async def close(self, last_work: Coroutine[Any, Any, None]) -> None:
        """Run a last coroutine on the loop, end the loop and the thread. Calls that are open end with a `RuntimeError`.

        :raises RuntimeError: code that runs on the loop does not return. It tells where that is.
        """
        if self._shut(last_work):
            await asyncio.wait([asyncio.wrap_future(self._ended)], timeout=_CLOSING_SECONDS)
            self._after()

    def close_and_wait(self, last_work: Coroutine[Any, Any, None]) -> None:
        """As `close`, for a thread that waits."""
        if self._shut(last_work):
            concurrent.futures.wait([self._ended], _CLOSING_SECONDS)
            self._after()

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError(
                "This test environment was made by the process that this one was forked from, and its engine runs "
                "there. Make one in each process."
            )
        if self._last_work is not None:
            raise RuntimeError(CLOSED)
        if self.is_this:
            raise RuntimeError(
                "A test environment was called by code that it runs, which would wait for itself. Only an `async def` "
                "activity, or what stands for one, may await its calls."
            )

    def _caller_on(self, loop: asyncio.AbstractEventLoop) -> OutsideLoop:
        with self._turn:
            for closed in [other for other in self._callers if other.is_closed()]:
                del self._callers[closed]
            return self._callers.setdefault(loop, OutsideLoop(self, loop))

    # --- turns ---------------------------------------------------------------------------------------

    def hold(self, caller: OutsideLoop) -> None:
        """Stand still until a caller has taken in an answer."""
        with self._turn:
            self._held.add(caller)

    def go_on(self, caller: OutsideLoop | None, calls: Sequence[OutsideCall[Any]]) -> None:
        """A caller waits, and for these calls, too."""
        with self._turn:
            is_late = self._last_work is not None
            self._new += [] if is_late else calls
            if caller is not None:
                self._held.discard(caller)
            self._turn.notify_all()
        if is_late:
            for call in calls:
                call.refuse()
        self._call_on_loop(self._begin)

    def _call_on_loop(self, callback: Callable[..., object], *args: Any) -> None:
        with self._turn:
            if self._ended.done() or self.loop.is_closed():
                return
            self.loop.call_soon_threadsafe(callback, *args)
            self._turn.notify_all()

    def _serve(self) -> None:
        try:
            while self._has_turn():
                try:
                    self.loop.run_forever()
                except StuckError as error:
                    text = "\n".join([str(error), *self.loop.testimony()])
                    self._fail(lambda text=text: StuckError(text))
                except BaseException as error:  # noqa: BLE001 - SystemExit and its like pass through an event loop
                    self._fail(lambda error=error: error)
            self._end()
        except BaseException as error:  # noqa: BLE001 - handed to whoever closes it
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    def _has_turn(self) -> bool:
        """Wait until the loop is to run; False: no more."""
        with self._turn:
            while self._last_work is None and (not (self._new or self._open) or self._is_held()):
                if not self._turn.wait(_TAKING_SECONDS if self._others_wait() else None):
                    # Who holds is kept by his own code, as by a client of FastAPI that runs what calls from elsewhere.
                    self._held.clear()
            return self._last_work is None

    def _is_held(self) -> bool:
        # A loop that has stopped, as that of a test which has failed, will not say any more that it waits.
        self._held = {caller for caller in self._held if caller.is_running}
        return bool(self._held)

    def _others_wait(self) -> bool:
        return any(call.caller not in self._held for call in [*self._new, *self._open])

    def _begin(self) -> None:
        with self._turn:
            begun, self._new = self._new, []
        for call in begun:
            if call.is_cancelled or self._last_work is not None:
                call.refuse()
                continue
            call.context.run(self._prepare)
            call.task = call.context.run(self.loop.create_task, call.work)
            self._open.append(call)
            self.loop.wait_until(self.loop.time() + self._within, self._within)
            call.task.add_done_callback(lambda task, call=call: self._finished(call, task))

    def _finished(self, call: OutsideCall[Any], task: asyncio.Task[Any]) -> None:
        self._open.remove(call)
        call.end(task)
        self._stand_still()

    def _stand_still(self) -> None:
        if not self._is_ending:
            self.loop.stop()

    def _cancel(self, call: OutsideCall[Any]) -> None:
        if call.task is not None:
            call.task.cancel()

    def _fail(self, failure: Callable[[], BaseException]) -> None:
        for call in self._open:
            call.failure = failure()
            self._cancel(call)

    # --- the end -------------------------------------------------------------------------------------

    def _shut(self, last_work: Coroutine[Any, Any, None]) -> bool:
        """Have the thread end; False: it is asked to already, or is that of another process."""
        if os.getpid() != self._process or self._last_work is not None:
            last_work.close()
            return False
        with self._turn:
            self._last_work = last_work
            self._turn.notify_all()
            if not self.loop.is_closed():
                self.loop.call_soon_threadsafe(self._stand_still)
        return True

    def _end(self) -> None:
        assert self._last_work is not None
        self._is_ending = True
        failure = self.loop.hear_no_more()
        self._begin()
        self._fail(lambda: RuntimeError(CLOSED))
        self.loop.wait_until(None)
        try:
            self.loop.run_until_complete(self._last_work)
        finally:
            self.loop.end()
            for call in self._open:  # Of code that takes no notice of being cancelled.
                call.give_up()
        if failure is not None:
            raise failure

    def _after(self) -> None:
        if self._ended.done():
            self._thread.join()
            self._ended.result()
            return
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] - there is no other way to see a thread
        frame = frames.get(self._thread.ident or 0)
        where = "" if frame is None else "".join(traceback.format_stack(frame))
        raise RuntimeError(
            f"The test environment was closed, and code that it runs has not returned for {_CLOSING_SECONDS:g} s. It "
            f"is left where it is:\n{where}"
        )


@contextmanager
def _closing_if_refused(work: Coroutine[Any, Any, Any]) -> Generator[None]:
    """Close a coroutine that is not to be run: nobody is to be told that it never was."""
    try:
        yield
    except BaseException:
        work.close()
        raise
