"""PROTOCOL R13 and R20: whom a message is for, and how long a doorbell is kept for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client.messenger import Messenger
from azure_durable_py.history.events import EventRaised, ExecutionSuspended, ExecutionTerminated
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.worker.instance import inbox
from tests.protocol.staging import Routine, Stage, play, to


def waits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("item"))


def calls(context: Any) -> Routine:
    return (yield context.call_sub_orchestrator("waits", None, "child"))


async def terminate_all(stage: Stage, instance_id: str) -> None:
    stop = stage.message(ExecutionTerminated(stage.clock.now(), "enough", recurse=True), control=True)
    await stage.hub.deliver(instance_id, [stop], "")


def test_recursive_termination_ends_the_child() -> None:
    async def scene() -> None:
        stage = Stage(waits, calls)
        await stage.worker("W1")
        await stage.start("calls", "parent")
        while await stage.store.load_header("child") is None:
            await asyncio.sleep(0.05)
        await stage.waiting("child")
        await terminate_all(stage, "parent")
        assert await stage.finished("child") == "enough"
        assert (await stage.header("child")).columns.runtime_status == "Terminated"

    play(scene)


def test_recursive_termination_leaves_a_stranger_alone_that_has_the_id_of_the_child() -> None:
    async def scene() -> None:
        stage = Stage(waits, calls)
        await stage.worker("W1")
        await stage.start("calls", "parent")
        while await stage.store.load_header("child") is None:
            await asyncio.sleep(0.05)
        await stage.waiting("child")
        # A parent that is suspended has not seen the answer of its child when somebody else takes the id.
        hold = stage.message(ExecutionSuspended(stage.clock.now()), control=True)
        await stage.hub.deliver("parent", [hold], "")
        await asyncio.sleep(1.0)
        await stage.raise_event("child", "item", 1)
        await stage.finished("child")
        assert await purge(stage.hub, "child")
        await stage.start("waits", "child")
        await stage.waiting("child")
        await terminate_all(stage, "parent")
        assert await stage.finished("parent") == "enough"
        await asyncio.sleep(30.0)
        assert (await stage.header("child")).columns.runtime_status == "Running"

    play(scene)


@pytest.mark.parametrize("late", [False, True])
def test_an_event_that_storage_takes_late_has_no_effect_on_the_next_execution_of_its_id(late: bool) -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        client = await stage.worker("C", start=False)
        await stage.start("waits", "x")
        await stage.waiting("x")
        messenger = Messenger(client.hub)
        running = await messenger.find_running("x")
        first = client.store.delay("insert_inbox", to("x")) if late else None
        event = EventRaised(stage.clock.now(), "item", "1")
        await messenger.send("x", event, running.columns.execution_id)
        assert await stage.finished("x") == 1
        await purge(stage.hub, "x")
        await stage.start("waits", "x")
        await stage.waiting("x")
        if first is not None:
            first.go.set()
        else:
            await messenger.send("x", event, running.columns.execution_id)
        await stage.hub.ring("x")
        await asyncio.sleep(30.0)
        assert (await stage.header("x")).columns.runtime_status == "Running"
        await stage.raise_event("x", "item", 2)
        assert await stage.finished("x") == 2

    play(scene)


# --- R20: what a doorbell was rung for -----------------------------------------------------------------------


@pytest.mark.parametrize("failures", [0, 1])
def test_a_row_that_its_sender_dated_far_ahead_is_consumed_before_its_doorbell_goes(failures: int) -> None:
    def three(context: Any) -> Routine:
        for _ in range(2):
            yield context.wait_for_external_event("item")
        return "both"

    async def scene(monkeypatch: pytest.MonkeyPatch) -> None:
        stage = Stage(three)
        first = await stage.worker("W1", start=False)
        monkeypatch.setattr("azure_durable_py.worker.instance.known.ROWS_PER_TURN", 1)
        await stage.start("three", "x")
        now = stage.clock.now()
        for sender, ahead in (("client:a", 0), ("client:b", 3600)):
            # The clock of the second client is an hour ahead.
            at = now + timedelta(seconds=ahead)
            await stage.hub.deliver("x", [InboxEvent(EventRaised(at, "item", "1"), sender, 0, at)], "")
        first.store.refuse("load", to("x"), times=failures)
        # The process dies when it has consumed the first row and taken leave of what it had no more need of.
        first.store.last("delete_message")
        await first.worker.start()
        await asyncio.sleep(5.0)
        first.store.freeze()
        await stage.worker("W2")
        assert await stage.finished("x") == "both"

    with pytest.MonkeyPatch.context() as monkeypatch:
        play(lambda: scene(monkeypatch))


def test_the_horizon_of_a_doorbell_is_the_last_row_of_its_first_load() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.hub.open()
        now = stage.clock.now()
        assert inbox.horizon(await stage.store.load("x"), now) == ""
        for ahead in (0, 3600):
            at = now + timedelta(seconds=ahead)
            await stage.hub.insert("x", [InboxEvent(EventRaised(at, "item"), f"client:{ahead}", 0, at)])
        loaded = await stage.store.load("x")
        assert inbox.horizon(loaded, now) == loaded.inbox[-1].key

    play(scene)
