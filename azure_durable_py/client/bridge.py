"""From threads that wait to an event loop that does not: how the sync client runs the async one.

Owns the waiting, and the thread with an event loop of its own where there is no other. It knows nothing of clients.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")
_LOOK_SECONDS = 1.0
"""How often who waits looks whether the loop still runs. Also what a Ctrl+C waits for on Windows."""
_CLOSED = "This client is closed, or the host that it belongs to has stopped: what was called may have had its effect."


class LoopBridge:
    """Runs coroutines on an event loop that runs in another thread. May be called from many threads at once.

    :param loop: the event loop; None: it is not known.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self._process = os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine, wait for it, and return or raise what it does. An exception in the wait cancels it.

        :raises RuntimeError: it would wait for itself, or there is no loop (any more) to run it on.
        """
        try:
            future = self._submit(coroutine)
        except BaseException:
            coroutine.close()
            raise
        return self._wait(future)

    def iterate(self, source: AsyncIterator[_T]) -> Generator[_T, None, None]:
        """The items of an async iterator, each fetched when it is asked for."""
        nothing = cast("_T", object())

        async def step() -> _T:
            return await anext(source, nothing)

        async def leave(left: AsyncGenerator[Any, Any]) -> None:
            await left.aclose()

        try:
            while (item := self.run(step())) is not nothing:
                yield item
        finally:
            if isinstance(source, AsyncGenerator):
                # Where it cannot be run any more, the loop that has ended has done it.
                with suppress(RuntimeError):
                    self.run(leave(cast("AsyncGenerator[Any, Any]", source)))

    def close(self) -> None:
        """Let go of the loop, which is somebody else's to stop."""

    def _submit(self, coroutine: Coroutine[Any, Any, _T]) -> concurrent.futures.Future[_T]:
        if os.getpid() != self._process:
            raise RuntimeError(
                "This client was made by the process that this one was forked from. Make one in each process: after "
                "the fork, or when it is first used."
            )
        if self._loop is None or self._loop.is_closed():
            raise RuntimeError(_CLOSED)
        running = _running_loop()
        # The event loop of an orchestration runs within that of its worker.
        if self._loop in (running, getattr(running, "within", None)):
            raise RuntimeError(
                "A sync client cannot be used on the event loop that does its work: the call would wait for itself. "
                "Use DurableOrchestrationClient, and await what it does, in an `async def` function."
            )
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _wait(self, future: concurrent.futures.Future[_T]) -> _T:
        try:
            while not concurrent.futures.wait([future], _LOOK_SECONDS).done:
                if self._loop is None or not self._loop.is_running():
                    raise RuntimeError(_CLOSED)
            return future.result()
        except concurrent.futures.CancelledError:
            raise RuntimeError(_CLOSED) from None
        except BaseException:
            future.cancel()
            raise


class LoopThread(LoopBridge, Generic[_T]):
    """An event loop in a thread of its own, on which an async context manager is open until it is closed.

    When the interpreter ends it is closed, too. Whoever still waits then, in whichever thread, gets an error.

    :param context: what to enter on the loop; `entered` is what it gives.
    :raises Exception: what entering it raises.
    """

    def __init__(self, context: AbstractAsyncContextManager[_T], name: str) -> None:
        super().__init__(asyncio.new_event_loop())
        self._submitting = threading.Lock()
        self._closing = False
        self._error: Exception | None = None
        self._holding: asyncio.Task[Any] | None = None
        self._stop = asyncio.Event()
        entered: concurrent.futures.Future[_T] = concurrent.futures.Future()
        # A daemon: who forgets to close it must still come to the end of his program.
        self._thread = threading.Thread(target=self._serve, args=(context, entered), name=name, daemon=True)
        self._thread.start()
        atexit.register(self.close)
        try:
            # In slices: on Windows nothing interrupts a wait without an end.
            while not concurrent.futures.wait([entered], _LOOK_SECONDS).done:
                pass
            self.entered = entered.result()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the context and end the thread. Idempotent; without effect in a process that was forked off.

        :raises RuntimeError: called on the loop itself.
        :raises Exception: what leaving the context raises.
        """
        if os.getpid() != self._process:
            return
        if threading.current_thread() is self._thread:
            raise RuntimeError("A sync client cannot be closed on the event loop that does its work.")
        with self._submitting:
            if not self._closing:
                self._closing = True
                with suppress(RuntimeError):  # It has ended by itself: what was to be entered could not be.
                    self._own.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        atexit.unregister(self.close)
        error, self._error = self._error, None
        if error is not None:
            raise error

    @property
    def _own(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        # What is submitted before the end is there when the end comes, and is cancelled: nobody waits for ever.
        with self._submitting:
            if self._closing:
                raise RuntimeError(_CLOSED)
            return super()._submit(coroutine)

    def _serve(self, context: AbstractAsyncContextManager[_T], entered: concurrent.futures.Future[_T]) -> None:
        loop = self._own
        try:
            loop.run_until_complete(self._hold(context, entered))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            # Not `shutdown_default_executor`: it starts a thread, which cannot be when the interpreter ends.
            loop.close()

    async def _hold(self, context: AbstractAsyncContextManager[_T], entered: concurrent.futures.Future[_T]) -> None:
        self._holding = asyncio.current_task()
        using = asyncio.ensure_future(self._use(context, entered))
        stopping = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait([using, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not entered.done():
            using.cancel()
        stopping.cancel()
        try:
            await using
        except asyncio.CancelledError:
            entered.cancel()
        except Exception as error:  # noqa: BLE001 - handed to whoever closes it
            self._error = error

    async def _use(self, context: AbstractAsyncContextManager[_T], entered: concurrent.futures.Future[_T]) -> None:
        try:
            async with context as value:
                entered.set_result(value)
                await self._stop.wait()
                mine = asyncio.current_task()
                others = [task for task in asyncio.all_tasks() if task is not mine and task is not self._holding]
                for task in others:
                    task.cancel()
                await asyncio.gather(*others, return_exceptions=True)
        except Exception as error:
            if entered.done():
                raise
            entered.set_exception(error)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
