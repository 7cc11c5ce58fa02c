"""What is played between instances: order, sizes, failures on their way up, locks that travel behind requests.

Most traffic here is set off by events from outside that come at any time, so that a worker has several messages of one
instance in hand when it dies.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.taskhub.protocol import Header
from tests.simulation.world import Plan, World, bends

# --- the app -------------------------------------------------------------------------------------------

LOG = EntityId("log", "log")


def log(context: DurableEntityContext) -> None:
    """Keeps what it is told, in order."""
    context.set_state([*context.get_state(list), context.get_input()])


async def relay(context: DurableOrchestrationContext) -> None:
    """Passes on what it is told from outside, to an orchestration and to an entity."""
    target, count = context.get_input()
    for _ in range(count):
        value = await context.wait_for_external_event("go")
        context.send_event(target, "item", [context.instance_id, value])
        context.signal_entity(LOG, "tell", [context.instance_id, value])


async def hears(context: DurableOrchestrationContext) -> Any:
    """Collects so many items, or fewer if no more come."""
    count, patience = context.get_input()
    heard: list[Any] = []
    while len(heard) < count:
        item = context.wait_for_external_event("item")
        alarm = context.create_timer(context.current_utc_datetime + timedelta(seconds=patience))
        if await context.task_any([item, alarm]) is alarm:
            break
        alarm.cancel()
        heard.append(item.result)
    return heard


async def spawner(context: DurableOrchestrationContext) -> Any:
    """Starts a child for each event, and tells each child something with the event after that."""
    children = []
    for number in range(context.get_input()):
        await context.wait_for_external_event("go")
        name = f"{context.instance_id}-{number}"
        children.append(context.call_sub_orchestrator("child", instance_id=name))
        if number:
            context.send_event(f"{context.instance_id}-{number - 1}", "item", number - 1)
    await context.wait_for_external_event("go")
    context.send_event(f"{context.instance_id}-{len(children) - 1}", "item", len(children) - 1)
    return await context.task_all(children)


async def child(context: DurableOrchestrationContext) -> Any:
    return await context.wait_for_external_event("item")


async def hands_off(context: DurableOrchestrationContext) -> None:
    """Says something and goes on as new in the same turn."""
    number, last = context.get_input()
    context.send_event("hears", "item", [context.instance_id, number])
    context.signal_entity(LOG, "tell", [context.instance_id, number])
    if number < last:
        context.continue_as_new([number + 1, last])


async def keeper(context: DurableOrchestrationContext) -> None:
    """Gives a lock back at one event from outside, and signals the same entity at the next."""
    async with context.lock([LOG]):
        await context.wait_for_external_event("go")
    await context.wait_for_external_event("go")
    context.signal_entity(LOG, "tell", [context.instance_id, "later"])


async def caller(context: DurableOrchestrationContext) -> None:
    await context.call_entity(LOG, "tell", [context.instance_id, "called"])


async def blurts(context: DurableOrchestrationContext) -> None:
    """Sends many messages of the same size to one target, in one turn."""
    target, count, text = context.get_input()
    for number in range(count):
        context.send_event(target, "item", [number, text])


async def counts_items(context: DurableOrchestrationContext) -> Any:
    """How many items came, which numbers they had, and how long they were."""
    heard = [await context.wait_for_external_event("item") for _ in range(context.get_input())]
    return [[number for number, _ in heard], sum(len(text) for _, text in heard)]


async def fails(size: int) -> None:
    """Fails with a message of that many characters, and others behind it."""
    try:
        raise KeyError("k" * size)
    except KeyError as error:
        raise ValueError("v" * size) from error


def grumble(context: DurableEntityContext) -> None:
    """Fails with a long chain of errors."""
    error: Exception | None = None
    for number in range(5):
        error = _caused(ValueError(f"{number}" * context.get_input()), error)
    assert error is not None
    raise error


def _caused(error: Exception, cause: Exception | None) -> Exception:
    error.__cause__ = cause
    return error


async def troubled(context: DurableOrchestrationContext) -> Any:
    """Lets the failure of an activity, of an entity or of its own through so many levels."""
    levels, size, kind = context.get_input()
    if levels:
        return await context.call_sub_orchestrator("troubled", [levels - 1, size, kind])
    if kind == "own":
        raise ValueError("o" * size)
    if kind == "entity":
        return await context.call_entity(EntityId("grumble", "g"), "do", size)
    return await context.call_activity("fails", size)


async def bears(context: DurableOrchestrationContext) -> Any:
    """Awaits a failure, and says that it came."""
    try:
        await context.call_sub_orchestrator("troubled", context.get_input())
    except TaskFailedError as error:
        return len(str(error)) > 0
    return None


async def part(number: int) -> str:
    return f"{number:03d}" + "p" * 17_000


async def gathers(context: DurableOrchestrationContext) -> Any:
    """So many large results in one turn that its commit cannot carry their rows; and some turns after it."""
    count = context.get_input()
    parts = await context.task_all([context.call_activity("part", number) for number in range(count)])
    last = [await context.call_activity("part", number) for number in range(2)]
    await context.wait_for_external_event("go")
    return [[int(text[:3]) for text in [*parts, *last]], sum(map(len, parts))]


async def measure(number: Any) -> int:
    return len(number)


async def feeds(context: DurableOrchestrationContext) -> Any:
    """Activities with inputs that do not fit their messages."""
    first = await context.call_activity("measure", "i" * 40_000)
    rest = await context.task_all([context.call_activity("measure", f"{n}" * 20_000) for n in range(5)])
    return [first, *rest]


def add_traffic(registry: Registry) -> None:
    """Register everything above."""
    for activity in (fails, part, measure):
        registry.activities.add(ActivityDefinition(activity.__name__, activity, activity.__code__.co_varnames[0]))
    for entity in (log, grumble):
        registry.entities.add(EntityDefinition(entity.__name__, entity))
    orchestrators = (relay, hears, spawner, child, hands_off, keeper, caller, blurts, counts_items, troubled, bears)
    for orchestrator in (*orchestrators, gathers, feeds):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the scenarios ---------------------------------------------------------------------------------------


async def relays(world: World) -> None:
    """What events from outside set off arrives once and in order, whichever message guards it."""
    names = [f"relay-{number}" for number in range(3)]
    await world.start("hears", "hears", json.dumps([18, 7200.0]))
    for name in names:
        await world.start("relay", name, json.dumps(["hears", 6]))
    for value in range(6):
        for name in names:
            await world.raise_event(name, "go", str(value))
            await world.nap(4.0 if value % 2 else 25.0)
    [header] = await world.finished("hears", within=6 * 3600.0)
    await world.finished(*names)
    await world.at_rest()
    told = await world.state_of("@log@log")
    for heard in (value_of(header), told):
        for name in names:
            assert [value for who, value in heard if who == name] == list(range(6)), (name, heard)


async def spawners(world: World) -> None:
    """A child is started before it is told something; and nobody runs on below a terminated parent."""
    await world.start("spawner", "spawner", "4")
    await world.start("spawner", "doomed", "4")
    for _ in range(5):
        for name in ("spawner", "doomed"):
            await world.raise_event(name, "go")
            await world.nap(12.0)
        if world.dice.random() < 0.15:
            break
    await world.terminate("doomed", recurse=True)
    await world.nap(30.0)
    for _ in range(5):
        await world.raise_event("spawner", "go")
    [header] = await world.finished("spawner")
    await world.finished("doomed")
    assert value_of(header) == [0, 1, 2, 3]
    for number in range(4):
        if await world.exists(f"doomed-{number}"):
            await world.finished(f"doomed-{number}")


async def hand_offs(world: World) -> None:
    """What is said in the turn that goes on as new is said once, in order."""
    names = [f"hands-{number}" for number in range(3)]
    await world.start("hears", "hears", json.dumps([24, 3600.0]))
    for name in names:
        await world.start("hands_off", name, "[0, 7]")
        await world.nap(20.0)
    [header] = await world.finished("hears", within=6 * 3600.0)
    await world.finished(*names)
    await world.at_rest()
    for heard in (value_of(header), await world.state_of("@log@log")):
        for name in names:
            assert [number for who, number in heard if who == name] == list(range(8)), (name, heard)


async def keepers(world: World) -> None:
    """A lock is given back although what is sent behind the release overtakes it on another guard."""
    names = [f"keeper-{number}" for number in range(3)]
    for name in names:
        await world.start("keeper", name)
        await world.nap(5.0)
    for _ in range(2):
        for name in names:
            await world.raise_event(name, "go")
            await world.nap(8.0)
    await world.nap(60.0)
    await world.start("caller", "caller")
    await world.finished(*names, "caller")
    await world.at_rest()
    told = [tuple(entry) for entry in await world.state_of("@log@log")]
    assert sorted(told) == sorted([*((name, "later") for name in names), ("caller", "called")]), told


async def floods(world: World) -> None:
    """Many messages from one turn arrive, however large they are together."""
    large = world.dice.random() < 0.15
    count, text = (99, '"' * 15_000) if large else (world.dice.choice((20, 99, 120)), '"' * 50)
    await world.start("counts_items", "counts", json.dumps(count))
    await world.start("blurts", "blurts", json.dumps(["counts", count, text]))
    header, _ = await world.finished("counts", "blurts")
    assert value_of(header) == [list(range(count)), count * len(text)]


async def troubles(world: World) -> None:
    """A failure reaches whoever awaits it, however long it is and from however far below it comes."""
    cases = []
    for number in range(5):
        kind = world.dice.choice(("activity", "own", "entity"))
        size = world.dice.choice((100, 3_000, 8_000, 60_000))
        cases.append(f"bears-{number}")
        await world.start("bears", cases[-1], json.dumps([world.dice.randint(0, 4), size, kind]))
    for header in await world.finished(*cases):
        assert value_of(header) is True, header.columns


def _many_slots(plan: Plan) -> None:
    plan.settings = _replaced(plan, max_concurrent_activities=150)


@bends(_many_slots)
async def gatherings(world: World) -> None:
    """Turns whose rows have to be put before their commit."""
    count = world.dice.choice((40, 110))
    await world.start("gathers", "gathers", json.dumps(count))
    await world.nap(20.0)
    await world.raise_event("gathers", "go")
    [header] = await world.finished("gathers")
    assert value_of(header) == [[*range(count), 0, 1], count * 17_003]
    if count > 100:
        assert await world.client().insist("get_history", "gathers")


async def feedings(world: World) -> None:
    """An activity gets its input, however long storage takes; it does not fail for that."""
    for number in range(2):
        await world.start("feeds", f"feeds-{number}")
        await world.nap(60.0)
    for header in await world.finished("feeds-0", "feeds-1"):
        assert value_of(header) == [40_000, *(20_000 for _ in range(5))]


def value_of(header: Header) -> Any:
    """What a completed instance returned."""
    assert header.columns.runtime_status == "Completed", (header.columns.runtime_status, header.columns.output)
    return None if header.columns.output is None else json.loads(header.columns.output)


def _replaced(plan: Plan, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(plan.settings, **changes)


TRAFFIC_SCENARIOS = (relays, spawners, hand_offs, keepers, floods, troubles, gatherings, feedings)
