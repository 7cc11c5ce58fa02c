"""Requests of `call_http` on the network, which here is this machine: what is sent and kept, and where they may go."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from azure_durable_py.addresses import FORBIDDEN_BY_DEFAULT, AddressRules, is_address_pattern
from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse, HttpHeaders
from azure_durable_py.errors import HttpRefusedError, HttpRequestError, HttpStatusError, HttpTimeoutError
from azure_durable_py.settings import Settings
from azure_durable_py.token_sources import ManagedIdentityTokenSource
from azure_durable_py.worker.http.activity import http_activity
from azure_durable_py.worker.http.tokens import Tokens, scope_of
from azure_durable_py.worker.http.transport import NetworkTransport

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Site:
    """A server on this machine, under one or two names, and a transport that may reach it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: dict[str, web.Response | Handler] = {}
        self.transport = NetworkTransport(Settings())
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self.server = TestServer(app, host="127.0.0.1")

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.raw_path, dict(request.headers), await request.read()))
        answer = self.answers.get(request.path, web.Response(text="hello"))
        if callable(answer):
            return await answer(request)
        # One response is sent once only.
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def at(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.port}{path}"

    async def ask(self, path: str, method: str = "GET", **fields: Any) -> DurableHttpResponse:
        if "headers" in fields:
            fields["headers"] = HttpHeaders(fields["headers"])
        return await self.transport.send(DurableHttpRequest(method, self.at(path), **fields))

    def header(self, name: str, at: int = -1) -> str | None:
        return next((value for given, value in self.asked[at][2].items() if given.lower() == name), None)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start_server()
    yield site
    await site.transport.close()
    await site.server.close()


# --- what is sent ------------------------------------------------------------------------------------------


async def test_a_request_arrives_as_it_was_asked_for(site: Site):
    headers = {"X-One": "1", "X-Two": ["a", "b"], "Content-Type": "application/json", "Content-Length": "999"}
    await site.ask("/a%2Fb?sig=x%2By%3D&c=%7e", "PATCH", headers=headers, content='{"a": "ü"}')
    [(method, path, got, body)] = site.asked
    assert (method, path, body) == ("PATCH", "/a%2Fb?sig=x%2By%3D&c=%7e", '{"a": "ü"}'.encode())
    assert (got["X-One"], got["Content-Type"], got["User-Agent"]) == ("1", "application/json", "azure-durable-py")


async def test_an_address_with_other_letters_is_encoded(site: Site):
    await site.ask("/wörter?a=ä")
    assert site.asked[0][1] == "/w%C3%B6rter?a=%C3%A4"


async def test_a_body_that_is_no_text_is_sent_as_it_is(site: Site):
    await site.ask("/", "POST", content=base64.b64encode(b"\x00\xff").decode(), is_base64=True)
    assert site.asked[0][3] == b"\x00\xff"


async def test_a_large_body_is_sent_without_a_warning(site: Site):
    await site.ask("/", "POST", content="x" * 900_000)
    assert len(site.asked[0][3]) == 900_000


# --- what is kept ------------------------------------------------------------------------------------------


async def test_the_answer_is_kept_whatever_its_status_is(site: Site):
    site.answers["/"] = web.Response(status=404, text="no", headers={"X-A": "1"})
    response = await site.ask("/")
    assert (response.status_code, response.content, response.headers["x-a"]) == (404, "no", "1")
    assert response.uri == site.at("/")


async def test_a_header_that_is_there_several_times_is_a_list(site: Site):
    answer = site.answers["/"] = web.Response()
    answer.headers.add("Set-Cookie", "a=1")
    answer.headers.add("Set-Cookie", "b=2")
    assert (await site.ask("/")).headers["set-cookie"] == ["a=1", "b=2"]


async def test_no_cookie_is_sent_back(site: Site):
    site.answers["/"] = web.Response(headers={"Set-Cookie": "a=1"})
    await site.ask("/")
    await site.ask("/")
    assert site.header("cookie") is None


async def test_headers_cannot_be_taken_for_a_class(site: Site):
    site.answers["/"] = web.Response(headers={"__class__": "a", "__module__": "b", "__data__": "c"})
    assert not [name for name in (await site.ask("/")).headers if name.startswith("__")]


@pytest.mark.parametrize(
    ("kind", "body", "content", "is_base64"),
    [
        ("text/plain; charset=utf-8", "ü".encode(), "ü", False),
        ("text/html; charset=iso-8859-1", "ü".encode("latin-1"), "ü", False),
        ("application/json", b'\xef\xbb\xbf{"a": 1}', '{"a": 1}', False),
        ("application/problem+json", b"{}", "{}", False),
        ("image/svg+xml", b"<svg/>", "<svg/>", False),
        ("text/plain", b"\xff\xfe", "//4=", True),
        ("text/plain; charset=rot13", b"abc", "YWJj", True),
        ("text/plain; charset=raw_unicode_escape", b"\\ud800", "XHVkODAw", True),
        ("application/octet-stream", b"abc", "YWJj", True),
        ("image/png", b"\x89PNG", "iVBORw==", True),
        ("image/png", b"", "", False),
    ],
)
async def test_a_body_is_kept_as_text_if_it_is_one_else_in_base64(
    site: Site, kind: str, body: bytes, content: str, is_base64: bool
):
    site.answers["/"] = web.Response(body=body, headers={"Content-Type": kind})
    response = await site.ask("/")
    assert (response.content, response.is_base64, "isBase64" in response) == (content, is_base64, is_base64)
    if is_base64:
        assert response.body == body
    kept = DurableHttpResponse.from_plain(response.to_plain())
    assert (kept, kept.uri, kept.body) == (response, response.uri, response.body)


async def test_a_compressed_body_is_unpacked(site: Site):
    packed = gzip.compress(b"hello " * 100)
    site.answers["/"] = web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    response = await site.ask("/")
    assert response.content == "hello " * 100
    assert "Content-Encoding" not in response.headers


async def test_an_answer_that_is_too_large_is_refused_by_its_real_size(site: Site):
    site.transport = NetworkTransport(Settings(http_max_response_size=1000))
    packed = gzip.compress(b"x" * 100_000)
    site.answers["/small"] = web.Response(body=b"x" * 1000)
    site.answers["/packed"] = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    site.answers["/large"] = web.Response(body=b"x" * 1001)
    assert (await site.ask("/small")).status_code == 200
    for path in ("/packed", "/large"):
        with pytest.raises(HttpRefusedError, match=r"more than 1000 bytes.*maxResponseSizeInBytes"):
            await site.ask(path)
    await site.transport.close()


# --- redirects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "followed"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (301, "PUT", "PUT"),
        (302, "DELETE", "DELETE"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
async def test_redirects_are_followed_by_rule(site: Site, status: int, method: str, followed: str):
    site.answers["/old"] = web.Response(status=status, headers={"Location": "new?a=b"})
    content = None if method == "HEAD" else "body"
    response = await site.ask("/old", method, content=content, headers={"Content-Type": "text/plain", "X-A": "1"})
    method, path, got, body = site.asked[1]
    assert (method, path, got["X-A"], response.uri) == (followed, "/new?a=b", "1", site.at("/new?a=b"))
    kept = followed not in ("GET", "HEAD")
    assert (body, got.get("Content-Type") == "text/plain") == (b"body" if kept else b"", kept or followed == "HEAD")


@pytest.mark.parametrize("location", [None, "ftp://a.test/", "http://[x"])
async def test_a_redirect_to_nowhere_is_an_answer(site: Site, location: str | None):
    site.answers["/"] = web.Response(status=302, headers={"Location": location} if location else {})
    assert (await site.ask("/")).status_code == 302


async def test_redirects_are_followed_within_limits(site: Site):
    site.answers["/"] = web.Response(status=302, headers={"Location": "/"})
    with pytest.raises(HttpRefusedError, match="more than 20 times"):
        await site.ask("/")


async def test_another_origin_gets_no_credentials_and_never_again(site: Site):
    site.answers["/a"] = web.Response(status=307, headers={"Location": site.at("/b", "localhost")})
    site.answers["/b"] = web.Response(status=307, headers={"Location": site.at("/c")})
    headers = {"Authorization": "Basic x", "Cookie": "a=b", "x-functions-key": "k", "X-Kept": "1"}
    await site.ask("/a", headers=headers)
    seen = [[site.header(name, at) for name in ("authorization", "cookie", "x-kept")] for at in range(3)]
    assert seen == [["Basic x", "a=b", "1"], [None, None, "1"], [None, None, "1"]]


# --- tokens --------------------------------------------------------------------------------------------------


class Credential:
    """A credential that notes what it is asked for."""

    def __init__(self, token: str | Exception = "secret-token") -> None:
        self.scopes: list[str] = []
        self.is_closed = False
        self._token = token

    async def get_token(self, *scopes: str, **_: Any) -> Any:
        self.scopes += scopes
        if isinstance(self._token, Exception):
            raise self._token
        return type("AccessToken", (), {"token": self._token})

    async def close(self) -> None:
        self.is_closed = True


SOURCE = ManagedIdentityTokenSource("https://vault.test/")


async def test_a_request_brings_a_token_to_its_own_origin_only(site: Site):
    credential: Any = Credential()
    site.transport = NetworkTransport(Settings(), Tokens(lambda: credential))
    site.answers["/a"] = web.Response(status=302, headers={"Location": site.at("/b", "localhost")})
    response = await site.ask("/a", token_source=SOURCE, headers={"authorization": "of somebody else"})
    assert [site.header("authorization", at) for at in range(2)] == ["Bearer secret-token", None]
    assert credential.scopes == ["https://vault.test/.default"]
    assert "secret-token" not in str(response.to_plain())
    await site.transport.close()
    assert credential.is_closed


async def test_a_token_that_cannot_be_had_is_an_error_that_says_what_to_do(site: Site):
    credential: Any = Credential(RuntimeError("no identity."))
    site.transport = NetworkTransport(Settings(), Tokens(lambda: credential))
    with pytest.raises(HttpRequestError, match=r"'https://vault.test/' could be had: no identity\. Give the app"):
        await site.ask("/", token_source=SOURCE)
    assert site.asked == []
    await site.transport.close()


async def test_a_token_is_not_sent_in_the_clear():
    transport = NetworkTransport(Settings(), Tokens(Credential))  # type: ignore[arg-type]
    with pytest.raises(HttpRefusedError, match="use https"):
        await transport.send(DurableHttpRequest("GET", "http://vault.test/", token_source=SOURCE))
    await transport.close()


@pytest.mark.parametrize("resource", ["https://r.test", "https://r.test/", "https://r.test/.default"])
def test_a_resource_stands_for_its_default_scope(resource: str):
    assert scope_of(resource) == "https://r.test/.default"


# --- where requests may go -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[::169.254.169.254]",
        "168.63.129.16",
        "169\uff0e254\uff0e169\uff0e254",
        "\uff11\uff16\uff19.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "169.254.43518",
    ],
)
async def test_the_addresses_of_a_clouds_metadata_are_never_reached(host: str):
    transport = NetworkTransport(Settings())
    with pytest.raises(HttpRequestError) as caught:
        await transport.send(DurableHttpRequest("GET", f"http://{host}/metadata"))
    await transport.close()
    # Of the last three not every library makes addresses.
    is_plain = "[" in host or host.count(".") == 3
    assert ("is forbidden" in str(caught.value)) or not is_plain


@pytest.mark.parametrize(
    ("forbidden", "allowed", "host", "reached"),
    [
        (["127.0.0.0/8"], [], "127.0.0.1", False),
        (["127.0.0.1"], [], "localhost", False),
        (["10.0.0.0/8"], [], "localhost", True),
        (["*"], [], "localhost", False),
        (["local*"], [], "LOCALHOST", False),
        (["local*"], [], "localhost.", False),
        (["*", "0.0.0.0/0"], ["localhost"], "localhost", True),
        (["*", "0.0.0.0/0"], ["localhost"], "127.0.0.1", False),
        (["0.0.0.0/0"], ["127.0.0.0/8"], "127.0.0.1", True),
    ],
)
async def test_settings_forbid_and_allow_addresses(
    site: Site, forbidden: list[str], allowed: list[str], host: str, reached: bool
):
    settings = Settings(http_forbidden_addresses=tuple(forbidden), http_allowed_addresses=tuple(allowed))
    transport = NetworkTransport(settings)
    refused = pytest.raises(HttpRefusedError, match=r"is forbidden.*allowedAddresses")
    with nullcontext() if reached else refused:
        await transport.send(DurableHttpRequest("GET", site.at("/", host)))
    assert bool(site.asked) == reached
    await transport.close()


async def test_a_name_that_is_resolved_to_a_forbidden_address_leads_nowhere(
    site: Site, monkeypatch: pytest.MonkeyPatch
):
    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> Any:
        assert host == "innocent.test"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    with pytest.raises(HttpRefusedError, match=r"innocent\.test, which is forbidden"):
        await site.transport.send(DurableHttpRequest("GET", "http://innocent.test/"))


async def test_of_several_addresses_the_allowed_ones_are_tried(site: Site, monkeypatch: pytest.MonkeyPatch):
    async def getaddrinfo(_: Any, host: str, port: int, **__: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("169.254.169.254", "127.0.0.1")]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    response = await site.transport.send(DurableHttpRequest("GET", site.at("/", "both.test")))
    assert response.status_code == 200


async def test_a_redirect_does_not_lead_to_a_forbidden_address(site: Site):
    site.answers["/"] = web.Response(status=302, headers={"Location": "http://169.254.169.254/token?secret=1"})
    with pytest.raises(HttpRefusedError, match=r"would reach http://169.254.169.254/token\?\.\.\., which") as caught:
        await site.ask("/")
    assert "secret" not in str(caught.value)


def test_an_address_that_is_none_is_forbidden():
    assert AddressRules().forbids_address("nonsense", "host")
    assert all(is_address_pattern(item) for item in FORBIDDEN_BY_DEFAULT)


@pytest.mark.parametrize("item", ["", "10.0.0.0/33", "http://a", "300.1.1.1", "a b", "1.2.3"])
def test_what_is_no_pattern_is_told(item: str):
    assert not is_address_pattern(item)


# --- failures ------------------------------------------------------------------------------------------------


async def test_nobody_there_is_an_error_without_what_may_be_secret():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    transport = NetworkTransport(Settings())
    with pytest.raises(
        HttpRequestError, match=rf"^GET http://127.0.0.1:{port}/a\?\.\.\. got no answer: Client"
    ) as caught:
        await transport.send(DurableHttpRequest("GET", f"http://127.0.0.1:{port}/a?code=sesame"))
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__
    await transport.close()


async def test_what_is_no_http_is_an_error_without_what_may_be_secret():
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"what?\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = NetworkTransport(Settings())
    with pytest.raises(HttpRequestError, match="got no answer") as caught:
        await transport.send(DurableHttpRequest("GET", f"http://127.0.0.1:{port}/?code=sesame"))
    assert "sesame" not in str(caught.value)
    await transport.close()
    server.close()
    await server.wait_closed()


async def test_a_request_ends_when_its_time_is_up(site: Site):
    hung = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await hung.wait()
        return web.Response()

    site.answers["/"] = hang
    run: Any = http_activity(site.transport).function
    with pytest.raises(HttpTimeoutError, match=r"not answered within 0.05 s. Whether it had an effect is not known"):
        await run({"method": "GET", "uri": site.at("/"), "timeout": 0.05})
    hung.set()


async def test_a_status_code_that_is_to_be_tried_again_is_a_failure(site: Site):
    site.answers["/"] = web.Response(status=503)
    run: Any = http_activity(site.transport).function
    with pytest.raises(HttpStatusError, match="503 Service Unavailable"):
        await run({"method": "GET", "uri": site.at("/"), "failingCodes": []})
    assert (await run({"method": "GET", "uri": site.at("/"), "failingCodes": [500]}))["statusCode"] == 503


@pytest.mark.parametrize("given", [None, [], {}, {"method": "GET"}, {"method": "GET", "uri": "file:///etc/passwd"}])
async def test_an_input_that_is_no_request_is_refused(given: Any):
    run: Any = http_activity(NetworkTransport(Settings())).function
    with pytest.raises(HttpRefusedError, match=r"use context\.call_http"):
        await run(given)


async def test_a_transport_that_is_closed_opens_again(site: Site):
    await site.ask("/")
    await site.transport.close()
    await site.transport.close()
    assert (await site.ask("/")).status_code == 200
