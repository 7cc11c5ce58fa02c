"""The event loop on which an `async def` orchestrator runs.

Theory of operation
-------------------
What asyncio does with coroutines - tasks, futures, groups, timeouts, queues, locks - is pure bookkeeping over two
questions that it asks its event loop: what is ready to run, and what is the time. This loop answers both from the
history. Callbacks run in the order in which they became ready, the time is that of the turn, and a call for later
is a durable timer, which is a decision like any other. So code takes the same steps on every replay.

The loop never runs by itself: the driver takes callbacks from it, one by one, for as long as there are any. It is the
running loop of its thread only meanwhile (`run_within`); the loop of the worker, whose turn this is, then goes on.

Two things of asyncio would differ from one run to the next: the order of sets, which follows the addresses of what they
hold, and the names of tasks, which count over the whole process. Tasks and futures of this loop hash and count by
their number in the orchestration. `as_completed` begins coroutines in the order of a set, so it is replaced by
one that does not (`in_order`); code that got hold of the other one is refused.

Whatever would touch the world is refused, with what to do in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import logging
import sys
import zlib
from asyncio import tasks as asyncio_tasks
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable
from datetime import datetime, timedelta, timezone
from types import CodeType, FrameType
from typing import Any, Protocol, TypeVar, cast

from azure_durable_py.errors import OrchestratorError

logger = logging.getLogger("azure_durable_py.orchestrator")
T = TypeVar("T")
# What asyncio has for those who write event loops and tasks.
running_loop = asyncio._get_running_loop  # pyright: ignore[reportPrivateUsage]
set_running_loop = asyncio._set_running_loop  # pyright: ignore[reportPrivateUsage]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class DurableTimer(Protocol):
    """A timer that was decided."""

    def cancel(self) -> bool:
        """Stop it; without effect once it has fired."""
        ...


class Abandonable:
    """A task of the engine, as far as its event loop knows it."""

    __slots__ = ()

    def abandon(self) -> None:
        """Code that waited for this task, or was about to, was cancelled."""
        raise NotImplementedError


class World(Protocol):
    """What an orchestration lets its event loop know and decide."""

    @property
    def instance_id(self) -> str:
        """The instance that runs."""
        ...

    @property
    def now(self) -> datetime:
        """The time of the turn."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether what happens now has happened before (a replay), or is of no interest any more."""
        ...

    def timer(self, fire_at: datetime, fired: Callable[[], None]) -> DurableTimer:
        """Decide a durable timer."""
        ...


class OrchestrationFuture(asyncio.Future[T]):
    """A future of an orchestration: the same place in every set on every replay."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class _InContext(Coroutine[Any, Any, T]):
    """A coroutine that runs in a context of its own, whoever takes its steps.

    Before Python 3.11 no task tells which context it runs in, or takes one, and what is left of it is closed there.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context) -> None:
        self._coroutine = coroutine
        self._context = context

    def send(self, value: Any) -> Any:
        return self._context.run(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._context.run(self._coroutine.throw, *error)

    def close(self) -> None:
        self._context.run(self._coroutine.close)

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)


class OrchestrationTask(asyncio.Task[T]):
    """A coroutine that runs beside the orchestrator function: the same place in every set on every replay."""

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, T], **options: Any) -> None:
        self._number = number
        self._own_context: contextvars.Context | None = options.get("context")
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self._number

    def get_context(self) -> contextvars.Context:
        """The context that its coroutine runs in; where that enters its own by itself, one like it."""
        return contextvars.copy_context() if self._own_context is None else self._own_context


class _TimerHandle(asyncio.TimerHandle):
    """A call for later, and the durable timer behind it."""

    __slots__ = ("timer",)

    timer: DurableTimer | None


class OrchestrationLoop(asyncio.AbstractEventLoop):
    """The event loop of one live orchestration.

    :param world: the orchestration.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.ready: deque[asyncio.Handle] = deque()
        """The callbacks that are to run, in this order."""
        # asyncio holds tasks weakly: what the garbage collector takes would differ between replays.
        self._tasks: dict[int, Any] = {}
        # Many loops live in one process, and asyncio keeps all tasks in one table: their hashes must not be the same.
        self._numbers = zlib.crc32(world.instance_id.encode("utf-8", "surrogatepass")) << 20
        self._first_number = self._numbers
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._factory: Any = None
        self._closed = self._quiet = False
        self.context: Any = None
        """What the orchestrator function is given: whose code runs on this loop."""
        self.main: Any = None
        """What stands for the orchestrator function as a task, if it is a coroutine."""
        self.is_beside = False
        """Whether code runs that is not the orchestrator function itself."""
        self.within: asyncio.AbstractEventLoop | None = None
        """The event loop whose turn this is, while this one runs."""
        self.waits = 0
        """How many callbacks and coroutines wait for timers and tasks of the engine."""

    # --- for the driver ------------------------------------------------------------------------

    def run_next(self) -> None:
        """Run the callback that became ready first.

        Whatever a callback raises that is no `Exception` comes through; an error is told to the exception handler.
        """
        handle: Any = self.ready.popleft()
        if handle.cancelled():
            return
        self._leave_main()
        self.is_beside = True
        try:
            handle._context.run(handle._callback, *handle._args)
        except Exception as error:  # noqa: BLE001 - as the loops of asyncio do
            self.call_exception_handler({"message": f"Error in {handle!r}", "exception": error, "handle": handle})
        finally:
            # The traceback of an error may hold this frame, and the frame must not hold the task that has the error.
            del handle
            self.is_beside = False
            self.enter_main()

    def run_within(self, code: Callable[[], T]) -> T:
        """Run code with this loop as the running one of its thread, whichever that is otherwise.

        A stretch of user code in it may be interrupted, but not what leads in and out.
        """
        outer = running_loop()
        if outer is self:
            return code()
        task = None if outer is None else swap_current_task(outer, None)
        hooks = sys.get_asyncgen_hooks()
        self.within = outer
        set_running_loop(self)
        sys.set_asyncgen_hooks(None, self._close_generator)
        self.enter_main()
        try:
            return code()
        finally:
            self._leave_main()
            self.within = None
            sys.set_asyncgen_hooks(*hooks)
            set_running_loop(outer)
            if outer is not None:
                swap_current_task(outer, task)

    def enter_main(self) -> None:
        """Have the orchestrator function the current task, which it is unless a callback runs."""
        if self.main is not None:
            _enter_task(self, self.main)

    def _leave_main(self) -> None:
        # An interruption may have hit between the two: then it is not the current task any more.
        if self.main is not None:
            try:  # noqa: SIM105 - `suppress` would be a quarter of what a callback takes
                _leave_task(self, self.main)
            except RuntimeError:
                pass

    def forget_code(self) -> None:
        """Hold neither the orchestrator function nor its context any more: no step of it is still to come."""
        if running_loop() is self:
            self._leave_main()
        self.main = self.context = None

    def step_main(self, step: Callable[[], None]) -> None:
        """Run a step of the orchestrator function within a callback."""
        self.is_beside = False
        self.enter_main()
        try:
            step()
        finally:
            self._leave_main()

    @property
    def has_tasks(self) -> bool:
        """Whether anything runs beside the orchestrator function."""
        return bool(self._tasks)

    def abandon(self, *, quietly: bool) -> list[Any]:
        """Run nothing any more. Returns the tasks that are left where they stand, for the caller to close.

        :param quietly: errors that nobody awaited are not told: it goes on elsewhere, or they were told before.
        """
        self._closed, self._quiet = True, quietly
        self.ready.clear()
        left = list(self._tasks.values())
        self._tasks.clear()
        return left

    def run_as(self, task: Any, code: Callable[[], None]) -> None:
        """Run code as a step of a task that is left: it is the current one, and has its context."""
        self._leave_main()
        _enter_task(self, task)
        try:
            task.get_context().run(code)
        finally:
            _leave_task(self, task)
            self.enter_main()

    # --- what asyncio asks ------------------------------------------------------------------------

    def time(self) -> float:
        """The time of the turn, in seconds since 1970."""
        return (self._world.now - _EPOCH).total_seconds()

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback in this turn, after everything that is ready already."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self._closed:
            self.ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback after a durable timer of so many seconds; one that ends after the year 9999 never does.

        :raises OrchestratorError: `delay` is not a number.
        """
        return self._call_at(self.time() + delay, _later(self._world.now, delay), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run a callback at a time (of `time`), by a durable timer; after the year 9999 is never.

        :raises OrchestratorError: `when` is not a number.
        """
        return self._call_at(when, _later(_EPOCH, when), callback, args, context)

    def _call_at(
        self,
        when: float,
        moment: datetime | None,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> asyncio.TimerHandle:
        handle = _TimerHandle(when, callback, args, self, context)
        handle.timer = None
        if moment is None:
            return handle
        if moment <= self._world.now:
            self.ready.append(handle)
        else:
            handle.timer = self._world.timer(moment, functools.partial(self._fire, handle))
            self.waits += 1
        return handle

    def _fire(self, handle: _TimerHandle) -> None:
        handle.timer = None
        self.waits -= 1
        if not self._closed:
            self.ready.append(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # What `TimerHandle.cancel` calls on its loop.
        timed = cast("_TimerHandle", handle)
        timer, timed.timer = timed.timer, None
        if timer is not None:
            self.waits -= 1
            timer.cancel()

    def create_future(self) -> OrchestrationFuture[Any]:
        """A future of this loop."""
        return OrchestrationFuture(self._next_number(), self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None, **options: Any) -> Any:
        """Run a coroutine beside the orchestrator function, as part of the same orchestration.

        A task of the engine may stand for the coroutine that awaits it.

        :raises OrchestratorError: a foreign `as_completed` asks for it, which would begin coroutines in no order.
        """
        _refuse_unordered(coro)
        if isinstance(coro, Abandonable):
            coro = _wrap_awaitable(coro)
        number = self._next_number()
        # What is left of the task in the end is closed in the context that it had.
        if sys.version_info >= (3, 11):
            options["context"] = contextvars.copy_context() if context is None else context
        else:
            coro = _InContext(coro, contextvars.copy_context() if context is None else context)
        beside, self.is_beside = self.is_beside, True  # A task may be made to begin at once.
        try:
            if self._factory is not None:
                task: Any = self._factory(self, coro, **options)
            else:
                task = OrchestrationTask(number, coro, loop=self, **options)
        finally:
            self.is_beside = beside
        # A task that is left at the end was cut off on purpose.
        task._log_destroy_pending = False
        self._tasks[id(task)] = task
        awaited = _wrapped_in(coro)
        # One callback for both: each is a step of the loop.
        task.add_done_callback(self._forget if awaited is None else functools.partial(self._forget, awaited=awaited))
        task.set_name(f"Task-{number - self._first_number}" if name is None else name)
        return task

    def _forget(self, task: asyncio.Future[Any], awaited: Abandonable | None = None) -> None:
        """A task is done, which did nothing but await a task of the engine, if that is given."""
        self._tasks.pop(id(task), None)
        # Cancelled before its first step, a coroutine never knows.
        if awaited is not None and task.cancelled():
            awaited.abandon()

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def set_task_factory(self, factory: Any) -> None:
        """What makes tasks; None: this loop's own way."""
        self._factory = factory

    def get_task_factory(self) -> Any:
        """What makes tasks."""
        return self._factory

    def is_running(self) -> bool:
        """Whether the orchestration can still take steps."""
        return not self._closed

    def is_closed(self) -> bool:
        """Whether the orchestration can take no steps any more."""
        return self._closed

    def get_debug(self) -> bool:
        """Always False: debug mode measures real time."""
        return False

    def set_debug(self, enabled: bool) -> None:
        """Without effect."""

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Refused, as there are no threads. What a library of `CALLED_INLINE` puts into one is called at once.

        :raises OrchestratorError: other code asks for it.
        """
        if not _is_called_inline(sys._getframe(1), func):  # pyright: ignore[reportPrivateUsage]
            return _refusing("run_in_executor")(self, executor, func, *args)
        future: OrchestrationFuture[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to who awaits
            future.set_exception(error)
        return future

    async def shutdown_asyncgens(self) -> None:
        """Nothing is to be done: asynchronous generators end with the orchestration."""

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if running_loop() is not self:
            return
        if not self._closed:
            self.create_task(generator.aclose())
            return
        closing = _closing(generator)
        with contextlib.suppress(BaseException):
            closing.send(None)
            drop_coroutine(closing)

    # --- errors that nobody waits for ---------------------------------------------------------------

    def get_exception_handler(self) -> Any:
        """What is told of errors that nobody waits for; None: the log."""
        return self._handler

    def set_exception_handler(self, handler: Any) -> None:
        """Have errors that nobody waits for told to `handler(loop, context)`."""
        self._handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log an error that nobody waits for, where it happens for the first time: not in replays."""
        if self._quiet if self._closed else self._world.is_silent:
            return
        logger.error(
            "Orchestration %r: an error that nothing awaits: %s",
            self._world.instance_id,
            context.get("message"),
            exc_info=context.get("exception"),
        )

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tell an error that nobody waits for."""
        if self._handler is None or self._closed:
            self.default_exception_handler(context)
            return
        try:
            self._handler(self, context)
        except Exception as error:  # noqa: BLE001 - as the loops of asyncio do
            self.default_exception_handler({"message": "Error in the exception handler", "exception": error})


class Dropped(BaseException):
    """Raised in a coroutine where it stands, when its orchestration takes no further step here."""


async def _closing(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def drop_coroutine(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Drop code where it stands. Its blocks are run; one that waits is dropped again, so that nothing is left of it.

    Closing it would leave asynchronous generators, which it waits within, to the garbage collector.
    """
    for _ in range(_MOST_DROPS):
        try:
            coroutine.throw(Dropped())
        except BaseException:  # noqa: BLE001 - what the blocks of dropped code raise concerns nobody
            return
    coroutine.close()


def drop_generator(generator: Generator[Any, Any, Any]) -> None:
    """Have a generator end where it stands, whatever its blocks do."""
    # A block that yields is closed again, so that nothing is left to warn about.
    for _ in range(_MOST_DROPS):
        try:
            generator.close()
            return
        except RuntimeError:
            continue
        except BaseException:  # noqa: BLE001 - what the blocks of dropped code raise concerns nobody
            return


_MOST_DROPS = 100
"""How often code is dropped that goes on each time."""


def _later(moment: datetime, seconds: float) -> datetime | None:
    """A moment so many seconds later; None: never."""
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return None if seconds > 0 else moment
    except ValueError as error:
        raise OrchestratorError(f"{seconds!r} seconds is no time that a timer can have.") from error


# --- what is refused ---------------------------------------------------------------------------------------

_MENDS = (
    (("run_in_executor", "set_default_executor", "shutdown_default_executor"), "threads and executors"),
    (("call_soon_threadsafe",), "calls from other threads: raise an external event in their place"),
    (("subprocess_", "add_signal", "remove_signal"), "processes and signals"),
    (("run_", "stop", "close"), "an event loop of its own: await what you want to run"),
    (("",), "sockets, files and names"),
)


def _refusing(name: str) -> Callable[..., Any]:
    what = next(text for starts, text in _MENDS if name.startswith(starts))

    def refuse(self: OrchestrationLoop, *args: Any, **kwargs: Any) -> Any:
        del self, args, kwargs
        raise OrchestratorError(
            f"An orchestrator cannot use the event loop's {name}(): it has no {what}. It is replayed, so it must not "
            "touch the world. Do that in an activity, and await context.call_activity(...)."
        )

    refuse.__name__ = name
    refuse.__doc__ = "Refused: it would touch the world."
    return refuse


def _refuse_the_world() -> None:
    """Have every method of event loops that is not written here refuse."""
    for name in vars(asyncio.AbstractEventLoop):
        if not name.startswith("_") and name not in vars(OrchestrationLoop):
            setattr(OrchestrationLoop, name, _refusing(name))


_refuse_the_world()


# --- functions of users that a library puts into threads -------------------------------------------------

CALLED_INLINE: set[str] = set()
"""Source files of libraries that call functions in a thread, their own or the user's, so that those may block.

Such a function is a part of the orchestrator, as a tool of an agent: it must not block in any case, and there is no
other thread on which it would be the same on each replay.
"""


def _is_called_inline(frame: FrameType, function: Any) -> bool:
    caller = frame
    if frame.f_code is _TO_THREAD:
        function = frame.f_locals.get("func")
        caller = frame.f_back or frame
    code = getattr(function, "__code__", None)
    return any(each is not None and each.co_filename in CALLED_INLINE for each in (caller.f_code, code))


_TO_THREAD = asyncio.to_thread.__code__


# --- asyncio's own parts ---------------------------------------------------------------------------------------

# What asyncio has for those who write tasks. They need not be `asyncio.Task`, whatever type checkers are told.
_enter_task = cast("Callable[[Any, Any], None]", asyncio_tasks._enter_task)
_leave_task = cast("Callable[[Any, Any], None]", asyncio_tasks._leave_task)
_swap: Callable[[Any, Any], Any] | None = getattr(asyncio_tasks, "_swap_current_task", None)


def swap_current_task(loop: asyncio.AbstractEventLoop, task: Any) -> Any:
    """Make `task` the current one of a loop; returns which it was.

    Before Python 3.12 each loop has a current task of its own, which another loop does not disturb.
    """
    return None if _swap is None else _swap(loop, task)


async def _wrap_awaitable(awaitable: Any) -> Any:
    return await awaitable


def _wrapped_in(coroutine: Any) -> Abandonable | None:
    """The task of the engine that a coroutine awaits and nothing else: made here, or by `asyncio.ensure_future`."""
    frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    if frame is None or frame.f_code.co_name != _wrap_awaitable.__name__:
        return None
    awaited = frame.f_locals.get("awaitable")
    return awaited if isinstance(awaited, Abandonable) else None


_unordered = asyncio_tasks.as_completed


@functools.wraps(_unordered)
def in_order(fs: Iterable[Any], **options: Any) -> Any:
    """`asyncio.as_completed`; in an orchestrator it begins coroutines in the order given."""
    if isinstance(running_loop(), OrchestrationLoop) and not asyncio.isfuture(fs) and not asyncio.iscoroutine(fs):
        fs = [asyncio.ensure_future(awaitable) for awaitable in dict.fromkeys(fs)]
    return _unordered(fs, **options)


def _codes_of(made: Any) -> set[CodeType]:
    found: set[CodeType] = set()
    for value in (made, *vars(getattr(asyncio_tasks, "_AsCompletedIterator", object)).values()):
        code = getattr(value, "__code__", None)
        if code is not None:
            found.add(code)
    return found


_UNORDERED_CODES = _codes_of(_unordered)
asyncio.as_completed = asyncio_tasks.as_completed = in_order


def _refuse_unordered(coroutine: Any) -> None:
    frame: FrameType | None = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    for _ in range(4):
        if frame is None or frame.f_code.co_filename != asyncio_tasks.__file__:
            return
        if frame.f_code in _UNORDERED_CODES:
            coroutine.close()
            raise OrchestratorError(
                "asyncio.as_completed begins coroutines in no fixed order when it is imported by name before "
                "azure_durable_py is. Call it as asyncio.as_completed(...), or make tasks first: "
                "[asyncio.create_task(c) for c in coroutines]."
            )
        frame = frame.f_back
