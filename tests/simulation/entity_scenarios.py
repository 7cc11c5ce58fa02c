"""What is played with entities in the simulated world: effects exactly once, order, locks."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from azure_durable_py.client.batches import EntitySignal
from azure_durable_py.errors import BatchError, DurableError, TaskFailedError
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind
from azure_durable_py.taskhub.state import InstanceState
from tests.simulation.clients import Answer
from tests.simulation.world import World

CROWD = EntityId("journal", "crowd")

# --- the app -------------------------------------------------------------------------------------------


def tally(context: DurableEntityContext) -> None:
    """Counts; and fails every now and then, after it has counted."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(value + context.get_input())
    elif context.operation_name == "fail":
        context.set_state(value + 1_000_000)
        context.signal_entity(context.entity_id, "add", 1_000_000)
        raise ValueError("counted for nothing")
    context.set_result(context.get_state())


async def journal(context: DurableEntityContext) -> None:
    """Keeps who said what, and passes every third on to the next."""
    said = context.get_input()
    context.set_state([*context.get_state(list), said])
    if context.entity_key == "first" and said[1] % 3 == 0:
        context.signal_entity(EntityId("journal", "second"), "say", said)


def account(context: DurableEntityContext) -> None:
    """Holds money; a large note shows that states outgrow their row."""
    state = context.get_state(lambda: {"balance": 100, "note": "x" * 20_000})
    if context.operation_name == "add":
        state["balance"] += context.get_input()
    context.set_state(state)
    context.set_result(state["balance"])


async def adds(context: DurableOrchestrationContext) -> Any:
    """Signals and calls a tally; one call fails."""
    for _ in range(context.get_input()):
        context.signal_entity(EntityId("tally", "t"), "add", 1)
    failed = 0
    try:
        await context.call_entity(EntityId("tally", "t"), "fail")
    except TaskFailedError:
        failed += 1
    await context.call_entity(EntityId("tally", "t"), "add", 1)
    return failed


async def says(context: DurableOrchestrationContext) -> None:
    """Says numbers in order, over generations."""
    start = context.get_input()
    for number in range(start, start + 5):
        context.signal_entity(EntityId("journal", "first"), "say", [context.instance_id, number])
    await context.call_activity("double", 1)
    if start < 10:
        context.continue_as_new(start + 5)


def pays(context: DurableOrchestrationContext) -> Any:
    """Moves money between two accounts, under their locks."""
    source, target, amount = context.get_input()
    one, two = EntityId("account", source), EntityId("account", target)
    with (yield context.lock([one, two])):
        balance = yield context.call_entity(one, "get")
        if balance >= amount:
            yield context.task_all([context.call_entity(one, "add", -amount), context.call_entity(two, "add", amount)])
    return balance


async def hoards(context: DurableOrchestrationContext) -> None:
    """Takes locks and does not go on by itself."""
    async with context.lock([EntityId("account", "0"), EntityId("account", "1")]):
        await context.wait_for_external_event("never")


def add_entities(registry: Registry) -> None:
    """Register everything above."""
    for entity in (tally, journal, account):
        registry.entities.add(EntityDefinition(entity.__name__, entity))
    for orchestrator in (adds, says, pays, hoards):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the scenarios ---------------------------------------------------------------------------------------


async def tallies(world: World) -> None:
    """Every increment of many senders counts once."""
    for number in range(3):
        await world.start("adds", f"adds-{number}", json.dumps(6))
        for _ in range(5):
            await world.send("@tally@t", OperationArrived(world.clock.now(), "add", "1"))
            await world.nap(20.0)
    later = world.clock.now()
    await world.send("@tally@t", OperationArrived(later, "add", "1", signal_time=later.replace(hour=1)))
    for header in await world.finished(*(f"adds-{n}" for n in range(3))):
        assert header.columns.output == "1"
    assert await world.settled("@tally@t", 3 * 7 + 15 + 1) == 3 * 7 + 15 + 1


async def journals(world: World) -> None:
    """What one sender says is heard in order, once, and passed on in order."""
    names = [f"says-{number}" for number in range(3)]
    for name in names:
        await world.start("says", name, "0")
        await world.nap(20.0)
    await world.finished(*names)
    await world.at_rest()
    for key, heard in (("first", range(15)), ("second", range(0, 15, 3))):
        said = await world.state_of(f"@journal@{key}")
        for name in names:
            assert [number for who, number in said if who == name] == list(heard), (key, name)


def each_of(answer: Answer, count: int) -> list[Answer]:
    """What is told of each of many things that were asked for in one call."""
    if not isinstance(answer.error, BatchError):
        return [answer] * count
    return [
        Answer(False, error=outcome) if isinstance(outcome, DurableError) else Answer(True, outcome)
        for outcome in answer.error.outcomes
    ]


async def crowds(world: World) -> None:
    """What clients send many at a time arrives once and in order; what they got no answer for, once at the most."""
    names = ("C0", "C1", "C2")
    said: dict[str, list[Answer]] = {name: [] for name in names}
    raised: dict[str, list[Answer]] = {name: [] for name in names}
    await world.start("hears", "crowd", json.dumps([1000, 5000]))

    async def talks(name: str) -> None:
        client = world.client(name)
        for burst in range(0, 24, 8):
            numbers = range(burst, burst + 8)
            signals = [client.ask("signal_entity", CROWD, "say", [name, number]) for number in numbers]
            events = [client.ask("raise_event", "crowd", "item", [name, number]) for number in numbers]
            answers = await asyncio.gather(*signals, *events)
            said[name] += answers[:8]
            raised[name] += answers[8:]
            await world.nap(20.0)
        # In one call, of which the outcome of each is told.
        batch = [EntitySignal(CROWD, "say", [name, number]) for number in range(24, 30)]
        said[name] += each_of(await client.ask("signal_entities", batch), len(batch))

    await asyncio.gather(*map(talks, names))
    (header,) = await world.finished("crowd")
    await world.at_rest()
    for asked, came in (
        (said, await world.state_of(str(CROWD)) or []),
        (raised, json.loads(header.columns.output or "")),
    ):
        for name in names:
            heard = [number for who, number in came if who == name]
            assert len(set(heard)) == len(heard), (name, heard)
            sure = [number for number, answer in enumerate(asked[name]) if answer.done]
            assert [number for number in heard if number in sure] == sure, (name, heard, sure)
            unsure = {number for number, answer in enumerate(asked[name]) if answer.unknown}
            assert set(heard) <= {*sure, *unsure}, (name, heard, sure)


async def transfers(world: World) -> None:
    """Money is neither made nor lost, whoever is terminated and purged in the middle."""
    for key in range(3):
        await world.send(f"@account@{key}", OperationArrived(world.clock.now(), "add", "0"))
    names = [f"pays-{number}" for number in range(6)]
    for number, name in enumerate(names):
        await world.start("pays", name, json.dumps([str(number % 3), str((number + 1) % 3), 10 + number]))
        if number == 2:
            await world.start("hoards", "hoards")
        await world.nap(20.0)
    await world.nap(60.0)
    await world.terminate("hoards")
    await world.finished("hoards")
    assert await purge(world.hub, "hoards")
    for header in await world.finished(*names):
        assert header.columns.runtime_status == "Completed", header.columns
    await world.at_rest()
    total = sum([(await world.state_of(f"@account@{key}"))["balance"] for key in range(3)])
    assert total == 300, total
    await no_lock_is_left(world)


async def no_lock_is_left(world: World) -> None:
    """No entity is locked, and none holds anything back."""
    page = await world.store.query(InstanceQuery(kind=Kind.entity, page_size=1000))
    for item in page.items:
        header = await world.store.load_header(item.instance_id)
        assert header is not None
        entity = EntityState.of(InstanceState.decode(header.body))
        assert entity.is_idle, (item.instance_id, entity)


ENTITY_SCENARIOS = (tallies, journals, crowds, transfers)
