"""Rows and messages that anybody may have written: set aside with the reason, and everybody else goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from azure_durable_py.history.events import (
    EventRaised,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCompleted,
    TaskCompleted,
)
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import MAX_MESSAGE_CHARS, CorruptRowError, InboxRow, TaskHubStore
from azure_durable_py.times import to_iso
from azure_durable_py.worker.instance.inbox import Accepted, without_lost
from azure_durable_py.worker.instance.strays import is_wanted
from azure_durable_py.worker.intake.poison import set_aside
from tests.protocol.staging import EPOCH, Routine, Stage, play
from tests.taskhub.building import receive_one
from tests.taskhub.spoiling import execute, insert_row, spoil_body, spoil_columns

LOST = PayloadRef("30-payload-lost-0000", 20_000, 1)


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def quick(context: Any) -> Routine:
    return "done"
    yield


def waits(context: Any) -> Routine:
    found = yield context.wait_for_external_event("item")
    return found


def rests(context: Any) -> Routine:
    found = yield context.task_all([context.call_activity("rest", 1.0) for _ in range(8)])
    return found


def slow(context: Any) -> Routine:
    try:
        found = yield context.call_activity("rest", 3600)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return f"failed: {error}"
    return found


def parent(context: Any) -> Routine:
    try:
        found = yield context.call_sub_orchestrator("waits", None, "child")
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return f"failed: {error}"
    return found


ITEM = (
    '{"v":1,"id":"i","instanceId":"x","executionId":"e","generation":%s,"attempt":0,"taskId":0,"name":"rest",'
    '"input":null}'
)
DOORBELL = '{"v":1,"instanceId":"x","id":"y","cause":"told","why":"","again":%s}'


@pytest.mark.parametrize("number", ["1e999", "Infinity", "-1", '"nonsense"', "9" * 400])
def test_a_number_that_is_none_in_a_message_does_not_end_the_taking_of_others(number: str) -> None:
    async def scene() -> None:
        stage = Stage(quick, rests)
        await stage.worker("W1")
        doorbells, items = stage.store.instance_queues[0], stage.store.activity_queue
        await stage.store.put_message(doorbells, DOORBELL % number)
        await stage.store.put_message(items, ITEM % number)
        await asyncio.sleep(60)
        await stage.start("quick", "after")
        assert await stage.finished("after", within=60) == "done"
        await stage.start("rests", "many")
        assert await stage.finished("many", within=60) == [1.0] * 8
        assert (await receive_one(stage.store, poison_queue(doorbells))).body == DOORBELL % number
        assert (await receive_one(stage.store, poison_queue(items))).body == ITEM % number

    play(scene)


@pytest.mark.parametrize("instance_id", ["@", "@nokey", "@@key", "x" * 2000, "\ud800", "", 7, None])
def test_a_message_for_an_instance_that_cannot_be_is_set_aside(instance_id: Any) -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        queue = stage.store.instance_queues[0]
        body = json.dumps({"instanceId": instance_id, "id": "x"})
        await stage.store.put_message(queue, body)
        await stage.start("quick", "after")
        assert await stage.finished("after", within=60) == "done"
        assert (await receive_one(stage.store, poison_queue(queue))).body == body
        await stage.quiet()

    play(scene)


@pytest.mark.parametrize(
    ("body", "begins"),
    [("x" * 60_000, "xxx"), ("日" * 60_000, "日日"), ("bad \udfff text", "bad \\u"), ("\ud800" * 30_000, "\\u")],
)
def test_a_message_that_no_queue_would_take_from_us_is_cut_and_set_aside(body: str, begins: str) -> None:
    async def scene() -> None:
        stage = Stage(quick)
        queue = stage.store.instance_queues[0]
        await stage.hub.open()
        await execute(
            stage.store,
            "INSERT INTO messages (queue, visible_at, dequeue_count, receipt, inserted, body) "
            "VALUES (?, 0, 0, 0, 'when', CAST(? AS TEXT))",
            queue,
            body.encode("utf-8", "surrogatepass"),
        )
        await stage.worker("W1")
        await stage.quiet()
        kept = await receive_one(stage.store, poison_queue(queue))
        assert len(kept.body.encode()) <= MAX_MESSAGE_CHARS
        assert kept.body.startswith(begins)
        assert ("(cut; there were " in kept.body) is (len(body) > 100)

    play(scene)


async def test_two_workers_that_set_the_same_message_aside_lose_nothing(store: TaskHubStore, hub_name: str):
    hub = TaskHub(store)
    queue = store.instance_queues[0]
    await store.put_message(queue, "garbage")
    first = await receive_one(store, queue, visibility=1)
    second = await receive_one(store, queue)
    # The poison queue does not exist before somebody needs it.
    await asyncio.gather(*(set_aside(hub, message, ValueError("garbage")) for message in (first, second)))
    kept = [await receive_one(store, poison_queue(queue)) for _ in range(2)]
    assert [message.body for message in kept] == ["garbage"] * 2
    for message in kept:
        await store.delete_message(message)
    assert (await store.message_counts())[queue] == 0


def test_a_message_that_cannot_be_moved_now_is_moved_later() -> None:
    async def scene() -> None:
        stage = Stage(quick)
        cast = await stage.worker("W1")
        cast.store.refuse("put_message", lambda queue, *rest: queue.endswith("-poison"), times=20)
        queue = stage.store.instance_queues[0]
        await stage.store.put_message(queue, "garbage")
        await stage.quiet()
        assert (await receive_one(stage.store, poison_queue(queue))).body == "garbage"

    play(scene)


# --- inbox rows --------------------------------------------------------------------------------------


def good_event() -> dict[str, Any]:
    event = InboxEvent(EventRaised(EPOCH, "item", '"odd"'), "client:z", 1, EPOCH)
    return json.loads(event.encode())


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": float("inf")},
        {"sequence": [1]},
        {"sender": ["client:z"]},
        {"target": [None, None]},
        {"target": {"executionId": "x"}},
        {"sentAt": 5},
        {"event": {"type": "EventRaised", "timestamp": to_iso(EPOCH), "name": 5}},
        {"event": {"type": "EventRaised", "timestamp": to_iso(EPOCH), "name": ["item"]}},
        {"event": {"type": "TaskCompleted", "timestamp": to_iso(EPOCH), "task_id": [0]}},
        {
            "event": {
                "type": "EventRaised",
                "timestamp": to_iso(EPOCH),
                "name": "item",
                "data": {"key": "30-payload-x", "size": 1, "chunks": "1"},
            }
        },
    ],
)
def test_an_inbox_row_with_a_field_of_another_kind_is_kept_aside_with_the_reason(changes: dict[str, Any]) -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        body = json.dumps({**good_event(), **changes}).encode()
        await stage.store.insert_inbox("one", [InboxRow("1-0000", body)])
        await stage.raise_event("one", "item", "good")
        assert await stage.finished("one", within=60) == "good"
        [row] = await stage.store.list_blobs("one", "40-quarantine-")
        assert (row.key, row.body) == ("40-quarantine-1-0000", body)
        [why] = await stage.store.list_blobs("one", "40-why-")
        assert next(iter(changes)) in why.body.decode()

    play(scene)


def test_a_row_with_a_key_that_is_not_ours_is_taken_out_of_the_way() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await insert_row(stage.store, "one", "1 odd key (of theirs)", 7)
        await stage.raise_event("one", "item", "good")
        assert await stage.finished("one", within=60) == "good"
        assert [row.body for row in await stage.store.list_blobs("one", "40-quarantine-")] == [b"7"]

    play(scene)


def test_an_event_whose_value_is_lost_is_kept_aside_and_the_next_is_taken() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        lost = stage.message(EventRaised(stage.clock.now(), "item", LOST))
        await stage.store.insert_inbox("one", [lost.row()])
        await stage.hub.ring("one")
        await stage.quiet()
        assert (await stage.header("one")).columns.runtime_status == "Running"
        [why] = await stage.store.list_blobs("one", "40-why-")
        assert why.body == b"row '30-payload-lost-0000-0000' is missing"
        await stage.raise_event("one", "item", "good")
        assert await stage.finished("one", within=60) == "good"

    play(scene)


@pytest.mark.parametrize("kind", ["activity", "child"])
def test_an_answer_whose_value_is_lost_fails_its_task_with_the_reason(kind: str) -> None:
    async def scene() -> None:
        stage = Stage(waits, slow, parent)
        await stage.worker("W1")
        await stage.start("slow" if kind == "activity" else "parent", "one")
        await stage.waiting("one")
        state, now = await stage.state("one"), stage.clock.now()
        completed = TaskCompleted if kind == "activity" else SubOrchestrationCompleted
        answer = InboxEvent(completed(now, 0, LOST), "x:y", 0, now, Target(state.execution_id, 0, 0))
        await stage.store.insert_inbox("one", [answer.row()])
        await stage.hub.ring("one")
        output = await stage.finished("one", within=60)
        assert "its result is lost: row '30-payload-lost-0000-0000' is missing" in output
        assert len(await stage.store.list_blobs("one", "40-quarantine-")) == 1

    play(scene)


def test_an_instance_whose_own_input_is_lost_fails_with_the_reason() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.hub.open()
        await stage.start("waits", "one", "x" * 50_000)
        rows = await stage.store.list_blobs("one", "30-")
        await stage.store.delete_blobs("one", [row.key for row in rows])
        await stage.worker("W1")
        assert "is missing" in await stage.finished("one", within=60)
        assert (await stage.header("one")).columns.runtime_status == "Failed"
        await stage.quiet()

    play(scene)


def test_a_child_that_begins_late_is_not_held_up_by_a_damaged_parent() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.hub.open()
        await stage.start("waits", "one")
        origin = ParentInstance("one", "e1", 0, 0, 0, "waits", EPOCH)
        assert not await is_wanted(stage.store, origin)
        await spoil_body(stage.store, "one", b"?")
        assert await is_wanted(stage.store, origin)
        await spoil_columns(stage.store, "one", generation=-1)
        assert await is_wanted(stage.store, origin)

    play(scene)


def test_only_lost_values_are_taken_out_of_a_turn():
    events = [InboxEvent(EventRaised(EPOCH, name, "1"), "client:x", number, EPOCH) for number, name in enumerate("abc")]
    accepted = Accepted(events, [event.row() for event in events])
    error = CorruptRowError("row 'x' is missing")
    filled = [events[0].event, error, events[2].event]
    assert without_lost("one", accepted, filled) == [events[0].event, events[2].event]
    assert [row.key[:14] for row in accepted.quarantined] == ["40-quarantine-", f"40-why-{events[1].key}"[:14]]
