"""Orchestrations driven by the triggers of a host: production worker, emulated host, Azurite."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
from urllib.parse import quote

import pytest

from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import KeyName
from tests.functions_worker.conftest import MakeApp, StartHost, finished

pytestmark = [pytest.mark.azurite, pytest.mark.timeout(400)]
APP = """
    import asyncio
    import os
    import time
    from datetime import timedelta
    from pathlib import Path

    import azure.functions as func
    import azure_durable_py as df

    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    FOLDER = Path(__file__).parent

    @app.route(route="start/{name}", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        value = req.get_json() if req.get_body() else None
        instance_id = await client.start_new(req.route_params["name"], client_input=value)
        return client.create_check_status_response(req, instance_id)

    @app.route(route="links/{id}", methods=["GET"])
    @app.durable_client_input(client_name="client")
    def links(req: func.HttpRequest, client: df.DurableOrchestrationClient, context: func.Context) -> func.HttpResponse:
        return client.create_check_status_response(req, req.route_params["id"])

    @app.route(route="wait/{name}", methods=["POST"])
    @app.durable_client_input(client_name="client")
    def wait(req: func.HttpRequest, client: df.DurableOrchestrationSyncClient) -> str:
        instance_id = client.start_new(req.route_params["name"])
        return " and ".join(client.wait_for_completion(instance_id, 60).output)

    @app.orchestration_trigger(context_name="context")
    def chain(context):
        greetings = []
        for name in ("a", "b", "c"):
            greetings.append((yield context.call_activity("hello", name)))
        return greetings

    @app.orchestration_trigger(context_name="context")
    def fan_out(context):
        return sum((yield context.task_all([context.call_activity("double", n) for n in range(context.get_input())])))

    @app.orchestration_trigger(context_name="context")
    def family(context):
        return (yield context.task_all([context.call_sub_orchestrator("child", n) for n in range(12)]))

    @app.orchestration_trigger(context_name="context")
    def child(context):
        yield context.call_activity("sleep", 0.2)
        return context.get_input()

    @app.orchestration_trigger(context_name="context")
    def sleeper(context):
        yield context.call_activity("sleep", context.get_input())
        return "awake"

    @app.orchestration_trigger(context_name="context")
    def timer(context):
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        return "fired"

    @app.orchestration_trigger(context_name="context")
    def counted(context):
        return (yield context.call_activity("count", None))

    @app.activity_trigger(input_name="name")
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.activity_trigger(input_name="n")
    async def double(n: int) -> int:
        await asyncio.sleep(0.01)
        return 2 * n

    @app.activity_trigger(input_name="seconds")
    def sleep(seconds: float) -> None:
        with (FOLDER / "runs.txt").open("a") as runs:
            runs.write("run\\n")
        time.sleep(seconds)
"""


async def test_a_chain_runs_and_its_management_urls_answer(make_app: MakeApp, start_host: StartHost):
    host = await start_host(make_app(APP))
    answer = await host.request("POST", "start/chain")
    assert answer["status"] == 202
    status = await finished(host, answer)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", ["Hello a", "Hello b", "Hello c"])
    assert host.failures == []


async def test_a_sync_function_gets_its_client_before_anything_opened_the_hub(make_app: MakeApp, start_host: StartHost):
    host = await start_host(make_app(APP))
    answer = await host.request("GET", "links/some-instance")
    urls = json.loads(answer["body"])
    assert urls["statusQueryGetUri"].startswith("http://localhost:7071/api/durabletask/instances/some-instance?")


async def test_a_sync_function_waits_while_the_worker_goes_on(make_app: MakeApp, start_host: StartHost):
    host = await start_host(make_app(APP))
    answers = await asyncio.gather(*(host.request("POST", "wait/chain") for _ in range(4)))
    assert answers == ["Hello a and Hello b and Hello c"] * 4
    assert host.failures == []


async def test_an_unsigned_management_request_is_refused(make_app: MakeApp, start_host: StartHost):
    host = await start_host(make_app(APP))
    answer = await host.request("GET", "durabletask/instances/some-instance")
    assert answer["status"] == 401


async def test_the_monitor_is_served_and_its_data_needs_the_key(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str
):
    host = await start_host(make_app(APP))
    await finished(host, await host.request("POST", "start/chain"))
    page = await host.request("GET", "durabletask/monitor")
    assert (page["status"], "<!doctype html>" in page["body"]) == (200, True)
    script = re.findall(r'src="([^"]+)"', page["body"])[0]
    assert (await host.request("GET", f"durabletask/{script}"))["status"] == 200
    assert (await host.request("GET", "durabletask/monitor/api/instances"))["status"] == 401
    hub = TaskHub(AzureStore(StorageConnection.from_connection_string(azurite), hub_name=hub_name))
    await hub.open()
    key = quote((await hub.keys.current()).key(KeyName.parse("system/durabletask_extension")).value, safe="")
    await hub.close()
    answer = await host.request("GET", f"durabletask/monitor/api/instances?status=Completed&code={key}")
    assert answer["status"] == 200
    assert {name.lower(): value for name, value in answer["headers"].items()}["x-frame-options"] == "DENY"
    [item] = json.loads(answer["body"])["items"]
    assert (item["name"], item["runtimeStatus"]) == ("chain", "Completed")
    path = f"durabletask/monitor/api/instances/{item['instanceId']}/timeline?code={key}"
    steps = json.loads((await host.request("GET", path))["body"])["steps"]
    assert [(step["name"], step["outcome"]) for step in steps] == [("hello", "completed")] * 3
    assert host.failures == []


async def test_a_surplus_of_activities_goes_through_the_queue(make_app: MakeApp, start_host: StartHost):
    durable = {"maxConcurrentActivityFunctions": 2}
    host = await start_host(make_app(APP, extensions={"durableTask": durable}))
    status = await finished(host, await host.request("POST", "start/fan_out", 40))
    assert status["output"] == sum(2 * n for n in range(40))
    assert host.failures == []


async def test_a_durable_timer_fires(make_app: MakeApp, start_host: StartHost):
    host = await start_host(make_app(APP))
    assert (await finished(host, await host.request("POST", "start/timer")))["output"] == "fired"


async def test_more_parents_than_invocations_do_not_starve_their_children(make_app: MakeApp, start_host: StartHost):
    queues = {"batchSize": 2, "newBatchThreshold": 1}
    host = await start_host(make_app(APP, extensions={"queues": queues, "durableTask": {}}))
    answers = [await host.request("POST", "start/family") for _ in range(4)]
    for answer in answers:
        assert (await finished(host, answer))["output"] == list(range(12))


async def test_a_slow_activity_does_not_hold_its_invocation(make_app: MakeApp, start_host: StartHost):
    waits = """
    @app.orchestration_trigger(context_name="context")
    def patient(context):
        return (yield context.call_activity("wait_for_leave", None))

    @app.activity_trigger(input_name="nothing")
    def wait_for_leave(nothing) -> str:
        while not (FOLDER / "leave.txt").exists():
            time.sleep(0.05)
        return "left"
    """
    directory = make_app(
        APP + waits, extensions={"queues": {"batchSize": 1, "newBatchThreshold": 0}, "durableTask": {}}
    )
    host = await start_host(directory)
    slow = await host.request("POST", "start/patient")
    assert (await finished(host, await host.request("POST", "start/chain")))["runtimeStatus"] == "Completed"
    (directory / "leave.txt").touch()
    assert (await finished(host, slow))["output"] == "left"


async def test_work_that_died_with_its_process_is_done_again(make_app: MakeApp, start_host: StartHost):
    directory = make_app(APP)
    host = await start_host(directory)
    answer = await host.request("POST", "start/sleeper", 1)
    while not (directory / "runs.txt").exists():
        await asyncio.sleep(0.05)
    await host.kill_worker()
    await host.restart_worker(host.worker)
    assert (await finished(host, answer))["output"] == "awake"
    assert (directory / "runs.txt").read_text().count("run") >= 2


async def test_messages_without_base64(make_app: MakeApp, start_host: StartHost):
    queues = {"messageEncoding": "none"}
    host = await start_host(make_app(APP, extensions={"queues": queues, "durableTask": {}}))
    assert (await finished(host, await host.request("POST", "start/chain")))["runtimeStatus"] == "Completed"


async def test_duplicate_deliveries_change_nothing(make_app: MakeApp, start_host: StartHost):
    durable = {"maxConcurrentActivityFunctions": 2}
    host = await start_host(make_app(APP, extensions={"durableTask": durable}), duplicates=0.5)
    answers = [await host.request("POST", f"start/{name}", 20) for name in ("chain", "fan_out", "family")]
    outputs = [(await finished(host, answer))["output"] for answer in answers]
    assert outputs == [["Hello a", "Hello b", "Hello c"], sum(2 * n for n in range(20)), list(range(12))]


async def test_an_app_that_streams_http_has_its_clients_and_management_urls(make_app: MakeApp, start_host: StartHost):
    # Not imported here: that alone switches a process to streaming.
    if (
        importlib.util.find_spec("fastapi") is None
        or importlib.util.find_spec("azurefunctions.extensions.http") is None
    ):
        pytest.skip("azurefunctions-extensions-http-fastapi is not installed")
    host = await start_host(
        make_app("""
        import azure.functions as func
        import azure_durable_py as df
        from azurefunctions.extensions.http.fastapi import JSONResponse, Request, StreamingResponse

        app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

        @app.route(route="start", methods=["POST"])
        @app.durable_client_input(client_name="client")
        async def start(req: Request, client):
            instance_id = await client.start_new("echo", client_input=await req.json())
            return client.create_check_status_response(req, instance_id)

        @app.route(route="stream", methods=["GET"])
        async def stream(req: Request) -> StreamingResponse:
            async def parts():
                yield "one "
                yield "two"
            return StreamingResponse(parts())

        @app.orchestration_trigger(context_name="context")
        def echo(context):
            return context.get_input()
    """)
    )
    assert (await host.request("GET", "stream"))["body"] == "one two"
    status = await finished(host, await host.request("POST", "start", {"a": 1}))
    assert status["output"] == {"a": 1}


@pytest.mark.slow
async def test_an_activity_that_ends_its_process_again_and_again_is_given_up_and_the_host_goes_on(
    make_app: MakeApp, start_host: StartHost
):
    deadly = """
    @app.orchestration_trigger(context_name="context")
    def doomed(context):
        yield context.call_activity("die", None)

    @app.activity_trigger(input_name="nothing")
    def die(nothing) -> None:
        with (FOLDER / "deaths.txt").open("a") as deaths:
            deaths.write("death\\n")
        os._exit(1)
    """
    directory = make_app(APP + deadly)
    host = await start_host(directory, visibility=2)
    doomed = await finished(host, await host.request("POST", "start/doomed"), timeout=240)
    # Not at the same time: an activity that is in hand at each of the deaths counts them, too.
    chain = await finished(host, await host.request("POST", "start/chain"))
    assert chain["runtimeStatus"] == "Completed"
    assert doomed["runtimeStatus"] == "Failed"
    assert "WorkGivenUpError: The message for activity 'die' of instance" in doomed["output"]
    # Those that maxDequeueCount allows, and the first one, before its work item was in the queue.
    assert (directory / "deaths.txt").read_text().count("death") <= 6
    assert "is given up: The message for activity 'die'" in host.worker.log()
