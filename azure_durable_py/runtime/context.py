"""`DurableOrchestrationContext`: all that an orchestrator function may do.

Owns the names, parameters and types that users see. Each call makes a decision or reads the
state of the generation; nothing here waits or does I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from uuid import UUID

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import Event, EventSent, TimerCreated
from azure_durable_py.ids import check_instance_id
from azure_durable_py.registry import place_of
from azure_durable_py.runtime import ids
from azure_durable_py.runtime.calls.activities import ActivityCalls
from azure_durable_py.runtime.calls.children import ChildCalls
from azure_durable_py.runtime.calls.entities import EntityCalls
from azure_durable_py.runtime.calls.http import HttpCalls
from azure_durable_py.runtime.external_events import EventTask
from azure_durable_py.runtime.generation import Continuation, Generation
from azure_durable_py.runtime.logging import ReplaySafeLogger
from azure_durable_py.runtime.tasks import AllTask, AnyTask, Task, TimerTask, done
from azure_durable_py.serialization.annotations import naming
from azure_durable_py.times import utc

T = TypeVar("T")


class DurableOrchestrationContext(ActivityCalls, ChildCalls, EntityCalls, HttpCalls):
    """What an orchestrator function gets as its argument.

    Calls that take time return a `Task`: `yield` it in a generator function, `await` it in an
    `async def` one. Inputs and results are JSON (see `azure_durable_py.serialization`).
    """

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self._ids = 0
        self._random: Random | None = None
        self._custom_status: Any = None
        self._function_context = SimpleNamespace()
        self._extensions: dict[type[Any], Any] = {}

    # --- about this instance ------------------------------------------------------------------

    @property
    def instance_id(self) -> str:
        """The id of this orchestration instance."""
        return self._generation.instance_id

    @property
    def parent_instance_id(self) -> str | None:
        """The id of the orchestration that started this one, if it is a sub-orchestration."""
        parent = self._generation.start.parent
        return None if parent is None else parent.instance_id

    @property
    def name(self) -> str:
        """The name under which the orchestrator was started."""
        return self._generation.start.name

    @property
    def version(self) -> str | None:
        """The version that the instance carries, if any."""
        return self._generation.start.version

    @property
    def is_replaying(self) -> bool:
        """Whether the code is being replayed: what it does now has been done before."""
        return self._decisions.replaying

    @property
    def current_utc_datetime(self) -> datetime:
        """The time of the current turn (UTC, aware): the same on every replay."""
        return self._generation.now

    @property
    def histories(self) -> tuple[Event, ...]:
        """The history of this generation up to the current turn."""
        return tuple(self._generation.past)

    @property
    def will_continue_as_new(self) -> bool:
        """Whether `continue_as_new` was called."""
        return self._generation.continuation is not None

    @property
    def function_context(self) -> SimpleNamespace:
        """A place for attributes of the invocation; the engine keeps none there."""
        return self._function_context

    @property
    def logger(self) -> ReplaySafeLogger:
        """A replay-safe logger named `azure_durable_py.orchestrator.NAME`, after the orchestrator.

        Each record is made once, when what it tells happens, and not again on replay. It carries the instance id and
        the orchestrator's name as `instance_id` and `orchestrator`.
        """
        return self.create_replay_safe_logger(logging.getLogger(f"azure_durable_py.orchestrator.{self.name}"))

    def create_replay_safe_logger(self, logger: logging.Logger) -> ReplaySafeLogger:
        """A logger that passes everything on to `logger`, except during replay, with what `logger` here adds."""
        return ReplaySafeLogger(logger, self.instance_id, self.name, lambda: self.is_replaying)

    def get_input(self, expected_type: Any = None) -> Any:
        """The input of the instance, or None if it was started without one.

        :param expected_type: the type to build; by default what the `input_type` of the decorator demands.
        :raises SerializationError: the input is not of that type.
        """
        text, definition = self._generation.start.input, self._generation.definition
        if expected_type is not None or definition is None or definition.input_type is None:
            return self._generation.decoder(expected_type)(text)
        with naming(lambda: f"input of orchestrator {definition.name!r}, {place_of(definition.function)}"):
            return self._generation.decoder(definition.input_type)(text)

    # --- no part of the interface, but read by apps written for azure-functions-durable -----------

    @property
    def _input(self) -> str | None:
        """The JSON text of the input; None: there is none."""
        text = self._generation.start.input
        return text if isinstance(text, str) else None

    @property
    def _instance_id(self) -> str:
        return self.instance_id

    # --- ids ------------------------------------------------------------------------------------

    def new_uuid(self) -> str:
        """A new unique id as text, the same on every replay."""
        return ids.new_uuid(self.instance_id, self.current_utc_datetime, self._next_id())

    def new_guid(self) -> UUID:
        """A new UUID, the same on every replay."""
        return ids.new_guid(self.instance_id, self.current_utc_datetime, self._next_id())

    @property
    def random(self) -> Random:
        """A generator of random numbers that gives the same ones on every replay, and others in every instance."""
        if self._random is None:
            generation = self._generation
            self._random = ids.new_random(self.instance_id, generation.execution_id, generation.number)
        return self._random

    def _next_id(self) -> int:
        self._ids += 1
        return self._ids - 1

    # --- timers and events ------------------------------------------------------------------------

    def create_timer(self, fire_at: datetime | timedelta) -> TimerTask:
        """A durable timer of any length; `cancel()` stops it.

        :param fire_at: when it fires (naive times are UTC), or how long from now.
        """
        now = self._generation.now
        if not isinstance(fire_at, datetime | timedelta):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OrchestratorError(
                f"create_timer takes the time at which it fires (a datetime) or how long from now (a timedelta), not "
                f"{fire_at!r}. Seconds are: timedelta(seconds={fire_at!r})."
            )
        moment = now + fire_at if isinstance(fire_at, timedelta) else utc(fire_at)
        return self._decisions.timer(lambda number: TimerCreated(now, number, moment))

    def wait_for_external_event(self, name: str, expected_type: Any = None) -> EventTask[Any]:
        """Wait for an external event; its data is the result of the task.

        Names match regardless of case. Events that arrive before anybody waits are kept;
        the oldest wait takes the oldest event. A wait that lost in a `task_any` takes no event
        until it is awaited again; `cancel()` gives it up for good.

        :param name: the name of the event.
        :param expected_type: the type to build from the data.
        """
        return self._generation.events.wait(name, self._generation.decoder(expected_type), self._generation.now)

    def send_event(self, instance_id: str, name: str, data: Any = None) -> Task[None]:
        """Send an external event to another orchestration. There is nothing to wait for.

        :raises InvalidInstanceIdError: `instance_id` breaks the rules for ids.
        :raises SerializationError: `data` is not JSON.
        """
        target, text, now = (
            check_instance_id(instance_id),
            self._serialize(data, lambda: f"data of event {name!r}"),
            self._generation.now,
        )
        return done(None, self._decisions.make(lambda number: EventSent(now, number, target, name, text)))

    # --- several tasks at once --------------------------------------------------------------------

    def task_all(self, activities: Iterable[Task[T]]) -> Task[list[T]]:
        """Wait for all tasks: their results in the order given, or the first failure.

        :raises OrchestratorError: something else than tasks was given.
        """
        return AllTask(_checked(activities, "task_all"))

    def task_any(self, activities: Iterable[Task[T]]) -> Task[Task[T]]:
        """Wait for the first task to complete; that task is the result, even if it failed.

        The others stay open and may be awaited later. Over no tasks at all it completes at once, with None.

        :raises OrchestratorError: something else than tasks was given.
        """
        return cast("Task[Task[T]]", AnyTask(_checked(activities, "task_any")))

    # --- this generation ----------------------------------------------------------------------------

    def continue_as_new(self, input_: Any = None, save_events: bool = True, new_version: str | None = None) -> None:
        """Start over with a new input and an empty history when the function next awaits or returns.

        The next generation may begin in the same commit: what a custom status said in between is then never seen.

        :param input_: the input of the next generation, JSON-serializable.
        :param save_events: whether external events that were not consumed are carried over.
        :param new_version: the version that the instance carries from then on.
        :raises SerializationError: `input_` is not JSON.
        """
        self._generation.continuation = Continuation(
            self._serialize(input_, lambda: "input of continue_as_new"), save_events, new_version
        )

    @property
    def custom_status(self) -> Any:
        """What `set_custom_status` was last given."""
        return self._custom_status

    def set_custom_status(self, status: Any) -> None:
        """Publish a status of one's own with the instance.

        :param status: JSON-serializable, at most 16 KB of JSON (UTF-8).
        :raises PayloadTooLargeError: it is larger. :raises SerializationError: it is not JSON.
        """
        self._generation.custom_status.set_own(self._serialize(status, lambda: "the custom status"))
        self._custom_status = status

    # --- for libraries ------------------------------------------------------------------------------

    def set_status_part(self, name: str, value: Any) -> None:
        """Publish something beside the custom status, under a name of its own: for libraries.

        Clients see it in the custom status, as a field of the user's object; a user's status that is no object, or has
        a field of that name, stands under `status` meanwhile. It is gone when the instance ends or continues as new.

        :param name: the name of the field.
        :param value: JSON-serializable, at most 16,000 bytes of JSON (UTF-8) with the other parts; None takes it away.
        :raises PayloadTooLargeError: it is larger. :raises SerializationError: it is not JSON.
        """
        text = None if value is None else self._serialize(value, lambda: f"{name!r} beside the custom status")
        self._generation.custom_status.set_part(name, text)

    def extension(self, kind: type[T]) -> T:
        """What a library keeps with this execution of the code: the one object of a class, made when first asked for.

        :param kind: the class; it is called without arguments.
        """
        found = self._extensions.get(kind)
        if found is None:
            found = self._extensions[kind] = kind()
        return found


def _checked(tasks: Iterable[Task[Any]], caller: str) -> list[Task[Any]]:
    found: list[Any] = list(tasks)
    for task in found:
        if not isinstance(task, Task):
            raise OrchestratorError(
                f"{caller} takes tasks of the context, not {type(task).__name__}. "
                "What is `async def` goes into asyncio.gather(...) or asyncio.wait(...)."
            )
    return found
