"""The paper model of `benchmarks.model` is what is counted, and the page about scale shows what comes of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, run_virtual
from benchmarks.model import SCENARIOS, SLOTS, Operations, idle_a_minute
from tests.budgets.measuring import BudgetStore
from tests.budgets.test_budgets import at_virtual_time

app = df.DFApp()
COUNTER = df.EntityId("counter", "one")
Scene = Callable[[VirtualHub, int], Awaitable[Any]]


@app.activity_trigger(input_name="number")
async def work(number: int) -> int:
    return number


@app.activity_trigger(input_name="number")
async def long_work(number: int) -> int:
    await asyncio.sleep(1.0)
    return number


@app.orchestration_trigger(context_name="context")
async def chain(context: df.DurableOrchestrationContext) -> None:
    for number in range(context.get_input()):
        await context.call_activity(work, number)


@app.orchestration_trigger(context_name="context")
async def fan_out(context: df.DurableOrchestrationContext) -> None:
    await context.task_all([context.call_activity(work, number) for number in range(context.get_input())])


@app.orchestration_trigger(context_name="context")
async def queued_fan_out(context: df.DurableOrchestrationContext) -> None:
    await context.task_all([context.call_activity(long_work, number) for number in range(context.get_input())])


@app.orchestration_trigger(context_name="context")
async def sub_orchestrations(context: df.DurableOrchestrationContext) -> None:
    for _ in range(context.get_input()):
        await context.call_sub_orchestrator(chain, 0)


@app.orchestration_trigger(context_name="context")
async def timers(context: df.DurableOrchestrationContext) -> None:
    for _ in range(context.get_input()):
        await context.create_timer(timedelta(minutes=1))


@app.orchestration_trigger(context_name="context")
async def generations(context: df.DurableOrchestrationContext) -> None:
    left = context.get_input()
    await context.call_activity(work, left)
    if left > 1:
        context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
async def entity_calls(context: df.DurableOrchestrationContext) -> None:
    for _ in range(context.get_input()):
        await context.call_entity(COUNTER, "add")


@app.orchestration_trigger(context_name="context")
async def entity_signals(context: df.DurableOrchestrationContext) -> None:
    for number in range(context.get_input()):
        context.signal_entity(df.EntityId("counter", f"{number}"), "add")


@app.orchestration_trigger(context_name="context")
async def listener(context: df.DurableOrchestrationContext) -> None:
    while True:
        await context.wait_for_external_event("go")


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + 1)


def started(name: str) -> Scene:
    """An instance from its start to its end."""

    async def scene(hub: VirtualHub, n: int) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new(name, client_input=n), raise_if_failed=True)

    return scene


async def events(hub: VirtualHub, n: int) -> None:
    for _ in range(n):
        await hub.client.raise_event("listener", "go")
        await asyncio.sleep(60)


async def signals(hub: VirtualHub, n: int) -> None:
    for _ in range(n):
        await hub.client.signal_entity(COUNTER, "add")
        await asyncio.sleep(60)


async def signals_at_once(hub: VirtualHub, n: int) -> None:
    await asyncio.gather(*(hub.client.signal_entity(COUNTER, "add") for _ in range(n)))


SCENES: dict[str, Scene] = {
    "chain": started("chain"),
    "fan-out": started("fan_out"),
    "queued fan-out": started("queued_fan_out"),
    "sub-orchestrations": started("sub_orchestrations"),
    "timers": started("timers"),
    "generations": started("generations"),
    "events": events,
    "signals": signals,
    "signals at once": signals_at_once,
    "entity calls": started("entity_calls"),
    "entity signals": started("entity_signals"),
}
BOUNDS = {"queued fan-out", "signals at once", "entity signals"}
"""What comes at once shares receives and commits: there the formula says how much it is at the most."""
SIZES = {"fan-out": (1, 2, SLOTS), "queued fan-out": (20, 100, 1000), "signals at once": (1, 2, 100, 1000)}


def spent(scene: Scene, n: int) -> Operations:
    """The operations from the first call of the client until the hub is at rest."""

    async def main() -> Operations:
        async with VirtualHub(app, wrap=BudgetStore) as hub:
            store: Any = hub.store
            await hub.client.start_new("listener", instance_id="listener")
            await hub.client.signal_entity(COUNTER, "add")
            await hub.client.signal_entity(COUNTER, "add")
            await asyncio.sleep(60)
            store.reset()
            await scene(hub, n)
            # The client's looking on is not part of what the instance takes.
            looks = store.calls["load_header"] if scene is not events else 0
            await asyncio.sleep(60)
            assert not any((await store.inner.message_counts()).values())
            return Operations(store.queue_operations, store.table_operations - looks)

    return run_virtual(main())


def test_every_scenario_of_the_model_is_counted():
    assert set(SCENES) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_costs_what_the_model_says(name: str):
    for n in SIZES.get(name, (1, 2, 10, 100)):
        counted, said = spent(SCENES[name], n), SCENARIOS[name].operations(n)
        if name in BOUNDS:
            assert counted.queue <= said.queue, f"{n}: {counted}"
            assert counted.table <= said.table, f"{n}: {counted}"
        else:
            assert counted == said, n


def test_an_idle_worker_asks_as_often_as_the_model_says():
    async def scenario(measured: Any) -> float:
        await asyncio.sleep(300)
        before = measured.store.polls
        await asyncio.sleep(6000)
        return (measured.store.polls - before) / 100

    asked = at_virtual_time(SLOTS, scenario)
    assert asked == pytest.approx(idle_a_minute().queue, rel=0.05)


class Slow(BudgetStore):
    """Every request takes a second, half of it on the way there. Tells when the last instance ended."""

    ended = 0.0

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        inner = super().around(name, call)
        if name == "next_visible":
            return inner

        async def slow(*args: Any) -> Any:
            await asyncio.sleep(0.5)
            result = await inner(*args)
            if name == "commit" and args[0].header is not None and args[0].header.columns.completed_time:
                self.ended = asyncio.get_running_loop().time()
            await asyncio.sleep(0.5)
            return result

        return slow


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.trips])
def test_a_scenario_takes_as_many_requests_one_after_the_other_as_the_model_says(name: str):
    trips = SCENARIOS[name].trips
    assert trips is not None

    async def main(n: int) -> float:
        async with VirtualHub(app, wrap=Slow) as hub:
            store: Any = hub.store
            await hub.client.signal_entity(COUNTER, "add")
            await hub.client.signal_entity(COUNTER, "add")
            await asyncio.sleep(600)
            began = asyncio.get_running_loop().time()
            await SCENES[name](hub, n)
            return store.ended - began

    for n in (1, 2, SLOTS):
        assert math.ceil(run_virtual(main(n))) == trips(n)
