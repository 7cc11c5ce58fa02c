"""What a worker does with messages, rows and functions that are not as they should be."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from azure_durable_py.registry import ActivityDefinition
from azure_durable_py.taskhub.messages import Cause, Doorbell
from azure_durable_py.taskhub.protocol import BlobRow, Commit, InboxRow
from azure_durable_py.worker.instance import orchestration_draft as draft
from azure_durable_py.worker.lifeless import ring_lifeless
from tests.protocol.staging import Routine, Stage, play


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def runs(context: Any) -> Routine:
    result = yield context.call_activity(context.get_input())
    return result


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


@pytest.mark.parametrize(
    "body", ["", "hello", "[]", "{}", "\x00", '{"instanceId": 7, "id": []}', '{"id": "x"}', "9" * 40_000, "[" * 20_000]
)
def test_a_message_that_is_not_ours_is_set_aside_and_blocks_nobody(body: str) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.worker("W1")
        queues = (stage.store.instance_queue("one"), stage.store.activity_queue)
        for queue in queues:
            await stage.store.put_message(queue, body)
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        await asyncio.sleep(10.0)
        for queue in queues:
            assert not await stage.store.receive_messages(queue, 32, 1.0)
            [message] = await stage.store.receive_messages(f"{queue}-poison", 32, 1.0)
            assert message.body == body

    play(scene)


def test_an_inbox_row_that_cannot_be_read_is_kept_aside_and_the_next_is_taken() -> None:
    async def scene() -> None:
        stage = Stage(collects)
        await stage.worker("W1")
        await stage.start("collects", "one", 1)
        await stage.waiting("one")
        await stage.store.insert_inbox("one", [InboxRow("1-0000", b"\xff not an event")])
        await stage.raise_event("one", "item", "good")
        assert await stage.finished("one") == ["good"]
        [row] = await stage.store.list_blobs("one", "40-quarantine-")
        assert row.body == b"\xff not an event"

    play(scene)


def test_a_header_that_cannot_be_read_holds_up_nobody_else() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        worker = await stage.worker("W1")
        await stage.start("rests", "broken", 100)
        await stage.until(lambda: bool(stage.runs))
        header = await stage.header("broken")
        await stage.store.commit(Commit("broken", replace(header, body=b"\x00broken"), header.etag))
        await stage.hub.ring("broken")
        await stage.start("rests", "one", 1)
        assert await stage.finished("one", within=30.0) == 1
        before = sum(worker.store.calls.values())
        await asyncio.sleep(600.0)
        # Put back ever later, not tried again and again. Each queue is polled every two seconds and asked what is next.
        assert sum(worker.store.calls.values()) - before < 1500

    play(scene)


def test_a_history_page_that_cannot_be_read_fails_its_instance_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft, "SEAL_CHARS", 10)

    async def scene() -> None:
        stage = Stage(collects, rests)
        first = await stage.worker("W1")
        for instance_id in ("broken", "gone", "one"):
            await stage.start("collects", instance_id, 2)
            await stage.waiting(instance_id)
            await stage.raise_event(instance_id, "item", 1)
        await stage.quiet()
        first.store.freeze()
        for row in await stage.store.list_blobs("broken", "20-"):
            await stage.store.put_blobs("broken", [BlobRow(row.key, b"\x01\x02")])
        await stage.store.delete_blobs("gone", [row.key for row in await stage.store.list_blobs("gone", "20-")])
        await stage.worker("W2")
        for instance_id in ("broken", "gone", "one"):
            await stage.raise_event(instance_id, "item", 2)
        assert "cannot be read" in await stage.finished("broken")
        assert "is missing" in await stage.finished("gone")
        assert await stage.finished("one") == [1, 2]
        assert (await stage.header("broken")).columns.runtime_status == "Failed"

    play(scene)


def test_a_doorbell_for_an_instance_that_is_not_there_is_deleted() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.worker("W1")
        await stage.hub.ring("nobody")
        await stage.store.insert_inbox("nobody", [InboxRow("1-0000", b"anything")])
        await stage.quiet()
        assert not (await stage.store.load("nobody")).inbox

    play(scene)


def test_an_orchestrator_that_is_not_registered_fails_the_instance() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.worker("W1")
        await stage.start("nowhere", "one")
        assert "nowhere" in await stage.finished("one")
        assert (await stage.header("one")).columns.runtime_status == "Failed"

    play(scene)


def raises() -> None:
    raise ValueError("no luck")


def unserializable() -> object:
    return object()


def exits() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("activity", "says"),
    [(raises, "no luck"), (unserializable, "object"), (exits, "exits"), (None, "nowhere")],
)
def test_an_activity_that_fails_fails_its_task(activity: Any, says: str) -> None:
    async def scene() -> None:
        stage = Stage(runs)
        cast = await stage.worker("W1")
        name = "nowhere"
        if activity is not None:
            name = activity.__name__
            add = cast.worker._context.registry.activities.add
            add(ActivityDefinition(name, lambda none: activity(), "none"))
        await stage.start("runs", "one", name)
        assert says in await stage.finished("one")
        assert (await stage.header("one")).columns.runtime_status == "Failed"

    play(scene)


def test_stopping_does_not_wait_for_an_activity_without_end_and_it_runs_again() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        first = await stage.worker("W1")
        await stage.start("rests", "one", 500)
        await stage.until(lambda: bool(stage.runs))
        begun = stage.clock.monotonic()
        await first.worker.stop(5.0)
        assert stage.clock.monotonic() - begun < 12.0
        await stage.worker("W2")
        assert await stage.finished("one") == 500
        assert stage.runs == [("W1", 500), ("W2", 500)]

    play(scene)


def test_storage_out_of_reach_is_asked_ever_less_often() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        worker = await stage.worker("W1")
        await stage.start("rests", "one", 5)
        await stage.until(lambda: bool(stage.runs))
        methods = ("receive_messages", "extend_message", "load", "load_header", "commit", "put_message")
        outages = [worker.store.refuse(method, times=10**9) for method in (*methods, "delete_message", "get_blobs")]
        before = sum(worker.store.calls.values())
        await asyncio.sleep(1800.0)
        # Two queues, one hold and one commit: each tried every few seconds at the most.
        assert sum(worker.store.calls.values()) - before < 3000
        for outage in outages:
            outage.times = 0
        assert await stage.finished("one", within=120.0) == 5

    play(scene)


def test_a_scan_for_life_is_not_stopped_by_a_header_that_cannot_be_read() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.hub.open()
        for instance_id in ("broken", "one"):
            await stage.start("rests", instance_id, 1)
        header = await stage.header("broken")
        await stage.store.commit(Commit("broken", replace(header, body=b"?"), header.etag))
        await asyncio.sleep(700.0)
        assert await ring_lifeless(stage.hub) == 2

    play(scene)


def test_a_doorbell_keeps_what_it_says_when_it_is_put_back() -> None:
    doorbell = Doorbell("one", "id", Cause.repair, "timer 0 0 x", again=3)
    assert Doorbell.decode(doorbell.encode()) == doorbell
