"""I10: a refusal by storage is waited for, however long it lasts; only an error about a message itself is final."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError, TaskFailedError
from azure_durable_py.settings import Settings
from azure_durable_py.times import to_iso
from tests.protocol.staging import EPOCH, Routine, Stage, commit_of, doorbell_for, play, to

REFUSALS = (StorageRejectedError, StorageUnavailableError)


def tells_many(context: Any) -> Routine:
    yield context.wait_for_external_event("go")
    for number in range(50):
        context.send_event(f"hears-{number % 10}", "item", number)
    yield context.wait_for_external_event("never")


def hears_five(context: Any) -> Routine:
    items = yield context.task_all([context.wait_for_external_event("item") for _ in range(5)])
    return items


def collects(context: Any) -> Routine:
    items = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return items


def tells_two(context: Any) -> Routine:
    for number in range(2):
        context.send_event("hears", "item", number)
    yield context.wait_for_external_event("never")


def alarm(context: Any) -> Routine:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=30))
    return "woke"


def child(context: Any) -> Routine:
    yield context.call_activity("rest", 5)
    return "done"


def calls(context: Any) -> Routine:
    try:
        answer = yield context.call_sub_orchestrator("child", None, "child-1")
    except TaskFailedError as error:
        return f"told: {error}"
    return answer


def echoes(context: Any) -> Routine:
    text = yield context.call_activity("rest", context.get_input())
    return text


@pytest.mark.parametrize("error", REFUSALS)
@pytest.mark.parametrize("seconds", [10.0, 1800.0])
def test_what_is_under_way_while_storage_refuses_everything_arrives_afterwards(
    error: type[StorageError], seconds: float
) -> None:
    async def scene() -> None:
        stage = Stage(tells_many, hears_five)
        first = await stage.worker("W1")
        for number in range(10):
            await stage.start("hears_five", f"hears-{number}")
        await stage.start("tells_many", "tells")
        await stage.waiting("tells")
        await stage.quiet()
        sending = first.store.hold("insert_inbox")
        await stage.raise_event("tells", "go")
        await sending.reached.wait()
        first.store.refuse_all(error)
        sending.go.set()
        await asyncio.sleep(seconds)
        first.store.serve()
        for number in range(10):
            assert await stage.finished(f"hears-{number}") == list(range(number, 50, 10))

    play(scene)


@pytest.mark.parametrize("error", REFUSALS)
def test_one_refused_message_is_neither_lost_nor_overtaken(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(tells_two, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 2)
        await stage.waiting("hears")
        first.store.refuse("insert_inbox", to("hears"), error=error)
        await stage.start("tells_two", "tells")
        assert await stage.finished("hears") == [0, 1]

    play(scene)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_timer_whose_doorbell_is_refused_fires(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(alarm)
        first = await stage.worker("W1")
        refused = first.store.refuse("put_message", doorbell_for("one"), error=error)
        await stage.start("alarm", "one")
        assert await stage.finished("one") == "woke"
        assert refused.reached.is_set()

    play(scene)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_child_whose_ring_is_refused_runs_and_answers(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(calls, child)
        first = await stage.worker("W1")
        refused = first.store.refuse("put_message", doorbell_for("child-1"), error=error)
        await stage.start("calls", "one")
        assert await stage.finished("one") == "done"
        assert refused.reached.is_set()
        assert len(stage.runs) == 1

    play(scene)


@pytest.mark.parametrize("error", REFUSALS)
def test_an_activity_waits_for_its_input_however_long_storage_is_away(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(echoes)
        first = await stage.worker("W1", max_concurrent_activities=1)
        # With the only slot taken it goes to the queue, from where its input is read from rows.
        await stage.start("echoes", "busy", 5)
        await stage.until(lambda: bool(stage.runs))
        first.store.refuse("get_blobs", times=12, error=error)
        await stage.start("echoes", "one", [0.0] * 10_000)
        await asyncio.sleep(300.0)
        assert [value for _, value in stage.runs if isinstance(value, list)] == [[0.0] * 10_000]

    play(scene)


@pytest.mark.parametrize("error", REFUSALS)
def test_a_turn_whose_commit_is_refused_is_taken_later(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(echoes)
        first = await stage.worker("W1")
        first.store.refuse("commit", commit_of("one"), times=10, error=error)
        await stage.start("echoes", "one", 1)
        assert await stage.finished("one") == 1
        await stage.quiet()

    play(scene)


def test_waiting_for_storage_is_told_of_once_at_its_beginning_and_once_at_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        stage = Stage(tells_two, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 2)
        await stage.waiting("hears")
        await stage.quiet()
        first.store.refuse("insert_inbox", to("hears"), times=6, error=StorageRejectedError)
        await stage.start("tells_two", "tells")
        await stage.finished("hears")

    caplog.set_level(logging.INFO)
    play(scene)
    told = [line for line in caplog.messages if line.startswith("What tells sends to hears")]
    assert [line.split(":")[0] for line in told] == [
        "What tells sends to hears is waiting for storage",
        "What tells sends to hears is waiting no longer.",
    ]


def test_the_status_says_what_an_instance_has_been_waiting_to_hand_over() -> None:
    async def scene() -> None:
        stage = Stage(tells_two, collects)
        first = await stage.worker("W1")
        client = DurableOrchestrationClient(stage.hub, Settings(hub_name="Rules"))
        await stage.start("collects", "hears", 2)
        await stage.waiting("hears")
        refused = first.store.refuse("insert_inbox", to("hears"), times=100, error=StorageRejectedError)
        await stage.start("tells_two", "tells")
        await stage.waiting("tells")
        assert (await client.get_status("tells")).waiting_for is None
        await asyncio.sleep(60.0)
        status = await client.get_status("tells")
        assert status.waiting_for == (
            "2 messages for other instances are still to be handed over, the last since "
            f"{to_iso((await stage.state('tells')).queued_at or EPOCH)}"
        )
        assert status.to_json()["waitingFor"] == status.waiting_for
        refused.times = 0
        await stage.finished("hears")
        await stage.quiet()
        assert (await client.get_status("tells")).waiting_for is None

    play(scene)
