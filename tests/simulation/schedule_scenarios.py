"""What is played with schedules: one start per occurrence, and an end to whatever was asked."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.schedules.functions import OPERATION, add_schedules
from azure_durable_py.schedules.state import ScheduleState
from azure_durable_py.taskhub.protocol import Header
from tests.simulation.world import World, the_world

EVERY = timedelta(seconds=60)
OFTEN = timedelta(seconds=40)

# --- the app -------------------------------------------------------------------------------------------


async def ticked(start: list[str]) -> None:
    """Is told of every start. Orchestrators have context variables of their own, and know no world."""
    the_world.get().did("ticks", *start)


async def ticks(context: DurableOrchestrationContext) -> Any:
    """Is started by a schedule, and takes a while."""
    # A turn that was not committed runs again, with another time: only the execution tells one start from the next.
    await context.call_activity("ticked", [context.instance_id, context._generation.execution_id])
    await context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))


def add_scheduled(registry: Registry) -> None:
    """Register everything above, and what the engine has for schedules."""
    registry.orchestrators.add(OrchestratorDefinition("ticks", ticks))
    registry.activities.add(ActivityDefinition("ticked", ticked, "start"))
    add_schedules(registry, _client)


def _client() -> DurableOrchestrationClient:
    world = the_world.get()
    return DurableOrchestrationClient(world.hub, world.plan.settings)


# --- the scenarios ---------------------------------------------------------------------------------------


async def schedules(world: World) -> None:
    """Every occurrence is started once, through the storm and after it."""
    client = world.client()
    common = {"every": EVERY, "catch_up": "all"}
    await client.insist("schedules.create", "free", "ticks", 5, overlap="allow", **common)
    await client.insist("schedules.create", "queued", "ticks", 80, overlap="buffer_one", **common)
    await client.insist("schedules.create", "impatient", "ticks", 400, overlap="terminate", **common)
    await asyncio.sleep(max(0.0, world.until - world.now) + 100.0)
    for name in ("free", "queued", "impatient"):
        answer = await client.insist("schedules.pause", name)
        assert answer.done, answer
    await world.at_rest()
    for name in ("free", "queued", "impatient"):
        state = await _state(world, name)
        assert state.running == (), state
        assert state.waiting is None, state
        runs = await _runs(world, name)
        assert len(runs) == state.runs > 0, (len(runs), state)
        ends = {header.columns.runtime_status for header in runs}
        assert ends <= ({"Completed", "Terminated"} if name == "impatient" else {"Completed"}), ends
        if name == "free":
            assert state.last_run_at is not None
            count = (state.last_run_at - state.anchor) // EVERY
            occurrences = [state.definition.instance_id_at(name, state.anchor + EVERY * (n + 1)) for n in range(count)]
            assert [header.instance_id for header in runs] == occurrences[-len(runs) :], state
            assert len(runs) + state.missed == count, (count, state)
    _nothing_was_started_twice(world)


async def rescheduled(world: World) -> None:
    """Two clients pause, change, run and delete one schedule; at last it is deleted, and nothing of it goes on."""
    await asyncio.gather(_meddle(world, "C1"), _meddle(world, "C2"))
    await _all_is_done(world)
    await world.client().insist("schedules.delete", "s")
    await world.at_rest()
    assert await world.state_of("@builtin::schedule@s") is None
    for header in await _runs(world, "s"):
        assert header.columns.runtime_status in ("Completed", "Terminated"), header.columns
    _nothing_was_started_twice(world)


async def _meddle(world: World, name: str) -> None:
    client = world.client(name)
    for _ in range(12):
        match world.dice.randrange(7):
            case 0 | 1:
                overlap = world.dice.choice(("skip", "terminate", "buffer_one", "allow"))
                args = {"every": OFTEN, "overlap": overlap, "replace": world.dice.random() < 0.5}
                await client.ask("schedules.create", "s", "ticks", 15, **args)
            case 2:
                await client.ask("schedules.pause", "s", "why not")
            case 3:
                await client.ask("schedules.resume", "s")
            case 4:
                await client.ask("schedules.update", "s", cron="*/50 * * * * *")
            case 5:
                await client.ask("schedules.run_now", "s")
            case _:
                await client.ask("schedules.delete", "s")
        await world.nap(60.0)


async def _all_is_done(world: World) -> None:
    """Wait until what was asked for is done: a client that gave up, or died, has asked for it all the same."""
    await asyncio.sleep(max(0.0, world.until - world.now))
    await world.repair()
    asked = [header.instance_id for header in await world.headers() if header.columns.name == OPERATION]
    for instance_id in asked:
        if await world.exists(instance_id):
            await world.finished(instance_id)


async def _state(world: World, name: str) -> ScheduleState:
    return ScheduleState.from_json(await world.state_of(f"@builtin::schedule@{name}"))


async def _runs(world: World, schedule_id: str) -> list[Header]:
    found = [header for header in await world.headers() if header.instance_id.startswith(f"{schedule_id}-")]
    return sorted(found, key=lambda header: header.instance_id)


def _nothing_was_started_twice(world: World) -> None:
    """No instance had two executions."""
    executions = [(what[1], what[2]) for what in world.effects if what[0] == "ticks"]
    instances = {instance_id for instance_id, _ in executions}
    assert len(executions) == len(instances), json.dumps(sorted(executions))


SCHEDULE_SCENARIOS = (schedules, rescheduled)
