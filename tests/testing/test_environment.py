"""`DurableTestEnvironment` and its twin that waits: an app with a running engine, for a test to use."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import gc
import inspect
import itertools
import json
import logging
import os
import sys
import threading
import traceback
import unittest
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.schedules import ScheduleClient
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing import (
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    EntityHandle,
    EntitySyncHandle,
    InstanceHandle,
    InstanceSyncHandle,
    StuckError,
)
from azure_durable_py.testing.environment import loop_thread
from tests.testing.write_sync_environment import LEFT_OUT, TARGET, generated

Context = df.DurableOrchestrationContext
DAY = timedelta(days=1)
app = df.DFApp()
log = logging.getLogger("app")
tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


@app.orchestration_trigger(context_name="context")
async def greet(context: Context) -> str:
    return await context.call_activity(say, context.get_input())


@app.activity_trigger(input_name="name")
def say(name: str) -> str:
    log.warning("greeting %s", name)
    return f"{GREETING} {name}, from {tenant.get()}"


GREETING = "Hello"
KEPT = df.EntityId("kept", "it")


@app.orchestration_trigger(context_name="context")
async def approve(context: Context) -> str:
    context.set_custom_status({"waits for": "an answer"})
    decision = context.wait_for_external_event("Decision")
    deadline = context.create_timer(3 * DAY)
    if await context.task_any([decision, deadline]) is deadline:
        return "nobody answered"
    deadline.cancel()
    return decision.get_result()


@app.orchestration_trigger(context_name="context")
async def poll(context: Context) -> None:
    """Asks every day, for ever."""
    asked = context.get_input() + 1
    context.set_custom_status(asked)
    await context.create_timer(DAY)
    context.continue_as_new(asked)


@app.orchestration_trigger(context_name="context")
async def in_steps(context: Context) -> None:
    for step in range(10):
        context.set_custom_status(step)
        await context.call_activity("nothing", step)


@app.activity_trigger(input_name="step")
def nothing(step: int) -> None:
    pass


@app.orchestration_trigger(context_name="context")
async def break_down(context: Context) -> None:
    await context.call_activity("explode")


@app.activity_trigger(input_name="word")
def explode(word: Any) -> None:
    raise ValueError("no luck today")


@app.orchestration_trigger(context_name="context")
async def wait_long(context: Context) -> None:
    await context.call_activity("work", context.get_input())


@app.activity_trigger(input_name="seconds")
async def work(seconds: float) -> None:
    await asyncio.sleep(seconds)


@app.orchestration_trigger(context_name="context")
async def count_instances(context: Context) -> int:
    return await context.call_activity("count")


@app.activity_trigger(input_name="word")
@app.durable_client_input(client_name="client")
async def count(word: Any, client: df.DurableOrchestrationClient) -> int:
    return len(await client.get_status_all())


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state(int))


@app.orchestration_trigger(context_name="context")
async def guess(context: Context) -> int:
    """Decides by chance, which it must not."""
    await context.call_activity("nothing", next(CHANCE))
    return await context.call_activity("nothing", 0)


CHANCE = itertools.count()


@app.route(route="greetings/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_greeting(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    instance_id = await client.start_new(greet, client_input=req.route_params["name"])
    return client.create_check_status_response(req, instance_id)


@app.timer_trigger(schedule="0 0 8 * * *", arg_name="timer")
@app.durable_client_input(client_name="client")
async def each_morning(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    await client.signal_entity(COUNTER, "add", 1)


COUNTER = df.EntityId("counter", "a")


# --- a test with it ---------------------------------------------------------------------------------------------


async def test_it_runs_an_orchestration():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(greet, "Ada", instance_id="g")
        assert await handle.result() == "Hello Ada, from nobody"
        assert await handle.result(expected_type=str) == "Hello Ada, from nobody"
        assert handle.instance_id == "g"
        status = await env.handle("g").status()
        assert (status.input_, status.runtime_status) == ("Ada", Status.Completed)
        assert [type(event).__name__ for event in await handle.history()][1] == "ExecutionStarted"


def test_it_runs_an_orchestration_without_await():
    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(greet, "Ada", instance_id="g")
        assert handle.result() == "Hello Ada, from nobody"
        assert env.handle("g").wait().runtime_status is Status.Completed
        assert isinstance(handle.restart(), InstanceSyncHandle)


async def test_whatever_can_happen_has_happened_after_a_call():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve)
        assert (await handle.status()).custom_status == {"waits for": "an answer"}
        await handle.raise_event("Decision", "yes")
        assert (await handle.status()).output == "yes"
        await env.client.signal_entity(COUNTER, "add", 2)
        assert (await env.client.read_entity_state(COUNTER)).entity_state == 2


def test_whatever_can_happen_has_happened_after_a_call_that_waits():
    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(approve)
        handle.raise_event("Decision", "yes")
        assert handle.status().output == "yes"
        env.client.signal_entity(COUNTER, "add", 2)
        assert env.client.read_entity_state(COUNTER).entity_state == 2


async def test_an_instance_can_be_steered():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve)
        assert await handle.suspend()
        assert (await handle.status()).runtime_status is Status.Suspended
        assert await handle.resume()
        assert await handle.terminate("enough")
        assert not await handle.terminate("again")
        assert (await handle.wait()).output == "enough"
        again = await handle.restart()
        assert (await again.wait_for_start()).runtime_status is Status.Running
        assert again.instance_id != handle.instance_id


async def test_what_has_failed_can_be_rewound(monkeypatch: pytest.MonkeyPatch):
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(break_down)
        with pytest.raises(df.OrchestrationFailedError):
            await handle.result()
        definition = env.hub.registry.activities.get("explode")
        monkeypatch.setattr(definition.function, "__code__", (lambda word: None).__code__)
        await handle.rewind()
        assert await handle.result() is None


async def test_an_instance_or_orchestrator_that_is_not_there_is_named():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(df.InstanceNotFoundError, match="'nobody'"):
            await env.handle("nobody").status()
        with pytest.raises(df.InstanceNotFoundError, match="'nobody'"):
            await env.handle("nobody").wait_for_custom_status("x")
        with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'greet'"):
            await env.start("gret")


# --- time -------------------------------------------------------------------------------------------------------


async def test_time_stands_still_between_calls():
    async with DurableTestEnvironment(app, epoch=datetime(2027, 2, 1)) as env:
        handle = await env.start(approve)
        before = env.now
        assert before - datetime(2027, 2, 1, tzinfo=timezone.utc) < timedelta(seconds=1)
        await asyncio.sleep(0.01)
        assert env.now == before
        assert (await handle.status()).runtime_status is Status.Running
        assert env.now - before < timedelta(seconds=1)


async def test_what_is_due_after_a_skip_has_happened():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve)
        begun = env.now
        await env.skip(2 * DAY)
        assert timedelta(0) <= env.now - begun - 2 * DAY < timedelta(seconds=1)
        assert (await handle.status()).runtime_status is Status.Running
        await env.skip(DAY)
        assert (await handle.status()).output == "nobody answered"


@pytest.mark.parametrize("days", [1, 7, 365])
async def test_a_skip_lasts_as_long_as_all_that_repeats_in_it(days: int):
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(poll, 0)
        await env.skip(days * DAY)
        assert (await handle.status()).custom_status == days + 1


async def test_time_is_skipped_to_a_moment_and_never_back():
    async with DurableTestEnvironment(app, epoch=datetime(2027, 2, 1)) as env:
        await env.skip_to(datetime(2027, 3, 1))
        assert f"{env.now:%Y-%m-%d %H:%M}" == "2027-03-01 00:00"
        with pytest.raises(ValueError, match="Time does not go back"):
            await env.skip_to(datetime(2027, 2, 28))
        with pytest.raises(ValueError, match="Time does not go back"):
            await env.skip(-DAY)
        with pytest.raises(TypeError, match="takes a timedelta"):
            await env.skip("5")  # type: ignore[arg-type]
        await env.skip(86400.0)
        assert f"{env.now:%Y-%m-%d %H:%M}" == "2027-03-02 00:00"


async def test_nobody_skips_to_where_dates_end():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(ValueError, match=r"it is 2026-01-01 .* dates end with the year 9999"):
            await env.skip(timedelta(days=3_000_000))
        with pytest.raises(ValueError, match="9999-06-01 00:00:00 cannot be skipped to"):
            await env.skip_to(datetime(9999, 6, 1))
        assert await (await env.start(greet, "Ada")).result() == "Hello Ada, from nobody"


async def test_at_rest_lets_time_pass_until_nothing_is_left_to_do():
    async with DurableTestEnvironment(app) as env:
        await env.client.signal_entity(COUNTER, "add", 1, signal_time=env.now + 9 * DAY)
        await env.at_rest()
        assert (await env.client.read_entity_state(COUNTER)).entity_state == 1


async def test_waiting_ends_at_its_timeout():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve)
        for call in (handle.result, handle.wait, lambda timeout: handle.wait_for_custom_status("never", timeout)):
            with pytest.raises(TimeoutError):
                await call(timedelta(hours=7))
        later = await env.start(greet, "Ada", start_at=env.now + 5 * DAY)
        with pytest.raises(TimeoutError):
            await later.wait_for_start(DAY)
        assert await later.result() == "Hello Ada, from nobody"


async def test_calls_that_are_made_side_by_side_are_all_taken_before_time_moves():
    async with DurableTestEnvironment(app) as env:
        first, second = await env.start(approve), await env.start(approve)

        async def answer() -> timedelta:
            begun = env.now
            await env.skip(DAY)
            await asyncio.wait_for(first.raise_event("Decision", "one"), 5)
            await env.skip(DAY)
            await second.raise_event("Decision", "two")
            return env.now - begun

        results = await asyncio.gather(first.result(), second.result(), answer())
        assert results[:2] == ["one", "two"]
        assert timedelta(0) <= results[2] - 2 * DAY < timedelta(seconds=1)


async def test_schedules_occur_as_time_passes():
    async with DurableTestEnvironment(app) as env:
        await env.schedules.create("daily", greet, "Ada", every=DAY)
        assert [item.schedule_id for item in await env.schedules.list()] == ["daily"]
        await env.skip(10 * DAY)
        description = await env.client.schedules.get("daily")
        assert description is not None
        assert description.runs == 10


# --- custom status ----------------------------------------------------------------------------------------------


async def test_a_custom_status_is_waited_for_by_value_or_by_what_it_is_like():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(poll, 0)
        status = await handle.wait_for_custom_status(5)
        assert (status.custom_status, status.runtime_status) == (5, Status.Running)
        assert (await handle.wait_for_custom_status(lambda asked: asked >= 100)).custom_status == 100


async def test_no_custom_status_is_missed_that_is_waited_for_in_time():
    async with DurableTestEnvironment(app, workers=0) as env:
        handle = await env.start(in_steps)
        await asyncio.gather(env.restart(1), *(handle.wait_for_custom_status(step) for step in range(10)))


async def test_a_custom_status_that_never_comes_is_told_of():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve, instance_id="a")
        with pytest.raises(StuckError, match=r"'a' \(approve\) has ended as Completed and never had .* 'asked'.*waits"):
            await handle.wait_for_custom_status("asked")
        with pytest.raises(StuckError, match="that is looked for"):
            await handle.wait_for_custom_status(lambda status: False)


async def test_what_a_condition_raises_comes_out():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve)
        with pytest.raises(KeyError, match="no such"):
            await handle.wait_for_custom_status(lambda status: status["no such"])


# --- failures ---------------------------------------------------------------------------------------------------


def give_up(status: Any) -> bool:
    raise asyncio.CancelledError


async def test_what_is_cancelled_within_a_call_is_cancelled_for_who_waits():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(greet, "Ada")
        with pytest.raises(asyncio.CancelledError):
            await handle.wait_for_custom_status(give_up)
        assert await handle.result() == "Hello Ada, from nobody"


def test_what_is_cancelled_within_a_call_keeps_nobody_waiting():
    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(greet, "Ada")
        with pytest.raises(asyncio.CancelledError):
            handle.wait_for_custom_status(give_up)
        assert handle.result() == "Hello Ada, from nobody"


async def test_a_failure_is_told_with_the_place_in_the_code_of_the_app():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(break_down, instance_id="b")
        with pytest.raises(df.OrchestrationFailedError) as failed:
            await handle.result()
    told = str(failed.value)
    assert "Instance 'b' (break_down) failed: activity 'explode' failed: ValueError: no luck today" in told
    assert 'raise ValueError("no luck today")' in told
    assert 'await context.call_activity("explode")' in told
    assert told.index("in explode") < told.index("in break_down")
    assert failed.value.details.is_caused_by(ValueError)


async def test_an_instance_that_was_terminated_has_no_result():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve, instance_id="a")
        await handle.terminate("enough")
        with pytest.raises(df.OrchestrationFailedError, match=r"'a' .* has ended as Terminated: .*enough"):
            await handle.result()


async def test_an_error_leads_back_to_the_test():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(df.FunctionNotFoundError) as failed:
            await env.start("nobody")
    frames = [frame.name for frame in traceback.extract_tb(failed.value.__traceback__)]
    assert frames[0] == "test_an_error_leads_back_to_the_test"
    assert frames[-1] == "get"


async def test_a_wait_that_cannot_end_says_why_and_the_test_may_go_on():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(approve, instance_id="a")
        await handle.suspend()
        with pytest.raises(StuckError, match=r"not over within 400 days(.|\n)*'a' \(approve\) is suspended"):
            await asyncio.wait_for(handle.result(), 20)
        await handle.resume()
        assert await handle.result() == "nobody answered"


async def test_within_bounds_each_wait_and_no_skip():
    async with DurableTestEnvironment(app, within=DAY) as env:
        handle = await env.start(approve)
        with pytest.raises(StuckError, match="not over within 1 day"):
            await handle.result()
        await env.skip(timedelta(hours=40))
        assert await handle.result() == "nobody answered"


# --- clients ----------------------------------------------------------------------------------------------------


async def test_the_client_is_one_for_the_loop_of_the_test():
    async with DurableTestEnvironment(app) as env:
        assert isinstance(env.client, DurableOrchestrationClient)
        assert isinstance(env.client.schedules, ScheduleClient)
        assert df.DurableOrchestrationClient(env.client) is not None
        assert env.client.task_hub_name == "TestHub"
        instance_id = await env.client.start_new("greet", client_input="Ada")
        assert (await env.client.wait_for_completion(instance_id)).output == "Hello Ada, from nobody"
        assert [line.status.instance_id async for line in env.client.export_history()] == [instance_id]
        await env.client.signal_entity(COUNTER, "add", 1)
        async for entity in env.client.list_entities():
            assert entity.entity_id == COUNTER
            break
        else:
            pytest.fail("the counter is not listed")
        assert "master" in [key.name for key in await env.client.keys.list()]


def test_the_client_of_the_sync_environment_waits():
    with DurableTestSyncEnvironment(app) as env:
        instance_id = env.client.start_new("greet", client_input="Ada")
        assert env.client.wait_for_completion(instance_id).output == "Hello Ada, from nobody"
        env.client.signal_entity(COUNTER, "add", 1)
        assert [entity.entity_id for entity in env.client.list_entities()] == [COUNTER]
        env.schedules.create("daily", greet, "Ada", every=DAY)
        assert env.client.schedules.get("daily") is not None


async def test_several_environments_of_one_app_do_not_mix():
    async with DurableTestEnvironment(app) as one, DurableTestEnvironment(app) as two:
        for _ in range(3):
            await one.start(approve)
        counting = [await one.start(count_instances), await two.start(count_instances)]
        await one.crash()
        await one.restart()
        counting.append(await one.start(count_instances))
        assert await asyncio.gather(*(handle.result() for handle in counting)) == [4, 1, 5]


def test_environments_in_several_threads_do_not_mix():
    def test(number: int) -> int:
        with DurableTestSyncEnvironment(app) as env:
            for _ in range(number):
                env.start(approve)
            return env.start(count_instances).result()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(test, range(4))) == [1, 2, 3, 4]


def test_one_environment_can_be_used_by_several_threads():
    with DurableTestSyncEnvironment(app) as env, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda name: env.start(greet, name).result(), "abcdefgh"))
    assert results == [f"Hello {name}, from nobody" for name in "abcdefgh"]


async def test_a_client_binding_has_none_once_the_environment_is_left():
    async with DurableTestEnvironment(app):
        pass
    for binding in app.client_bindings():
        with pytest.raises(df.RegistrationError, match="DurableTestEnvironment"):
            app.client_for(binding)


# --- workers ----------------------------------------------------------------------------------------------------


async def test_an_instance_survives_its_workers():
    async with DurableTestEnvironment(app, workers=2) as env:
        handle = await env.start(wait_long, 100)
        await env.skip(timedelta(seconds=50))
        await env.crash()
        await env.skip(DAY)
        assert (await handle.status()).runtime_status is Status.Running
        with pytest.raises(StuckError, match=r"No worker runs: restart\(\)"):
            await handle.result()
        await env.restart()
        await handle.result(timedelta(hours=1))
        assert [worker.is_running for worker in env.hub.workers] == [False, False, True, True]


async def test_a_worker_dies_before_an_activity_and_another_runs_it():
    async with DurableTestEnvironment(app) as env:
        env.crash_before(say, times=2)
        handle = await env.start(greet, "Ada")
        assert (await handle.status()).runtime_status is Status.Running
        assert await handle.result(timedelta(minutes=20)) == "Hello Ada, from nobody"
        assert [worker.is_running for worker in env.hub.workers] == [False, False, True]
        assert [execution.is_real for execution in env.activity(say).received] == [False, False, True]


async def test_a_worker_dies_after_an_activity_which_runs_again():
    async with DurableTestEnvironment(app) as env:
        env.crash_after("say")
        double = env.activity(say).returns("first", times=1)
        handle = await env.start(greet, "Ada")
        assert await handle.result() == "Hello Ada, from nobody"
        assert [execution.result for execution in double.received] == ["first", "Hello Ada, from nobody"]
        assert env.now - env.hub.epoch >= timedelta(minutes=5)


def test_an_activity_that_always_takes_its_process_with_it_is_given_up():
    with DurableTestSyncEnvironment(app) as env:
        env.crash_before("work", times=100)
        with pytest.raises(df.OrchestrationFailedError) as failed:
            env.start(wait_long, 1).result()
        assert failed.value.details.is_caused_by(df.WorkGivenUpError)


async def test_a_crash_happens_at_least_once_and_to_an_activity_that_there_is():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(ValueError, match="times"):
            env.crash_after(say, times=0)
        with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'say'"):
            env.crash_before("sai")


async def test_a_crash_may_be_for_some_inputs_only():
    async with DurableTestEnvironment(app) as env:
        double = env.activity(say)
        env.crash_before(say, when=lambda name: name == "Bob")
        env.crash_after(say, when=lambda name: name == "Cid")
        for name in ("Ada", "Bob", "Cid"):
            await (await env.start(greet, name)).result()
        assert double.inputs == ["Ada", "Bob", "Bob", "Cid", "Cid"]
        assert [each.outcome for each in double.received] == ["completed", "open", *["completed"] * 3]


async def test_what_the_condition_of_a_crash_raises_fails_the_test():
    async with DurableTestEnvironment(app) as env:
        env.crash_after(say, when=lambda name: name.no_such_thing)
        with pytest.raises(AttributeError, match="no_such_thing"):
            await (await env.start(greet, "Ada")).result()


async def test_each_environment_says_how_it_is_entered():
    with pytest.raises(TypeError, match=r"by `async with`.* is DurableTestSync"), DurableTestEnvironment(app):
        pass
    with pytest.raises(TypeError, match=r"by `with`.* is DurableTestEnv"):
        async with DurableTestSyncEnvironment(app):
            pass


async def test_a_function_of_another_kind_is_told_of():
    async with DurableTestEnvironment(app) as env:
        for given in ("greet", greet):
            with pytest.raises((df.FunctionNotFoundError, TypeError), match="'greet' is no activity but an orch"):
                env.activity(given)


# --- stand-ins, entities, ordinary functions --------------------------------------------------------------------


async def test_activities_and_orchestrators_have_stand_ins():
    async with DurableTestEnvironment(app) as env:
        env.activity(say).raises(OSError("busy"), times=1)
        env.orchestrator("approve").returns("of course")
        with pytest.raises(df.OrchestrationFailedError, match="busy"):
            await (await env.start(greet, "Ada")).result()
        assert await (await env.start(greet, "Bo")).result() == "Hello Bo, from nobody"
        assert await (await env.start(approve)).result() == "of course"
        assert env.activity("say").inputs == ["Ada", "Bo"]


async def test_an_entity_is_driven_and_looked_at():
    async with DurableTestEnvironment(app) as env:
        entity = env.entity(counter, "a")
        assert await entity.state() is None
        assert not await entity.status()
        await entity.signal("add", 2)
        assert await entity.call("add", 3) == 5
        await entity.signal("add", 4, signal_time=env.now + DAY)
        assert await entity.state(int) == 5
        await env.skip(DAY)
        assert (await entity.status()).state == 9
        assert [(execution.name, execution.input) for execution in entity.received] == [
            ("add", 2),
            ("add", 3),
            ("add", 4),
        ]
        assert await env.client.get_status_all() == []
        entity.operation("add").returns(7)
        assert await entity.call("add", 1) == 7


async def test_an_operation_that_fails_is_told_with_its_place():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(df.TaskFailedError, match=r"'add' of entity '@counter@a' failed"):
            await env.entity("counter", "a").call("add", "one")


async def test_all_entities_of_a_name_have_stand_ins_and_one_is_driven_by_its_key():
    async with DurableTestEnvironment(app) as env:
        env.entity("counter").operation("add").returns(7)
        assert await env.entity("counter", "a").call("add", 1) == 7
        with pytest.raises(ValueError, match=r"entity\('counter', key\)"):
            await env.entity("counter").state()
        with pytest.raises(df.FunctionNotFoundError, match="counter"):
            env.entity("counters", "a")


def test_an_entity_is_driven_without_await():
    with DurableTestSyncEnvironment(app) as env:
        entity = env.entity(counter, "a")
        entity.signal("add", 2)
        assert entity.call("add", 3, expected_type=int) == 5
        assert entity.state() == 5


async def test_http_functions_answer_and_their_links_work():
    async with DurableTestEnvironment(app) as env:
        answer = await env.request("POST", "/api/greetings/Ada")
        assert answer.status_code == 202
        told = json.loads(answer.get_body())
        status = json.loads((await env.request("GET", told["statusQueryGetUri"])).get_body())
        assert status["output"] == "Hello Ada, from nobody"
        assert await env.handle(told["id"]).result() == "Hello Ada, from nobody"


def test_http_functions_answer_without_await():
    with DurableTestSyncEnvironment(app) as env:
        assert env.request("POST", "/api/greetings/Ada").status_code == 202


async def test_functions_are_called_as_their_triggers_do_and_when_they_are_due():
    async with DurableTestEnvironment(app) as env:
        await env.fire(each_morning)
        assert await env.entity("counter", "a").state() == 1
        await env.run_timers()
        await env.skip(7 * DAY)
        assert await env.entity("counter", "a").state() == 8


def test_functions_are_called_without_await():
    with DurableTestSyncEnvironment(app) as env:
        env.fire("each_morning", past_due=True)
        assert env.entity("counter", "a").state() == 1
        assert env.outputs == []


# --- what an instance did ---------------------------------------------------------------------------------------


async def test_the_calls_and_the_tree_of_an_instance_are_read():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(greet, "Ada", instance_id="g")
        assert (await handle.calls()).with_inputs == [("say", "Ada")]
        assert "g" in await handle.tree()
        assert "say" in await handle.tree()
        with pytest.raises(df.InstanceNotFoundError, match="'nobody'"):
            await env.handle("nobody").tree()


async def test_each_turn_is_replayed_where_that_is_asked_for():
    async with DurableTestEnvironment(app) as env:
        await (await env.start(guess)).result()
    async with DurableTestEnvironment(app, replay="every-turn") as env:
        with pytest.raises(df.OrchestrationFailedError) as failed:
            await (await env.start(guess)).result()
        assert failed.value.details.is_caused_by(df.NonDeterminismError)


# --- as tests go ------------------------------------------------------------------------------------------------


async def test_what_a_test_patches_is_patched_and_what_is_logged_is_seen(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    tenant.set("the test")
    async with DurableTestEnvironment(app) as env:
        monkeypatch.setitem(globals(), "GREETING", "Good day")
        assert await (await env.start(greet, "Ada")).result() == "Good day Ada, from the test"
    assert "greeting Ada" in caplog.messages


class TestWithUnittest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.env = await DurableTestEnvironment(app).__aenter__()
        self.addAsyncCleanup(self.env.__aexit__, None, None, None)

    async def test_it_runs_an_orchestration(self) -> None:
        handle = await self.env.start(greet, "Ada")
        assert await handle.result() == "Hello Ada, from nobody"

    async def test_it_waits(self) -> None:
        handle = await self.env.start(approve)
        assert await handle.result() == "nobody answered"


def test_it_can_be_shared_by_loops_that_follow_each_other():
    async def enter() -> DurableTestEnvironment:
        return await DurableTestEnvironment(app).__aenter__()

    async def start(env: DurableTestEnvironment) -> InstanceHandle:
        return await env.start(approve)

    env = asyncio.run(enter())
    handle = asyncio.run(start(env))
    assert asyncio.run(handle.result()) == "nobody answered"
    asyncio.run(env.__aexit__(None, None, None))


async def test_a_test_may_wait_in_a_thread_for_who_calls_from_another_loop():
    # So does the test client of FastAPI: the loop of the test stands still while the app is asked.
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(greet, "Ada")
        results: list[str] = []

        async def ask() -> None:
            results.append(await handle.result())

        other = threading.Thread(target=asyncio.run, args=(ask(),), daemon=True)
        other.start()
        other.join(20)
        assert results == ["Hello Ada, from nobody"]
        assert await handle.result() == "Hello Ada, from nobody"


async def test_the_sync_environment_works_inside_a_running_loop():
    with DurableTestSyncEnvironment(app) as env:
        assert env.start(approve).result() == "nobody answered"


async def test_activities_may_use_the_environment():
    blueprint = df.Blueprint()
    used: list[DurableTestEnvironment] = []

    @blueprint.orchestration_trigger(context_name="context")
    async def parent(context: Context) -> Any:
        return await context.call_activity("start")

    @blueprint.orchestration_trigger(context_name="context")
    async def child(context: Context) -> str:
        return "grown up"

    @blueprint.activity_trigger(input_name="word")
    async def start(word: Any) -> Any:
        handle = await used[0].start("child")
        await used[0].client.get_status_all()
        return await handle.result()

    async with DurableTestEnvironment(blueprint) as env:
        used.append(env)
        assert await (await env.start("parent")).result() == "grown up"


@pytest.mark.parametrize("stand_in", [False, True])
def test_sync_code_finds_no_event_loop_and_may_have_one_of_its_own(stand_in: bool):
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    async def ask(context: Context) -> list[str]:
        return [await context.call_activity("fetch", "page"), await context.call_entity(KEPT, "fetch")]

    def fetched(what: str) -> str:
        async def fetch() -> str:
            return await asyncio.to_thread(lambda: f"{what}, {asyncio.run(asyncio.sleep(0, 'read'))}")

        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return asyncio.run(fetch())

    @blueprint.activity_trigger(input_name="what")
    def fetch(what: str) -> str:
        return fetched(what)

    @blueprint.entity_trigger(context_name="context")
    def kept(context: df.DurableEntityContext) -> None:
        context.set_result(fetched("state"))

    with DurableTestSyncEnvironment(blueprint) as env:
        if stand_in:
            env.activity(fetch).calls(fetched)
            env.entity(kept).operation("fetch").calls(lambda _: fetched("state"))
        assert env.start("ask").result() == ["page, read", "state, read"]
        assert env.start("ask").result() == ["page, read", "state, read"]


# --- its end ----------------------------------------------------------------------------------------------------


async def test_it_can_be_left_while_things_run():
    threads = threading.active_count()
    async with DurableTestEnvironment(app) as env:
        for _ in range(5):
            await env.start(wait_long, 1000)
            await env.start(poll, 0)
    assert threading.active_count() == threads


@pytest.mark.parametrize("rounds", range(30))
async def test_a_call_that_is_open_at_the_end_fails(rounds: int):
    async with DurableTestEnvironment(app, within=timedelta(days=10**6)) as env:
        handle = await env.start(wait_long, 10**9)
        waiting = asyncio.ensure_future(handle.result())
        for _ in range(rounds):
            await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="is closed"):
        await waiting


@pytest.mark.parametrize("call", [lambda env: env.start(greet), lambda env: env.skip(DAY)])
async def test_a_call_outside_of_with_says_so(call: Callable[[DurableTestEnvironment], Any]):
    env = DurableTestEnvironment(app)
    with pytest.raises(RuntimeError, match="enter it first"):
        await call(env)
    async with env:
        await call(env)
    with pytest.raises(RuntimeError, match="is closed"):
        await call(env)
    with pytest.raises(RuntimeError, match="was entered before"):
        async with env:
            pass


@pytest.mark.parametrize("enter", [lambda env: asyncio.run(env.__aenter__()), lambda env: env.enter_and_wait()])
def test_an_app_that_is_declared_wrongly_is_refused_as_it_is_entered(enter: Callable[[DurableTestEnvironment], Any]):
    twice = df.DFApp()
    twice.orchestration_trigger("context", "same")(lambda context: None)
    twice.orchestration_trigger("context", "same")(lambda context: None)
    threads = threading.active_count()
    with pytest.raises(df.RegistrationError, match="'same'"):
        enter(DurableTestEnvironment(twice))
    assert threading.active_count() == threads


@pytest.mark.parametrize("given", [None, "function_app", greet, df], ids=["none", "name", "function", "module"])
def test_what_is_no_app_is_refused(given: Any):
    with pytest.raises(TypeError, match="An app, or a blueprint, is what is tested, not"):
        DurableTestSyncEnvironment(given).__enter__()


def test_a_way_to_replay_that_there_is_not_is_refused():
    wrong: Any = "every_turn"
    with pytest.raises(ValueError, match="replay is 'every_turn'; it is to be one of: when-needed, every-turn"):
        DurableTestSyncEnvironment(app, replay=wrong).__enter__()


async def test_a_test_that_is_cancelled_ends_at_once():
    async with DurableTestEnvironment(app) as env:
        handle = await env.start(poll, 0)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(handle.result(timedelta(days=300_000)), 0.05)
        assert (await handle.status()).runtime_status is Status.Running


def test_ctrl_c_ends_a_wait():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    async def interrupt(context: Context) -> None:
        if not context.is_replaying:
            _thread.interrupt_main()
        await context.create_timer(DAY)
        context.continue_as_new()

    with DurableTestSyncEnvironment(blueprint, within=timedelta(days=10**5)) as env:
        with pytest.raises(KeyboardInterrupt):
            env.handle(env.start("interrupt").instance_id).result()
        assert env.now < env.hub.epoch + timedelta(days=10**5)


@pytest.mark.filterwarnings("error")
def test_a_call_that_is_cancelled_before_it_began_leaves_nothing_behind():
    async def start_only(env: DurableTestEnvironment) -> None:
        call = asyncio.ensure_future(env.start(greet, "Ada"))
        await asyncio.sleep(0)
        assert not call.done()

    with DurableTestSyncEnvironment(app) as env:
        asyncio.run(start_only(env._source))  # pyright: ignore[reportPrivateUsage] - one that outlives the loop
        gc.collect()
        assert env.client.get_status_all() == []


async def test_code_that_does_not_return_keeps_nobody_from_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop_thread, "_CLOSING_SECONDS", 0.1)
    blueprint = df.Blueprint()
    let_go = threading.Event()

    @blueprint.orchestration_trigger(context_name="context")
    async def hang(context: Context) -> None:
        await context.call_activity("for_ever")

    @blueprint.activity_trigger(input_name="word")
    def for_ever(word: Any) -> None:
        let_go.wait()

    env = await DurableTestEnvironment(blueprint).__aenter__()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(env.start("hang"), 0.05)
    with pytest.raises(RuntimeError, match=r"has not returned for 0\.1 s(.|\n)*in for_ever"):
        await env.__aexit__(None, None, None)
    let_go.set()
    env.thread._thread.join(10)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_process_that_was_forked_off_is_told():
    with DurableTestSyncEnvironment(app) as env:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                env.start(greet)
            except RuntimeError as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert b"forked from" in os.read(reading, 1000)
        os.close(reading)
        os.close(writing)


def test_a_call_without_an_event_loop_says_what_to_use():
    with DurableTestSyncEnvironment(app) as env, pytest.raises(RuntimeError, match="DurableTestSyncEnvironment"):
        env._source.start(greet).send(None)


# --- the twin that waits ----------------------------------------------------------------------------------------


def test_it_is_written_anew_when_the_async_environment_changes():
    assert TARGET.read_text(encoding="utf-8") == generated(), "run: python -m tests.testing.write_sync_environment"


TWINS = {
    DurableTestEnvironment: DurableTestSyncEnvironment,
    EntityHandle: EntitySyncHandle,
    InstanceHandle: InstanceSyncHandle,
}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@pytest.mark.parametrize("source", TWINS)
def test_the_twin_has_every_public_name(source: type):
    assert public(TWINS[source]) - LEFT_OUT == public(source) - LEFT_OUT


@pytest.mark.parametrize(("source", "name"), [(cls, name) for cls in TWINS for name in sorted(public(cls) - LEFT_OUT)])
def test_a_call_takes_what_its_twin_takes(source: type, name: str):
    ours, theirs = getattr(TWINS[source], name), getattr(source, name)
    assert ours.__doc__ == theirs.__doc__
    if not isinstance(theirs, property):
        assert not inspect.iscoroutinefunction(ours)
        assert inspect.signature(ours).parameters == inspect.signature(theirs).parameters
