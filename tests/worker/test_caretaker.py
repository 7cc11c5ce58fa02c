"""A worker looks through its hub at start and daily, one for all: it rings who shows no life, purges what is old."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.clock import Ids
from azure_durable_py.errors import InstanceAlreadyExistsError, StorageRejectedError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub import clearing
from azure_durable_py.taskhub.clearing import purge, purge_unchanged
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery, TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.worker.caretaker import Caretaker
from tests.client.playing import Playing
from tests.protocol.staging import Routine, Stage, play
from tests.taskhub.building import listed_ids

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY


def ends(context: Any) -> Routine:
    yield context.call_activity("rest", 0.1)


def waits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("item"))


class Table(StoreWrapper):
    """Grants a scan as Azure does, and counts those that take place."""

    def __init__(self, stage: Stage) -> None:
        self._now: Callable[[], float] = stage.clock.monotonic
        self._claimed: float | None = None
        self.scans = 0
        super().__init__(stage.store)
        self.claim_scan = self._claim_scan

    async def _claim_scan(self, every: timedelta) -> bool:
        now = self._now()
        if self._claimed is not None and now - self._claimed < every.total_seconds():
            return False
        self._claimed = now
        self.scans += 1
        return True


def looked_after(stage: Stage, store: StoreWrapper, retention: float | None = None) -> asyncio.Task[None]:
    """A caretaker, without the worker."""
    return asyncio.get_running_loop().create_task(Caretaker(hub_on(stage, store), retention).run())


def hub_on(stage: Stage, store: StoreWrapper) -> TaskHub:
    """The hub of a stage through a store of one's own."""
    return TaskHub(store, stage.clock, Ids(random.Random(3)))


def test_however_many_workers_start_within_an_hour_one_scans() -> None:
    async def scene() -> None:
        stage = Stage(ends)
        await stage.hub.open()
        table = Table(stage)
        tasks: list[asyncio.Task[None]] = []
        for _ in range(20):
            tasks.append(looked_after(stage, table))
            await asyncio.sleep(60)
        assert table.scans == 1
        await asyncio.sleep(HOUR)
        tasks.append(looked_after(stage, table))
        await asyncio.sleep(60)
        assert table.scans == 2
        for task in tasks:
            task.cancel()

    play(scene)


def test_however_many_workers_run_they_scan_twice_a_day_at_the_most() -> None:
    async def scene() -> None:
        stage = Stage(ends)
        await stage.hub.open()
        table = Table(stage)
        tasks = [looked_after(stage, table) for _ in range(20)]
        await asyncio.sleep(10 * DAY)
        assert 5 <= table.scans <= 20
        for task in tasks:
            task.cancel()

    play(scene)


def test_a_scan_that_is_refused_is_told_of_and_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(StoreWrapper):
        refusals = 1

        def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
            async def refusing(*args: Any) -> Any:
                if self.refusals:
                    self.refusals -= 1
                    raise StorageRejectedError("no access")
                return await call(*args)

            return refusing if name == "query" else call

    async def scene() -> None:
        stage = Stage(ends)
        await stage.worker("W1", max_queue_polling_interval=HOUR)
        await stage.start("ends", "old")
        await stage.finished("old")
        task = looked_after(stage, Refusing(stage.store), retention=HOUR)
        await asyncio.sleep(60)
        assert await listed_ids(stage.store) == {"old"}
        await asyncio.sleep(2 * DAY)
        assert await listed_ids(stage.store) == set()
        task.cancel()

    with caplog.at_level(logging.WARNING):
        play(scene)
    assert "could not be looked through" in caplog.text


def test_finished_instances_go_when_they_are_older_than_the_retention() -> None:
    async def scene() -> None:
        stage = Stage(ends, waits)
        cast = await stage.worker("W1", max_queue_polling_interval=HOUR)
        for name in ("old", "older"):
            await stage.start("ends", name)
            await stage.finished(name)
        await stage.start("waits", "waiting")
        await stage.waiting("waiting")
        task = looked_after(stage, StoreWrapper(stage.store), retention=WEEK)
        await asyncio.sleep(6 * DAY)
        await stage.start("ends", "young", by=cast)
        await stage.finished("young")
        assert await listed_ids(stage.store) == {"old", "older", "young", "waiting"}
        await asyncio.sleep(2.5 * DAY)
        assert await listed_ids(stage.store) == {"young", "waiting"}
        task.cancel()

    play(scene)


def test_without_a_retention_nothing_goes() -> None:
    async def scene() -> None:
        stage = Stage(ends)
        await stage.worker("W1", max_queue_polling_interval=HOUR)
        await stage.start("ends", "old")
        await stage.finished("old")
        task = looked_after(stage, StoreWrapper(stage.store))
        await asyncio.sleep(100 * DAY)
        assert await listed_ids(stage.store) == {"old"}
        task.cancel()

    play(scene)


def test_what_began_again_since_it_was_listed_stays() -> None:
    async def scene() -> None:
        stage = Stage(ends, waits)
        await stage.worker("W1", max_queue_polling_interval=HOUR)
        for name in ("runs", "ended anew"):
            await stage.start("ends", name)
            await stage.finished(name)
        await asyncio.sleep(WEEK)
        before = stage.clock.now()

        class Late(StoreWrapper):
            """By the time that a listing arrives, what it shows has changed."""

            def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
                async def late(query: InstanceQuery) -> Any:
                    page = await call(query)
                    for instance_id, orchestrator in (("runs", "waits"), ("ended anew", "ends")):
                        assert await purge(stage.hub, instance_id)
                        await stage.start(orchestrator, instance_id)
                    await stage.finished("ended anew")
                    await stage.waiting("runs")
                    return page

                return late if name == "query" else call

        assert await purge_unchanged(hub_on(stage, Late(stage.store)), before) == 0
        assert await listed_ids(stage.store) == {"runs", "ended anew"}
        with pytest.raises(InstanceAlreadyExistsError):
            await purge(stage.hub, "runs")

    play(scene)


async def test_what_is_old_is_purged_page_by_page_on_every_store(
    store: TaskHubStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "_PAGE", 3)
    hub = TaskHub(store)
    await hub.open()
    client = DurableOrchestrationClient(hub, Settings(hub_name="Purging"))
    finished = [f"finished-{number}" for number in range(10)]
    for instance_id in (*finished, "runs"):
        await client.start_new("ends", instance_id)
    for instance_id, status in zip(finished, 5 * ("Completed", "Failed"), strict=True):
        await Playing(hub).set_status(instance_id, status)
    now = hub.clock.now()
    assert await purge_unchanged(hub, now - timedelta(hours=1)) == 0
    assert await purge_unchanged(hub, now + timedelta(hours=1)) == 10
    assert await listed_ids(store) == {"runs"}
