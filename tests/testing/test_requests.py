"""`request`: HTTP functions and the management API in a test, without a server."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.errors import RegistrationError
from azure_durable_py.testing import (
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    FunctionOutput,
    VirtualHub,
    play,
)
from azure_durable_py.testing.ordinary.triggers import Triggers
from azure_durable_py.testing.virtual.hub import EPOCH

Client = df.DurableOrchestrationClient
app = df.DFApp(http_auth_level=func.AuthLevel.ADMIN)


@app.route(route="items/{id:int}/{*rest}", methods=["GET", "PUT"])
def item(req: func.HttpRequest) -> func.HttpResponse:
    told = {
        "method": req.method,
        "url": req.url,
        "route": dict(req.route_params),
        "params": dict(req.params),
        "header": req.headers.get("X-Shop"),
        "type": req.headers.get("Content-Type"),
        "host": req.headers["host"],
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(told), status_code=201, headers={"X-Told": "yes"}, mimetype="application/json")


@app.route(route="results/{what}")
async def result(req: func.HttpRequest) -> Any:
    results = {"text": "Grüße", "bytes": b"\x00\x01", "nothing": None, "dict": {"not": "a response"}}
    return results[req.route_params["what"]]


@app.route(route="out", binding_arg_name="response")
def out(req: func.HttpRequest, response: func.Out[str], context: func.Context) -> None:
    response.set(f"{context.function_name} {context.trace_context.trace_parent}")


@app.route(route="queued")
@app.queue_output(arg_name="message", queue_name="orders", connection="Storage")
def queued(req: func.HttpRequest, message: func.Out[str]) -> str:
    message.set(f"order of {req.params['who']}")
    if req.params["who"] == "nobody":
        raise LookupError("nobody orders")
    return "ordered"


@app.route(route="documents")
@app.blob_input(arg_name="document", path="documents/one", connection="Storage")
def document(req: func.HttpRequest, document: str) -> str:
    return document


class Request:
    """As FastAPI's."""


Request.__module__ = "starlette.requests"


@app.route(route="stream")
def stream(req: Request) -> str:
    return "streamed"


@app.route(route="orders/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def order(req: func.HttpRequest, client: Client) -> func.HttpResponse:
    await client.start_new(deliver, req.route_params["id"], req.get_json())
    return client.create_check_status_response(req, req.route_params["id"])


@app.route(route="waited/{id}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def waited(req: func.HttpRequest, client: Client) -> func.HttpResponse:
    await client.start_new(deliver, req.route_params["id"], req.get_json())
    return await client.wait_for_completion_or_create_check_status_response(req, req.route_params["id"], 5000, 1000)


@app.orchestration_trigger(context_name="context")
async def deliver(context: df.DurableOrchestrationContext) -> str:
    order: dict[str, Any] = context.get_input()
    if order.get("ask"):
        order["what"] = await context.wait_for_external_event("What")
    await context.create_timer(timedelta(seconds=order.get("seconds", 0)))
    return await context.call_activity(hand_over, order["what"])


@app.activity_trigger(input_name="what")
def hand_over(what: str) -> str:
    if what == broken[0]:
        raise ValueError(f"{what} is broken")
    return f"here is {what}"


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())


@app.activity_trigger(input_name="id")
@app.durable_client_input(client_name="client")
def link_of(id: str, client: Client) -> str:
    return client.create_http_management_payload(id)["statusQueryGetUri"]


@app.orchestration_trigger(context_name="context")
async def find_link(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(link_of, context.get_input())


broken = [""]


def asking(*asked: Any, **more: Any) -> func.HttpResponse:
    """The answer to one request to the app."""
    return play(app, lambda hub: hub.triggers.request(*asked, **more))


def json_of(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


# --- functions ----------------------------------------------------------------------------------------------


def test_a_function_gets_the_request_by_its_route():
    response = asking(
        "put", "/api/Items/7/a/b?x=1&x=2", params={"y": "ä b"}, json={"n": 1}, headers={"X-Shop": "corner"}
    )
    assert (response.status_code, response.mimetype) == (201, "application/json")
    assert dict(response.headers) == {"X-Told": "yes", "Content-Type": "application/json"}
    assert json_of(response) == {
        "method": "PUT",
        "url": "http://localhost:7071/api/Items/7/a/b?x=1&x=2&y=%C3%A4+b",
        "route": {"id": "7", "rest": "a/b"},
        "params": {"x": "1,2", "y": "ä b"},
        "header": "corner",
        "type": "application/json",
        "host": "localhost:7071",
        "body": '{"n": 1}',
    }


def test_a_url_may_be_whole():
    told = json_of(asking("GET", "https://shop.test/api/items/7/ü?q=a b", body="text"))
    assert (told["url"], told["host"]) == ("https://shop.test/api/items/7/%C3%BC?q=a%20b", "shop.test")
    assert (told["route"]["rest"], told["params"], told["body"]) == ("ü", {"q": "a b"}, "text")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (("GET", "items/7"), "begins without a slash.*'/api/items/7'"),
        (("GET", "ftp://localhost/items"), "no address of an app"),
        (("GET", ""), "begins without a slash"),
    ],
)
def test_what_is_no_address_is_told(asked: tuple[str, str], why: str):
    with pytest.raises(ValueError, match=why):
        asking(*asked)


def test_a_route_that_is_not_there_is_told_with_those_that_are(caplog: pytest.LogCaptureFixture):
    asking("GET", "/items/7")
    assert "GET /items/7 is not found. The functions are at: " in caplog.text
    assert ", GET|PUT /api/items/{id:int}/{*rest}, POST /api/orders/{id}, " in caplog.text


def test_a_body_is_bytes_or_text():
    with pytest.raises(TypeError, match=r"is a dict; accepted are bytes and str\. For JSON give `json`"):
        asking("PUT", "/api/items/7", body={"n": 1})


def test_a_request_has_one_body():
    with pytest.raises(TypeError, match="not both"):
        asking("PUT", "/api/items/7", json=1, body="1")


@pytest.mark.parametrize(
    ("what", "status", "kind", "body"),
    [
        ("text", 200, "text/plain; charset=utf-8", "Grüße".encode()),
        ("bytes", 200, "application/octet-stream", b"\x00\x01"),
        ("nothing", 204, None, b""),
    ],
)
def test_a_result_becomes_an_answer(what: str, status: int, kind: str | None, body: bytes):
    response = asking("GET", f"/api/results/{what}")
    assert (response.status_code, response.headers.get("Content-Type"), response.get_body()) == (status, kind, body)


def test_a_result_that_is_no_answer_is_told():
    with pytest.raises(TypeError, match=r"returned dict; .*json\.dumps"):
        asking("GET", "/api/results/dict")
    assert asking("GET", "/api/results/dict", raise_errors=False).status_code == 500


def test_an_out_parameter_may_be_the_answer():
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    assert asking("GET", "/api/out", headers={"traceparent": trace}).get_body() == f"out {trace}".encode()


@pytest.mark.parametrize(("method", "path"), [("DELETE", "/api/items/7"), ("GET", "/api/items/x"), ("GET", "/items/7")])
def test_what_no_function_serves_is_not_found(method: str, path: str):
    response = asking(method, path)
    assert (response.status_code, response.get_body()) == (404, f"No function serves {method} {path}.\n".encode())


def test_the_answer_to_head_has_no_body():
    response = asking("HEAD", "/")
    assert (response.status_code, response.get_body()) == (200, b"")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_what_a_function_raises_is_raised_with_its_own_stack():
    with pytest.raises(KeyError) as raised:
        asking("GET", "/api/results/unknown")
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "result"


def test_what_a_function_raises_is_answered_where_that_is_asked_for(caplog: pytest.LogCaptureFixture):
    response = asking("GET", "/api/results/unknown", raise_errors=False)
    assert (response.status_code, response.get_body()) == (
        500,
        b"Function 'result' failed; the host's log tells why.\n",
    )
    assert "KeyError" in caplog.text


def test_what_a_function_gives_to_its_outputs_is_kept():
    async def scenario(hub: VirtualHub) -> list[FunctionOutput]:
        assert (await hub.triggers.request("GET", "/api/queued?who=Ada")).get_body() == b"ordered"
        assert (await hub.triggers.request("GET", "/api/queued?who=nobody", raise_errors=False)).status_code == 500
        return hub.triggers.outputs

    assert play(app, scenario) == [FunctionOutput("queued", "message", "order of Ada")]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (
            "/api/documents",
            r"more than a request: 'document', a binding blob.*fire\('document', .*document=\.\.\.\)",
        ),
        ("/api/stream", r"a request of FastAPI.*fire\('stream', req=\.\.\.\)"),
    ],
)
def test_a_function_that_needs_more_than_a_request_is_refused(path: str, why: str):
    with pytest.raises(TypeError, match=why):
        asking("GET", path)


def test_a_function_that_a_setting_turns_off_is_not_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AzureWebJobs__out__Disabled", "true")
    assert asking("GET", "/api/out").status_code == 404


# --- what comes of starting ---------------------------------------------------------------------------------


def following(scenario: Callable[[VirtualHub, dict[str, str]], Awaitable[Any]], **order: Any) -> Any:
    """Order something, and go on with the links of the answer."""

    async def main(hub: VirtualHub) -> Any:
        begun = await hub.triggers.request("POST", "/api/orders/one", json={"what": "tea", **order})
        assert begun.status_code == 202
        assert begun.headers["Location"] == json_of(begun)["statusQueryGetUri"]
        return await scenario(hub, json_of(begun))

    return play(app, main)


def test_the_status_can_be_followed_to_the_end():
    async def scenario(hub: VirtualHub, links: dict[str, str]) -> Any:
        looked = await hub.triggers.request("GET", links["statusQueryGetUri"])
        assert (looked.status_code, json_of(looked)["instanceId"]) == (202, "one")
        await hub.client.wait_for_completion("one")
        return await hub.triggers.request("GET", looked.headers["Location"])

    response = following(scenario, seconds=3600)
    assert (response.status_code, json_of(response)["output"]) == (200, "here is tea")


def test_an_event_can_be_sent():
    async def scenario(hub: VirtualHub, links: dict[str, str]) -> Any:
        url = links["sendEventPostUri"].replace("{eventName}", "What")
        assert (await hub.triggers.request("POST", url, json="milk")).status_code == 202
        return (await hub.client.wait_for_completion("one")).output

    assert following(scenario, ask=True) == "here is milk"


def test_an_instance_can_be_steered():
    async def scenario(hub: VirtualHub, links: dict[str, str]) -> list[str]:
        seen: list[str] = []
        for link in ("suspendPostUri", "resumePostUri", "terminatePostUri"):
            assert (await hub.triggers.request("POST", links[link].replace("{text}", "so"))).status_code == 202
            await asyncio.sleep(1)
            seen.append((await hub.client.get_status("one")).runtime_status.value)
        again = await hub.triggers.request("POST", links["restartPostUri"])
        assert (again.status_code, json_of(again)["id"] != "one") == (202, True)
        gone = await hub.triggers.request("DELETE", links["purgeHistoryDeleteUri"])
        assert (gone.status_code, json_of(gone)) == (200, {"instancesDeleted": 1})
        assert (await hub.triggers.request("GET", links["statusQueryGetUri"])).status_code == 404
        return seen

    assert following(scenario, ask=True) == ["Suspended", "Running", "Terminated"]


def test_an_instance_that_failed_can_be_rewound():
    async def scenario(hub: VirtualHub, links: dict[str, str]) -> Any:
        await hub.client.wait_for_completion("one")
        broken[0] = ""
        assert (await hub.triggers.request("POST", links["rewindPostUri"])).status_code == 202
        return (await hub.client.wait_for_completion("one")).output

    broken[0] = "tea"
    assert following(scenario) == "here is tea"


def test_a_function_waits_at_virtual_time():
    async def scenario(hub: VirtualHub) -> tuple[Any, Any]:
        soon = await hub.triggers.request("POST", "/api/waited/soon", json={"what": "tea", "seconds": 3})
        late = await hub.triggers.request("POST", "/api/waited/late", json={"what": "tea", "seconds": 3600})
        assert timedelta(seconds=8) < hub.now - EPOCH < timedelta(seconds=10)
        return soon, late

    soon, late = play(app, scenario)
    assert (soon.status_code, soon.get_body()) == (200, b"here is tea")
    assert late.status_code == 202


def test_the_management_api_starts_and_lists_and_reads_entities():
    async def scenario(hub: VirtualHub) -> tuple[Any, ...]:
        webhooks = "/runtime/webhooks/durabletask"
        output = await hub.triggers.request(
            "POST", f"{webhooks}/orchestrators/deliver?timeout=10&pollingInterval=1", json={"what": "tea"}
        )
        listed = await hub.triggers.request("GET", "/api/durabletask/instances", params={"runtimeStatus": "Completed"})
        await hub.triggers.request("POST", f"{webhooks}/entities/counter/visits?op=add", json=2)
        await hub.at_rest()
        state = await hub.triggers.request("GET", f"{webhooks}/entities/counter/visits")
        return json_of(output), [each["name"] for each in json_of(listed)], json_of(state)

    assert play(app, scenario) == ("here is tea", ["deliver"], 2)


def test_links_that_an_activity_makes_can_be_followed():
    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.start_new("find_link", "it", "it")
        link = (await hub.client.wait_for_completion("it")).output
        return json_of(await hub.triggers.request("GET", link))["output"] == link

    assert play(app, scenario)


# --- in an environment --------------------------------------------------------------------------------------


async def test_an_environment_follows_a_status_as_a_browser_does():
    async with DurableTestEnvironment(app) as env:
        answer = await env.request("POST", "/api/orders/one", json={"what": "tea", "seconds": 30})
        assert answer.status_code == 202
        looks = 0
        while answer.status_code == 202:
            looks += 1
            await env.skip(timedelta(seconds=int(answer.headers["Retry-After"])))
            answer = await env.request("GET", answer.headers["Location"])
        # It is told to wait for ten seconds at first, and for five each time after.
        assert (json_of(answer)["output"], looks) == ("here is tea", 5)
        assert await env.handle("one").result() == "here is tea"


def test_a_sync_environment_is_asked_without_waiting():
    with DurableTestSyncEnvironment(app) as env:
        assert env.request("GET", "/api/queued?who=Ada").get_body() == b"ordered"
        assert env.outputs == [FunctionOutput("queued", "message", "order of Ada")]
        with pytest.raises(LookupError, match="nobody orders") as raised:
            env.request("GET", "/api/queued", params={"who": "nobody"})
        assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "queued"
        assert env.request("GET", "/api/queued?who=nobody", raise_errors=False).status_code == 500


# --- apps of every kind -------------------------------------------------------------------------------------


def test_the_prefix_of_routes_is_that_of_host_json(tmp_path: Path):
    (tmp_path / "host.json").write_text('{"extensions": {"http": {"routePrefix": ""}}}')

    async def scenario(hub: VirtualHub) -> tuple[int, int]:
        triggers = Triggers(app, hub.client, app_dir=tmp_path)
        managed = await triggers.request("GET", "/durabletask/instances")
        return (await triggers.request("GET", "/results/text")).status_code, managed.status_code

    assert play(app, scenario) == (200, 200)


def test_a_blueprint_is_served_alone():
    bp = df.Blueprint()

    @bp.route(route="hello")
    @bp.durable_client_input(client_name="client")
    async def hello(req: func.HttpRequest, client: Client) -> str:
        return f"hello from {client.task_hub_name}"

    assert play(bp, lambda hub: hub.triggers.request("GET", "/api/hello")).get_body() == b"hello from TestHub"


def test_a_plain_function_app_is_served():
    plain = func.FunctionApp()

    @plain.route(route="hello")
    def hello(req: func.HttpRequest) -> str:
        return "hello"

    assert play(plain, lambda hub: hub.triggers.request("GET", "/api/hello")).get_body() == b"hello"


def test_an_asgi_app_is_served():
    async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            return
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-type", b"text/own")]})
        await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})

    served: Any = func.AsgiFunctionApp(app=asgi, http_auth_level=func.AuthLevel.ANONYMOUS)
    response = play(served, lambda hub: hub.triggers.request("POST", "/api/a/b", body="tea"))
    assert (response.status_code, response.get_body(), response.mimetype) == (201, b"/api/a/b tea", "text/own")


def test_an_app_of_folders_is_served_with_its_own_prefix(tmp_path: Path):
    folder = tmp_path / "Greet"
    folder.mkdir()
    (tmp_path / "host.json").write_text('{"extensions": {"http": {"routePrefix": "v1"}}}')
    (folder / "__init__.py").write_text("async def main(req, starter):\n    return starter.task_hub_name\n")
    bindings = [
        {"name": "req", "type": "httpTrigger", "direction": "in", "route": "greet/{name}", "methods": ["get"]},
        {"name": "$return", "type": "http", "direction": "out"},
        {"name": "starter", "type": "durableClient", "direction": "in"},
    ]
    (folder / "function.json").write_text(json.dumps({"scriptFile": "__init__.py", "bindings": bindings}))
    folders = df.DFApp.from_function_json(tmp_path)
    assert play(folders, lambda hub: hub.triggers.request("GET", "/v1/greet/Ada")).get_body() == b"TestHub"


def test_a_registry_has_no_functions_to_ask():
    response = play(app.registry, lambda hub: hub.triggers.request("GET", "/api/out"))
    assert response.status_code == 404


def test_a_route_that_cannot_be_is_told():
    wrong = df.DFApp()

    @wrong.route(route="a/{id")
    def unbalanced(req: func.HttpRequest) -> str:
        return ""

    with pytest.raises(RegistrationError, match="unbalanced braces"):
        play(wrong, lambda hub: hub.triggers.request("GET", "/api/a/1"))
