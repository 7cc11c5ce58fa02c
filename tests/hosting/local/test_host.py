"""A whole app on the local host: durable functions over HTTP, on the embedded hub."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.web
import pytest
from aiohttp.test_utils import TestServer

from azure_durable_py.errors import RegistrationError, SettingsError, StorageUnavailableError
from azure_durable_py.hosting.local.console import banner, configure_logging
from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.logs.formats import LineFormatter
from azure_durable_py.taskhub.keyring import KeyName

APP = """
import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

@app.route(route="start/{name}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client) -> func.HttpResponse:
    instance_id = await client.start_new(req.route_params["name"], client_input=req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(req, instance_id, 10000, 20)

@app.route(route="start-async")
@app.durable_client_input(client_name="client")
async def start_async(req: func.HttpRequest, client) -> func.HttpResponse:
    return client.create_check_status_response(req, await client.start_new("chain", client_input=["a"]))

@app.route(route="start-and-wait", methods=["POST"])
@app.durable_client_input(client_name="client")
def start_wait(req: func.HttpRequest, client: df.DurableOrchestrationSyncClient) -> str:
    instance_id = client.start_new("chain", client_input=req.get_json())
    links = client.create_http_management_payload(instance_id)
    return " ".join([*client.wait_for_completion(instance_id, 30).output, str(links["id"] == instance_id)])

@app.route(route="other")
@app.durable_client_input(client_name="other", task_hub="%OTHER_HUB%")
@app.durable_client_input(client_name="own", task_hub="samplehub")
def hubs(req: func.HttpRequest, other, own) -> str:
    return f"{other.task_hub_name} {own.task_hub_name}"

@app.orchestration_trigger(context_name="context")
def chain(context):
    greetings = []
    for city in context.get_input():
        greetings.append((yield context.call_activity(say_hello, city)))
    return greetings

@app.activity_trigger(input_name="city")
def say_hello(city: str) -> str:
    return f"Hello {city}!"

@app.activity_trigger(input_name="_")
@app.durable_client_input(client_name="client")
def which_hub(_, client, context) -> str:
    return f"{client.task_hub_name} {context.function_name}"

@app.orchestration_trigger(context_name="context")
def ask(context):
    return (yield context.call_activity("which_hub", None))

@app.route(route="elsewhere")
@app.durable_client_input(client_name="client")
async def elsewhere(req: func.HttpRequest, client) -> str:
    try:
        await client.raise_event("nobody", "news", task_hub_name="ThirdHub")
    except df.InstanceNotFoundError:
        return "asked the third hub"

@app.orchestration_trigger(context_name="context")
def fetch(context):
    response = yield context.call_http("POST", context.get_input(), {"city": "Oslo"})
    return [response["statusCode"], response["content"]]

@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def on_start(timer: func.TimerRequest, context: func.Context) -> None:
    import os
    os.environ["TIMER_RAN"] = context.function_name

@app.queue_trigger(arg_name="m", queue_name="q", connection="C")
def on_message(m: func.QueueMessage) -> None: ...
"""

pytestmark = pytest.mark.usefixtures("clean_process")


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP)
    host = {"version": "2.0", "extensions": {"durableTask": {"hubName": "SampleHub"}, "http": {"routePrefix": "v1"}}}
    (tmp_path / "host.json").write_text(json.dumps(host))
    (tmp_path / "local.settings.json").write_text('{"Values": {"OTHER_HUB": "OtherHub"}}')
    return tmp_path


@pytest.fixture
async def host(app_dir: Path) -> AsyncIterator[LocalHost]:
    host = LocalHost(Options(app_dir, port=0, storage="memory"), {})
    yield host
    await host.stop()


async def test_an_orchestration_runs_from_http_to_its_result(host: LocalHost) -> None:
    served = await host.start()
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{served.origin}/v1/start/chain", json=["Tokyo", "Oslo"]) as response:
            assert (response.status, await response.json(content_type=None)) == (200, ["Hello Tokyo!", "Hello Oslo!"])
        async with session.post(f"{served.origin}/v1/start/ask", json={}) as response:
            assert (await response.text(), response.content_type) == ("SampleHub which_hub", "application/json")


async def test_a_sync_function_waits_for_an_orchestration_without_stopping_the_host(host: LocalHost) -> None:
    served = await host.start()

    async def ask(session: aiohttp.ClientSession, city: str) -> str:
        async with session.post(f"{served.origin}/v1/start-and-wait", json=[city]) as response:
            return await response.text()

    async with aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(ask(session, f"city {number}") for number in range(5)))
    assert answers == [f"Hello city {number}! True" for number in range(5)]


async def test_an_orchestration_makes_an_http_call_and_looks_again(app_dir: Path) -> None:
    settings = {"hubName": "SampleHub", "httpSettings": {"defaultAsyncRequestSleepTimeMilliseconds": 10}}
    (app_dir / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": settings}}))
    asked: list[tuple[str, str, bytes]] = []

    async def answer(request: aiohttp.web.Request) -> aiohttp.web.Response:
        asked.append((request.method, request.path_qs, await request.read()))
        if len(asked) < 3:
            return aiohttp.web.Response(status=202, headers={"Location": "state?of=it"})
        return aiohttp.web.Response(text="rain")

    site = aiohttp.web.Application()
    site.router.add_route("*", "/{rest:.*}", answer)
    server = TestServer(site, host="127.0.0.1")
    await server.start_server()
    host = LocalHost(Options(app_dir, port=0, storage="memory"), {})
    served = await host.start()
    url = str(server.make_url("/jobs/new"))
    start = f"{served.origin}/api/start/fetch"
    async with aiohttp.ClientSession() as session, session.post(start, json=url) as response:
        assert await response.json(content_type=None) == [200, "rain"]
    await host.stop()
    await server.close()
    assert asked == [("POST", "/jobs/new", b'{"city": "Oslo"}'), *[("GET", "/jobs/state?of=it", b"")] * 2]


async def test_management_urls_lead_to_the_instance(host: LocalHost) -> None:
    served = await host.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.origin}/v1/start-async") as response:
            assert response.status == 202
            payload = await response.json()
        assert payload["statusQueryGetUri"].startswith(f"{served.origin}/runtime/webhooks/durabletask/instances/")
        status = 202
        while status == 202:
            async with session.get(payload["statusQueryGetUri"]) as response:
                status, told = response.status, await response.json()
        assert (status, told["output"]) == (200, ["Hello a!"])
        url = f"{served.origin}/v1/durabletask/instances/{payload['id']}"
        async with session.get(url, headers={"Host": "evil.example"}) as response:
            assert response.status == 401
        async with session.get(url) as response:
            assert response.status == 200


async def test_the_monitor_is_found_and_shows_the_hub(host: LocalHost) -> None:
    served = await host.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.origin}/v1/start-async") as response:
            instance_id = (await response.json())["id"]
        for place in ("monitor", "monitor/", "v1/durabletask/monitor"):
            async with session.get(f"{served.origin}/{place}") as response:
                assert (response.status, response.content_type) == (200, "text/html")
                assert response.url.path.endswith("/durabletask/monitor")
                page = await response.text()
        script = re.findall(r'src="([^"]+)"', page)[0]
        base = f"{served.origin}/runtime/webhooks/durabletask"
        async with session.get(f"{base}/{script}") as response:
            assert (response.status, response.content_type) == (200, "text/javascript")
        async with session.get(f"{base}/monitor/api/overview") as response:
            overview = await response.json()
        assert (overview["name"], overview["app"]["activities"]) == ("SampleHub", ["say_hello", "which_hub"])
        async with session.get(f"{base}/monitor/api/instances") as response:
            assert [item["instanceId"] for item in (await response.json())["items"]] == [instance_id]
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        # A page of somebody else, in a browser on this machine.
        async with session.get(f"{base}/monitor/api/instances", headers={"Origin": "https://evil.example"}) as response:
            assert response.status == 401


async def test_anybody_may_ask_whether_the_worker_does_its_work(host: LocalHost) -> None:
    served = await host.start()
    url, stranger = f"{served.origin}/runtime/health", {"Host": "evil.example", "X-Forwarded-For": "203.0.113.9"}
    async with aiohttp.ClientSession(headers=stranger) as session:
        async with session.get(url) as response:
            assert response.status == 200
            told = await response.json()
            assert told["status"] == "healthy"
            assert set(told["tasks"]) == {"holds", "doorbells 1", "work items", "repair"}
            assert {task["status"] for task in told["tasks"].values()} == {"running"}
        assert host.engine.health is not None
        host.engine.health.failed("work items", ValueError("the secret of SampleHub"))
        async with session.get(url) as response:
            assert response.status == 503
            told = await response.json()
            assert told["status"] == "unhealthy"
            assert set(told["tasks"]["work items"]) == {"status", "since", "restarts"}
            assert told["tasks"]["work items"]["status"] == "failing"
            assert "samplehub" not in (await response.text()).lower()
        await host.engine.stop(0.0)
        async with session.get(url) as response:
            assert (response.status, await response.json()) == (503, {"status": "not running"})
        async with session.post(url) as response:
            assert response.status == 404


async def test_a_client_of_another_hub_is_another_client(host: LocalHost) -> None:
    served = await host.start()
    async with aiohttp.ClientSession() as session, session.get(f"{served.origin}/v1/other") as response:
        assert await response.text() == "OtherHub SampleHub"


async def test_a_hub_named_while_running_is_opened_when_used(host: LocalHost) -> None:
    served = await host.start()
    async with aiohttp.ClientSession() as session, session.get(f"{served.origin}/v1/elsewhere") as response:
        assert await response.text() == "asked the third hub"


async def test_timers_run_and_get_their_context(host: LocalHost) -> None:
    await host.start()
    while "TIMER_RAN" not in os.environ:
        await asyncio.sleep(0.01)
    assert os.environ["TIMER_RAN"] == "on_start"


async def test_the_banner_tells_what_is_served_and_where(host: LocalHost, app_dir: Path) -> None:
    served = await host.start()
    text = banner(served, color=False)
    for line in [
        f"start:       [POST] {served.origin}/v1/start/{{name}}",
        "chain:       orchestrationTrigger",
        "say_hello:   activityTrigger",
        "on_start:    timerTrigger",
        "on_message: queueTrigger: its trigger needs the Functions host",
        "Storage         SQLite hub SampleHub (in memory)",
        f"Monitor         {served.origin}/runtime/webhooks/durabletask/monitor",
        f"Management API  {served.origin}/runtime/webhooks/durabletask",
        str(app_dir),
    ]:
        assert line in text
    assert "\x1b[" not in text
    assert "\x1b[" in banner(served, color=True)


async def test_a_function_that_the_settings_turn_off_is_told_and_does_not_run(app_dir: Path) -> None:
    settings = {"Values": {"OTHER_HUB": "OtherHub", "AzureWebJobs.on_start.Disabled": "true"}}
    (app_dir / "local.settings.json").write_text(json.dumps(settings))
    host = LocalHost(Options(app_dir, port=0, storage="memory"), {})
    try:
        served = await host.start()
    finally:
        await host.stop()
    assert "on_start:    disabled by an app setting" in banner(served, color=False)
    assert "TIMER_RAN" not in os.environ


async def test_an_app_whose_folder_cannot_be_written_runs_and_its_missed_timers_stay_missed(
    app_dir: Path, tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    (app_dir / ".azure-durable").write_text("a file stands where the folder would be made")
    elsewhere = tmp_path_factory.mktemp("data") / "hub.db"
    host = LocalHost(Options(app_dir, port=0, storage=f"sqlite:{elsewhere}"), {})
    try:
        await host.start()
        while "missed timers will stay missed" not in caplog.text:
            await asyncio.sleep(0.01)
        async with aiohttp.ClientSession() as session, session.get(f"{host.origin}/readyz") as response:
            assert response.status == 200
    finally:
        await host.stop()


async def test_work_survives_a_restart_on_a_file(app_dir: Path) -> None:
    for attempt in range(2):
        host = LocalHost(Options(app_dir, port=0, storage="sqlite"), {})
        try:
            await host.start()
            client = host.engine.client
            if attempt == 0:
                await client.start_new("chain", "kept", ["x"])
            status: Any = await client.wait_for_completion("kept", 10)
            assert status.output == ["Hello x!"]
        finally:
            await host.stop()
    assert (app_dir / ".azure-durable" / "SampleHub.db").exists()


def test_local_settings_reach_the_environment_of_user_code(app_dir: Path) -> None:
    environ = {"OTHER_HUB": "FromEnvironment"}
    (app_dir / "local.settings.json").write_text('{"Values": {"OTHER_HUB": "File", "MORE": "1"}}')
    LocalHost(Options(app_dir, storage="memory"), environ)
    assert environ == {"OTHER_HUB": "FromEnvironment", "MORE": "1"}


async def test_the_port_of_local_settings_is_used_unless_one_is_given(app_dir: Path) -> None:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        (app_dir / "local.settings.json").write_text(
            json.dumps({"Values": {"OTHER_HUB": "OtherHub"}, "Host": {"LocalHttpPort": port}})
        )
        with pytest.raises(SettingsError, match=f"Port {port} on .* is in use"):
            await LocalHost(Options(app_dir, storage="memory"), {}).start()


async def test_storage_that_does_not_answer_is_told_with_the_next_step(app_dir: Path) -> None:
    connection = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=c2VjcmV0;"
        "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;TableEndpoint=http://127.0.0.1:9/devstoreaccount1"
    )
    host = LocalHost(Options(app_dir, port=0, storage="Nowhere"), {"Nowhere": connection})
    with pytest.raises(StorageUnavailableError, match=r"does not answer .*npx azurite.*--storage sqlite"):
        await host.start()
    await host.stop()


@pytest.mark.parametrize(
    ("file", "text", "error", "message"),
    [
        ("host.json", "{", SettingsError, r"host\.json, line 1"),
        ("host.json", '{"extensions": {"http": {"routePrefix": 5}}}', SettingsError, "routePrefix is 5"),
        ("host.json", '{"extensions": {"durableTask": {"hubName": "-"}}}', SettingsError, "hubName is '-'"),
        ("local.settings.json", '{"IsEncrypted": true}', SettingsError, "is encrypted"),
        ("function_app.py", "1/0", RegistrationError, "ZeroDivisionError"),
    ],
)
def test_a_broken_app_is_refused_before_anything_starts(
    app_dir: Path, file: str, text: str, error: type[Exception], message: str
) -> None:
    (app_dir / file).write_text(text)
    with pytest.raises(error, match=message):
        LocalHost(Options(app_dir, storage="memory"), {})


async def test_a_client_that_refers_to_a_missing_setting_is_refused(app_dir: Path) -> None:
    (app_dir / "local.settings.json").unlink()
    with pytest.raises(SettingsError, match="task_hub in durable_client_input of 'other' is '%OTHER_HUB%'"):
        await LocalHost(Options(app_dir, port=0, storage="memory"), {}).start()


def test_warnings_and_errors_are_coloured_on_a_terminal_only() -> None:
    record = logging.LogRecord("app", logging.ERROR, "f.py", 1, "no %s", ("way",), None)
    assert LineFormatter(color=False).format(record).endswith("ERROR   app: no way")
    assert LineFormatter(color=True).format(record).startswith("\x1b[31m")


def test_logging_that_the_app_set_up_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = logging.NullHandler()
    monkeypatch.setattr(logging.root, "handlers", [mine])
    configure_logging(logging.INFO)
    assert logging.root.handlers == [mine]


# --- who may call --------------------------------------------------------------------------------------------


@pytest.fixture
async def reachable(app_dir: Path) -> AsyncIterator[LocalHost]:
    options = Options(app_dir, host="0.0.0.0", port=0, storage="sqlite:hub.db", public_url="https://shop.example")
    host = LocalHost(options, {})
    yield host
    await host.stop()


async def test_a_host_that_others_reach_asks_for_keys(reachable: LocalHost) -> None:
    served = await reachable.start()
    ring = reachable.engine.hub.keys.known
    key = ring.key(KeyName.parse("function/start_async")).value
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{served.origin}/v1/start-async") as response:
            assert (response.status, await response.read()) == (401, b"")
        async with session.get(f"{served.origin}/v1/other", headers={"x-functions-key": key}) as response:
            assert response.status == 401
        async with session.get(f"{served.origin}/v1/start-async", params={"code": key}) as response:
            assert response.status == 202
            look = (await response.json())["statusQueryGetUri"]
        # However it is called, links carry the public origin; only they open the management API without a key.
        assert look.startswith("https://shop.example/runtime/webhooks/durabletask/instances/")
        path = look.removeprefix("https://shop.example")
        async with session.get(f"{served.origin}{path}") as response:
            assert response.status in (200, 202)
        for url in (path.partition("?")[0], "/runtime/webhooks/durabletask/instances"):
            async with session.get(f"{served.origin}{url}") as response:
                assert response.status == 401
        system = ring.key(KeyName.parse("system/durabletask_extension")).value
        async with session.get(f"{served.origin}/v1/durabletask/instances", params={"code": system}) as response:
            assert response.status == 200
        # The page is for anybody; what it shows is not.
        async with session.get(f"{served.origin}/monitor") as response:
            assert response.status == 200
        data = f"{served.origin}/runtime/webhooks/durabletask/monitor/api/overview"
        for headers, status in (({}, 401), ({"x-functions-key": key}, 401), ({"x-functions-key": system}, 200)):
            async with session.get(data, headers=headers) as response:
                assert response.status == status


async def test_the_banner_tells_how_to_get_a_key_and_no_key(reachable: LocalHost) -> None:
    served = await reachable.start()
    text = banner(served, color=False)
    assert "azure-durable hub keys" in text
    assert "asks for a key" in text
    ring = reachable.engine.hub.keys.known
    assert not [name for name, key in ring.keys.items() if key.value in text]


async def test_a_host_in_memory_that_asks_for_keys_says_that_nobody_has_them(app_dir: Path) -> None:
    host = LocalHost(Options(app_dir, port=0, storage="memory", enable_auth=True), {})
    served = await host.start()
    text = banner(served, color=False)
    await host.stop()
    assert "cannot be seen from outside" in text
    assert "hub keys" not in text


async def test_a_host_that_only_this_machine_reaches_does_not_speak_of_keys(host: LocalHost) -> None:
    text = banner(await host.start(), color=False)
    assert "key" not in text.lower()


async def test_links_do_not_go_where_a_caller_says(host: LocalHost) -> None:
    served = await host.start()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{served.origin}/v1/start-async", headers={"Host": "evil.example"}) as response,
    ):
        assert response.status == 202
        assert "evil" not in await response.text()
        assert response.headers["Location"].startswith(served.origin)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"host": "0.0.0.0", "trust_local": True}, "--trust-local"),
        ({"public_url": "shop.example"}, "--public-url"),
    ],
    ids=["trust", "url"],
)
def test_options_that_cannot_be_are_refused(app_dir: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        LocalHost(Options(app_dir, port=0, storage="memory", **options), {})


def test_a_setting_may_say_the_public_url(app_dir: Path) -> None:
    with pytest.raises(SettingsError, match="AZURE_DURABLE_PUBLIC_URL is 'nonsense'"):
        LocalHost(Options(app_dir, storage="memory"), {"AZURE_DURABLE_PUBLIC_URL": "nonsense"})
