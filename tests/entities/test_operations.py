"""What entities do with signals and calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.testing.virtual.hub import EPOCH
from tests.entities.playing import Game, play

COUNTER = EntityId("counter", "one")


def counter(context: DurableEntityContext) -> None:
    """As the samples of v1 have it, with operations that go wrong."""
    value = context.get_state(lambda: 0)
    match context.operation_name:
        case "add":
            value += context.get_input()
            context.set_result(value)
        case "get":
            context.set_result(value)
            return
        case "reset":
            value = 0
        case "delete":
            context.destruct_on_exit()
            return
        case "fail":
            context.set_state(value + 1000)
            context.signal_entity(EntityId("counter", "other"), "add", 1)
            raise ValueError("no luck")
    context.set_state(value)


def log(context: DurableEntityContext) -> None:
    """Keeps what it was told, in order."""
    if context.operation_name == "note":
        context.set_state([*context.get_state(list), context.get_input()])


async def calls(context: DurableOrchestrationContext) -> Any:
    context.signal_entity(COUNTER, "add", 5)
    added = await context.call_entity(COUNTER, "add", 1)
    return [added, await context.call_entity(COUNTER, "get")]


async def call_that_fails(context: DurableOrchestrationContext) -> Any:
    try:
        await context.call_entity(COUNTER, "fail")
    except TaskFailedError as error:
        return [error.details.is_caused_by(ValueError), str(error.details.message)]


def test_a_call_sees_the_signals_that_were_sent_before_it():
    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(calls)
        await game.start()
        assert await game.run("calls") == [6, 6]
        assert await game.state("counter", "one") == 6

    play(script)


def test_the_state_survives_the_worker():
    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(calls)
        await game.start()
        await game.run("calls")
        await game.restart()
        assert await game.run("calls") == [12, 12]

    play(script)


def test_a_failed_operation_leaves_no_trace_and_its_caller_learns_why():
    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(calls)
        game.orchestrator(call_that_fails)
        await game.start()
        await game.run("calls")
        assert await game.run("call_that_fails") == [True, "no luck"]
        assert await game.state("counter", "one") == 6
        await game.at_rest()
        assert await game.state("counter", "other") is None

    play(script)


def test_a_failed_operation_leaves_no_trace_for_the_next_one_of_its_turn():
    async def fails_and_asks(context: DurableOrchestrationContext) -> Any:
        context.signal_entity(COUNTER, "add", 1)
        context.signal_entity(COUNTER, "fail")
        return await context.call_entity(COUNTER, "get")

    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(fails_and_asks)
        await game.start()
        assert await game.run("fails_and_asks") == 1

    play(script)


def test_without_rollback_a_failed_operation_keeps_what_it_did():
    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(call_that_fails)
        await game.start()
        assert await game.run("call_that_fails") == [True, "no luck"]
        await game.at_rest()
        assert await game.state("counter", "one") == 1000
        assert await game.state("counter", "other") == 1

    play(script, rollback_entity_operations_on_exceptions=False)


def test_operations_of_one_sender_run_in_order():
    async def notes(context: DurableOrchestrationContext) -> None:
        for number in range(200):
            context.signal_entity(EntityId("log", "x"), "note", number)

    async def script(game: Game) -> None:
        game.entity(log)
        game.orchestrator(notes)
        await game.start()
        await game.run("notes")
        await game.at_rest()
        assert await game.state("log", "x") == list(range(200))

    play(script)


def test_async_entities_run_on_the_loop():
    async def slow(context: DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + 1)
        context.set_result(context.get_state())

    async def twice(context: DurableOrchestrationContext) -> Any:
        await context.call_entity(EntityId("slow", "x"), "go")
        return await context.call_entity(EntityId("slow", "x"), "go")

    async def script(game: Game) -> None:
        game.entity(slow)
        game.orchestrator(twice)
        await game.start()
        assert await game.run("twice") == 2

    play(script)


def test_an_entity_can_be_deleted_and_begin_again():
    async def begin_again(context: DurableOrchestrationContext) -> Any:
        await context.call_entity(COUNTER, "add", 7)
        await context.call_entity(COUNTER, "delete")
        return await context.call_entity(COUNTER, "add", 1)

    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(begin_again)
        await game.start()
        assert await game.run("begin_again") == 1

    play(script)


def test_a_signal_can_be_scheduled():
    async def later(context: DurableOrchestrationContext) -> None:
        context.signal_entity(COUNTER, "add", 1)
        context.signal_entity(COUNTER, "add", 10, context.current_utc_datetime + timedelta(hours=1))

    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(later)
        await game.start()
        await game.run("later")
        while await game.state("counter", "one") != 1:
            await _a_second()
        assert (await game.memory("counter", "one")).scheduled
        await game.restart()
        while await game.state("counter", "one") != 11:
            await _a_second()
        assert game.hub.clock.now() - EPOCH >= timedelta(hours=1)
        assert not (await game.memory("counter", "one")).scheduled

    play(script)


def test_entities_signal_each_other_and_start_orchestrations():
    def relay(context: DurableEntityContext) -> None:
        left = context.get_input()
        context.set_state(left)
        if left:
            key = str(int(context.entity_key) + 1)
            context.signal_entity(EntityId(context.entity_name, key), "pass", left - 1)
        else:
            context.schedule_new_orchestration("finish", "done", instance_id="the-end")

    async def begin(context: DurableOrchestrationContext) -> None:
        context.signal_entity(EntityId("relay", "0"), "pass", 3)

    def finish(context: DurableOrchestrationContext) -> Any:
        return context.get_input()

    async def script(game: Game) -> None:
        game.entity(relay)
        game.orchestrator(begin)
        game.orchestrator(finish)
        await game.start()
        await game.run("begin")
        await game.at_rest()
        status = await game.client.get_status("the-end")
        assert status.output == "done"
        assert [await game.state("relay", str(n)) for n in range(4)] == [3, 2, 1, 0]

    play(script)


def test_an_unknown_entity_fails_its_caller_and_drops_signals():
    async def ask(context: DurableOrchestrationContext) -> Any:
        context.signal_entity(EntityId("nobody", "x"), "go")
        try:
            await context.call_entity(EntityId("nobody", "x"), "go")
        except TaskFailedError as error:
            return str(error.details.message)

    async def script(game: Game) -> None:
        game.entity(counter)
        game.orchestrator(ask)
        await game.start()
        assert "No entity named 'nobody'" in await game.run("ask")

    play(script)


def test_signals_to_an_entity_that_nobody_declares_leave_nothing_behind():
    async def signals(context: DurableOrchestrationContext) -> None:
        for number in range(3):
            context.signal_entity(EntityId("nobody", f"k{number}"), "go")

    async def script(game: Game) -> None:
        game.orchestrator(signals)
        await game.start()
        await game.run("signals")
        await game.at_rest()
        assert [await game.store.inner.load_header(f"@nobody@k{number}") for number in range(3)] == [None] * 3

    play(script)


@pytest.mark.parametrize("size", [100, 20_000, 900_000])
def test_inputs_states_and_results_have_any_size(size: int):
    async def notes(context: DurableOrchestrationContext) -> Any:
        box = EntityId("box", "x")
        await context.call_entity(box, "put", "a" * size)
        await context.call_entity(box, "put", "b" * size)
        return len(await context.call_entity(box, "get"))

    def box(context: DurableEntityContext) -> None:
        if context.operation_name == "put":
            context.set_state(context.get_input())
        context.set_result(context.get_state())

    async def script(game: Game) -> None:
        game.entity(box)
        game.orchestrator(notes)
        await game.start()
        assert await game.run("notes") == size
        await game.restart()
        assert await game.run("notes") == size
        await game.run("notes")
        rows = await game.store.inner.list_blobs("@box@x", "30-")
        # The state, and what the last answers still hold.
        assert len(rows) <= 4

    play(script)


def test_a_value_that_is_not_json_fails_the_operation():
    def odd(context: DurableEntityContext) -> None:
        context.set_state(object() if context.operation_name == "state" else 1)
        if context.operation_name == "result":
            context.set_result(object())

    async def try_both(context: DurableOrchestrationContext) -> Any:
        failures = []
        for operation in ("state", "result"):
            try:
                await context.call_entity(EntityId("odd", "x"), operation)
            except TaskFailedError as error:
                failures.append(error.details.is_caused_by("SerializationError"))
        return failures

    async def script(game: Game) -> None:
        game.entity(odd)
        game.orchestrator(try_both)
        await game.start()
        assert await game.run("try_both") == [True, True]
        assert await game.state("odd", "x") is None

    play(script)


async def _a_second() -> None:
    import asyncio

    await asyncio.sleep(1)
