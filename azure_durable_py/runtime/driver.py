"""Runs an orchestrator function: a generator, a coroutine or a plain function.

Owns the conversation with user code: it sends results in, takes the awaited task out, and
refuses anything else with advice. It never decides, and it knows nothing of histories.

A coroutine may also wait for what asyncio has: a future, or just its next turn. Those, and the coroutines that it runs
beside itself, go on as callbacks of the event loop, which the driver runs when there is nothing to be said to the
function itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, cast

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.runtime.decisions import Halt
from azure_durable_py.runtime.determinism import is_machinery, line_of
from azure_durable_py.runtime.event_loop import OrchestrationLoop, drop_coroutine, drop_generator
from azure_durable_py.runtime.main_task import MainTask, cancellation
from azure_durable_py.runtime.tasks import Task

Routine: TypeAlias = "Generator[Any, Any, Any] | Coroutine[Any, Any, Any]"


MOST_CALLBACKS = 5_000_000
"""Steps of coroutines between two events, after which they are held to go round in circles."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised an error."""

    error: BaseException


class Driver:
    """One run of an orchestrator function. It starts with the first `run`.

    :param loop: the event loop that it runs on; whoever calls has entered it.
    """

    def __init__(self, function: Callable[[Any], Any], argument: Any, loop: OrchestrationLoop) -> None:
        self._function = function
        self._argument = argument
        self._loop = loop
        # What the app set for all its code, as the precision of decimals, holds here, too; what is set here stays here.
        self._context = contextvars.copy_context()
        # Callbacks that step the function enter its context themselves.
        self._between = contextvars.Context()
        self._routine: Routine | None = None
        self._main: MainTask | None = None
        self._started = False
        self._outcome: Returned | Raised | None = None
        self.awaiting: Task[Any] | None = None

    def run(self, interrupted: Callable[[], bool]) -> Returned | Raised | None:
        """Run until the function ends (what it returned or raised) or must wait (None).

        Where code awaits, `interrupted` tells whether to leave it there.

        :raises Halt: the engine stopped the code.
        """
        try:
            if not self._started:
                self._start()
            elif self.awaiting is None and not self._loop.ready:
                return None
            callbacks, loop = 0, self._loop
            while self._outcome is None:
                task = self.awaiting
                if task is not None and task.is_completed:
                    if interrupted():
                        break
                    self._answer(task)
                elif loop.ready:
                    if interrupted():
                        break
                    loop.run_next()
                    callbacks += 1
                    if callbacks > MOST_CALLBACKS:
                        raise self._endless()
                elif task is None and not loop.waits and not interrupted():
                    raise self._hopeless()
                else:
                    break
        except Halt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever user code raises ends the instance, never the process
            self._end(Raised(_without_own_frames(error)))
        return self._outcome

    def _start(self) -> None:
        self._started = True
        made = self._context.run(self._function, self._argument)
        if inspect.iscoroutine(made):
            self._main = self._loop.main = MainTask(made, self._context, self._loop, self._interrupt)
            self._loop.enter_main()
        elif inspect.isasyncgen(made):
            raise OrchestratorError("An `async def` orchestrator must not yield: await the tasks instead.")
        elif not inspect.isgenerator(made):
            self._end(Returned(made))
            return
        self._routine = cast("Routine", made)
        self._resume(self._routine.send, None)

    def _end(self, outcome: Returned | Raised) -> None:
        self._outcome = outcome
        self.awaiting = None

    def _endless(self) -> OrchestratorError:
        return OrchestratorError(
            f"The coroutines of the orchestrator took {MOST_CALLBACKS} steps without waiting for anything durable "
            f"({self.place() or 'place unknown'}). To wait for something of another coroutine use an event, a "
            "condition or a queue of asyncio in place of a loop over asyncio.sleep(0)."
        )

    def _hopeless(self) -> OrchestratorError:
        return OrchestratorError(
            f"The orchestrator waits for ever, at {self.place() or 'an unknown place'}: nothing that it or its "
            "tasks started is still to come. A future, event, lock or queue of asyncio moves only when another "
            "task of the same orchestration moves it; to wait for the world, await a task of the context."
        )

    # --- what the function is told -----------------------------------------------------------------

    def _answer(self, task: Task[Any]) -> None:
        """Tell it what came of the task that it awaits."""
        self.awaiting = None
        routine: Any = self._routine
        error, value = task.outcome()
        if self._main is not None and (cancelled := self._main.go_on()) is not None:
            self._resume(routine.throw, cancelled)
        elif error is not None:
            self._resume(routine.throw, error)
        else:
            self._resume(routine.send, value)

    def _wake(self, future: asyncio.Future[Any] | None = None) -> None:
        """Go on: the future that it waited for is done, or it only waited for its next turn."""
        if self._outcome is not None or self._routine is None:
            return
        main = cast("MainTask", self._main)
        error: BaseException | None = main.go_on()
        if error is None and future is not None:
            try:
                future.result()
            except BaseException as failed:  # noqa: BLE001 - it belongs to the function
                error = failed
        self._step(error)

    def _interrupt(self, message: Any) -> bool:
        """Have it cancelled where it waits."""
        future = cast("MainTask", self._main).waits_for
        if future is not None:
            return future.cancel(message)
        task, self.awaiting = self.awaiting, None
        if task is None:
            return False
        task.is_awaited = False
        task.abandon()
        self._loop.call_soon(self._cancel, message, context=self._between)
        return True

    def _cancel(self, message: Any) -> None:
        # Asked for twice, it is cancelled once.
        self._step(cast("MainTask", self._main).go_on() or cancellation(message))

    def _step(self, error: BaseException | None) -> None:
        """Take a step as a callback of the event loop, which would keep its errors to itself."""
        routine = cast("Routine", self._routine)
        go, what = (routine.send, None) if error is None else (routine.throw, error)
        try:
            self._loop.step_main(partial(self._resume, go, what))
        except Halt:
            raise
        except BaseException as raised:  # noqa: BLE001 - as in `run`
            self._end(Raised(_without_own_frames(raised)))

    def _resume(self, go: Callable[[Any], Any], what: Any) -> None:
        yielded: Any
        try:
            yielded = self._context.run(go, what)
            while not isinstance(yielded, Task):
                if self._waits_for(yielded):
                    return
                yielded = self._context.run(cast("Routine", self._routine).throw, _refusal(yielded))
        except StopIteration as stop:
            self._end(Returned(stop.value))
            return
        self.awaiting = yielded
        yielded.is_awaited = True
        yielded.want()

    def _waits_for(self, yielded: Any) -> bool:
        """Wait for something of asyncio; False: that it is not."""
        main = self._main
        if main is None:
            return False
        if yielded is None:
            self._loop.call_soon(self._wake, context=self._between)
            return True
        if not getattr(yielded, "_asyncio_future_blocking", False):
            return False
        yielded._asyncio_future_blocking = False
        if yielded.get_loop() is not self._loop:
            return False
        yielded.add_done_callback(self._wake, context=self._between)
        main.wait(yielded)
        return True

    # --- where it is -----------------------------------------------------------------------------------

    def place(self) -> str | None:
        """File, line and function where user code waits, innermost frame."""
        place = None
        routine: Any = self._routine
        while routine is not None:
            frame = getattr(routine, "gi_frame", None) or getattr(routine, "cr_frame", None)
            if frame is not None and not is_machinery(frame.f_code):
                place = line_of(frame.f_code, frame.f_lineno)
            inner = getattr(routine, "gi_yieldfrom", None)
            routine = inner if inner is not None else getattr(routine, "cr_await", None)
        return place

    @property
    def is_waiting(self) -> bool:
        """Whether the function has begun, and nothing that it could go on with has come."""
        task = self.awaiting
        return task is not None and not task.is_completed and not self._loop.ready

    @property
    def is_running(self) -> bool:
        """Whether user code is on the stack right now."""
        routine: Any = self._routine
        return self._loop.is_beside or (
            routine is not None and bool(getattr(routine, "gi_running", False) or getattr(routine, "cr_running", False))
        )

    @property
    def has_ended(self) -> bool:
        """Whether the function has come to its end, and nothing runs beside it any more."""
        routine: Any = self._routine
        frame = None if routine is None else getattr(routine, "cr_frame", None) or getattr(routine, "gi_frame", None)
        return self._started and frame is None and not self._loop.has_tasks

    def close(self, *, quietly: bool = True) -> None:
        """Drop the function where it stands, and what runs beside it.

        Python runs their `finally` blocks; the caller sees to it that they can decide nothing.

        :param quietly: errors that nobody awaited are not told.
        """
        routine, self._routine, self.awaiting = self._routine, None, None
        self._started, self._outcome = True, None
        left = self._loop.abandon(quietly=quietly)
        if inspect.iscoroutine(routine):
            self._context.run(drop_coroutine, routine)
        elif routine is not None:
            drop_generator(cast("Generator[Any, Any, Any]", routine))
        for task in left:
            self._loop.run_as(task, partial(drop_coroutine, task.get_coro()))
        if self._main is not None:
            self._main.close()


def _without_own_frames(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


def checked_output(value: Any) -> Any:
    """What a function returned.

    :raises OrchestratorError: something that was to be awaited.
    """
    if isinstance(value, Task) or asyncio.isfuture(value) or inspect.iscoroutine(value):
        raise OrchestratorError(f"The orchestrator returned {_short(value)}, not its result: await or yield it first.")
    return value


_FORBIDDEN_AWAIT = (
    "An orchestrator may wait only for tasks of its context and, if it is `async def`, for what asyncio makes of them. "
    "Do I/O in an activity."
)


def _refusal(value: Any) -> OrchestratorError:
    if isinstance(value, list | tuple | set):
        kind = type(cast("object", value)).__name__
        return OrchestratorError(f"A {kind} cannot be awaited: use context.task_all([...]) or context.task_any([...]).")
    if inspect.iscoroutine(value):
        value.close()
        return OrchestratorError("A coroutine was yielded: make the orchestrator `async def` and await it.")
    if inspect.isgenerator(value):
        return OrchestratorError("A generator was yielded: use `yield from` for a helper that yields tasks.")
    return OrchestratorError(f"{_FORBIDDEN_AWAIT} (It gave {_short(value)}.)")


def _short(value: Any) -> str:
    name = type(value).__name__
    try:
        return f"{name} {repr(value)[:80]}"
    except BaseException:  # noqa: BLE001 - `__repr__` is user code
        return name
