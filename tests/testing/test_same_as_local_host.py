"""A request is answered in a test as the local host answers it: the same conversations with both, word for word."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from yarl import URL

from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.testing import VirtualHub, play
from azure_durable_py.triggers.functions import sort_functions
from azure_durable_py.triggers.http import Site

ROOT = Path(__file__).parent.parent.parent
OWN_TO_A_SOCKET = ("date", "server", "content-length", "connection")
WEBHOOKS = "/runtime/webhooks/durabletask"

ODD_APP = """
import json
from urllib.parse import urlsplit

import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route(route="echo/{id:int}/{*rest}", methods=["GET", "POST", "HEAD", "OPTIONS"])
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    told = [req.method, urlsplit(req.url).path, urlsplit(req.url).query, dict(req.route_params), dict(req.params)]
    told += [req.get_body().decode("latin-1"), req.headers.get("x-twice"), req.headers.get("content-type")]
    told += [context.function_name, context.trace_context.trace_parent]
    return func.HttpResponse(json.dumps(told), mimetype="application/json")


@app.route(route="echo/{word}.{ending=txt}")
async def file(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))


@app.route(route="results/{what}")
async def result(req: func.HttpRequest):
    several = func.HttpResponse("several", status_code=418)
    several.headers.add("Set-Cookie", "a=1")
    several.headers.add("Set-Cookie", "b=2")
    return {
        "text": "Gr\\u00fc\\u00dfe",
        "bytes": b"\\x00\\x01",
        "array": bytearray(b"ab"),
        "nothing": None,
        "dict": {"not": "a response"},
        "empty": func.HttpResponse(),
        "no-content": func.HttpResponse(status_code=204),
        "latin": func.HttpResponse("Gr\\u00fc\\u00dfe", charset="latin-1"),
        "typed": func.HttpResponse("<p>", headers={"content-type": "text/html; charset=utf-16"}),
        "html": func.HttpResponse("<p>", mimetype="text/html"),
        "framed": func.HttpResponse("four", headers={"Content-Length": "4", "X-Own": "yes"}),
        "several": several,
    }[req.route_params["what"]]


@app.route(route="out", binding_arg_name="response")
def out(req: func.HttpRequest, response: func.Out[str]) -> None:
    if req.params.get("set"):
        response.set("set")


@app.queue_trigger(arg_name="message", queue_name="q", connection="C")
def on_message(message: func.QueueMessage) -> None: ...
"""


class Answer(NamedTuple):
    """What is compared: headers by lower-case name, in the order of names."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Awaitable[Answer]]
"""Sends a request: `await ask(method, url, json=..., body=..., headers=..., params=...)`."""
Conversation = Callable[[Ask], Awaitable[None]]


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What loading an app changes in the process is taken back."""
    before = Path.cwd()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "function_app", raising=False)
    yield
    sys.modules.pop("function_app", None)
    os.chdir(before)


def compared(headers: Any) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in headers.items() if name.lower() not in OWN_TO_A_SOCKET)


def said(answer: Answer, origin: str) -> tuple[Any, ...]:
    """An answer without what differs from run to run: origins, times, ids and signatures."""
    text = f"{answer.status}\n{answer.headers}\n{answer.body.decode('latin-1')}".replace(origin, "ORIGIN")
    for found, instead in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?", "TIME"),
        (r"(expires|issued|kid|execution|sig)=[\w-]+", r"\1=..."),
        (r"is (Pending|Running)", "is UNDER WAY"),
        (r"[0-9a-f]{32}|[0-9a-f-]{36}", "ID"),
    ):
        text = re.sub(found, instead, text)
    return tuple(text.split("\n", 2))


async def with_local_host(host: LocalHost, conversation: Conversation) -> list[Any]:
    heard: list[Any] = []
    served = await host.start()
    async with aiohttp.ClientSession() as session:

        async def ask(method: str, url: str, *, body: Any = None, **more: Any) -> Answer:
            whole = url if url.startswith("http") else f"{served.origin}{url}"
            async with session.request(
                method,
                URL(whole, encoded=True),
                data=body,
                allow_redirects=False,
                skip_auto_headers=[] if "json" in more else ["Content-Type"],
                **more,
            ) as response:
                answer = Answer(response.status, compared(response.headers), await response.read())
            heard.append((method, url.replace(served.origin, ""), *said(answer, served.origin)))
            return answer

        try:
            await conversation(ask)
        finally:
            await host.stop()
    return heard


def without_host(host: LocalHost, conversation: Conversation) -> list[Any]:
    heard: list[Any] = []

    async def scenario(hub: VirtualHub) -> None:
        async def ask(method: str, url: str, **more: Any) -> Answer:
            response = await hub.triggers.request(method, url, raise_errors=False, **more)
            answer = Answer(response.status_code, compared(response.headers), response.get_body())
            heard.append((method, url.replace("http://localhost:7071", ""), *said(answer, "http://localhost:7071")))
            return answer

        await conversation(ask)

    play(host.app, scenario, settings=host.settings)
    return heard


def same_conversation(app_dir: Path, conversation: Conversation) -> list[Any]:
    """Talk to both; returns what was heard, for a look at it."""
    host = LocalHost(Options(app_dir, port=0, storage="memory"), {})
    of_test = without_host(host, conversation)
    of_host = asyncio.run(with_local_host(host, conversation))
    both = zip(shown(of_test), shown(of_host), strict=True)
    assert [(test, host) for test, host in both if test != host] == []
    return of_test


def shown(heard: list[Any]) -> list[tuple[Any, ...]]:
    # Of the signed query strings in URLs that were followed, nothing is the same; nor is what keeps the hub in memory.
    told = [(method, url, *(str(each).replace("SQLite hub", "hub") for each in rest)) for method, url, *rest in heard]
    return [(method, url.partition("?")[0], *rest) for method, url, *rest in told if not url.endswith("?quietly")]


def test_odd_requests_and_results(tmp_path: Path):
    async def conversation(ask: Ask) -> None:
        for path in (
            "echo/7",
            "ECHO/7/",
            "echo/7/a/b",
            "echo/7/a%2Fb/%C3%BC",
            "echo/7//b",
            "echo/x",
            "echo/a.b.c",
            "echo/",
        ):
            await ask("GET", f"/api/{path}")
        for query in ("a=1&a=2&b=", "a=x+y&c=%C3%BC%26", "flag", "a=%zz", "q=a%20b&&d=1"):
            await ask("GET", f"/api/echo/7?{query}")
        for method in ("POST", "HEAD", "OPTIONS", "DELETE", "PUT"):
            await ask(method, "/api/echo/7")
        await ask("POST", "/api/echo/7", json={"n": [1, "ü"]})
        await ask("POST", "/api/echo/7", body=b"\x00\xff", headers={"Content-Type": "application/octet-stream"})
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        await ask("GET", "/api/echo/7", headers={"X-Twice": "1, 2", "traceparent": trace})
        for what in (
            *("text", "bytes", "array", "nothing", "dict", "empty", "no-content", "latin", "typed", "html", "framed"),
            *("several", "unknown"),
        ):
            await ask("GET", f"/api/results/{what}")
        await ask("GET", "/api/out")
        await ask("GET", "/api/out?set=1")
        for path in ("/", "/api", "/monitor", "/Monitor/", "/nothing", "/%C3%BC", "/apis/out", "/out"):
            await ask("GET", path)
        await ask("POST", "/")

    (tmp_path / "function_app.py").write_text(ODD_APP)
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    heard = same_conversation(tmp_path, conversation)
    assert {line[2] for line in heard} == {"200", "204", "302", "404", "418", "500"}


def test_the_management_api(tmp_path: Path):
    async def conversation(ask: Ask) -> None:
        for method, path in (
            ("GET", "instances/none"),
            ("GET", "instances"),
            ("POST", "instances"),
            ("DELETE", "instances"),
            ("POST", "instances/none/raiseEvent/x"),
            ("GET", "entities/none"),
            ("GET", "nowhere"),
            ("GET", "instances?taskHub=Other"),
            ("GET", "instances?top=x"),
            ("GET", ""),
        ):
            await ask(method, f"{WEBHOOKS}/{path}")
            await ask(method, f"/api/durabletask/{path}")
        await ask("POST", f"{WEBHOOKS}/orchestrators/none", body="{")
        await ask("HEAD", f"{WEBHOOKS}/instances")

    (tmp_path / "function_app.py").write_text(ODD_APP)
    same_conversation(tmp_path, conversation)


def test_the_sample_app():
    async def conversation(ask: Ask) -> None:
        async def end_of(instance_id: str) -> None:
            """Wait for the end of an instance, and ask what came of it."""
            while True:
                looked = await ask("GET", f"{WEBHOOKS}/instances/{instance_id}?quietly")
                if looked.status != 202:
                    break
                await asyncio.sleep(0.05)
            await ask("GET", f"{WEBHOOKS}/instances/{instance_id}")

        begun = await ask("POST", "/api/orchestrators/hello_cities/demo")
        await end_of("demo")
        await ask("GET", f"{WEBHOOKS}/instances/demo?showHistory=true&showHistoryOutput=true")
        await ask("GET", begun.json["statusQueryGetUri"])
        await ask("POST", "/api/orchestrators/nothing/n")
        await ask("POST", "/api/orchestrators/hello_cities/odd%2Fid")
        await ask("POST", "/api/orchestrators/hello_cities", body="{")
        await ask("POST", f"{WEBHOOKS}/orchestrators/count_words?timeout=10&pollingInterval=0.1")
        await ask("POST", f"{WEBHOOKS}/orchestrators/book_trip/trip?timeout=10&pollingInterval=0.1", body='"Atlantis"')

        await ask("POST", "/api/orchestrators/approve_expense/chairs", json={"what": "chairs", "amount": 300})
        await ask("POST", "/api/orchestrators/approve_expense/chairs", json={"what": "chairs", "amount": 300})
        await ask("POST", f"{WEBHOOKS}/instances/chairs/raiseEvent/Decision", json={"approved": True})
        await end_of("chairs")
        await ask("POST", f"{WEBHOOKS}/instances/chairs/terminate?reason=late")
        await ask("POST", f"{WEBHOOKS}/instances/chairs/rewind?reason=why")
        await ask("DELETE", f"{WEBHOOKS}/instances/chairs")

        await ask("POST", "/api/reports", json={"title": "Sales"})
        await ask("POST", "/api/reports", body="Sales")
        await ask("POST", "/api/reports", json={"title": "Sales", "seconds": 30})

        await ask("GET", "/api/counters/visits")
        await ask("POST", "/api/counters/visits/add", body="5")
        while (await ask("GET", "/api/counters/visits?quietly")).status == 404:
            await asyncio.sleep(0.05)
        await ask("GET", f"{WEBHOOKS}/entities/counter/visits")
        await ask("POST", "/api/counters/visits/add", body="five")
        await ask("POST", "/api/transfer?from=alice&to=bob&amount=30")
        await ask("POST", "/api/transfer?from=alice&to=bob&amount=300")
        await ask("POST", "/api/transfer?from=alice")

    heard = same_conversation(ROOT, conversation)
    app = sys.modules["function_app"].app
    functions = sort_functions(app, "api", {}).http
    site = Site(functions, "api")
    called = [site.router.find(method, url.partition("?")[0]) for method, url, *_ in heard]
    assert {found[0].name for found in called if found is not None} == {function.name for function in functions}
