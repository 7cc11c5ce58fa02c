"""Requests that are odd, too large or none at all: each is answered, and none disturbs the host or its log."""

from __future__ import annotations

import re

import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from tests.hosting.local.serving import Serve

CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@pytest.fixture(autouse=True)
def show(app: DFApp) -> None:
    @app.route(route="show/{*rest}")
    def show(req: func.HttpRequest) -> str:
        return f"{req.method} {len(req.params)} {len(req.route_params.get('rest', ''))}"


def get(target: str, *headers: str) -> str:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: localhost", *headers, "", ""])


async def status_of(serve: Serve, request: str | bytes) -> int:
    wire = await (await serve()).connect()
    await wire.say(request)
    return (await wire.answer())[0]


@pytest.mark.parametrize(
    "request_",
    [
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\x1b[2Kb HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-A: a\x00b\r\n\r\n",
        "GET / HTTP/1.1\r\nX\x01: y\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x:99999999\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x:port\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=lambda text: ascii(text)[1:31],
)
async def test_what_is_no_request_is_400_and_costs_no_line(
    serve: Serve, request_: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await status_of(serve, request_) == 400
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize(
    "request_",
    [
        get("/api/show/" + "a" * 9000),
        get("/api/show?" + "a=1&" * 3000),
        get("/", "X-Long: " + "a" * 9000),
        get("/", *(f"X-{number}: 1" for number in range(200))),
    ],
    ids=["path", "query", "header", "headers"],
)
async def test_what_is_too_long_is_400(serve: Serve, request_: str, caplog: pytest.LogCaptureFixture) -> None:
    assert await status_of(serve, request_) == 400
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("/api/show/" + "a" * 8000, b"GET 0 8000"),
        ("/api/show?" + "&".join(f"p{number}=1" for number in range(900)), b"GET 900 0"),
        ("/api/show/%00%zz%", b"GET 0 5"),
        ("/api/show/%ff%fe", b"GET 0 2"),
        ("/api/show/%0a%0d%1b", b"GET 0 3"),
        ("http://elsewhere.example/api/show", None),
        ("/api/show#fragment", None),
        ("//api//show", None),
    ],
    ids=lambda value: ascii(value)[:24],
)
async def test_what_is_unusual_is_answered(serve: Serve, target: str, answer: bytes | None) -> None:
    wire = await (await serve()).connect()
    await wire.say(get(target))
    status, _, body = await wire.answer()
    assert status in (200, 404, 400)
    if answer is not None:
        assert (status, body) == (200, answer)


async def test_a_path_reaches_the_log_without_what_a_terminal_obeys(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    served = await serve()
    for target in ("/api/show/%0D%1B[2K%07%00", "/nothing/%0a%9b%C2%9B", "/\u00e9\u0085"):
        wire = await served.connect()
        await wire.say(get(target))
        assert (await wire.answer())[0] in (200, 400, 404)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("azure_durable_py")]
    assert any("/nothing/" in line for line in lines)
    assert [line for line in lines if CONTROL.search(line) or "\n" in line] == []


async def test_every_verb_is_answered(serve: Serve) -> None:
    served = await serve()
    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        status, _, body = await served.ask(verb, "/api/show")
        assert (status, body) == (200, b"" if verb == "HEAD" else f"{verb} 0 0".encode())
    assert (await served.ask("PROPFIND", "/api/show"))[0] == 404
    assert (await served.ask("HEAD", "/"))[0::2] == (200, b"")
    assert (await served.ask("HEAD", "/healthz"))[0::2] == (200, b"")


async def test_requests_in_a_row_on_one_connection_are_answered_in_order(serve: Serve) -> None:
    wire = await (await serve()).connect()
    await wire.say("".join(get(f"/api/show/{'a' * number}") for number in range(1, 40)))
    assert [(await wire.answer())[2] for _ in range(1, 40)] == [f"GET 0 {number}".encode() for number in range(1, 40)]


async def test_a_defect_of_the_server_is_500_with_a_stack_in_the_log_only(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve()

    def fail(_method: str, _path: str) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(served.server.site.router, "find", fail)
    status, _, body = await served.ask("GET", "/api/show")
    assert (status, body) == (500, b"The request failed; the host's log tells why.\n")
    assert "a secret" in caplog.text
