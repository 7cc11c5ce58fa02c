"""What runs at virtual time cost: what happens in them, and not the time that passes.

Counted are all calls of the store, those that find nothing included.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, run_virtual
from tests.counting import CountingStore

app = df.DFApp()


@app.activity_trigger(input_name="number")
def look(number: int) -> int:
    return number


@app.orchestration_trigger(context_name="context")
async def monitor(context: df.DurableOrchestrationContext) -> None:
    size, seconds = context.get_input()
    for number in range(size):
        await context.call_activity(look, number)
        await context.create_timer(timedelta(seconds=seconds))


@app.orchestration_trigger(context_name="context")
async def eternal(context: df.DurableOrchestrationContext) -> None:
    left, seconds = context.get_input()
    await context.create_timer(timedelta(seconds=seconds))
    if left > 1:
        context.continue_as_new((left - 1, seconds))


@app.orchestration_trigger(context_name="context")
async def approval(context: df.DurableOrchestrationContext) -> None:
    timeout = context.create_timer(timedelta(seconds=context.get_input()))
    await context.task_any([context.wait_for_external_event("Approval"), timeout])


def calls(name: str, value: Any, *, workers: int = 1) -> Counter[str]:
    """The calls of the store from the start of an instance to its end."""

    async def main() -> Counter[str]:
        async with VirtualHub(app, workers=workers, wrap=CountingStore) as hub:
            store: Any = hub.store
            await asyncio.sleep(60)
            store.reset()
            instance_id = await hub.client.start_new(name, client_input=value)
            await hub.client.wait_for_completion(instance_id, raise_if_failed=True)
            return Counter(store.calls)

    return run_virtual(main(), within=timedelta(days=40_000))


@pytest.mark.parametrize("name", ["monitor", "eternal"])
def test_a_round_costs_the_same_after_a_thousand_as_after_a_hundred(name: str):
    hundred, two_hundred, thousand = (calls(name, (size, 3600)).total() for size in (100, 200, 1000))
    assert thousand - hundred == 9 * (two_hundred - hundred)


@pytest.mark.parametrize("name", ["monitor", "eternal"])
def test_a_day_between_two_rounds_costs_no_more_than_an_hour(name: str):
    assert calls(name, (50, 24 * 3600)) == calls(name, (50, 3600))


def test_thirty_days_of_waiting_cost_no_more_than_an_hour_save_for_the_doorbells_that_take_them():
    # A message is delayed by six days at most: an alarm that is further away is put again on the way.
    longer, shorter = calls("approval", 30 * 24 * 3600), calls("approval", 3600)
    assert longer.total() - shorter.total() <= 5 * 12


def test_who_waits_is_not_read_again_when_he_goes_on():
    counted = calls("monitor", (1000, 3600))
    assert counted["get_blobs"] == counted["list_blobs"] == 0
    # Once at the start, and once for each alarm.
    assert counted["load"] == 1001


def test_workers_with_nothing_to_do_ask_nothing_for_a_year():
    async def main() -> int:
        async with VirtualHub(app, workers=3, wrap=CountingStore) as hub:
            store: Any = hub.store
            await asyncio.sleep(60)
            store.reset()
            await asyncio.sleep(365 * 24 * 3600)
            return store.calls.total()

    assert run_virtual(main()) == 0
