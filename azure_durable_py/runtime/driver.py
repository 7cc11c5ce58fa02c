"""Runs an orchestrator function: a generator, a coroutine or a plain function.

Owns the conversation with user code: it sends results in, takes the awaited task out, and
refuses anything else with advice. It never decides, and it knows nothing of histories.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.runtime.decisions import Halt
from azure_durable_py.runtime.determinism import line_of
from azure_durable_py.runtime.tasks import Task

Routine: TypeAlias = "Generator[Any, Any, Any] | Coroutine[Any, Any, Any]"


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned a value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """The function raised an error."""

    error: BaseException


class Driver:
    """One run of an orchestrator function. It starts with the first `run`."""

    def __init__(self, function: Callable[[Any], Any], argument: Any) -> None:
        self._function = function
        self._argument = argument
        self._routine: Routine | None = None
        self._started = False
        self.awaiting: Task[Any] | None = None

    @property
    def is_blocked(self) -> bool:
        """Whether the function waits for a task that is not completed."""
        return self.awaiting is not None and not self.awaiting.is_completed

    def run(self, interrupted: Callable[[], bool]) -> Returned | Raised | None:
        """Run until the function ends (what it returned or raised) or must wait (None).

        Where the function awaits, `interrupted` tells whether to leave it there.

        :raises Halt: the engine stopped the code.
        """
        if self._started and self.awaiting is None:
            return None
        try:
            outcome = self._step() if self._started else self._start()
            while outcome is None and not interrupted() and not self.is_blocked:
                outcome = self._step()
        except Halt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever user code raises ends the instance, never the process
            return Raised(_explained(_without_own_frames(error)))
        return outcome

    def _start(self) -> Returned | None:
        self._started = True
        made = self._function(self._argument)
        if inspect.isgenerator(made) or inspect.iscoroutine(made):
            self._routine = cast("Routine", made)
            return self._resume(lambda routine: routine.send(None))
        if inspect.isasyncgen(made):
            raise OrchestratorError("An `async def` orchestrator must not yield: await the tasks instead.")
        return Returned(made)

    def _step(self) -> Returned | None:
        task, self.awaiting = self.awaiting, None
        if task is None:
            return None
        error = task.error
        if error is not None:
            return self._resume(lambda routine: routine.throw(error))
        value = task.get_result()
        return self._resume(lambda routine: routine.send(value))

    def _resume(self, go: Callable[[Routine], Any]) -> Returned | None:
        routine = cast("Routine", self._routine)
        try:
            yielded = go(routine)
            while not isinstance(yielded, Task):
                yielded = routine.throw(_refusal(yielded))
        except StopIteration as stop:
            return Returned(stop.value)
        self.awaiting = cast("Task[Any]", yielded)
        self.awaiting.want()
        return None

    def place(self) -> str | None:
        """File, line and function where user code waits, innermost frame."""
        place = None
        routine: Any = self._routine
        while routine is not None:
            frame = getattr(routine, "gi_frame", None) or getattr(routine, "cr_frame", None)
            if frame is not None and not _is_task_await(routine):
                place = line_of(frame.f_code, frame.f_lineno)
            inner = getattr(routine, "gi_yieldfrom", None)
            routine = inner if inner is not None else getattr(routine, "cr_await", None)
        return place

    @property
    def is_running(self) -> bool:
        """Whether user code is on the stack right now."""
        routine: Any = self._routine
        return routine is not None and bool(
            getattr(routine, "gi_running", False) or getattr(routine, "cr_running", False)
        )

    def close(self) -> None:
        """Drop the function where it stands.

        Python runs its `finally` blocks; the caller sees to it that they can decide nothing.
        A block that yields is closed again, so that nothing is left to warn about.
        """
        routine, self._routine, self.awaiting = self._routine, None, None
        self._started = True
        for _ in range(100):
            if routine is None:
                return
            try:
                routine.close()
                return
            except RuntimeError:
                continue
            except BaseException:  # noqa: BLE001 - what the blocks of dropped code raise concerns nobody
                return


_TASK_AWAIT = cast("Any", Task).__await__.__code__


def _is_task_await(routine: Any) -> bool:
    return getattr(routine, "gi_code", None) is _TASK_AWAIT


def _without_own_frames(error: BaseException) -> BaseException:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return error.with_traceback(trace)


def _explained(error: BaseException) -> BaseException:
    if type(error) is not RuntimeError or "no running event loop" not in str(error):
        return error
    explained = OrchestratorError(f"{_FORBIDDEN_AWAIT} ({error})")
    explained.__cause__ = error
    return explained.with_traceback(error.__traceback__)


_FORBIDDEN_AWAIT = (
    "An orchestrator may await only tasks of its context. In place of asyncio.sleep await "
    "context.create_timer(...), in place of asyncio.gather await context.task_all([...]), "
    "and do I/O in an activity."
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
