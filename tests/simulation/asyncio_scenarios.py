"""What is played with orchestrators in plain asyncio: many things at once in one instance."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from tests.programs import Program
from tests.simulation.traffic_scenarios import value_of
from tests.simulation.world import World

# --- the app -------------------------------------------------------------------------------------------


async def fail(name: str) -> None:
    """Raises."""
    await asyncio.sleep(len(name) * 0.5)
    raise ValueError(name)


async def improvises(context: DurableOrchestrationContext) -> Any:
    """Runs any program; that each of its parts ended is the most that can be said of it."""
    await Program(context, context.get_input(), "twice").run()
    return context.get_input()


async def twice(name: str) -> str:
    """Says it twice."""
    await asyncio.sleep(len(name) * 0.3)
    return name + name


async def juggles(context: DurableOrchestrationContext) -> Any:
    """Activities, children, an entity and events at once, each through its own coroutine; then as new."""
    rounds = context.get_input()
    caught: asyncio.Queue[Any] = asyncio.Queue()

    async def throw(number: int) -> None:
        await asyncio.sleep(number % 3)
        doubled = await context.call_activity("double", number)
        await context.call_entity(EntityId("tally", "juggled"), "add", 1)
        await caught.put(doubled)

    async def listen() -> int:
        heard = 0
        while heard < 2:
            try:
                heard += await asyncio.wait_for(context.wait_for_external_event("ball"), 30)
            except asyncio.TimeoutError:
                context.signal_entity(EntityId("tally", "missed"), "add", 1)
        return heard

    async def hold() -> None:
        async with context.lock([EntityId("tally", "juggled"), EntityId("tally", "missed")]):
            await asyncio.sleep(1)

    async def grab(patience: float) -> None:
        """A lock that was given up and left behind would be in the way of the last one."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(hold(), patience)

    throwing = [asyncio.create_task(throw(number)) for number in range(6)]
    grabbing = [asyncio.create_task(grab(patience)) for patience in (0, 0.5, 1.5, 3)]
    listening = asyncio.create_task(listen())
    child = asyncio.ensure_future(context.call_sub_orchestrator("fan_out", 3))
    total = sum([await caught.get() for _ in throwing])
    await asyncio.wait([*throwing, child])
    total += child.result() + await listening
    await asyncio.gather(*grabbing)
    await hold()
    if rounds:
        context.continue_as_new(rounds - 1)
    return total


def add_asyncio(registry: Registry) -> None:
    """Register everything above."""
    registry.activities.add(ActivityDefinition("fail", fail, "name"))
    registry.activities.add(ActivityDefinition("twice", twice, "name"))
    for orchestrator in (improvises, juggles):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the scenarios ---------------------------------------------------------------------------------------


async def improvisations(world: World) -> None:
    """Any program ends, whatever becomes of the workers in between: it takes the same steps on every replay."""
    seeds = [world.dice.randrange(10_000) for _ in range(4)]
    for seed in seeds:
        await world.start("improvises", f"improvises-{seed}", json.dumps(seed))
        await world.nap(10.0)
    for seed, header in zip(seeds, await world.finished(*(f"improvises-{seed}" for seed in seeds)), strict=True):
        assert value_of(header) == seed


async def jugglers(world: World) -> None:
    """Every throw counts once, and every event is caught by one who waits."""
    names = ["juggles-0", "juggles-1"]
    for name in names:
        await world.start("juggles", name, "1")
    for _ in range(4):
        for name in names:
            await world.raise_event(name, "ball", "1")
            await world.nap(60.0)
    for header in await world.finished(*names):
        assert value_of(header) == sum(2 * n for n in range(6)) + sum(2 * n for n in range(3)) + 2
    assert await world.settled("@tally@juggled", 24) == 24


ASYNCIO_SCENARIOS = (improvisations, jugglers)
