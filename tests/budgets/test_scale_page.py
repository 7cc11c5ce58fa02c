"""The page about scale shows what the model says, and its code runs."""

from __future__ import annotations

import uuid
from contextlib import AsyncExitStack
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.worker.caretaker import AT_START
from benchmarks.cost import PRICES, idle_a_month
from benchmarks.model import LIMITS, TOUCHES_OF_A_MESSAGE, events_to_one_instance, idle_a_minute
from tests.budgets.scale_page import PAGE, TABLES, written
from tests.showing import blocks

TEXT = PAGE.read_text(encoding="utf-8")
FLOWING = " ".join(TEXT.split())


def test_the_tables_are_those_of_the_model():
    assert written(TEXT) == TEXT, "run `python -m tests.budgets.scale_page`"
    assert all(f"<!-- table: {name} -->" in TEXT for name in TABLES)


def test_the_figures_of_the_text_are_those_of_the_model():
    ours, theirs = idle_a_month()
    assert f"costs ${ours} in 30 days" in FLOWING
    assert f"up to ${theirs}" in FLOWING
    assert f"{LIMITS.queue_messages / TOUCHES_OF_A_MESSAGE:.0f} doorbells a second" in FLOWING
    assert f"up to {events_to_one_instance():.0f} signals" in FLOWING
    idle, another = idle_a_minute().queue, idle_a_minute(2).queue - idle_a_minute().queue
    assert f"{idle:.0f} Q a minute, and {another:.0f} more" in FLOWING
    assert f"${PRICES.queue_10k} for 10,000 queue operations" in FLOWING
    assert f"${PRICES.table_10k:.5f} for 10,000 table operations ({PRICES.table_region}, {PRICES.read})" in FLOWING
    assert f"{24 * 3600 / AT_START.total_seconds():.0f} scans a day at the most" in FLOWING


@pytest.mark.azurite
async def test_a_key_leads_to_the_same_hub_each_time(azurite: str):
    [block] = blocks(TEXT, "python")
    names: dict[str, Any] = {}
    exec(block, names)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                DurableOrchestrationClient.from_connection_string(azurite, f"Hub{uuid.uuid4().hex[:16]}")
            )
            for _ in range(3)
        ]
        hubs = names["Hubs"](clients)
        customers = [f"customer-{number}" for number in range(12)]
        for customer in customers:
            instance_id = await names["place_order"](hubs, customer, "17")
            found = [bool(await client.get_status(instance_id)) for client in clients]
            assert found.count(True) == 1
            await names["cancel_order"](hubs, customer, "17")
        assert len({hubs.of(customer) for customer in customers}) == 3
        for client in clients:
            await client.hub.store.delete_hub()
