"""What is played with rewinds: families whose work fails the first times, and people who rewind them until they end."""

from __future__ import annotations

import asyncio
import json
import zlib
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import InstanceNotFailedError, TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from tests.simulation import looking
from tests.simulation.traffic_scenarios import value_of
from tests.simulation.world import REST, World, the_world

TALLY = EntityId("tally", "rewinds")

# --- the app -------------------------------------------------------------------------------------------


async def brittle(tag: str) -> str:
    """Fails the first times: how often, its tag decides."""
    world = the_world.get()
    world.did("begun", tag)
    begun = world.effects["begun", tag]
    await asyncio.sleep(zlib.crc32(tag.encode()) % 7 * 0.3)
    if begun <= zlib.crc32(tag.encode() + b"!") % 3 - 1:
        raise ValueError(f"{tag} is broken")
    world.did("succeeded", tag)
    return tag


async def frail(context: DurableOrchestrationContext) -> int:
    """A family: returns how many it had. Its input: depth, generations to come, whether it waits for all to end."""
    depth, more, patient = context.get_input()
    name = context.instance_id
    context.signal_entity(TALLY, "add", 1)
    await context.call_activity("brittle", f"{name}/{more} first")
    children = [
        context.call_sub_orchestrator(
            "frail", [depth - 1, 0, not patient if number else patient], f"{name}.{more}{number}"
        )
        for number in range(2 if depth else 0)
    ]
    work = [context.call_activity("brittle", f"{name}/{more} {number}") for number in range(2)]
    count = 1 + sum(await (_all_to_the_end(children, work) if patient else _all_at_once(context, children, work)))
    # Nothing else is under way now: what this asks for is asked for once.
    await context.call_entity(TALLY, "add", 1)
    await context.create_timer(context.current_utc_datetime + timedelta(seconds=2))
    await context.call_activity_with_retry("brittle", RetryOptions(1000, 2), f"{name}/{more} last")
    if more:
        context.continue_as_new([depth, more - 1, patient])
    return count


async def _all_at_once(context: DurableOrchestrationContext, children: list[Any], work: list[Any]) -> list[int]:
    return (await context.task_all([*children, *work]))[: len(children)]


async def _all_to_the_end(children: list[Any], work: list[Any]) -> list[int]:
    failure: TaskFailedError | None = None
    for task in (*work, *children):
        try:
            await task
        except TaskFailedError as error:
            failure = error
    if failure is not None:
        raise failure
    return [child.result for child in children]


def add_rewinds(registry: Registry) -> None:
    """Register everything above."""
    registry.activities.add(ActivityDefinition("brittle", brittle, "tag"))
    registry.orchestrators.add(OrchestratorDefinition("frail", frail))


# --- the scenario ----------------------------------------------------------------------------------------


async def rewinds(world: World) -> None:
    """Whoever fails is rewound, by several at once, from the top or by itself, until all is done: and done once."""
    roots = {"root-0": [1, 1, True], "root-1": [2, 0, False]}
    for name, what in roots.items():
        await world.start("frail", name, json.dumps(what))
        await world.nap(5.0)
    others = asyncio.ensure_future(_rewind_anybody(world))
    try:
        for name in roots:
            await _rewind_until_done(world, name)
    finally:
        others.cancel()
    await world.settle()
    for name, (depth, _, _) in roots.items():
        [header] = await world.finished(name)
        assert value_of(header) == 2 ** (depth + 1) - 1, looking.describe(header)
    await world.at_rest()
    for header in await world.headers():
        if header.columns.name == "frail":
            assert header.columns.runtime_status == "Completed", f"left behind: {looking.describe(header)}"
    _all_was_done(world)
    generations = sum("last" in tag for what, tag in world.effects if what == "succeeded")
    assert await world.state_of(f"@tally@{TALLY.key}") == 2 * generations, "an entity was told more often, or less"


async def _rewind_until_done(world: World, name: str) -> None:
    client = world.client(f"rewinds {name}")
    deadline = world.until + REST
    while True:
        # Whoever rewound it may have died before it rang; who asks for a status does (PROTOCOL R8).
        status = (await client.insist("get_status", name)).value
        if status.runtime_status is Status.Completed:
            return
        if status.runtime_status is not Status.Failed:
            assert world.now < deadline, await world.stuck(name)
            await world.nap(20.0)
            continue
        answer = await client.insist("rewind", name, "again")
        assert answer.done or isinstance(answer.error, InstanceNotFailedError), answer
        await world.nap(10.0)


async def _rewind_anybody(world: World) -> None:
    """Somebody who rewinds whatever has failed, children before their parents too."""
    client = world.client("rewinds anybody")
    while True:
        await world.nap(40.0)
        failed = [header for header in await world.headers() if header.columns.runtime_status == "Failed"]
        if failed:
            answer = await client.ask("rewind", world.dice.choice(failed).instance_id, "by chance")
            assert answer.error is None or answer.unknown or isinstance(answer.error, InstanceNotFailedError), answer


def _all_was_done(world: World) -> None:
    begun = {tag for what, tag in world.effects if what == "begun"}
    for tag in begun:
        succeeded = world.effects["succeeded", tag]
        assert succeeded, f"{tag} never came to its end"
        # What runs beside others, for one who does not wait for them, may come to its end when that has failed.
        alone = tag.endswith((" first", " last"))
        # A worker that is stopped while storage is slow may leave a result behind.
        calm = world.plan.weather.is_fair and not world.plan.redeploys
        assert succeeded == 1 or not (calm and alone), f"{tag} was done {succeeded} times"


REWIND_SCENARIOS = (rewinds,)
