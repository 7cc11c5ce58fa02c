"""What is played over the life of instances.

Starts, restarts, terminations and purges that race; clients that fail; hours and days between two turns.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import InstanceAlreadyExistsError, InstanceNotFoundError
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from tests.simulation import invariants, looking
from tests.simulation.traffic_scenarios import value_of
from tests.simulation.world import World, the_world

# --- the app -------------------------------------------------------------------------------------------


async def effect(tag: Any) -> None:
    """Has an effect in the world."""
    the_world.get().did("effect", str(tag))


async def job(context: DurableOrchestrationContext) -> Any:
    await context.call_activity("effect", context.instance_id)
    return context.instance_id


def launcher(context: DurableEntityContext) -> None:
    """Starts a job for each launch; other operations only count."""
    if context.operation_name == "launch":
        context.schedule_new_orchestration("job", None, instance_id=context.get_input())
    context.set_state(context.get_state(lambda: 0) + 1)


async def tells(context: DurableOrchestrationContext) -> None:
    """Tells something, and goes on to say nothing more."""
    context.send_event("hears", "item", "once")
    while True:
        if await context.wait_for_external_event("go") == "end":
            return


async def mirrors(context: DurableOrchestrationContext) -> Any:
    """Returns its input after a while."""
    await context.call_activity("effect", "mirror")
    await context.create_timer(context.current_utc_datetime + timedelta(seconds=3))
    return context.get_input()


async def sleeper(context: DurableOrchestrationContext) -> Any:
    """Sleeps for so many seconds, time and again; then waits for a word with patience of days."""
    for seconds in context.get_input():
        due = context.current_utc_datetime + timedelta(seconds=seconds)
        await context.create_timer(due)
        if context.current_utc_datetime < due:
            return f"woke {due - context.current_utc_datetime} early"
    return "slept"


async def waits_long(context: DurableOrchestrationContext) -> Any:
    """Waits for a word, or for days."""
    word = context.wait_for_external_event("word")
    alarm = context.create_timer(context.current_utc_datetime + timedelta(days=context.get_input()))
    if await context.task_any([word, alarm]) is word:
        alarm.cancel()
        return "word"
    return "alarm"


def till(context: DurableEntityContext) -> None:
    """Counts; `clear` returns the count and deletes the entity."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "clear":
        context.set_result(value)
        context.destruct_on_exit()
    else:
        context.set_state(value + 1)


async def pays_in(context: DurableOrchestrationContext) -> Any:
    """Signals so often, and clears in between; returns what it took out."""
    taken = 0
    for number in range(context.get_input()):
        context.signal_entity(EntityId("till", "t"), "add")
        if number % 3 == 2:
            taken += await context.call_entity(EntityId("till", "t"), "clear")
        await context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    return taken


def add_life(registry: Registry) -> None:
    """Register everything above."""
    registry.activities.add(ActivityDefinition("effect", effect, "tag"))
    for entity in (launcher, till):
        registry.entities.add(EntityDefinition(entity.__name__, entity))
    for orchestrator in (job, tells, mirrors, sleeper, waits_long, pays_in):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the scenarios ---------------------------------------------------------------------------------------


async def days(world: World) -> None:
    """Nothing that was done before a purge or a restart is done again, hours later, after new workers came."""
    client = world.client()
    jobs = [f"job-{number}" for number in range(3)]
    await world.start("hears", "hears", json.dumps([1, 1e6]))
    await world.start("tells", "tells")
    for name in jobs:
        await client.insist("signal_entity", EntityId("launcher", "l"), "launch", name)
        await world.nap(20.0)
    [first] = await world.finished("hears")
    assert value_of(first) == ["once"]
    await world.finished(*jobs)
    await world.at_rest()
    for name in (*jobs, "hears"):
        await client.insist("purge_instance_history", name)
    before = dict(world.effects)
    for life in list(world.lives.values()):
        if world.dice.random() < 0.7:
            await world.stop(life)
    await asyncio.sleep(world.dice.choice((300.0, 7200.0, 2 * 86_400.0)))
    world.storm_again()
    await world.start("hears", "hears", json.dumps([1, 300.0]))
    await client.insist("signal_entity", EntityId("launcher", "l"), "look")
    await world.raise_event("tells", "go", '"on"')
    await world.nap(30.0)
    await world.raise_event("tells", "go", '"end"')
    again, _ = await world.finished("hears", "tells")
    assert value_of(again) == [], "what an earlier execution was told was told again"
    await world.at_rest()
    assert dict(world.effects) == before, "something was done again that had been purged"
    assert not [name for name in jobs if await world.exists(name)]


async def singletons(world: World) -> None:
    """One id that many start, restart, terminate and purge at once: it is never stuck, and never mixed up."""
    inputs = [f"{number}" + "m" * world.dice.choice((10, 20_000)) for number in range(9)]

    async def act(number: int) -> None:
        client = world.client(f"C{number}")
        for text in inputs[number::3]:
            await world.nap(20.0)
            await client.ask("start_new", "mirrors", "one", text)
            roll = world.dice.random()
            if roll < 0.25:
                await client.ask("purge_instance_history", "one")
            elif roll < 0.4:
                await client.ask("terminate", "one", "enough")
            elif roll < 0.55:
                await client.ask("restart", "one", False)
            elif roll < 0.7:
                await client.ask("raise_event", "one", "item", 1)
            elif roll < 0.8:
                await client.ask("suspend", "one")
                await client.insist("resume", "one")

    await world.start("mirrors", "one", json.dumps(inputs[0]))
    await asyncio.gather(*(act(number) for number in range(3)))
    await world.settle()
    if await world.exists("one"):
        [header] = await world.finished("one")
        if header.columns.runtime_status == "Completed":
            assert await world.value_of(header) in inputs
        else:
            assert header.columns.runtime_status == "Terminated", header.columns
    await world.client().insist("start_new", "mirrors", "one", "last")
    [header] = await world.finished("one")
    assert value_of(header) == "last"


async def strangers(world: World) -> None:
    """Clients that fail and die: what was answered counts once, what was not counts once or not at all."""
    sure: list[int] = []
    perhaps: list[int] = []
    counted = [0, 0]
    await world.start("hears", "hears", json.dumps([1000, 1800.0]))

    async def act(number: int) -> None:
        client = world.client(f"C{number}")
        for step in range(6):
            await world.nap(40.0)
            told = await client.ask("raise_event", "hears", "item", 10 * number + step)
            (sure if told.done else perhaps).append(10 * number + step)
            counted[0 if (await client.ask("signal_entity", EntityId("tally", "t"), "add", 1)).done else 1] += 1
            name = f"mirror-{number}-{step}"
            if step % 3 == 0 and (await client.ask("start_new", "mirrors", name, "m" * 20_000)).unknown:
                await client.insist("start_new", "mirrors", name, "m" * 20_000)

    await asyncio.gather(*(act(number) for number in range(3)))
    await world.settle()
    names = [f"mirror-{number}-{step}" for number in range(3) for step in (0, 3)]
    [hears, *mirrors_] = await world.finished("hears", *names, within=5 * 3600.0)
    assert all([len(await world.value_of(header)) == 20_000 for header in mirrors_])
    heard = value_of(hears)
    assert len(set(heard)) == len(heard), heard
    assert set(sure) <= set(heard) <= {*sure, *perhaps}, (sure, perhaps, heard)
    for number in range(3):
        mine = [item for item in heard if item in sure and item // 10 == number]
        assert mine == sorted(mine), heard
    await world.at_rest()
    total = await world.state_of("@tally@t") or 0
    assert counted[0] <= total <= sum(counted), (counted, total)


async def alarms(world: World) -> None:
    """Timers of every length, by clocks that are apart; each fires in time, and none early by its own clock."""
    names = [f"sleeper-{number}" for number in range(6)]
    for name in names:
        spans = [round(world.dice.choice((0.0, 0.05, 0.3, 1.0, 4.0, 30.0)) * world.dice.random(), 3) for _ in range(5)]
        await world.start("sleeper", name, json.dumps(spans))
        await world.nap(5.0)
    later = world.clock.now() + timedelta(seconds=world.dice.uniform(0.0, 60.0))
    await world.start("sleeper", "later", "[1.5]", start_at=later)
    for number in range(3):
        moment = world.clock.now() + timedelta(seconds=world.dice.uniform(0.0, 20.0))
        await world.send("@tally@t", OperationArrived(world.clock.now(), "add", "1", signal_time=moment))
        await world.nap(10.0 * number)
    for header in await world.finished(*names, "later", within=1800.0):
        assert value_of(header) == "slept"
    assert await world.settled("@tally@t", 3) == 3


async def sleepers(world: World) -> None:
    """Who waits for hours or days is not in memory, and is woken; whose wait is over leaves nothing behind."""
    for number in range(6):
        await world.start("waits_long", f"long-{number}", json.dumps(world.dice.choice((0.1, 2, 9))))
    await world.start("sleeper", "sleeper", "[3600.0, 7200.0]")
    await world.nap(200.0)
    for number in range(0, 6, 2):
        await world.raise_event(f"long-{number}", "word")
    await world.terminate("long-1")
    await world.finished("long-0", "long-1", "long-2", "long-4")
    if world.plan.weather.is_fair:
        await asyncio.sleep(600.0)
        await invariants.nothing_in_memory(world)
        await invariants.no_needless_message(world)
    for header in await world.finished("long-3", "long-5", "sleeper", within=10 * 86_400.0):
        assert value_of(header) in ("alarm", "slept")


async def losses(world: World) -> None:
    """Whoever empties the queues stops everything; the repair scan sets it going again."""
    # Who waits for a timer far away is not looked at before that is due.
    await world.start("collector", "hears", "8")
    await world.start("hands_off", "hands", "[0, 7]")
    await world.start("parent", "parent", "3")
    await world.start("chain", "chain", "6")
    await world.nap(30.0)
    world.lose_messages()
    await asyncio.sleep(1200.0)
    # Activities that another worker may be running are taken for lost after a day.
    for _ in range(10):
        await world.repair(quiet=timedelta(minutes=10))
        await asyncio.sleep(6 * 3600.0)
    hears, _, parent, _ = await world.finished("hears", "hands", "parent", "chain")
    assert [number for _, number in value_of(hears)] == list(range(8))
    assert value_of(parent)[1] == 1


async def tills(world: World) -> None:
    """An entity that is deleted and comes back, while people clean up: nothing is counted twice, nothing is lost."""
    names = [f"pays-{number}" for number in range(3)]
    for name in names:
        await world.start("pays_in", name, "6")
    client = world.client()
    for _ in range(6):
        await world.nap(60.0)
        await client.ask("clean_entity_storage")
    taken = sum(value_of(header) for header in await world.finished(*names))
    await world.at_rest()
    left = await world.state_of("@till@t") or 0
    assert taken + left == 18, (taken, left)
    await asyncio.sleep(3600.0)
    await client.insist("clean_entity_storage")
    assert (await world.state_of("@till@t") or 0) == left


async def dismissals(world: World) -> None:
    """Families that are terminated from the top, suspended, and purged with all children: nobody runs on."""
    client = world.client()
    await world.start("waits", "waits")
    await world.start("parent", "parent", "3")
    await world.start("pays", "pays", json.dumps(["0", "1", 10]))
    await world.start("hoards", "hoards")
    await world.nap(60.0)
    for name in ("waits", "hoards", "parent", "pays"):
        if world.dice.random() < 0.3:
            await client.ask("suspend", name)
        await client.insist("terminate", name, "enough", recurse=True)
        await world.nap(10.0)
    await world.finished("waits", "parent", "pays", "hoards")
    await world.settle()
    for header in await world.headers():
        assert looking.finished(header), f"runs on: {looking.describe(header)}"
    for name in ("waits", "hoards", "parent", "pays"):
        purged = await client.insist("purge_instance_history", name, recursive=True)
        assert purged.done or isinstance(purged.error, (InstanceNotFoundError, InstanceAlreadyExistsError)), purged
    await world.at_rest()
    assert not await world.exists("waits")


LIFE_SCENARIOS = (days, singletons, strangers, alarms, sleepers, losses, tills, dismissals)
