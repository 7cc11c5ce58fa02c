"""What is played in the simulated world: each scenario starts instances and says how all must end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.protocol import Header
from tests.simulation.asyncio_scenarios import ASYNCIO_SCENARIOS, add_asyncio
from tests.simulation.cancelling_scenarios import CANCELLING_SCENARIOS, add_cancelling
from tests.simulation.entity_scenarios import ENTITY_SCENARIOS, add_entities
from tests.simulation.http_scenarios import HTTP_SCENARIOS, add_http
from tests.simulation.life_scenarios import LIFE_SCENARIOS, add_life
from tests.simulation.odd_scenarios import ODD_SCENARIOS, add_odd
from tests.simulation.rewind_scenarios import REWIND_SCENARIOS, add_rewinds
from tests.simulation.schedule_scenarios import SCHEDULE_SCENARIOS, add_scheduled
from tests.simulation.traffic_scenarios import TRAFFIC_SCENARIOS, add_traffic
from tests.simulation.world import Plan, Play, World

# --- the app -------------------------------------------------------------------------------------------


async def double(number: int) -> int:
    await asyncio.sleep((number % 7) * 0.3)
    return 2 * number


async def slow(number: int) -> int:
    await asyncio.sleep(20.0 + number)
    return number


async def large(number: int) -> str:
    return "x" * (20_000 + number)


async def flaky(number: int) -> int:
    """Fails on odd attempts: the input counts them."""
    raise ValueError(f"no luck {number}")


def chain(context: Any) -> Any:
    total = 0
    for number in range(context.get_input()):
        total += yield context.call_activity("double", number)
    return total


async def fan_out(context: Any) -> Any:
    results = await context.task_all([context.call_activity("double", n) for n in range(context.get_input())])
    return sum(results)


async def race(context: Any) -> Any:
    work = context.call_activity("slow", context.get_input())
    alarm = context.create_timer(context.current_utc_datetime + timedelta(seconds=25))
    winner = await context.task_any([work, alarm])
    if winner is work:
        alarm.cancel()
        await context.create_timer(context.current_utc_datetime + timedelta(minutes=2))
        return ["work", winner.result]
    return ["alarm"]


async def parent(context: Any) -> Any:
    count = context.get_input()
    children = [context.call_sub_orchestrator("fan_out", n + 1) for n in range(count)]
    children.append(context.call_sub_orchestrator("broken"))
    failed = 0
    results = []
    for child in children:
        try:
            results.append(await child)
        except TaskFailedError:
            failed += 1
    return [sum(results), failed]


async def broken(context: Any) -> Any:
    await context.call_activity_with_retry("flaky", RetryOptions(3000, 3), 1)


async def collector(context: Any) -> Any:
    return [await context.wait_for_external_event("item") for _ in range(context.get_input())]


async def eternal(context: Any) -> Any:
    """Takes two events per generation and goes on as new; what it has seen is its input."""
    seen = context.get_input()
    for _ in range(2):
        seen.append(await context.wait_for_external_event("item"))
        await context.call_activity("double", seen[-1])
    if len(seen) >= 10:
        return seen
    context.continue_as_new(seen)
    return None


async def drains(context: Any) -> Any:
    """Takes one event a generation, asks for something in every fourth, and has an id of its own in each."""
    seen, ids = context.get_input()
    item = await context.wait_for_external_event("item")
    if len(seen) % 4 == 3:
        await context.call_activity("double", item[0])
    seen, ids = [*seen, item[0]], [*ids, context.new_uuid()[:8]]
    if len(seen) == 20:
        return [seen, len(set(ids))]
    context.continue_as_new([seen, ids])
    return None


async def ping(context: Any) -> Any:
    other, count = context.get_input()
    got = []
    for number in range(count):
        context.send_event(other, "ball", [context.instance_id, number])
        got.append(await context.wait_for_external_event("ball"))
    return got


async def big(context: Any) -> Any:
    texts = await context.task_all([context.call_activity("large", n) for n in range(4)])
    child = await context.call_sub_orchestrator("echo", texts[0])
    return [len(text) for text in texts] + [len(child)]


async def echo(context: Any) -> Any:
    await context.create_timer(context.current_utc_datetime + timedelta(seconds=5))
    return context.get_input()


async def waits(context: Any) -> Any:
    children = [
        context.call_sub_orchestrator("collector", 1, instance_id=f"{context.instance_id}-{n}") for n in range(2)
    ]
    return await context.task_all(children)


def app() -> Registry:
    """Everything above, registered."""
    registry = Registry()
    for activity in (double, slow, large, flaky):
        registry.activities.add(ActivityDefinition(activity.__name__, activity, "number"))
    orchestrators = (chain, fan_out, race, parent, broken, collector, eternal, drains, ping, big, echo, waits)
    for orchestrator in orchestrators:
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))
    add_entities(registry)
    add_traffic(registry)
    add_life(registry)
    add_rewinds(registry)
    add_odd(registry)
    add_asyncio(registry)
    add_cancelling(registry)
    add_scheduled(registry)
    add_http(registry)
    return registry


# --- the scenarios ---------------------------------------------------------------------------------------


def output(header: Header) -> Any:
    """What a completed instance returned."""
    assert header.columns.runtime_status == "Completed", (header.columns.runtime_status, header.columns.output)
    return None if header.columns.output is None else json.loads(header.columns.output)


async def chains(world: World) -> None:
    """Sequences of activities."""
    for number in range(4):
        await world.start("chain", f"chain-{number}", json.dumps(number + 2))
        await world.nap(20.0)
    for number, header in enumerate(await world.finished(*(f"chain-{n}" for n in range(4)))):
        assert output(header) == sum(2 * n for n in range(number + 2))


async def fans(world: World) -> None:
    """Fan-outs with more activities than slots."""
    for number in range(3):
        await world.start("fan_out", f"fan-{number}", json.dumps(8 + number))
    for number, header in enumerate(await world.finished(*(f"fan-{n}" for n in range(3)))):
        assert output(header) == sum(2 * n for n in range(8 + number))


async def timers(world: World) -> None:
    """Timers that win, lose, are cancelled, and delayed starts."""
    for number in (0, 9):
        await world.start("race", f"race-{number}", json.dumps(number))
    start_at = world.clock.now() + timedelta(seconds=200)
    await world.start("chain", "later", "2", start_at=start_at)
    fast, slow_one, later = await world.finished("race-0", "race-9", "later")
    assert output(fast) in (["work", 0], ["alarm"])
    assert output(slow_one) in (["work", 9], ["alarm"])
    assert output(later) == 2
    assert later.columns.completed_time is not None
    assert later.columns.completed_time >= start_at


async def families(world: World) -> None:
    """Sub-orchestrations that complete and fail, with retries."""
    for number in range(2):
        await world.start("parent", f"parent-{number}", json.dumps(3))
    for header in await world.finished("parent-0", "parent-1"):
        assert output(header) == [sum(2 * n for k in (1, 2, 3) for n in range(k)), 1]


async def events(world: World) -> None:
    """Every event of a client arrives once, in order, through suspension and resumption."""
    await world.start("collector", "collector", "12")
    for number in range(12):
        await world.raise_event("collector", "Item", json.dumps(number))
        if number == 4:
            await world.suspend("collector")
        if number == 8:
            await world.resume("collector")
        await world.nap(60.0)
    [header] = await world.finished("collector")
    assert output(header) == list(range(12))


async def generations(world: World) -> None:
    """Events survive continue-as-new: none is lost, none is taken twice."""
    await world.start("eternal", "eternal", "[]")
    for number in range(10):
        await world.raise_event("eternal", "item", json.dumps(number))
        await world.nap(30.0)
    [header] = await world.finished("eternal")
    assert output(header) == list(range(10))


async def draining(world: World) -> None:
    """Generations that follow each other in one commit, over events that wait, some of them large."""
    await world.start("drains", "drains", "[[], []]")
    for number in range(20):
        await world.raise_event("drains", "item", json.dumps([number, "z" * 20_000 if number % 7 == 5 else ""]))
        if number % 6 == 5:
            await world.nap(30.0)
    [header] = await world.finished("drains")
    assert output(header) == [list(range(20)), 20]


async def conversations(world: World) -> None:
    """Orchestrations that send events to each other."""
    await world.start("ping", "a", json.dumps(["b", 5]))
    await world.start("ping", "b", json.dumps(["a", 5]))
    one, two = await world.finished("a", "b")
    assert output(one) == [["b", n] for n in range(5)]
    assert output(two) == [["a", n] for n in range(5)]


async def payloads(world: World) -> None:
    """Values too large for a row."""
    await world.start("big", "big", json.dumps("y" * 30_000))
    [header] = await world.finished("big")
    assert output(header) == [20_000, 20_001, 20_002, 20_003, 20_000]


async def endings(world: World) -> None:
    """Termination of a whole family, then purge, then the same ids again."""
    await world.start("waits", "waits")
    await world.start("waits", "stays")
    await world.nap(90.0)
    await world.terminate("waits", recurse=True)
    await world.raise_event("stays-0", "item", "1") if await world.exists("stays-0") else None
    [header] = await world.finished("waits")
    assert header.columns.runtime_status == "Terminated"
    for child in ("waits-0", "waits-1"):
        if await world.exists(child):
            await world.finished(child)
    assert await purge(world.hub, "waits")
    await world.start("chain", "waits", "3")
    [again] = await world.finished("waits")
    assert output(again) == 6
    await _wake_children(world, "stays")
    [stays] = await world.finished("stays")
    assert all(value in ([1], [2]) for value in output(stays))


async def _wake_children(world: World, instance_id: str) -> None:
    for number in range(2):
        while not await world.exists(f"{instance_id}-{number}"):
            await asyncio.sleep(10.0)
        await world.raise_event(f"{instance_id}-{number}", "item", "2")


@dataclass(frozen=True)
class Scenario:
    """What is played, and what it asks of the world that it is played in."""

    play: Play

    def plan(self, plan: Plan) -> Plan:
        """Bend the set-up of a world to what the scenario needs."""
        bend = getattr(self.play, "bend", None)
        if bend is not None:
            bend(plan)
        return plan


SCENARIOS: dict[str, Scenario] = {
    scenario.__name__: Scenario(scenario)
    for scenario in (
        *(chains, fans, timers, families, events, generations, draining, conversations, payloads, endings),
        *ENTITY_SCENARIOS,
        *TRAFFIC_SCENARIOS,
        *LIFE_SCENARIOS,
        *REWIND_SCENARIOS,
        *ODD_SCENARIOS,
        *ASYNCIO_SCENARIOS,
        *CANCELLING_SCENARIOS,
        *SCHEDULE_SCENARIOS,
        *HTTP_SCENARIOS,
    )
}
