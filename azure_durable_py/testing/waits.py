"""What instances wait for, told when a run is stuck.

Owns that sentence. What is under way is read from the history; which external events code waits for is in no history,
so contexts are observed for it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import DurableError
from azure_durable_py.history.events import (
    Answer,
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.external_events import EventTask
from azure_durable_py.status import OrchestrationRuntimeStatus as Status

MOST_TOLD = 10
"""Instances that a message tells of."""


class Waits:
    """The external events that the orchestrators of one hub wait for."""

    def __init__(self) -> None:
        self._events: dict[str, list[tuple[str, EventTask[Any]]]] = {}

    def observed(self, registry: Registry) -> Registry:
        """The same app, with its orchestrators observed."""
        made = Registry(strict_types=registry.strict_types)
        made.activities, made.entities = registry.activities, registry.entities
        for name in registry.orchestrators.names():
            made.orchestrators.add(self._observed(registry.orchestrators.get(name)))
        for definition in registry.orchestrators.built_in():
            made.orchestrators.add_built_in(definition)
        return made

    def _observed(self, definition: OrchestratorDefinition) -> OrchestratorDefinition:
        function = definition.function
        if not (inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function)):
            return definition

        @functools.wraps(function)
        def start(context: DurableOrchestrationContext) -> Any:
            self._observe(context)
            return function(context)

        return replace(definition, function=start)

    def _observe(self, context: DurableOrchestrationContext) -> None:
        begun = self._events[context.instance_id] = []
        wait = context.wait_for_external_event

        def observed(name: str, expected_type: Any = None) -> EventTask[Any]:
            task = wait(name, expected_type)
            begun.append((name, task))
            return task

        context.wait_for_external_event = observed

    def of(self, instance_id: str) -> list[str]:
        """The names of the external events that an instance waits for."""
        waiting = [name for name, task in self._events.get(instance_id, []) if task.waits()]
        return list(dict.fromkeys(waiting))


async def told(client: DurableOrchestrationClient, waits: Waits) -> str:
    """A line for each instance of a hub that is not finished."""
    try:
        found = await client.get_status_by(
            runtime_status=[Status.Pending, Status.Running, Status.Suspended], show_input=False
        )
        lines = [await _told(client, status, waits) for status in found[:MOST_TOLD]]
    except DurableError as error:
        return f"The instances cannot be told of: {error}"
    if len(found) > MOST_TOLD:
        lines.append(f"{len(found) - MOST_TOLD} more instances are not finished.")
    return "\n".join(lines)


async def _told(client: DurableOrchestrationClient, status: DurableOrchestrationStatus, waits: Waits) -> str:
    instance_id = status.instance_id or ""
    who = f"Instance {instance_id!r} ({status.name})"
    if status.runtime_status is Status.Pending:
        return f"{who} has not begun: its start is yet to come, or no worker runs that may run it."
    if status.runtime_status is Status.Suspended:
        return f"{who} is suspended: client.resume(...) lets it go on."
    events = [f"external event {name!r} (client.raise_event(...) sends it)" for name in waits.of(instance_id)]
    open_tasks = list(_open(await client.get_history(instance_id), client.hub.clock.now()))
    return f"{who} waits for {', '.join([*open_tasks, *events]) or 'nothing that is known'}."


def _open(history: Iterable[Event], now: datetime) -> Iterator[str]:
    """What was decided and has not been answered."""
    events = list(history)
    answered = {event.task_id for event in events if isinstance(event, Answer)}
    for event in events:
        match event:
            case TaskScheduled(id=number, name=name) if number not in answered:
                yield f"activity {name!r}"
            case SubOrchestrationCreated(id=number, name=name, instance_id=child) if number not in answered:
                yield f"sub-orchestration {child!r} ({name})"
            # One that is long past was cancelled.
            case TimerCreated(id=number, fire_at=moment) if number not in answered and moment > now:
                yield f"a timer at {moment:%Y-%m-%d %H:%M:%S}"
            case EntityOperationCalled(id=number, instance_id=entity, operation=name) if number not in answered:
                yield f"operation {name!r} of entity {entity}"
            case EntityLockRequested(id=number, instance_id=entity) if number not in answered:
                yield f"the lock of entity {entity}"
            case _:
                pass
