"""A rolling upgrade: what newer processes wrote waits for workers that are upgraded, and is not set aside."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.history.events import EventRaised, ExecutionTerminated
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub import upgrades
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.messages import Cause, Doorbell, InboxEvent, WorkItem
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.upgrades import NewerFormatError, Record
from azure_durable_py.worker.intake.poison import LONGEST_PAUSE
from tests.protocol.staging import Routine, Stage, play


def collects(context: Any) -> Routine:
    first = yield context.wait_for_external_event("item")
    second = yield context.wait_for_external_event("item")
    return [first, second]


def quick(_: Any) -> str:
    return "done"


@contextmanager
def _written_by_newer(record: Record) -> Iterator[None]:
    upgrades.VERSIONS[record] = 2
    try:
        yield
    finally:
        upgrades.VERSIONS[record] = 1


@pytest.fixture(autouse=True)
def _versions_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrades, "STEPS", {})
    for record in Record:
        monkeypatch.setitem(upgrades.VERSIONS, record, 1)


def _upgrade(record: Record) -> None:
    """From now on all that runs is upgraded."""
    upgrades.VERSIONS[record] = 2
    upgrades.STEPS[record, 1] = lambda data: data


def test_a_queue_message_of_a_newer_version_waits_in_its_queue(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        doorbells, items = stage.store.instance_queue("one"), stage.store.activity_queue
        with _written_by_newer(Record.doorbell), _written_by_newer(Record.work_item):
            bell = Doorbell("one", "d1", Cause.told).encode()
            item = WorkItem("w1", "one", "e", 0, 0, 0, "rest").encode()
        await stage.store.put_message(doorbells, bell)
        await stage.store.put_message(items, item)
        await asyncio.sleep(3600.0)
        await stage.start("quick", "after")
        assert await stage.finished("after") == "done"
        for queue, body in ((doorbells, bell), (items, item)):
            assert not await stage.store.receive_messages(poison_queue(queue), 1, 1.0)
            counts = await stage.store.message_counts()
            assert counts[queue] == 1, body
        _upgrade(Record.doorbell)
        _upgrade(Record.work_item)
        await asyncio.sleep(2 * LONGEST_PAUSE)
        await stage.quiet()

    play(scene)
    said = [line for line in caplog.messages if "is left for another worker" in line]
    assert 2 < len(said) < 200
    assert "Upgrade azure-durable-py" in said[0]


def test_an_event_of_a_newer_version_holds_up_what_is_behind_it_and_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        stage = Stage(collects)
        await stage.worker("W1")
        await stage.start("collects", "one")
        await stage.waiting("one")
        first = stage.message(EventRaised(stage.clock.now(), "item", "1"))
        second = stage.message(EventRaised(stage.clock.now(), "item", "2"))
        await stage.hub.insert("one", [first])
        with _written_by_newer(Record.inbox_event):
            await stage.hub.deliver("one", [second], "")
        await asyncio.sleep(3600.0)
        loaded = await stage.store.load("one")
        assert [row.key for row in loaded.inbox] == [second.key], "the first was taken, the second is left alone"
        assert not await stage.store.list_blobs("one", "40-quarantine-")
        _upgrade(Record.inbox_event)
        assert await stage.finished("one") == [1, 2]
        await stage.quiet()

    play(scene)
    assert any("is left to a worker that is upgraded" in line for line in caplog.messages)


def test_an_instance_behind_an_event_of_a_newer_version_can_be_terminated() -> None:
    async def scene() -> None:
        stage = Stage(collects)
        await stage.worker("W1")
        await stage.start("collects", "one")
        await stage.waiting("one")
        with _written_by_newer(Record.inbox_event):
            await stage.hub.deliver("one", [stage.message(EventRaised(stage.clock.now(), "item", "1"))], "")
        await asyncio.sleep(60.0)
        stop = stage.message(ExecutionTerminated(stage.clock.now(), "enough"), control=True)
        await stage.hub.deliver("one", [stop], "")
        await asyncio.sleep(60.0)
        assert (await stage.header("one")).columns.runtime_status == "Terminated"

    play(scene)


def test_an_entity_takes_what_came_before_an_event_of_a_newer_version() -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        entity, now = "@nobody@x", stage.clock.now()
        first, second = (InboxEvent(EventRaised(now, "x", None), f"client:{n}", n, now) for n in range(2))
        if first.key > second.key:
            first, second = second, first
        await stage.hub.insert(entity, [first])
        with _written_by_newer(Record.inbox_event):
            await stage.hub.deliver(entity, [second], "")
        await asyncio.sleep(60.0)
        assert [row.key for row in (await stage.store.load(entity)).inbox] == [second.key]

    play(scene)


def test_a_header_of_a_newer_version_is_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(collects)
        worker = await stage.worker("W1")
        await stage.start("collects", "one")
        await stage.waiting("one")
        worker.store.freeze()
        state, header = await stage.state("one"), await stage.header("one")
        with _written_by_newer(Record.header):
            body = state.encode()
        columns = replace(header.columns, runtime_status="Running")
        await stage.store.commit(Commit("one", replace(header, columns=columns, body=body), header.etag))
        worker.store.thaw()
        client = DurableOrchestrationClient(stage.hub, Settings(hub_name="Stage"))
        await stage.raise_event("one", "item", 1)
        await asyncio.sleep(3600.0)
        left = await stage.store.load("one")
        assert left.header is not None
        assert (left.header.body, len(left.inbox)) == (body, 1)
        status = await client.get_status("one")
        assert (status.damaged, status.name) == (None, "collects")
        _upgrade(Record.header)
        await asyncio.sleep(600.0)
        await stage.raise_event("one", "item", 2)
        assert await stage.finished("one") == [1, 2]
        await stage.quiet()

    play(scene)
    assert any("is left to a worker that is upgraded" in line for line in caplog.messages)


def test_an_instance_of_a_newer_version_is_not_purged_and_not_taken_for_damaged() -> None:
    async def scene() -> None:
        stage = Stage(collects)
        worker = await stage.worker("W1")
        await stage.start("collects", "one")
        await stage.waiting("one")
        await asyncio.sleep(5.0)
        worker.store.freeze()
        state, header = await stage.state("one"), await stage.header("one")
        with _written_by_newer(Record.header):
            body = state.encode()
        ended = replace(header.columns, runtime_status="Completed")
        await stage.store.commit(Commit("one", replace(header, columns=ended, body=body), header.etag))
        with pytest.raises(NewerFormatError):
            await purge(stage.hub, "one")
        assert (await stage.header("one")).body == body

    play(scene)
