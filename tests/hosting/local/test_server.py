"""HTTP functions served by the local host: requests in, responses out, errors and strangers."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.appsettings import LocalSettings
from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.triggers.functions import sort_functions
from tests.hosting.local.serving import Serve


async def test_a_request_reaches_the_function_with_all_its_parts(app: DFApp, serve: Serve) -> None:
    @app.route(route="items/{id:int}/{*rest}", methods=["POST"])
    def show(req: func.HttpRequest) -> func.HttpResponse:
        told = {
            "method": req.method,
            "url": req.url,
            "headers": [req.headers["x-one"], req.headers["X-Many"]],
            "params": dict(req.params),
            "route": dict(req.route_params),
            "body": req.get_json(),
        }
        return func.HttpResponse(json.dumps(told), status_code=201, mimetype="application/json")

    served = await serve()
    status, headers, body = await served.ask(
        "POST",
        "/API/Items/5/a/b%20c?q=1&q=2&r=%C3%A9",
        json={"a": 1},
        headers=[("X-One", "1"), ("X-Many", "a"), ("X-Many", "b")],
    )
    assert (status, headers["content-type"]) == (201, "application/json")
    told = json.loads(body)
    assert told.pop("url").endswith("/API/Items/5/a/b%20c?q=1&q=2&r=%C3%A9")
    assert told == {
        "method": "POST",
        "headers": ["1", "a,b"],
        "params": {"q": "1,2", "r": "é"},
        "route": {"id": "5", "rest": "a/b c"},
        "body": {"a": 1},
    }


async def test_what_functions_may_return(app: DFApp, serve: Serve) -> None:
    answers: dict[str, Any] = {
        "text": "hällo",
        "bytes": b"\x00\x01",
        "none": None,
        "html": func.HttpResponse("<p>", mimetype="text/html"),
        "json": {"a": 1},
        "redirect": func.HttpResponse(status_code=302, headers={"Location": "/elsewhere"}),
    }
    cookies = func.HttpResponse("x")
    cookies.headers.add("Set-Cookie", "a=1")
    cookies.headers.add("Set-Cookie", "b=2")
    answers["cookies"] = cookies

    @app.route(route="{what}")
    async def answer(req: func.HttpRequest) -> Any:
        return answers[req.route_params["what"]]

    served = await serve(prefix="")
    status, headers, body = await served.ask("GET", "/text")
    assert (status, headers["content-type"], body.decode()) == (200, "text/plain; charset=utf-8", "hällo")
    status, headers, body = await served.ask("GET", "/bytes")
    assert (status, headers["content-type"], body) == (200, "application/octet-stream", b"\x00\x01")
    assert (await served.ask("GET", "/none"))[0::2] == (204, b"")
    assert (await served.ask("GET", "/html"))[1]["content-type"] == "text/html; charset=utf-8"
    assert (await served.ask("GET", "/cookies"))[1].getall("Set-Cookie") == ["a=1", "b=2"]
    status, headers, _ = await served.ask("GET", "/redirect", allow_redirects=False)
    assert (status, headers["location"]) == (302, "/elsewhere")
    assert (await served.ask("HEAD", "/text"))[0::2] == (200, b"")


async def test_a_wrong_result_and_an_exception_are_500_and_logged(
    app: DFApp, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    @app.route(route="wrong")
    def wrong(req: func.HttpRequest) -> Any:
        return {"a": 1}

    @app.route(route="broken")
    def broken(req: func.HttpRequest) -> str:
        raise ValueError("secret detail")

    served = await serve()
    for path in ("/api/wrong", "/api/broken"):
        status, _, body = await served.ask("GET", path)
        assert (status, b"secret" in body) == (500, False)
    assert "returned dict; accepted are func.HttpResponse, str, bytes and None" in caplog.text
    assert "secret detail" in caplog.text
    assert "test_server.py" in caplog.text


async def test_what_is_not_served_is_404(app: DFApp, serve: Serve) -> None:
    @app.route(route="items/{id:int}", methods=["GET"])
    def item(req: func.HttpRequest) -> str:
        return "item"

    served = await serve()
    assert (await served.ask("GET", "/api/items/5"))[0] == 200
    for method, path in [
        ("GET", "/api/items/x"),
        ("POST", "/api/items/5"),
        ("GET", "/items/5"),
        ("GET", "/api//items"),
    ]:
        assert (await served.ask(method, path))[0] == 404, path
    assert (await served.ask("GET", "/"))[0] == 200


async def test_the_route_is_the_functions_name_unless_given(app: DFApp, serve: Serve) -> None:
    @app.function_name("Hello")
    @app.route()
    def hello(req: func.HttpRequest) -> str:
        return "hi"

    served = await serve()
    assert (await served.ask("PATCH", "/api/hello"))[2] == b"hi"


async def test_the_response_may_be_an_output_parameter(app: DFApp, serve: Serve) -> None:
    @app.route(route="out", binding_arg_name="res")
    def out(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
        res.set(func.HttpResponse("set", status_code=202))

    served = await serve()
    assert (await served.ask("GET", "/api/out"))[0::2] == (202, b"set")


async def test_a_function_may_ask_for_its_context(app: DFApp, serve: Serve, tmp_path: Path) -> None:
    @app.route(route="context")
    def show(req: func.HttpRequest, context: func.Context) -> str:
        return f"{context.function_name} {context.function_directory} {context.trace_context.trace_parent}"

    served = await serve()
    _, _, body = await served.ask("GET", "/api/context", headers={"traceparent": "00-abc"})
    assert body.decode() == f"show {tmp_path} 00-abc"


async def test_sync_functions_do_not_hold_each_other_up(app: DFApp, serve: Serve) -> None:
    both = threading.Barrier(2, timeout=10)

    @app.route(route="meet")
    def meet(req: func.HttpRequest) -> str:
        both.wait()
        return str(threading.get_ident())

    served = await serve(PYTHON_THREADPOOL_THREAD_COUNT="2")
    first, second = await asyncio.gather(served.ask("GET", "/api/meet"), served.ask("GET", "/api/meet"))
    assert {first[0], second[0]} == {200}
    assert first[2] != second[2]


async def test_a_body_over_the_limit_is_413(app: DFApp, serve: Serve) -> None:
    @app.route(route="take")
    def take(req: func.HttpRequest) -> str:
        return str(len(req.get_body()))

    served = await serve(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000")
    assert (await served.ask("POST", "/api/take", data=b"x" * 1000))[0::2] == (200, b"1000")
    assert (await served.ask("POST", "/api/take", data=b"x" * 1001))[0] == 413


async def test_stopping_lets_a_request_end(app: DFApp, serve: Serve) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    @app.route(route="slow")
    async def slow(req: func.HttpRequest) -> str:
        entered.set()
        await leave.wait()
        return "done"

    served = await serve()
    request = asyncio.create_task(served.ask("GET", "/api/slow"))
    await entered.wait()
    stopping = asyncio.create_task(served.server.stop())
    leave.set()
    assert (await request)[0::2] == (200, b"done")
    await stopping


async def test_management_requests_come_by_both_mounts(app: DFApp, serve: Serve) -> None:
    served = await serve(prefix="v2")
    for path in ("/v2/durabletask/instances/a%20b", "/Runtime/webhooks/durabletask/instances/a%20b"):
        _, _, body = await served.ask("GET", path)
        told = json.loads(body)
        assert (told["path"], told["trusted"]) == ("/instances/a%20b", True)
        assert told["base"] == served.origin + path.partition("/instances")[0]
    assert (await served.ask("GET", "/v2/durabletasks"))[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "1.2.3.4"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
async def test_pages_and_proxies_are_not_trusted(app: DFApp, serve: Serve, headers: dict[str, str]) -> None:
    served = await serve()
    _, _, body = await served.ask("POST", "/runtime/webhooks/durabletask/orchestrators/x", headers=headers)
    assert json.loads(body)["trusted"] is False


async def test_cors_of_local_settings_is_honoured(app: DFApp, serve: Serve) -> None:
    @app.route(route="x")
    def x(req: func.HttpRequest) -> str:
        return "x"

    served = await serve(local=LocalSettings(cors=("http://a.example",), cors_credentials=True))
    ask = {
        "Origin": "http://a.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "X-A",
    }
    status, headers, _ = await served.ask("OPTIONS", "/api/x", headers=ask)
    assert (status, headers["Access-Control-Allow-Methods"], headers["Access-Control-Allow-Headers"]) == (
        204,
        "PUT",
        "X-A",
    )
    _, headers, _ = await served.ask("GET", "/api/x", headers={"Origin": "http://a.example"})
    assert headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    _, headers, _ = await served.ask("GET", "/api/x", headers={"Origin": "http://b.example"})
    assert "Access-Control-Allow-Origin" not in headers


async def test_a_taken_port_is_told_with_the_next_step(app: DFApp, serve: Serve) -> None:
    first, second = await serve(), await serve()
    port = int(first.origin.rpartition(":")[2])
    with pytest.raises(SettingsError, match=rf"Port {port} on 127\.0\.0\.1 is in use.* --port"):
        await second.server.start("127.0.0.1", port)
    with pytest.raises(SettingsError, match=r"cannot listen on 203\.0\.113\.1"):
        await second.server.start("203.0.113.1", 0)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", "x"), ("PYTHON_THREADPOOL_THREAD_COUNT", "0")],
)
async def test_settings_that_cannot_be_used_are_refused(serve: Serve, setting: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"App setting {setting} is '{value}'"):
        await serve(**{setting: value})


def test_functions_that_need_the_functions_host_are_told_apart(app: DFApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="q", connection="C")
    def on_message(message: func.QueueMessage) -> None: ...

    @app.route(route="x")
    @app.blob_input(arg_name="blob", path="a/b", connection="C")
    def with_blob(req: func.HttpRequest, blob: str) -> str:
        return blob

    functions = sort_functions(app, "api", {})
    assert functions.http == ()
    assert [(left.name, left.trigger, left.reason) for left in functions.left_out] == [
        ("on_message", "queueTrigger", "its trigger needs the Functions host"),
        ("with_blob", "httpTrigger", "its blob binding needs the Functions host"),
    ]


@pytest.mark.parametrize(
    ("setting", "value", "disabled"),
    [
        ("AzureWebJobs.nightly.Disabled", "true", ("nightly",)),
        ("AzureWebJobs__nightly__Disabled", "1", ("nightly",)),
        ("AZUREWEBJOBS.NIGHTLY.DISABLED", " True ", ("nightly",)),
        ("AzureWebJobs.nightly.Disabled", "false", ()),
        ("AzureWebJobs.night.Disabled", "true", ()),
    ],
)
def test_an_app_setting_turns_a_function_off(app: DFApp, setting: str, value: str, disabled: tuple[str, ...]) -> None:
    @app.timer_trigger(arg_name="timer", schedule="0 0 0 * * *")
    def nightly(timer: func.TimerRequest) -> None: ...

    @app.route(route="x")
    def x(req: func.HttpRequest) -> str:
        return "x"

    functions = sort_functions(app, "api", {setting: value})
    assert functions.disabled == disabled
    assert tuple(function.name for function in functions.timers) == (() if disabled else ("nightly",))
    assert [function.name for function in functions.http] == ["x"]


def test_a_function_that_is_turned_off_need_not_be_declared_well(app: DFApp) -> None:
    @app.timer_trigger(arg_name="timer", schedule="%NOT_SET_HERE%")
    def nightly(timer: func.TimerRequest) -> None: ...

    assert sort_functions(app, "api", {"AzureWebJobs.nightly.Disabled": "true"}).timers == ()


def test_a_missing_request_parameter_is_refused(app: DFApp) -> None:
    @app.route(route="x")
    def x(request: func.HttpRequest) -> str:
        return "x"

    with pytest.raises(RegistrationError, match="has no parameter 'req', which route"):
        sort_functions(app, "api", {})


async def test_an_app_may_have_a_function_where_the_monitor_would_be(app: DFApp, serve: Serve) -> None:
    @app.route(route="monitor", methods=["GET"])
    def mine(req: func.HttpRequest) -> str:
        return "mine"

    served = await serve("")
    assert (await served.ask("GET", "/monitor"))[2] == b"mine"
    other = await serve("api")
    status, headers, _ = await other.ask("GET", "/monitor", allow_redirects=False)
    assert (status, headers["Location"]) == (302, "/runtime/webhooks/durabletask/monitor")
    assert (await other.ask("POST", "/monitor", allow_redirects=False))[0] == 404
