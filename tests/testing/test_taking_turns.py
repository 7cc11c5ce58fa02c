"""Sync functions and activities that wait for a durable client, at virtual time."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient
from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment, VirtualHub, play, run

SyncClient = DurableOrchestrationSyncClient
app = df.DFApp()
threads: set[str] = set()


@app.route(route="slept/{hours:int}")
@app.durable_client_input(client_name="client")
def slept(req: func.HttpRequest, client: SyncClient) -> str:
    threads.add(threading.current_thread().name)
    started = client.start_new(sleep, client_input=int(req.route_params["hours"]))
    return str(client.wait_for_completion(started).output)


@app.route(route="answered", methods=["POST"])
@app.durable_client_input(client_name="client")
def answered(req: func.HttpRequest, client: SyncClient) -> func.HttpResponse:
    started = client.start_new(sleep, "one", client_input=req.get_json())
    return client.wait_for_completion_or_create_check_status_response(req, started, 10_000, 1_000)


@app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
@app.durable_client_input(client_name="client")
def hourly(timer: func.TimerRequest, client: SyncClient) -> list[str]:
    return sorted(str(each.instance_id) for each in client.get_status_all())


@app.orchestration_trigger(context_name="context")
async def sleep(context: df.DurableOrchestrationContext) -> str:
    await context.create_timer(timedelta(hours=context.get_input()))
    return f"{context.current_utc_datetime:%H:%M}"


@app.activity_trigger(input_name="hours")
@app.durable_client_input(client_name="client")
def sleep_in_turn(hours: list[int], client: SyncClient, context: func.Context) -> list[str]:
    started = [client.start_new(sleep, client_input=each) for each in hours]
    if not started:
        raise ValueError(f"{context.function_name}: nothing to sleep")
    return [client.wait_for_completion(each).output for each in started]


@app.orchestration_trigger(context_name="context")
async def rest(context: df.DurableOrchestrationContext) -> Any:
    return await context.task_all([context.call_activity(sleep_in_turn, hours) for hours in context.get_input()])


def test_a_sync_function_waits_for_an_orchestration_at_virtual_time():
    async def scenario(hub: VirtualHub) -> str:
        return (await hub.triggers.request("GET", "/api/slept/5")).get_body().decode()

    assert play(app, scenario) == "05:00"
    assert threads == {"function slept"}


async def test_sync_functions_wait_side_by_side():
    async with DurableTestEnvironment(app) as env:
        answers = await asyncio.gather(*(env.request("GET", f"/api/slept/{hours}") for hours in (5, 2, 9)))
    assert [answer.get_body() for answer in answers] == [b"05:00", b"02:00", b"09:00"]


def test_a_sync_function_answers_with_links_that_can_be_followed():
    with DurableTestSyncEnvironment(app) as env:
        answer = env.request("POST", "/api/answered", json=1)
        assert answer.status_code == 202
        env.skip(timedelta(hours=1))
        assert env.request("GET", answer.headers["Location"]).status_code == 200
        assert env.fire(hourly) == ["one"]


def test_what_the_client_raises_is_raised_in_the_sync_function_and_in_the_test():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("sleep", "one", 1)
        await hub.triggers.request("POST", "/api/answered", json=1)

    with pytest.raises(df.InstanceAlreadyExistsError):
        play(app, scenario)


def test_sync_activities_wait_side_by_side():
    status = run(app, "rest", [[3, 1], [7]])
    assert status.output == [["03:00", "01:00"], ["07:00"]]


def test_a_sync_activity_that_raises_has_failed():
    status = run(app, "rest", [[]])
    assert status.failure is not None
    assert "sleep_in_turn: nothing to sleep" in status.failure.message


def test_a_double_stands_in_for_a_sync_activity_that_waits():
    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity(sleep_in_turn)
        double.returns("not at all", times=1)
        double.really()
        started = await hub.client.start_new(rest, client_input=[[3], [4]])
        return (await hub.client.wait_for_completion(started)).output

    assert play(app, scenario) == ["not at all", ["04:00"]]


def test_a_function_that_still_waits_ends_with_its_run():
    ended: list[str] = []
    waiting = df.DFApp()

    @waiting.route(route="wait")
    @waiting.durable_client_input(client_name="client")
    def wait(req: func.HttpRequest, client: SyncClient) -> str:
        try:
            client.wait_for_start("one", timeout=3600)
        finally:
            ended.append(threading.current_thread().name)
        return ""

    @waiting.orchestration_trigger(context_name="context")
    async def idle(context: df.DurableOrchestrationContext) -> None: ...

    async def scenario(hub: VirtualHub) -> None:
        await hub.workers[0].stop()
        await hub.client.start_new("idle", "one")
        asking = asyncio.ensure_future(hub.triggers.request("GET", "/api/wait"))
        await asyncio.sleep(1)
        assert not asking.done()

    play(waiting, scenario)
    assert ended == ["function wait"]
