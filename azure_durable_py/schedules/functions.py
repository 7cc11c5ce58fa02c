"""The engine's own functions behind schedules, and how an app comes to have them.

Owns the orchestrators and the activity. They are replayed from the histories of older versions: what they decide, and
in which order, does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

from azure_durable_py.errors import InstanceNotFoundError, TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import (
    BUILT_IN,
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
)
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.tasks import Task
from azure_durable_py.schedules.definition import ENTITY
from azure_durable_py.schedules.entity import ENDED, LOOK, WATCHER, schedule
from azure_durable_py.serialization.converter import JsonText

OPERATION = f"{BUILT_IN}ScheduleOperation"
SEE_TO_RUN = f"{BUILT_IN}SeeToScheduledRun"
Code = Generator["Task[Any]", Any, Any]


class Ending(Protocol):
    """What is needed of a status."""

    @property
    def is_finished(self) -> bool:
        """Whether the instance is in a terminal state."""
        ...


class Instances(Protocol):
    """What is needed of a client."""

    async def get_status(self, instance_id: str) -> Ending:
        """The status of an instance, falsy if there is none."""
        ...

    async def terminate(self, instance_id: str, reason: str = "", *, recurse: bool = False) -> bool:
        """Have an instance terminated."""
        ...


def add_schedules(registry: Registry, client: Callable[[], Instances]) -> None:
    """Give an app what its schedules need.

    :param client: asked for a client of the hub that the app runs on, whenever one is needed.
    """
    registry.entities.add_built_in(EntityDefinition(ENTITY.lower(), schedule))
    for name, function in ((OPERATION, operate), (WATCHER, watch), (LOOK, look)):
        registry.orchestrators.add_built_in(OrchestratorDefinition(name, function))

    async def see(run: dict[str, Any]) -> bool:
        return await see_to_run(client(), run)

    registry.activities.add_built_in(ActivityDefinition(SEE_TO_RUN, see, "run"))


def operate(context: DurableOrchestrationContext) -> Code:
    """Have a schedule perform an operation, for a client: a client cannot wait for entities."""
    schedule_id, operation, given = context.get_input()
    try:
        return {"result": (yield context.call_entity(EntityId(ENTITY, schedule_id), operation, given))}
    except TaskFailedError as error:
        return {"error": error.details.error_type, "message": error.details.message}


def watch(context: DurableOrchestrationContext) -> Code:
    """Run what a schedule starts, and tell the schedule when it has ended."""
    run = context.get_input()
    text = None if run["input_json"] is None else JsonText(run["input_json"])
    failed = False
    try:
        yield context.call_sub_orchestrator(run["orchestrator"], text, run["instance_id"], run["version"])
    except TaskFailedError:
        failed = True
    context.signal_entity(EntityId(ENTITY, run["schedule_id"]), ENDED, context.instance_id)
    return {"instance_id": run["instance_id"], "failed": failed}


def look(context: DurableOrchestrationContext) -> Code:
    """See to runs that a schedule takes to be under way."""
    asked = context.get_input()
    for run in asked["runs"]:
        reason = f"The next occurrence of schedule {asked['schedule_id']!r} has come." if asked["terminate"] else None
        try:
            over = yield context.call_activity(SEE_TO_RUN, {**run, "terminate": reason})
        except TaskFailedError:
            over = False  # The next occurrence has it looked again.
        if over:
            context.signal_entity(EntityId(ENTITY, asked["schedule_id"]), ENDED, run["watcher"])


async def see_to_run(instances: Instances, run: dict[str, Any]) -> bool:
    """Whether a run is over. One that is not is terminated, if there is a reason given."""
    watcher, target = run["watcher"], run["instance_id"]
    surely_started = bool(run["surely_started"])
    is_watched = not _is_over(await instances.get_status(watcher), surely_started)
    is_over = _is_over(await instances.get_status(target), surely_started or not is_watched)
    if not is_over and run["terminate"]:
        try:
            await instances.terminate(target, run["terminate"], recurse=True)
        except InstanceNotFoundError:
            return False
    return is_over and not is_watched


def _is_over(status: Ending, surely_started: bool) -> bool:
    return status.is_finished if status else surely_started
