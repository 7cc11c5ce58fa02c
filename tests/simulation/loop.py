"""The event loop of a simulated run: no sockets, no threads, no real time.

Written for speed, since a run is little else than small steps of many tasks: it has a queue of what
is ready and a heap of timers, and time jumps to the next timer when nothing is ready. Everything is
in the order in which it was asked for, so that a run can be had again.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from azure_durable_py.testing.virtual.time import StuckError

_Result = TypeVar("_Result")
_TICK = 1e-6
"""Running takes time, too: or rounding could keep a timer from ever being due."""


class _Handle:
    __slots__ = ("args", "callback", "context", "moment")

    def __init__(
        self,
        callback: Callable[..., object] | None,
        args: tuple[Any, ...],
        context: contextvars.Context,
        moment: float = 0.0,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.moment = moment

    def cancel(self) -> None:
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self.moment


class SimulatedLoop(asyncio.AbstractEventLoop):
    """What asyncio's tasks, futures, sleeps and locks need of a loop, and nothing more.

    :param make_task: makes every task.
    """

    is_virtual = True

    def __init__(self, make_task: Callable[..., asyncio.Task[Any]] = asyncio.Task) -> None:
        self.unhandled: list[str] = []
        """What went wrong where nobody looked: tasks that died of an exception that nobody took."""
        self.steps = 0
        self._make_task = make_task
        self._now = 0.0
        self._ready: deque[_Handle] = deque()
        self._timers: list[tuple[float, int, _Handle]] = []
        self._timers_made = 0
        self._closed = False
        self._running = False

    # --- time and turns ------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = _Handle(callback, args, context if context is not None else contextvars.copy_context())
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        handle = _Handle(callback, args, context if context is not None else contextvars.copy_context(), when)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **more: Any) -> asyncio.Task[Any]:
        return self._make_task(coro, loop=self, **more)

    def run_until_complete(self, future: Any) -> Any:
        """Run until a coroutine or future is done.

        :raises StuckError: everybody waits, and nothing is scheduled that could wake anybody.
        """
        main = asyncio.ensure_future(future, loop=self)
        self._running = True
        asyncio._set_running_loop(self)
        try:
            self._run(main)
        finally:
            asyncio._set_running_loop(None)
            self._running = False
        return main.result()

    def _run(self, main: asyncio.Future[Any]) -> None:
        ready, timers = self._ready, self._timers
        while not main.done():
            while ready:
                handle = ready.popleft()
                callback = handle.callback
                if callback is not None:
                    self.steps += 1
                    try:
                        handle.context.run(callback, *handle.args)
                    except (KeyboardInterrupt, SystemExit):
                        raise
                    except BaseException as error:  # noqa: BLE001 - as asyncio does
                        self.call_exception_handler({"message": f"in {callback!r}", "exception": error})
            while timers:
                moment, _, handle = heapq.heappop(timers)
                if handle.callback is not None:
                    self._now = max(self._now, moment) + _TICK
                    ready.append(handle)
                    break
            else:
                if not main.done():
                    raise StuckError("Every task waits, and no timer is set: the run can never end.")

    # --- the rest of what asyncio asks for -------------------------------------------------------------

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(f"{context.get('message')}: {context.get('exception')!r} {context.get('task') or ''}")

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        self._closed = True
        self._ready.clear()
        self._timers.clear()


def run_simulated(
    main: Coroutine[Any, Any, _Result],
    make_task: Callable[..., asyncio.Task[Any]] = asyncio.Task,
) -> _Result:
    """Run a coroutine to its end on a loop of its own, and end every task that it left.

    :param make_task: makes every task.
    :raises StuckError: it can never end.
    """
    loop = SimulatedLoop(make_task)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        while left:
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.wait(left, timeout=600.0))
            left = asyncio.all_tasks(loop)
        loop.close()
