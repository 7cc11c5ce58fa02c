"""Doubles, entities and calls in a test environment: set and asked by a test as it runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.testing import (
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    OrchestratorPlayer,
    VirtualHub,
    play,
    run,
)

Context = df.DurableOrchestrationContext
app = df.DFApp()
POLICY = df.RetryPolicy(timedelta(minutes=1), max_number_of_attempts=3)


class SoldOutError(Exception):
    """There is no room."""


@app.orchestration_trigger(context_name="context")
async def travel(context: Context) -> Any:
    room = await context.call_activity_with_retry(book, POLICY, context.get_input())
    await context.create_timer(timedelta(days=30))
    return [room, await context.call_sub_orchestrator(pay, 100)]


@app.activity_trigger(input_name="city")
def book(city: str) -> str:
    return f"room in {city}"


@app.orchestration_trigger(context_name="context")
async def pay(context: Context) -> Any:
    return await context.call_entity(df.EntityId("account", "me"), "take", context.get_input())


@app.entity_trigger(entity_name="account")
@dataclass
class Account:
    balance: int = 150

    def take(self, amount: int) -> int:
        if amount > self.balance:
            raise SoldOutError(f"only {self.balance} left")
        self.balance -= amount
        return self.balance

    def fill(self) -> None:
        self.balance = 1000


async def test_a_test_says_what_functions_do_and_asks_what_they_were_called_with():
    async with DurableTestEnvironment(app) as env:
        room = env.activity(book).raises(OSError("no line"), times=2).returns("room 1")
        payment = env.orchestrator(pay).returns("paid")
        handle = await env.start(travel, "Oslo")
        assert await handle.result() == ["room 1", "paid"]
        assert [each.attempt for each in room.received] == [1, 2, 3]
        assert payment.inputs == [100]


async def test_a_double_may_be_set_in_the_middle_of_a_test():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(travel, "Oslo")
        await env.skip(timedelta(days=1))
        env.orchestrator(pay).raises(SoldOutError("no money"))
        with pytest.raises(df.OrchestrationFailedError) as failed:
            await handle.result()
        assert failed.value.details.is_caused_by(SoldOutError)


async def test_a_fake_may_wait_and_time_passes_only_while_the_test_waits():
    async def slowly(city: str) -> str:
        await asyncio.sleep(3600)
        return f"slow {city}"

    async with DurableTestEnvironment(app) as env:
        room = env.activity(book).calls(slowly)
        handle = await env.start(travel, "Oslo")
        assert [each.outcome.value for each in room.received] == ["open"]
        await env.skip(timedelta(hours=2))
        assert [each.result for each in room.received] == ["slow Oslo"]
        assert (await handle.calls(book)).results == ["slow Oslo"]


async def test_calls_of_an_instance_tell_what_it_did_and_what_it_waits_for():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(travel, "Oslo")
        assert (await handle.calls()).names == ["book", "timer"]
        assert (await handle.calls("timer"))[0].outcome.value == "open"
        await handle.result()
        assert (await handle.calls()).names == ["book", "timer", "pay"]
        assert (await handle.calls(book, pay)).with_inputs == [("book", "Oslo"), ("pay", 100)]


async def test_a_crash_leaves_doubles_as_they_are():
    async with DurableTestEnvironment(app) as env:
        room = env.activity(book).returns("room 1")
        handle = await env.start(travel, "Oslo")
        await env.crash()
        await env.restart()
        assert await handle.result() == ["room 1", 50]
        assert len(room.received) == 1


async def test_an_entity_is_called_signalled_and_looked_at():
    async with DurableTestEnvironment(app) as env:
        account = env.entity(Account, "me")
        assert not await account.exists()
        assert await account.state() is None
        assert await account.call("take", 20) == 130
        await account.signal("take", 30)
        assert await account.state() == {"balance": 100}
        assert await account.state(Account.function) == Account.function(100)
        assert [(each.name, each.input) for each in account.received] == [("take", 20), ("take", 30)]
        assert str(account.entity_id) == "@account@me"


async def test_a_call_of_an_entity_fails_as_an_orchestrator_would_see_it():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(df.TaskFailedError, match="operation 'take' of entity '@account@me' failed") as failed:
            await env.entity("account", "me").call("take", 500)
        assert failed.value.details.error_type.endswith("SoldOutError")
        assert isinstance(failed.value.__cause__, SoldOutError)


async def test_calls_of_entities_leave_no_instances_behind():
    async with DurableTestEnvironment(app) as env:
        await env.entity(Account, "me").call("take", 20)
        assert await env.client.get_status_all() == []


async def test_a_signal_may_come_later():
    async with DurableTestEnvironment(app) as env:
        account = env.entity(Account, "me")
        await account.signal("take", 20, signal_time=env.now + timedelta(days=1))
        assert not await account.exists()
        await env.skip(timedelta(days=2))
        assert await account.state() == {"balance": 130}


async def test_operations_of_an_entity_are_replaced():
    async with DurableTestEnvironment(app) as env:
        account = env.entity(Account)
        account.operation("take").raises(SoldOutError("no money"), times=1)
        handle = await env.start(pay, 100)
        with pytest.raises(df.OrchestrationFailedError):
            await handle.result()
        assert await env.entity(Account, "me").call("take", 50) == 100
        assert account.operation("take").inputs == [100, 50]


async def test_all_entities_of_a_name_are_none_to_be_called():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(ValueError, match=r"entity\('account', key\)"):
            await env.entity(Account).call("take", 1)


def test_the_sync_environment_has_the_same():
    with DurableTestSyncEnvironment(app) as env:
        room = env.activity(book).returns("room 1")
        env.orchestrator("pay").returns("paid")
        handle = env.start(travel, "Oslo")
        assert handle.result() == ["room 1", "paid"]
        assert room.inputs == ["Oslo"]
        assert handle.calls(book).with_inputs == [("book", "Oslo")]
        account = env.entity(Account, "me")
        assert account.call("take", 20) == 130
        account.signal("fill")
        assert account.state() == {"balance": 1000}


async def test_doubles_that_are_asked_for_at_the_end_tell_all_that_ran():
    async with DurableTestEnvironment(app) as env:
        env.crash_after(book)
        handle = await env.start(travel, "Rome")
        await handle.result()
        assert env.activity("book").inputs == ["Rome", "Rome"]
        assert [each.instance_id for each in env.orchestrator(travel).received] == [handle.instance_id]
        assert env.entity(Account, "me").operation("take").inputs == [100]
        assert env.entity(Account).operation("take").inputs == [100]
        assert env.entity(Account, "you").received == []


async def test_a_condition_that_is_no_function_is_refused():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(TypeError, match=r"when\(\.\.\.\) takes a function .* not \{'city': 'Rome'\}"):
            env.activity(book).when({"city": "Rome"})  # type: ignore[arg-type]


def _raising(given: Any) -> bool:
    return given["knd"] == "hotel"


async def test_what_a_condition_raises_fails_the_test_and_not_the_activity():
    async with DurableTestEnvironment(app) as env:
        env.activity(book).when(_raising)
        handle = await env.start(travel, {"kind": "hotel"}, start_at=env.now + timedelta(days=1))
        with pytest.raises(KeyError, match="knd"):
            await handle.result()


async def test_what_a_condition_raises_in_a_call_that_has_its_answer_is_raised_at_the_latest_on_leaving():
    async def use() -> None:
        async with DurableTestEnvironment(app) as env:
            env.activity(book).when(_raising)
            await env.client.start_new(travel, client_input={"kind": "hotel"})

    with pytest.raises(KeyError, match="knd"):
        await use()


@pytest.mark.parametrize("kind", ["orchestrator", "operation"])
def test_conditions_of_all_doubles_fail_the_test(kind: str):
    with DurableTestSyncEnvironment(app) as env:
        account = env.entity(Account, "me").operation("take")
        (account if kind == "operation" else env.orchestrator(pay)).when(lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            env.start(travel, "Rome").result()


def test_a_condition_that_raises_fails_what_is_played():
    async def scenario(hub: VirtualHub) -> None:
        hub.doubles.activity(book).when(_raising)
        await hub.client.wait_for_completion(await hub.client.start_new(travel, client_input={"kind": "hotel"}))

    with pytest.raises(KeyError, match="knd"):
        play(app, scenario)


def test_a_predicate_of_a_custom_status_fails_the_wait():
    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(travel, "Rome")
        with pytest.raises(ZeroDivisionError):
            handle.wait_for_custom_status(lambda _: 1 / 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"replay": "everyturn"}, r"replay is 'everyturn'; it is to be one of: when-needed, every-turn"),
        ({"workers": -1}, "workers is 0 or more, not -1"),
        ({"workers": "two"}, "workers is a number, not 'two'"),
        ({"within": 5}, r"within is a timedelta, as timedelta\(days=3\), not 5"),
        ({"settings": {}}, r"settings is a Settings\(\.\.\.\) of azure_durable_py, not {}"),
        ({"epoch": "today"}, "epoch is a datetime, not 'today'"),
        ({"http": 200}, "http is a function that gets a DurableHttpRequest, not 200"),
    ],
)
def test_wrong_values_are_refused_where_they_are_given(given: dict[str, Any], message: str):
    async def scenario(_: VirtualHub) -> None:
        raise AssertionError("It is not to begin.")

    calls = [lambda: DurableTestEnvironment(app, **given), lambda: DurableTestSyncEnvironment(app, **given)]
    calls.append(lambda: play(app, scenario, **given))
    for call in calls:
        with pytest.raises((TypeError, ValueError), match=message):
            call()


def test_a_way_to_replay_that_there_is_not_is_refused_by_all():
    for call in (run, OrchestratorPlayer):
        with pytest.raises(ValueError, match="replay is 'everyturn'"):
            call(*([app] if call is run else []), travel, "Rome", replay="everyturn")  # type: ignore[operator]
