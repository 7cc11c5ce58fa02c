"""Sync code of an orchestrator that waits for agents: `Runner.run_sync` in a `def`.

Theory of operation
-------------------
A `def` cannot let go of the event loop in the middle of a call, so it gets a thread of its own. That thread and the
orchestrator take turns: while one runs the other is blocked, so to the engine both are one and the same code, and
nothing in the history tells of it. Where the function calls `Runner.run_sync`, its thread stands still, and the
orchestrator awaits the run in its place, with everything that may take, and hands over what came of it. The function is
never run twice but by a replay, and goes on with the objects that it has.

When the engine drops an execution, the thread is told to end: what it waits for raises `Dropped`, also in code that
catches errors. A thread that cannot be reached, because it blocks, is left behind; it can decide nothing any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import ctypes
import inspect
import queue
import threading
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.runtime.event_loop import (
    Dropped,
    OrchestrationLoop,
    drop_generator,
    running_loop,
    set_running_loop,
)

T = TypeVar("T")
_LOOK_EVERY = 0.05
"""Seconds after which the blocked side looks whether it was interrupted."""
_MOST_ATTEMPTS = 100
"""To end code that goes on when it is dropped."""


@dataclass(frozen=True, slots=True)
class _CallOutcome:
    """What a call came to."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(frozen=True, slots=True)
class _WantedCoroutine:
    """The thread waits for a coroutine, which belongs into this context."""

    make: Callable[[], Coroutine[Any, Any, Any]]
    context: contextvars.Context


class SyncCode:
    """A thread in which sync code of one orchestration runs, in turns with the orchestrator.

    :param loop: the event loop of the orchestration.
    """

    def __init__(self, loop: OrchestrationLoop) -> None:
        self._loop = loop
        self._calls: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._said: queue.SimpleQueue[_CallOutcome | _WantedCoroutine] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[_CallOutcome] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._generator: Generator[Any, Any, Any] | None = None
        self._waits = self._is_dropped = self._is_lost = False

    # --- in the orchestrator ---------------------------------------------------------------------------

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """What a plain function or a generator function returns; what it yields is awaited."""
        made = await self.call(lambda: function(argument))
        if not inspect.isgenerator(made):
            return made
        self._generator = generator = cast("Generator[Any, Any, Any]", made)
        go: Callable[[], Any] = partial(generator.send, None)
        while True:
            has_ended, value = await self.call(partial(_step, go))
            if has_ended:
                return value
            try:
                go = partial(generator.send, await _Yielded(value))
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it belongs to the generator
                go = partial(generator.throw, error)

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function in the thread, and await for it what it waits for."""
        if self._thread is None:
            self._begin()
        self._calls.put(function)
        said = self._listen()
        while isinstance(said, _WantedCoroutine):
            self._waits = True
            outcome = await self._outcome(said)
            self._waits = False
            self._answers.put(outcome)
            said = self._listen()
        return said.get()

    def _begin(self) -> None:
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name="orchestrator of agents", daemon=True
        )
        self._thread.start()

    async def _outcome(self, wanted: _WantedCoroutine) -> _CallOutcome:
        task = wanted.context.run(lambda: self._loop.create_task(wanted.make()))
        try:
            return _CallOutcome(await task)
        except Exception as error:  # noqa: BLE001 - it belongs to the code that waits
            return _CallOutcome(error=error)

    def _listen(self) -> _CallOutcome | _WantedCoroutine:
        """What the thread says next. Nothing else runs meanwhile, but an interruption gets through."""
        try:
            while True:
                # To be interrupted takes that code runs.
                with contextlib.suppress(queue.Empty):
                    return self._said.get(timeout=_LOOK_EVERY)
        except BaseException:
            self._interrupt()
            raise

    def _interrupt(self) -> None:
        """Have code end that does not stop by itself."""
        self._is_dropped = True
        thread = self._thread
        for _ in range(_MOST_ATTEMPTS):
            if thread is None or thread.ident is None or not thread.is_alive():
                return
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Dropped))
            try:
                self._waits = isinstance(self._said.get(timeout=_LOOK_EVERY / 10), _WantedCoroutine)
            except queue.Empty:
                continue
            return
        self._is_lost = True

    def close(self) -> None:
        """End the thread, wherever it stands."""
        if self._thread is None:
            return
        self._is_dropped = True
        while self._waits and not self._is_lost:
            self._answers.put(_CallOutcome(error=Dropped()))
            self._waits = isinstance(self._said.get(), _WantedCoroutine)
        if self._generator is not None and not self._is_lost:
            self._calls.put(partial(drop_generator, self._generator))
            self._said.get()
        self._calls.put(None)
        self._thread = self._generator = None

    # --- in the thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        _current.set(self)
        set_running_loop(self._loop)
        while (function := self._calls.get()) is not None:
            try:
                outcome = _CallOutcome(function())
            except BaseException as error:  # noqa: BLE001 - it belongs to the orchestrator
                outcome = _CallOutcome(error=error)
            self._said.put(outcome)
            del function, outcome

    def wait_for(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait until the orchestrator has awaited a coroutine. To be called in the thread.

        :raises Dropped: nobody wants the code to go on.
        """
        if self._is_dropped:
            raise Dropped
        self._said.put(_WantedCoroutine(make, contextvars.copy_context()))
        return self._answers.get().get()


_current: ContextVar[SyncCode | None] = ContextVar("azure_durable_py_sync_code", default=None)


def current_sync_code() -> SyncCode | None:
    """The thread of sync code that this is; None: it is none."""
    found = _current.get()
    # Coroutines that the orchestrator awaits for it have its context, too.
    return found if found is not None and found._thread is threading.current_thread() else None  # pyright: ignore[reportPrivateUsage]


async def run_sync_code(function: Callable[[Any], Any], argument: Any) -> Any:
    """Run a plain function or a generator function as the code of the orchestration whose code runs now.

    :param function: it may call `Runner.run_sync`; what it yields is awaited.
    :return: what it returns.
    """
    loop = running_loop()
    if not isinstance(loop, OrchestrationLoop):
        raise OrchestratorError("An orchestrator of agents is run by the engine: start it with a client.")
    code = SyncCode(loop)
    try:
        return await code.run(function, argument)
    finally:
        code.close()


class _Yielded:
    """Awaits what a generator yielded, as if the orchestrator were that generator."""

    def __init__(self, what: Any) -> None:
        self._what = what

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self._what)


def _step(go: Callable[[], Any]) -> tuple[bool, Any]:
    """Take a step of a generator: whether it has ended, and what it yielded or returned."""
    try:
        return False, go()
    except StopIteration as stop:
        return True, stop.value
