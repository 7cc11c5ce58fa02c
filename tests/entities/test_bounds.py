"""What entities cost, and that nothing about them grows without bound."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance import backlog, sender_memory
from tests.entities.playing import Game, play

COUNTER = EntityId("counter", "one")


def counter(context: DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + (context.get_input() or 1))


@pytest.fixture
def few_senders(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sender_memory, "MAX_SENDERS", 20)
    return 20


def test_a_signal_costs_three_queue_and_three_table_operations():
    async def script(game: Game) -> None:
        game.entity(counter)
        await game.start()
        await game.client.signal_entity(COUNTER, "add")
        await game.at_rest()
        await game.restart()
        game.store.reset()
        await game.client.signal_entity(COUNTER, "add")
        while await game.state("counter", "one") != 2:
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        calls = game.store.calls
        assert calls["insert_inbox"] + calls["load"] + calls["commit"] == game.store.table_operations == 3
        assert (calls["put_message"], calls["delete_message"]) == (1, 1)
        assert calls["extend_message"] == 0

    play(script)


def test_pending_signals_share_commits():
    async def script(game: Game) -> None:
        game.entity(counter)
        await game.hub.open()
        for _ in range(270):
            await game.client.signal_entity(COUNTER, "add")
        game.store.reset()
        await game.start()
        while await game.state("counter", "one") != 270:
            await asyncio.sleep(0.1)
        assert game.store.calls["commit"] <= 5

    play(script)


def test_ten_thousand_signals_of_one_sender():
    async def script(game: Game) -> None:
        async def flood(context: DurableOrchestrationContext) -> None:
            for _ in range(10_000):
                context.signal_entity(COUNTER, "add")

        game.entity(counter)
        game.orchestrator(flood)
        await game.start()
        game.store.reset()
        await game.run("flood")
        while await game.state("counter", "one") != 10_000:
            await asyncio.sleep(0.5)
        assert game.store.calls["commit"] <= 10_000 / 90 + 20
        assert game.store.calls["load"] <= 40

    play(script)


def test_a_batch_has_at_most_as_many_operations_as_the_settings_say():
    async def script(game: Game) -> None:
        game.entity(counter)
        await game.hub.open()
        for _ in range(30):
            await game.client.signal_entity(COUNTER, "add")
        game.store.reset()
        await game.start()
        await game.at_rest()
        assert await game.state("counter", "one") == 30
        assert game.store.calls["commit"] >= 10

    play(script, max_entity_operation_batch_size=3)


def test_slow_operations_are_committed_before_all_have_run():
    async def slow(context: DurableEntityContext) -> None:
        await asyncio.sleep(2)
        context.set_state(context.get_state(lambda: 0) + 1)

    async def script(game: Game) -> None:
        game.entity(slow)
        await game.hub.open()
        for _ in range(12):
            await game.client.signal_entity(EntityId("slow", "x"), "go")
        await game.start()
        while await game.state("slow", "x") is None:
            await asyncio.sleep(0.1)
        assert await game.state("slow", "x") == 3
        await game.at_rest()
        assert await game.state("slow", "x") == 12

    play(script)


def test_a_long_backlog_leaves_the_header_and_comes_back_in_order():
    def log(context: DurableEntityContext) -> None:
        context.set_state([*context.get_state(list), context.get_input()])

    async def hold(context: DurableOrchestrationContext) -> None:
        async with context.lock([EntityId("log", "x")]):
            await context.wait_for_external_event("then")

    async def flood(context: DurableOrchestrationContext) -> None:
        for number in range(1500):
            context.signal_entity(EntityId("log", "x"), "note", [number, "." * 100])

    async def script(game: Game) -> None:
        game.entity(log)
        game.orchestrator(hold)
        game.orchestrator(flood)
        await game.start()
        await game.client.start_new("hold", "holder")
        await asyncio.sleep(5)
        await game.run("flood")
        while (await game.memory("log", "x")).backlog_size < 1500:
            await asyncio.sleep(1)
        memory = await game.memory("log", "x")
        assert memory.pages
        assert sum(map(len, memory.tail)) <= 2 * backlog.SEAL_CHARS
        await game.restart()
        await game.client.raise_event("holder", "then")
        await asyncio.sleep(5)
        await game.at_rest()
        entity = await game.client.get_entity(EntityId("log", "x"))
        assert [number for number, _ in entity.state] == list(range(1500))
        assert not await game.store.inner.list_blobs("@log@x", "60-")

    play(script)


async def _send(game: Game, sender: int, sequence: int, at: Any) -> None:
    event = OperationArrived(at, "add", "1")
    message = InboxEvent(event, f"sender-{sender}:x", sequence, at)
    await game.hub.deliver(str(COUNTER), [message], "test")


def test_senders_beyond_a_limit_move_to_rows_and_are_still_known(few_senders: int):
    async def script(game: Game) -> None:
        game.entity(counter)
        await game.start()
        begin = game.hub.clock.now()
        for sender in range(100):
            await _send(game, sender, 0, begin + timedelta(milliseconds=sender))
        await game.at_rest()
        assert await game.state("counter", "one") == 100
        header = await game.store.load_header(str(COUNTER))
        assert header is not None
        assert InstanceState.decode(header.body).sender_pages
        await game.restart()
        # Repetitions, whoever they come from, have no effect; new numbers have.
        for sender in range(100):
            await _send(game, sender, 0, begin + timedelta(milliseconds=sender))
        await game.at_rest()
        assert await game.state("counter", "one") == 100
        for sender in range(100):
            await _send(game, sender, 1, begin + timedelta(seconds=5, milliseconds=sender))
        await game.at_rest()
        for sender in range(100):
            await _send(game, sender, 0, begin + timedelta(milliseconds=sender))
            await _send(game, sender, 1, begin + timedelta(seconds=5, milliseconds=sender))
        await game.at_rest()
        assert await game.state("counter", "one") == 200

    play(script)


def test_a_sender_that_is_new_but_late_takes_effect(few_senders: int):
    async def script(game: Game) -> None:
        game.entity(counter)
        await game.start()
        begin = game.hub.clock.now()
        for sender in range(60):
            await _send(game, sender, 0, begin + timedelta(milliseconds=sender))
        await game.at_rest()
        await _send(game, 1000, 0, begin)
        await game.at_rest()
        assert await game.state("counter", "one") == 61

    play(script)


def test_an_operation_that_sends_too_much_fails_with_advice():
    def flood(context: DurableEntityContext) -> None:
        for number in range(5000):
            context.signal_entity(COUNTER, "add", ["." * 1000, number])

    async def ask(context: DurableOrchestrationContext) -> Any:
        try:
            await context.call_entity(EntityId("flood", "x"), "go")
        except TaskFailedError as error:
            return error.details.message

    async def script(game: Game) -> None:
        game.entity(flood)
        game.entity(counter)
        game.orchestrator(ask)
        await game.start()
        assert "Send less at a time" in await game.run("ask")

    play(script)
