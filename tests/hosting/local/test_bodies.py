"""Bodies of requests: bounded while they come in, unread from who may not call, and never slow for ever."""

from __future__ import annotations

import asyncio
import gzip
import json

import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.hosting.local import bodies
from azure_durable_py.http.management import MAX_STRANGERS_BODY
from tests.hosting.local.serving import Serve, Served

START = "/runtime/webhooks/durabletask/orchestrators/x"
STRANGER = "X-Forwarded-For: 203.0.113.9\r\n"


@pytest.fixture(autouse=True)
def take(app: DFApp) -> None:
    @app.route(route="take")
    def take(req: func.HttpRequest) -> str:
        return f"{len(req.get_body())} {req.headers.get('content-encoding', '')}"


def head(path: str, *headers: str, length: int | None = None) -> str:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", *(line.strip() for line in headers)]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""])


CHUNKED = "Transfer-Encoding: chunked"


async def held(served: Served, size: int) -> None:
    """Wait until so many bytes of bodies are there."""
    while served.server.bodies.held < size:
        await asyncio.sleep(0.001)


async def test_of_a_body_that_is_said_to_be_too_large_nothing_is_read(serve: Serve) -> None:
    served = await serve(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000")
    wire = await served.connect()
    await wire.say(head("/api/take", length=1001))
    status, _, body = await wire.answer()
    assert (status, body) == (413, b"The request's body is over the limit of 1000 bytes.\n")


async def test_a_body_that_turns_out_too_large_is_ended_where_it_does(serve: Serve) -> None:
    served = await serve(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000")
    wire = await served.connect()
    await wire.say(head("/api/take", CHUNKED) + f"3e9\r\n{'x' * 1001}")
    assert (await wire.answer())[0] == 413
    assert served.server.bodies.held == 0


async def test_a_stranger_who_may_not_call_is_told_so_before_the_body_comes(serve: Serve) -> None:
    served = await serve()
    wire = await served.connect()
    await wire.say(head(START, STRANGER, length=99_000_000))
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (401, "close")
    assert served.managed == []


async def test_a_stranger_may_send_less_than_a_program_of_this_machine(serve: Serve) -> None:
    served = await serve()
    # A program of this machine asks for the very port.
    host = f"Host: {served.origin.partition('://')[2]}"
    for headers, status in ((STRANGER, 413), ("X-A: 1", 200)):
        wire = await served.connect()
        size = MAX_STRANGERS_BODY + 1
        asked = head(f"{START}?code=key", headers, CHUNKED).replace("Host: localhost", host)
        await wire.say(asked + f"{size:x}\r\n")
        sending = asyncio.create_task(wire.say(b"x" * size + b"\r\n0\r\n\r\n"))
        assert (await wire.answer())[0] == status
        await asyncio.wait([sending])
        assert served.server.bodies.held == 0
    assert [len(request.body) for request in served.managed] == [MAX_STRANGERS_BODY + 1]


async def test_even_a_program_of_this_machine_may_not_send_without_end(serve: Serve) -> None:
    served = await serve(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000")
    status, _, body = await served.ask("POST", START, data=b"x" * 1001)
    assert (status, json.loads(body)["Message"]) == (413, "The request's body is over the limit of 1000 bytes.")
    assert (await served.ask("POST", START, data=b"x" * 1000))[0] == 200


async def test_all_bodies_together_have_a_limit(serve: Serve) -> None:
    served = await serve()
    served.server.bodies.room = 150_000
    first, second = await served.connect(), await served.connect()
    await first.say(head("/api/take", length=100_000) + "x" * 99_999)
    await held(served, 99_999)
    await second.say(head("/api/take", length=100_000) + "x" * 100_000)
    status, headers, _ = await second.answer()
    assert (status, headers["retry-after"]) == (503, "5")
    await first.say("x")
    assert (await first.answer())[0::2] == (200, b"100000 ")
    assert (await served.ask("POST", "/api/take", data=b"x" * 100_000))[0] == 200


@pytest.mark.parametrize("headers", [CHUNKED, "Content-Length: 100"])
async def test_a_body_that_does_not_come_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)
    served = await serve()
    wire = await served.connect()
    await wire.say(head("/api/take", headers) + "5\r\nabcde\r\n")
    status, _, body = await wire.answer()
    assert (status, body) == (408, b"The body comes in at less than 240 bytes a second.\n")


async def test_a_body_has_more_time_the_more_of_it_is_there() -> None:
    now = 0.0

    class Content:
        """Brings 240 bytes every second, and a little less from then on."""

        def __init__(self) -> None:
            self.chunks = 0

        async def readany(self) -> bytes:
            nonlocal now
            self.chunks += 1
            now += 1.0
            return b"x" * (240 if self.chunks < 100 else 100)

    class SlowRequest:
        content_length = None
        can_read_body = True
        headers: dict[str, str] = {}  # noqa: RUF012 - a stand-in
        content = Content()

    with pytest.raises(bodies.BodyRefusedError, match="less than 240 bytes a second"):
        await bodies.BodyReader(now=lambda: now).read(SlowRequest(), 10**9)  # type: ignore[arg-type]
    # Ten seconds of patience are used up after 17 of those that are too slow.
    assert 110 <= SlowRequest.content.chunks <= 120


async def test_who_asks_whether_the_body_may_come_is_told(serve: Serve) -> None:
    served = await serve()
    wire = await served.connect()
    await wire.say(head("/api/take", "Expect: 100-Continue", length=3))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.say("abc")
    assert (await wire.answer())[0::2] == (200, b"3 ")


async def test_who_asks_and_may_not_is_not_told_to_go_on(serve: Serve) -> None:
    served = await serve(FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="2")
    for path, headers, status in (("/api/take", "X-A: 1", 413), (START, STRANGER, 401)):
        wire = await served.connect()
        await wire.say(head(path, headers, "Expect: 100-continue", length=3))
        assert (await wire.answer())[0] == status


async def test_another_expectation_cannot_be_met(serve: Serve) -> None:
    wire = await (await serve()).connect()
    await wire.say(head("/api/take", "Expect: a miracle", length=3) + "abc")
    status, _, body = await wire.answer()
    assert (status, body) == (417, b"Expectation 'a miracle' cannot be met; accepted is '100-continue'.\n")


async def test_a_damaged_body_is_the_callers_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    wire = await (await serve()).connect()
    await wire.say(head("/api/take", CHUNKED) + "zz\r\nabc\r\n")
    assert (await wire.answer())[0] == 400
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_body_whose_caller_left_is_nobodys_error(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve()
    wire = await served.connect()
    await wire.say(head("/api/take", length=100) + "abc")
    await held(served, 3)
    wire.close()
    while served.server.bodies.held:
        await asyncio.sleep(0.001)
    assert (await served.ask("GET", "/api/take"))[0] == 200
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_compressed_body_stays_compressed(serve: Serve) -> None:
    packed = gzip.compress(b"x" * 10_000_000)
    served = await serve()
    status, _, body = await served.ask("POST", "/api/take", data=packed, headers={"Content-Encoding": "gzip"})
    assert (status, body.decode()) == (200, f"{len(packed)} gzip")
