"""Whoever sends to an instance is remembered, within a bound, so that nothing takes effect twice."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.history.events import EventRaised
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance import sender_memory
from azure_durable_py.worker.instance.sender_memory import move_senders, note_sender
from tests.protocol.staging import EPOCH, Routine, Stage, play


def counts(context: Any) -> Routine:
    """Publishes how many events it has taken."""
    taken = 0
    while True:
        yield context.wait_for_external_event("item")
        taken += 1
        context.set_custom_status(taken)


def event_of(sender: int, sequence: int, sent_at: datetime) -> InboxEvent:
    return InboxEvent(EventRaised(sent_at, "item", "1"), f"sender-{sender}:x", sequence, sent_at)


async def taken_by(stage: Stage) -> int:
    await stage.quiet()
    return int((await stage.header("all")).columns.custom_status or 0)


@pytest.fixture
def few_senders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_memory, "MAX_SENDERS", 20)


@pytest.mark.usefixtures("few_senders")
def test_an_orchestration_remembers_senders_that_left_its_header() -> None:
    async def scene() -> None:
        stage = Stage(counts)
        first = await stage.worker("W1")
        await stage.start("counts", "all")
        begin = stage.clock.now()

        async def send(sequence: int, later: timedelta) -> None:
            for sender in range(100):
                at = begin + later + timedelta(milliseconds=sender)
                await stage.hub.deliver("all", [event_of(sender, sequence, at)], "")
                await asyncio.sleep(0.01)

        await send(0, timedelta(0))
        assert await taken_by(stage) == 100
        state = await stage.state("all")
        assert len(state.senders) <= 20
        assert state.sender_pages
        # A cold load by another process, and all of it once more.
        first.store.freeze()
        await stage.worker("W2")
        await send(0, timedelta(0))
        assert await taken_by(stage) == 100
        await send(1, timedelta(seconds=5))
        assert await taken_by(stage) == 200
        await send(0, timedelta(0))
        await send(1, timedelta(seconds=5))
        assert await taken_by(stage) == 200

    play(scene)


@pytest.mark.usefixtures("few_senders")
def test_the_memory_outlives_continue_as_new() -> None:
    def eternal(context: Any) -> Routine:
        taken = context.get_input() + 1
        yield context.wait_for_external_event("item")
        context.set_custom_status(taken)
        context.continue_as_new(taken)

    async def scene() -> None:
        stage = Stage(eternal)
        await stage.worker("W1")
        await stage.start("eternal", "all", 0)
        begin = stage.clock.now()
        for _ in range(2):
            for sender in range(60):
                at = begin + timedelta(milliseconds=sender)
                await stage.hub.deliver("all", [event_of(sender, 0, at)], "")
                await asyncio.sleep(0.01)
            assert await taken_by(stage) == 60

    play(scene)


def test_a_header_has_room_for_any_number_of_senders() -> None:
    state = InstanceState("x", EPOCH)
    dice = random.Random(1)
    longest, now = 0, EPOCH
    for number in range(20_000):
        now += timedelta(seconds=1)
        sender = f"{dice.getrandbits(128):032x}:{dice.getrandbits(128):032x}"
        note_sender(state, InboxEvent(EventRaised(now, "item"), sender, number, now))
        move_senders(state, f"{number:012x}", now)
        if number % 5_000 == 4_999:
            longest = max(longest, len(state.encode()))
    assert longest < 200_000
    assert len(state.senders) + 1_000 * len(state.sender_pages) >= 20_000


def test_senders_are_forgotten_after_a_month_and_when_they_are_a_million(monkeypatch: pytest.MonkeyPatch) -> None:
    state = InstanceState("x", EPOCH)
    state.senders = {str(number): 0 for number in range(2_001)}
    [row] = move_senders(state, "first", EPOCH)
    assert move_senders(state, "second", EPOCH + timedelta(days=29)) == []
    assert not state.garbage
    assert move_senders(state, "third", EPOCH + timedelta(days=31)) == []
    assert (state.sender_pages, state.garbage) == ([], [row.key])
    monkeypatch.setattr(sender_memory, "MAX_SENDERS", 2)
    for number in range(1_100):
        state.senders = {str(sender): 0 for sender in range(3)}
        move_senders(state, f"turn-{number:04d}", EPOCH)
    assert len(state.sender_pages) <= 1_001
    assert len(state.encode()) < 100_000
    assert "50-senders-turn-0000-0000" in state.garbage
