"""The repair scan rings what shows a sign of need, and nothing else."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from azure_durable_py.clock import Ids
from azure_durable_py.history.events import EventRaised
from azure_durable_py.taskhub.hub import StartRequest, TaskHub, new_header
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.worker.lifeless import ring_lifeless
from tests.counting import CountingStore
from tests.protocol.staging import Routine, Stage, play

LONG = 3600.0


def waits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("item"))


async def settled(stage: Stage, *instance_ids: str) -> None:
    for instance_id in instance_ids:
        await stage.waiting(instance_id)
    await asyncio.sleep(5.0)


def test_instances_that_wait_for_an_event_are_left_in_peace() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        worker = await stage.worker("W1")
        names = [f"w{number}" for number in range(50)]
        for name in names:
            await stage.start("waits", name)
        await settled(stage, *names)
        worker.store.freeze()
        await asyncio.sleep(LONG)
        counting = CountingStore(stage.store)
        assert await ring_lifeless(TaskHub(counting, stage.clock, Ids(random.Random(1)))) == 0
        # One page of each listing, however many there are on it.
        assert (counting.table_operations, counting.queue_operations) == (4, 0)

    play(scene)


def test_an_event_whose_ring_was_lost_is_rung_for() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "w")
        await settled(stage, "w")
        await stage.hub.insert("w", [stage.message(EventRaised(stage.clock.now(), "item", "1"))])
        assert await ring_lifeless(stage.hub) == 0, "its client may be about to ring"
        await asyncio.sleep(LONG)
        assert await ring_lifeless(stage.hub) == 1
        assert await stage.finished("w") == 1

    play(scene)


def test_an_event_for_nobody_is_rung_for_so_that_it_goes() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.hub.insert("nobody", [stage.message(EventRaised(stage.clock.now(), "item", "1"))])
        await asyncio.sleep(LONG)
        assert await ring_lifeless(stage.hub) == 1
        await asyncio.sleep(5.0)
        assert not (await stage.store.load("nobody")).inbox

    play(scene)


def test_a_start_that_nobody_took_up_is_rung_for_when_it_is_due() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.hub.open()
        now = stage.clock.now()
        for name, start_at in (("now", None), ("soon", now + timedelta(hours=2))):
            request = StartRequest(name, stage.hub.ids.new(), "waits", now, start_at=start_at)
            header, _, _ = new_header(request, "turn")
            await stage.store.commit(Commit(name, header, None))
        assert await ring_lifeless(stage.hub) == 0
        await asyncio.sleep(LONG)
        assert await ring_lifeless(stage.hub) == 1
        await asyncio.sleep(LONG + 600.0)
        assert await ring_lifeless(stage.hub) == 2

    play(scene)


def test_a_timer_is_rung_for_when_it_is_overdue_and_not_before() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.hub.open()
        now = stage.clock.now()
        header, _, _ = new_header(StartRequest("s", stage.hub.ids.new(), "waits", now), "turn")
        columns = replace(header.columns, runtime_status="Running", wake_time=now + timedelta(hours=3))
        await stage.store.commit(Commit("s", replace(header, columns=columns), None))
        await asyncio.sleep(2 * LONG)
        assert await ring_lifeless(stage.hub) == 0
        await asyncio.sleep(2 * LONG)
        assert await ring_lifeless(stage.hub) == 1

    play(scene)
