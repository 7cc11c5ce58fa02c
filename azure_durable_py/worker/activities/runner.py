"""Runs activity functions: decoding their input, catching what they raise, encoding what they return.

Owns the way from JSON text to JSON text. Async functions run on the event loop, sync ones each
in a thread of its own, so that they do not block one another and none can hold up the exit.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol

from azure_durable_py.errors import DurableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import TaskCompleted, TaskFailed
from azure_durable_py.observer import UNOBSERVED, Observation
from azure_durable_py.registry import ActivityDefinition, Definitions, place_of
from azure_durable_py.serialization.annotations import naming
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.shortening import shorten
from azure_durable_py.worker.activities.cancelling import CancellableRun
from azure_durable_py.worker.activities.threads import Threads
from azure_durable_py.worker.taskset import is_ended
from azure_durable_py.worker.watchdog import Watchdog


class SyncRunner(Protocol):
    """How a sync function is called without blocking the event loop."""

    async def __call__(self, call: Callable[[], Any], name: str) -> Any:
        """Call it and return or raise what it does."""
        ...


_THREADS = Threads()


async def run_in_thread(call: Callable[[], Any], name: str) -> Any:
    """Call a function in a daemon thread that does nothing else meanwhile, in a copy of the current context."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((result, error))

    def work() -> None:
        result, error = None, None
        try:
            result = context.run(call)
        except BaseException as raised:  # noqa: BLE001 - handed to the caller, whatever it is
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            return  # The loop is closed: the process is going down, and the work item goes to another.

    _THREADS.run(work, name)
    # As a value: a future that fails with GeneratorExit closes the coroutines that wait for it.
    result, error = await done
    if error is not None:
        raise error
    return result


async def run_inline(call: Callable[[], Any], name: str) -> Any:
    """Call a function right here: for virtual time, where threads would break determinism."""
    del name
    return call()


class ActivityRunner:
    """Runs activities of a registry to their completion events. Never raises what user code raises."""

    def __init__(
        self,
        activities: Definitions[ActivityDefinition],
        converter: DataConverter,
        now: Callable[[], datetime],
        run_sync: SyncRunner = run_in_thread,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._watchdog = watchdog
        self._activities = activities
        self._converter = converter
        self._now = now
        self._run_sync = run_sync

    def is_cancellable(self, name: str) -> bool:
        """Whether runs of an activity may be cancelled."""
        definition = self._activities.find(name)
        return definition is not None and definition.cancellable

    async def run(
        self,
        name: str,
        task_id: int,
        text: str | None,
        observation: Observation = UNOBSERVED,
        cancellable: CancellableRun | None = None,
    ) -> TaskCompleted | TaskFailed:
        """Run one activity on the JSON text of its input.

        :param observation: what is done around it.
        :param cancellable: by which it may be cancelled; then it has failed.
        :raises asyncio.CancelledError: the worker is stopping.
        """
        with observation:
            event = await self._run(name, task_id, text, cancellable)
            if isinstance(event, TaskFailed):
                observation.ended(None, event.failure)
            else:
                observation.ended(event.result if isinstance(event.result, str) else None, None)
        return event

    async def _run(
        self, name: str, task_id: int, text: str | None, cancellable: CancellableRun | None
    ) -> TaskCompleted | TaskFailed:
        try:
            definition = self._activities.get(name)
            result = await self._call(definition, text, cancellable)
            with naming(lambda: f"result of activity {name!r}"):
                return TaskCompleted(self._now(), task_id, self._converter.serialize(result))
        except DurableError as error:
            return self.failed(task_id, error)
        except asyncio.CancelledError as error:
            if is_ended(asyncio.current_task()):
                raise
            return self.failed(task_id, error)
        except BaseException as error:  # noqa: BLE001 - even SystemExit in an activity fails only the activity
            return self.failed(task_id, error)

    async def _call(self, definition: ActivityDefinition, text: str | None, cancellable: CancellableRun | None) -> Any:
        arguments = {definition.input_name: None if text is None else self._input(definition, text)}
        if not definition.is_async:
            return await self._run_sync(lambda: definition.function(**arguments), f"activity {definition.name}")
        if cancellable is not None:
            return await cancellable.run(lambda: self._steps(definition, arguments))
        return await self._steps(definition, arguments)

    def _steps(self, definition: ActivityDefinition, arguments: dict[str, Any]) -> Awaitable[Any]:
        work = definition.function(**arguments)
        if self._watchdog is None:
            return work
        # Told of, but not interrupted: it may be in the middle of something that cannot be begun again.
        what = f"`async def` activity {definition.name!r}"
        return self._watchdog.steps(work, lambda: what, math.inf)

    def _input(self, definition: ActivityDefinition, text: str) -> Any:
        with naming(
            lambda: (
                f"parameter {definition.input_name!r} of activity {definition.name!r}, {place_of(definition.function)}"
            )
        ):
            return self._converter.deserialize(text, definition.input_type)

    def failed(self, task_id: int, error: BaseException) -> TaskFailed:
        """The answer of an activity that raises this."""
        return TaskFailed(self._now(), task_id, shorten(FailureDetails.from_exception(error)))
