"""The hub as a whole: what is counted, and what looks wrong."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.inspection.hub import HubOverview, Rates, read_overview
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.testing import VirtualHub, play
from tests.inspection.showing import app, calls
from tests.taskhub.building import receive_one
from tests.taskhub.spoiling import spoil_columns


@pytest.fixture(autouse=True)
def fresh(caplog: pytest.LogCaptureFixture) -> None:
    calls.clear()
    caplog.set_level(logging.CRITICAL)


async def look(hub: VirtualHub, **options: Any) -> HubOverview:
    return await read_overview(hub.task_hub, "TestHub", **options)


def test_instances_are_counted_by_status_and_entities_that_exist():
    async def scene(hub: VirtualHub) -> None:
        for number in range(3):
            await hub.client.start_new("greet", f"done{number}", [])
        await hub.client.start_new("break_down", "bad")
        await hub.client.start_new("ask", "asks")
        await hub.client.signal_entity(df.EntityId("counter", "a"), "add", 1)
        await hub.client.signal_entity(df.EntityId("counter", "b"), "get")
        await asyncio.sleep(5)
        found = await look(hub)
        assert found.counts == {"Completed": 3, "Failed": 1, "Running": 1}
        assert (found.counted, found.complete, found.entities, found.oldest_pending) == (5, True, 1, None)
        assert [(queue.name, queue.role, queue.messages) for queue in found.queues] == [
            ("testhub-instances", "instances", 0),
            ("testhub-activities", "activities", 0),
            ("testhub-instances-poison", "poison", 0),
            ("testhub-activities-poison", "poison", 0),
        ]
        assert found.rates == Rates(300.0, 5, 3, 1)
        assert (found.stuck, found.findings, found.taken_at) == ((), (), hub.now)
        await asyncio.sleep(600)
        assert (await look(hub)).rates == Rates(300.0, 0, 0, 0)

    play(app, scene)


@pytest.mark.parametrize(("most", "complete"), [(3, False), (4, False), (5, True), (6, True)])
def test_no_more_is_counted_than_was_asked_for(most: int, complete: bool):
    async def scene(hub: VirtualHub) -> None:
        for number in range(5):
            await hub.client.start_new("greet", f"x{number}", [])
        await asyncio.sleep(5)
        found = await look(hub, most=most)
        assert (found.counted, found.complete) == (min(most, 5), complete)

    play(app, scene)


def test_what_has_no_worker_is_told():
    async def scene(hub: VirtualHub) -> None:
        await hub.workers[0].stop()
        await hub.client.start_new("greet", "x", [])
        await asyncio.sleep(20)
        assert (await look(hub)).findings == ()
        await asyncio.sleep(20)
        [finding] = (await look(hub)).findings
        assert (finding.level, finding.text) == ("error", "Instances wait to be started since 2026-01-01T00:00:00Z.")
        await asyncio.sleep(600)
        assert (await look(hub)).stuck == ("x",)

    play(app, scene)


def test_a_start_that_is_delayed_waits_for_nobody():
    async def scene(hub: VirtualHub) -> None:
        from datetime import timedelta

        await hub.client.start_new("greet", "x", [], start_at=hub.now + timedelta(days=1))
        await asyncio.sleep(3600)
        found = await look(hub)
        assert (found.counts, found.oldest_pending, found.findings) == ({"Pending": 1}, None, ())

    play(app, scene)


def test_what_shows_no_life_is_told_and_what_is_slow_is_not():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("wait_long", "slow", 600)
        await hub.client.start_new("rest", "timer")
        await asyncio.sleep(5)
        await hub.workers[0].stop(0)
        message = await receive_one(hub.store, "testhub-instances")
        await hub.store.delete_message(message)
        await asyncio.sleep(24 * 3600 + 1200)
        found = await look(hub)
        assert found.stuck == ("timer",)
        assert found.findings[0].text == "1 instance shows no life: timer."

    play(app, scene)


def test_an_inbox_that_nobody_reads_is_told():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await hub.workers[0].stop()
        await hub.client.raise_event("x", "Answer", 1)
        await asyncio.sleep(900)
        assert (await look(hub)).stuck == ("x",)

    play(app, scene)


def test_poison_and_damage_are_told():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", [])
        await asyncio.sleep(5)
        await spoil_columns(hub.store, "x", runtime_status="Weird")
        await hub.store.put_message(poison_queue(hub.store.activity_queue), "poison")
        found = await look(hub)
        assert found.counts == {"Damaged": 1}
        assert [finding.text for finding in found.findings] == [
            "Queue testhub-activities-poison holds 1 message that was given up.",
            "1 instance is damaged: x.",
        ]

    play(app, scene)
