"""What is played with activities that may be cancelled: long ones that nobody wants in the end, and others."""

from __future__ import annotations

import asyncio
from typing import Any

from azure_durable_py.errors import InstanceNotFailedError, TaskFailedError
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.worker.activities.cancelling import LOOK_EVERY
from tests.simulation import looking
from tests.simulation.faults import current_process
from tests.simulation.traffic_scenarios import value_of
from tests.simulation.world import REST, World, the_world

FOR_EVER = 30 * 86_400.0

# --- the app -------------------------------------------------------------------------------------------


async def muse(given: list[Any]) -> str:
    """Takes so many seconds; counts who muses now."""
    name, seconds = given
    world, process = the_world.get(), current_process.get()
    world.did("muses", name)
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        world.did("killed" if process is not None and process.dead else "cancelled", name)
        raise
    finally:
        world.effects["muses", name] -= 1
    return name


async def stumble(number: int) -> None:
    """Fails after a while."""
    await asyncio.sleep(number)
    raise ValueError("stumbled")


async def hurries(context: DurableOrchestrationContext) -> list[str]:
    """Muses with little patience, alone, with others and with retries; returns how each came out."""
    found: list[str] = []
    for number in range(context.get_input()):
        name = f"{context.instance_id} {number}"
        short, long = (context.call_activity("muse", [f"{name} {kind}", kind]) for kind in (1.0, 90.0))
        retried = context.call_activity_with_retry("muse", RetryOptions(1000, 3), [f"{name} again", FOR_EVER])
        try:
            await asyncio.wait_for(asyncio.gather(short, long, retried), 8 + number)
        except asyncio.TimeoutError:
            found.append("late")
        await asyncio.sleep(number)
        # Who waits once more gets an answer: that of a run that went on, if nobody has seen meanwhile that it need not.
        for task in (short, long):
            try:
                found.append((await task).rpartition(" ")[2])
            except TaskFailedError as error:
                found.append("cancelled" if "cancelled" in error.details.message else str(error))
    return found


async def changes_its_mind(context: DurableOrchestrationContext) -> str:
    """Goes on as new while something is under way that it has asked for."""
    left = context.get_input()
    musing = context.call_activity("muse", [f"{context.instance_id} {left}", FOR_EVER if left else 2.0])
    if not left:
        return await musing
    await context.task_any([musing, context.wait_for_external_event("go")])
    context.continue_as_new(left - 1)
    return ""


async def muses_on(context: DurableOrchestrationContext) -> str:
    """Fails while something is under way that counts once it was rewound."""
    musing = context.call_activity("muse", [f"{context.instance_id} {context.get_input()}", 40.0])
    if not context.get_input():
        return await musing
    await context.call_activity("stumble", 2)
    return await musing


async def muses_for_ever(context: DurableOrchestrationContext) -> None:
    """Ends by no means of its own."""
    await context.task_all(
        [context.call_activity("muse", [f"{context.instance_id} {number}", FOR_EVER]) for number in range(5)]
    )


def add_cancelling(registry: Registry) -> None:
    """Register everything above."""
    registry.activities.add(ActivityDefinition("muse", muse, "given", cancellable=True))
    registry.activities.add(ActivityDefinition("stumble", stumble, "number"))
    for orchestrator in (hurries, changes_its_mind, muses_on, muses_for_ever):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the scenarios ---------------------------------------------------------------------------------------


async def _nobody_muses(world: World) -> None:
    """Whoever ran for nobody was cancelled by the time that it is calm."""
    await world.settle()
    await asyncio.sleep(20 * LOOK_EVERY)
    left = {name: count for (what, *name), count in world.effects.items() if what == "muses" and count}
    assert not left, f"runs for nobody: {left}"


async def impatience(world: World) -> None:
    """Code that was cancelled where it waited goes on; what it waited for is cancelled, and answers who waits again."""
    names = ["hurries-0", "hurries-1"]
    for name in names:
        await world.start("hurries", name, "3")
        await world.nap(20.0)
    for header in await world.finished(*names):
        found = value_of(header)
        assert [found.count("late"), len(found)] == [3, 9], found
        assert set(found) <= {"late", "1.0", "90.0", "cancelled"}, found
    await _nobody_muses(world)


async def changes_of_mind(world: World) -> None:
    """Each generation gets what it asked for, and none what another did."""
    names = ["mind-0", "mind-1"]
    for name in names:
        await world.start("changes_its_mind", name, "3")
    for _ in range(3):
        for name in names:
            await world.nap(40.0)
            await world.raise_event(name, "go")
    for name, header in zip(names, await world.finished(*names), strict=True):
        assert value_of(header) == f"{name} 0"
    await _nobody_muses(world)


async def dismissed(world: World) -> None:
    """Whoever is terminated, purged and started anew leaves nobody running; what is new runs to its end."""
    names = [f"ever-{number}" for number in range(3)]
    for name in names:
        await world.start("muses_for_ever", name)
        await world.nap(30.0)
    for name in names:
        await world.nap(20.0)
        await world.terminate(name)
    await world.finished(*names)
    for name in names:
        assert await purge(world.hub, name)
        await world.start("changes_its_mind", name, "0")
    for name, header in zip(names, await world.finished(*names), strict=True):
        assert value_of(header) == f"{name} 0"
    await _nobody_muses(world)


async def second_thoughts(world: World) -> None:
    """What was under way when its instance failed counts for nobody; rewound, it is done again, and counts."""
    names = ["on-0", "on-1"]
    for name in names:
        await world.start("muses_on", name, "1")
    client = world.client("rewinds")
    deadline = world.until + REST
    for name in names:
        # The activity that fails always does: what is rewound so often is told to fail no more.
        for _ in range(2):
            while (await client.insist("get_status", name)).value.runtime_status is not Status.Failed:
                assert world.now < deadline, await world.stuck(name)
                await world.nap(20.0)
            answer = await client.insist("rewind", name, "again")
            assert answer.done or isinstance(answer.error, InstanceNotFailedError), answer
            await world.nap(10.0)
        while (await client.insist("get_status", name)).value.runtime_status is not Status.Failed:
            assert world.now < deadline, await world.stuck(name)
            await world.nap(20.0)
        assert await purge(world.hub, name)
        await world.start("muses_on", name, "0")
    for name, header in zip(names, await world.finished(*names), strict=True):
        assert value_of(header) == f"{name} 0", looking.describe(header)
    await _nobody_muses(world)


CANCELLING_SCENARIOS = (impatience, changes_of_mind, dismissed, second_thoughts)
