"""Critical sections: what holds inside, and that no lock outlives its section."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import EntityLockGranted
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.messages import InboxEvent, Target
from tests.entities.playing import SOON, Game, play

A, B, C = (EntityId("account", key) for key in "abc")


def account(context: DurableEntityContext) -> None:
    balance = context.get_state(lambda: 0)
    if context.operation_name == "add":
        balance += context.get_input()
        context.set_state(balance)
    context.set_result(balance)


def transfer(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    amount = context.get_input()
    with (yield context.lock([B, A])):
        before = yield context.call_entity(A, "get")
        yield context.call_entity(A, "add", -amount)
        yield context.call_entity(B, "add", amount)
        after = yield context.call_entity(A, "get")
    return [before, after]


async def hold(context: DurableOrchestrationContext) -> Any:
    """Holds two locks until it is told how to go on."""
    async with context.lock([A, B]):
        context.set_custom_status("inside")
        then = await context.wait_for_external_event("then")
        if then == "fail":
            raise ValueError("inside")
        if then == "again":
            context.continue_as_new(None)
            await context.wait_for_external_event("never")
        if then == "return":
            return "early"
        if then == "in flight":
            context.call_entity(A, "add", 100)
    return "left"


def wait_and_add(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    with (yield context.lock([A])):
        yield context.call_entity(A, "add", 1)
    return "done"


async def started(game: Game, *functions: Any) -> None:
    game.entity(account)
    for function in (*functions, transfer, hold, wait_and_add):
        game.orchestrator(function)
    await game.start()


async def inside(game: Game, instance_id: str) -> None:
    """Wait until it holds its locks."""
    while (await game.client.get_status(instance_id)).custom_status != "inside":
        await asyncio.sleep(0.1)


async def no_locks(game: Game, *keys: str) -> None:
    await game.at_rest()
    for key in keys:
        assert (await game.memory("account", key)).is_idle


def test_a_transfer_moves_an_amount():
    async def script(game: Game) -> None:
        await started(game)
        assert await game.run("transfer", 5) == [0, -5]
        assert await game.run("transfer", 5) == [-5, -10]
        assert (await game.state("account", "a"), await game.state("account", "b")) == (-10, 10)
        await no_locks(game, "a", "b")

    play(script)


def test_many_transfers_at_once_keep_each_other_out():
    async def script(game: Game) -> None:
        await started(game)
        ids = [await game.client.start_new("transfer", None, 1) for _ in range(20)]
        seen = []
        for instance_id in ids:
            status = await game.client.wait_for_completion(instance_id, SOON, raise_if_failed=True)
            seen.append(status.output[0])
            assert status.output[0] - status.output[1] == 1
        assert sorted(seen) == list(range(-19, 1))
        await no_locks(game, "a", "b")

    play(script)


@pytest.mark.parametrize(
    ("then", "outcome"),
    [
        ("leave", Status.Completed),
        ("return", Status.Completed),
        ("fail", Status.Failed),
        ("in flight", Status.Completed),
    ],
)
def test_the_end_of_a_section_releases_its_locks(then: str, outcome: Status):
    async def script(game: Game) -> None:
        await started(game)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        assert (await game.memory("account", "a")).holder is not None
        waiting = await game.client.start_new("wait_and_add")
        await asyncio.sleep(5)
        assert len((await game.memory("account", "a")).waiters) == 1
        await game.client.raise_event("holder", "then", then)
        assert (await game.client.wait_for_completion("holder", SOON)).runtime_status is outcome
        assert (await game.client.wait_for_completion(waiting, SOON)).output == "done"
        assert await game.state("account", "a") == (101 if then == "in flight" else 1)
        await no_locks(game, "a", "b")

    play(script)


def test_termination_releases_locks_held_and_locks_asked_for():
    async def script(game: Game) -> None:
        await started(game)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        await game.client.start_new("hold", "waiting")
        last = await game.client.start_new("wait_and_add")
        await asyncio.sleep(5)
        await game.client.terminate("waiting", "no more")
        await game.client.wait_for_completion("waiting", SOON)
        await game.client.terminate("holder", "no more")
        assert (await game.client.wait_for_completion(last, SOON)).output == "done"
        await no_locks(game, "a", "b")

    play(script)


def test_termination_and_purge_at_once_leave_no_lock():
    async def script(game: Game) -> None:
        await started(game)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        await game.client.terminate("holder")
        await game.client.wait_for_completion("holder", SOON)
        await game.client.purge_instance_history("holder")
        assert await game.run("wait_and_add") == "done"
        await no_locks(game, "a", "b")

    play(script)


def test_continue_as_new_releases_locks():
    async def script(game: Game) -> None:
        await started(game)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        await game.client.raise_event("holder", "then", "again")
        await asyncio.sleep(5)
        await game.client.raise_event("holder", "then", "leave")
        assert (await game.client.wait_for_completion("holder", SOON)).output == "left"
        await no_locks(game, "a", "b")

    play(script)


def test_a_non_deterministic_orchestrator_keeps_no_lock():
    async def script(game: Game) -> None:
        calls: list[int] = []

        async def moody(context: DurableOrchestrationContext) -> None:
            calls.append(1)
            if len(calls) > 1:
                await context.call_entity(C, "get")
            async with context.lock([A, B]):
                context.set_custom_status("inside")
                await context.wait_for_external_event("then")

        await started(game, moody)
        await game.client.start_new("moody", "moody")
        await inside(game, "moody")
        await game.restart()
        await game.client.raise_event("moody", "then")
        status = await game.client.wait_for_completion("moody", SOON)
        assert status.failure is not None
        assert "NonDeterminismError" in status.failure.error_type
        await no_locks(game, "a", "b")

    play(script)


def test_signals_wait_for_the_end_of_a_section():
    async def signal(context: DurableOrchestrationContext) -> None:
        for _ in range(300):
            context.signal_entity(A, "add", 1)

    async def script(game: Game) -> None:
        await started(game, signal)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        await game.run("signal")
        await asyncio.sleep(5)
        assert await game.state("account", "a") is None
        memory = await game.memory("account", "a")
        assert memory.backlog_size == 300
        await game.restart()
        await game.client.raise_event("holder", "then", "leave")
        await game.client.wait_for_completion("holder", SOON)
        await game.at_rest()
        assert await game.state("account", "a") == 300
        await no_locks(game, "a", "b")

    play(script)


def test_a_backlog_is_worked_off_over_many_turns_in_order():
    async def signal(context: DurableOrchestrationContext) -> None:
        for _ in range(3):
            context.signal_entity(A, "add", 1)

    async def script(game: Game) -> None:
        await started(game, signal)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        await game.run("signal")
        await asyncio.sleep(1)
        await game.client.start_new("hold", "second")
        await asyncio.sleep(1)
        await game.client.start_new("hold", "third")
        await asyncio.sleep(1)
        await game.run("signal")
        await asyncio.sleep(1)
        await game.client.terminate("second")
        await game.client.wait_for_completion("second", SOON)
        await game.client.raise_event("holder", "then", "leave")
        await inside(game, "third")
        assert await game.state("account", "a") == 3
        await game.client.raise_event("third", "then", "leave")
        await game.at_rest()
        assert await game.state("account", "a") == 6
        await no_locks(game, "a", "b")

    play(script, max_entity_operation_batch_size=1)


def test_a_lock_granted_to_nobody_is_given_back():
    async def script(game: Game) -> None:
        await started(game)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        section = (await game.memory("account", "a")).holder
        assert section is not None
        now = game.hub.clock.now()
        grant = EntityLockGranted(now, 0, "@account@a", section.section)
        await game.hub.deliver("gone", [InboxEvent(grant, "@account@a:x", 1, now, Target("other", 0, 0))], "test")
        await game.at_rest_of("@account@a")
        assert (await game.memory("account", "a")).holder is None
        await game.client.terminate("holder")
        await game.client.wait_for_completion("holder", SOON)

    play(script)


def test_a_lock_that_is_no_longer_wanted_can_be_cancelled():
    async def impatient(context: DurableOrchestrationContext) -> Any:
        from datetime import timedelta

        lock, alarm = context.lock([A]), context.create_timer(timedelta(seconds=30))
        if await context.task_any([lock, alarm]) is alarm:
            lock.cancel()
            return "gave up"
        lock.result.release()
        return "got it"

    async def script(game: Game) -> None:
        await started(game, impatient)
        await game.client.start_new("hold", "holder")
        await inside(game, "holder")
        assert await game.run("impatient") == "gave up"
        await game.client.raise_event("holder", "then", "leave")
        await game.client.wait_for_completion("holder", SOON)
        assert await game.run("wait_and_add") == "done"
        await no_locks(game, "a", "b")

    play(script)


# --- the rules inside ----------------------------------------------------------------------------------


async def nested(context: DurableOrchestrationContext) -> None:
    async with context.lock([A]), context.lock([B]):
        pass


async def child(context: DurableOrchestrationContext) -> None:
    async with context.lock([A]):
        await context.call_sub_orchestrator("wait_and_add")


async def stranger(context: DurableOrchestrationContext) -> None:
    async with context.lock([A]):
        await context.call_entity(B, "get")


async def signaled(context: DurableOrchestrationContext) -> None:
    async with context.lock([A]):
        context.signal_entity(A, "add", 1)


async def two_calls(context: DurableOrchestrationContext) -> None:
    async with context.lock([A]):
        context.call_entity(A, "get")
        context.call_entity(A, "get")


async def nothing(context: DurableOrchestrationContext) -> None:
    async with context.lock([]):
        pass


async def not_yet(context: DurableOrchestrationContext) -> None:
    context.lock([A])
    await context.call_entity(A, "get")


@pytest.mark.parametrize(
    ("breach", "message"),
    [
        (nested, "cannot be nested"),
        (child, "inside a critical section"),
        (stranger, "does not lock it"),
        (signaled, "signaled inside"),
        (two_calls, "has not answered"),
        (nothing, "at least one"),
        (not_yet, "is being locked"),
    ],
)
def test_the_rules_of_sections_are_kept(breach: Any, message: str):
    async def script(game: Game) -> None:
        await started(game, breach)
        await game.client.start_new(breach.__name__, "breach")
        status = await game.client.wait_for_completion("breach", SOON)
        assert status.failure is not None
        assert status.failure.is_caused_by(OrchestratorError)
        assert message in status.failure.message
        assert await game.run("wait_and_add") == "done"
        await no_locks(game, "a")

    play(script)


def test_other_entities_may_be_signaled_inside():
    async def note(context: DurableOrchestrationContext) -> None:
        async with context.lock([A]):
            context.signal_entity(C, "add", 3)
            await context.call_entity(A, "add", 1)

    async def script(game: Game) -> None:
        await started(game, note)
        await game.run("note")
        await game.at_rest()
        assert await game.state("account", "c") == 3

    play(script)
