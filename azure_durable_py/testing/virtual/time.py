"""An event loop on which time passes only when everybody waits.

Sleeps and timeouts end at once, in the right order, and a run is repeatable as long as nothing
outside the loop (threads, sockets) takes part.

Owns what a run is: its time, when it is stuck, the processes that it plays, and its end. It knows nothing of task hubs.
"""

from __future__ import annotations

import asyncio
import contextvars
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from azure_durable_py.testing.virtual.off_loop import off_loop

_Result = TypeVar("_Result")
_Step = tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]

PATIENCE = timedelta(days=400)
"""How much of its own time a run may take unless it says otherwise."""
_TICK = 1e-6
"""Running takes time, too: or rounding could keep a timer from ever being due. In seconds."""
_SOON = 1e-3
"""What is due within this time is due now. In seconds."""
_CLEANING = 600.0
"""Seconds of its own time that a task has to end once it is cancelled."""
_MOST_TRIES = 100
"""How often what is left of a run is cancelled. Code that takes no notice is left where it is."""


class StuckError(Exception):
    """Everybody waits, and nothing is scheduled that could ever end the run."""


class Process:
    """Code that stops as one: every task and callback that comes of what it runs.

    On a `VirtualTimeLoop` only; elsewhere nothing of it ever stops.
    """

    def __init__(self) -> None:
        self.is_stopped = False
        self.parked: list[_Step] = []
        """What was to run since it was stopped."""
        self._context = contextvars.copy_context()
        self._context.run(_process.set, self)

    def run(self, work: Coroutine[Any, Any, _Result]) -> asyncio.Task[_Result]:
        """Run a coroutine as part of this process."""
        return self._context.run(asyncio.ensure_future, work)

    def kill(self) -> None:
        """From now on nothing of it runs, not even a `finally` block, until the whole run ends."""
        self.is_stopped = True


_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


def process_here() -> Process | None:
    """The process that this code is part of."""
    return _process.get()


@dataclass(frozen=True, slots=True, eq=False)
class _Reaching:
    """Somebody who waits until all is done that is due by a moment. `ran` is how long had run when he began to."""

    moment: float
    ran: float
    done: asyncio.Future[None]

    def last(self, ran: float) -> float:
        """What is set for later than this is none of his: running took time from what is."""
        return self.moment + _SOON + ran - self.ran


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timeout, moves the loop's clock on by it."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # While there is something to run, the world outside waits: asking for it costs more than most that is run.
        self.loop.raise_failure()
        ready = [] if timeout == 0 else super().select(0)
        self.loop.run_on()
        if not ready and timeout != 0:
            self.loop.jump(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps to the next timer.

    :param limit: the time at which the run has failed that is not over by then, in seconds.
    """

    is_virtual = True

    def __init__(self, limit: float = PATIENCE.total_seconds()) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self.witnesses: list[Callable[[], Awaitable[str]]] = []
        """Asked, when the run is stuck, for what is known of the reason. They must not wait."""
        self._virtual_now = 0.0
        self._ran = 0.0
        self._reaching: list[_Reaching] = []
        self._limit: float | None = limit
        self._patience = limit
        self._stopped: dict[Process, None] = {}
        self._failure: Exception | None = None
        self._is_ending = False
        super().__init__(selector)

    # --- time ----------------------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._virtual_now += seconds

    def run_on(self) -> None:
        """Let the time pass that one round of callbacks takes."""
        self._ran += _TICK
        self.advance(_TICK)

    async def reach(self, moment: float) -> None:
        """Wait until all has been done that is due by a moment, and no longer.

        :param moment: a `time()`; one that is past means now.
        """
        reaching = _Reaching(max(moment, self.time()), self._ran, self.create_future())
        self._reaching.append(reaching)
        try:
            await reaching.done
        finally:
            self._reaching.remove(reaching)

    def wait_until(self, limit: float | None, patience: float = 0.0) -> None:
        """Say how long there is to wait from now on.

        :param limit: the time at which the run has failed, in seconds; None: it never has.
        :param patience: how long that was from where the waiting began, in seconds.
        """
        self._limit, self._patience = limit, patience

    def jump(self, seconds: float | None) -> None:
        """Let time pass to the next timer.

        :param seconds: how far away it is; None: there is none.
        :raises StuckError: there is none, or it is past the limit.
        """
        first = min(self._reaching, key=lambda each: each.last(self._ran), default=None)
        if first is not None and (seconds is None or self._virtual_now + seconds > first.last(self._ran)):
            self._virtual_now = max(self._virtual_now, first.moment)
            if not first.done.done():
                first.done.set_result(None)
            return
        if seconds is None:
            raise StuckError("Every task waits, and no timer is set: the run can never end.")
        if self._limit is not None and not self._reaching and self._virtual_now + seconds > self._limit:
            self._virtual_now = max(self._virtual_now, self._limit)
            raise StuckError(
                f"The run is not over within {timedelta(seconds=round(self._patience))} of its own time. Either it "
                "waits for what never comes, or it is to take longer: then say so, with `within=timedelta(...)`."
            )
        self.advance(seconds)

    # --- failing -------------------------------------------------------------------------------------

    def fail(self, error: Exception) -> None:
        """Have the run fail with an error of the test's own, which the code that runs into it must not handle."""
        if self._failure is None and not self._is_ending:
            self._failure = error

    def raise_failure(self) -> None:
        """Raise what the run is to fail with, if there is something, once."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def hear_no_more(self) -> Exception | None:
        """From now on have the run fail with nothing, as it is ending; returns what it was still to fail with."""
        self._is_ending = True
        failure, self._failure = self._failure, None
        return failure

    # --- processes and threads -----------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in the next pass, unless the process that it is part of is stopped by then."""
        context = contextvars.copy_context() if context is None else context
        process = context.get(_process)
        if process is None:
            return super().call_soon(callback, *args, context=context)
        return super().call_soon(self._step, process, (callback, args, context), context=context)

    def _step(self, process: Process, step: _Step) -> None:
        if process.is_stopped:
            self._stopped[process] = None
            process.parked.append(step)
        else:
            callback, args, _ = step
            callback(*args)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Call a function here and now: in a thread it would take real time, of which the run knows nothing."""
        del executor
        done: asyncio.Future[Any] = self.create_future()
        try:
            done.set_result(off_loop(lambda: func(*args)))
        except Exception as error:  # noqa: BLE001 - handed to the caller, whatever it is
            done.set_exception(error)
        return done

    # --- the end -------------------------------------------------------------------------------------

    def testimony(self) -> list[str]:
        """What the witnesses say."""
        self._limit = None
        return [text for witness in self.witnesses if (text := self.run_until_complete(_said(witness)))]

    def end(self) -> None:
        """End every task, those of killed processes too, and close."""
        self._limit = None
        self.hear_no_more()
        for _ in range(_MOST_TRIES):
            left = asyncio.all_tasks(self)
            if not left:
                break
            for task in left:
                task.cancel()
            for process in self._stopped:
                process.is_stopped = False
                for callback, args, context in process.parked:
                    super().call_soon(callback, *args, context=context)
                process.parked.clear()
            self.run_until_complete(asyncio.wait(left, timeout=_CLEANING))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()


async def _said(witness: Callable[[], Awaitable[str]]) -> str:
    return await witness()


def run_virtual(main: Coroutine[Any, Any, _Result], *, within: timedelta = PATIENCE) -> _Result:
    """Run a coroutine to its end on a loop of its own with virtual time, and clean up after it.

    Time is what the loop says it is (`asyncio.sleep`, timeouts, `loop.time()`): it passes only while everybody waits,
    and then all at once. What `asyncio.to_thread` is given runs on the loop as well.

    :param within: how much of its own time it may take.
    :raises StuckError: it can never end, or is not over within that time.
    :raises RuntimeError: an event loop is running already.
    """
    __tracebackhide__ = True
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        main.close()
        raise RuntimeError(
            "A run at virtual time has an event loop of its own and cannot begin inside a running one. Make the test "
            "a plain `def`; what it awaits belongs into a scenario, see azure_durable_py.testing.play."
        )
    loop = VirtualTimeLoop(within.total_seconds())
    try:
        result = loop.run_until_complete(main)
        loop.raise_failure()
        return result
    except StuckError as error:
        raise StuckError("\n".join([str(error), *loop.testimony()])) from None
    finally:
        loop.end()
