"""Who may call what on the local host: keys of HTTP functions, trust in programs of this machine, names of the host."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.appsettings import LocalSettings
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.invoker import Invoker
from azure_durable_py.hosting.local.authorization import Access, FunctionGuard
from azure_durable_py.hosting.local.health import Phase
from azure_durable_py.hosting.local.origins import HostName, Origins, read_host, read_public_url
from azure_durable_py.hosting.local.server import HttpServer, ServerSettings
from azure_durable_py.http.wire import Request, value_answer
from azure_durable_py.taskhub import keys
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import KeyName
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.times import UTC
from azure_durable_py.triggers.functions import sort_functions

LIST = "/runtime/webhooks/durabletask/instances"
KEYS = {
    "none": "",
    "wrong": "no-key-of-this-hub",
    "function": "the-key-of-the-function",
    "other function": "the-key-of-another-function",
    "host": "the-key-of-the-host",
    "master": "the-master-key-of-the-hub",
    "system": "the-system-key-of-the-hub",
}
NAMES = {
    "function": "function/{}/default",
    "other function": "function/other/default",
    "host": "host/partner",
    "master": "master",
    "system": "system/durabletask_extension",
}
LEVELS = ("anonymous", "function", "admin")
OPENS = {
    "anonymous": set(KEYS),
    "function": {"function", "host", "master"},
    "admin": {"master"},
}
ASKING = Access(asks_for_keys=True, trusts_local=False)


@dataclass
class Served:
    """A running server on a hub of its own."""

    origin: str
    hub: TaskHub
    session: aiohttp.ClientSession
    server: HttpServer

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    async def get(self, path: str, **kwargs: Any) -> tuple[int, bytes]:
        async with self.session.get(self.origin + path, **kwargs) as response:
            return response.status, await response.read()

    async def is_trusted(self, **headers: str) -> bool:
        status, body = await self.get(LIST, headers=headers)
        assert status == 200
        return json.loads(body)["trusted"]

    async def raw(self, text: str, source: str | None = None) -> tuple[int, bytes]:
        """Send a request as it is; returns the status and the body."""
        local = None if source is None else (source, 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=local)
        writer.write(text.encode("latin-1"))
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            return int(head.split(b" ", 2)[1]), await reader.readexactly(length)
        finally:
            writer.close()


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
def app() -> DFApp:
    made = DFApp(http_auth_level=func.AuthLevel.FUNCTION)
    for level in LEVELS:

        @made.function_name(level)
        @made.route(route=level, auth_level=func.AuthLevel[level.upper()])
        def answer(req: func.HttpRequest) -> str:
            return "in"

    return made


@pytest.fixture
async def serve(app: DFApp, tmp_path: Path) -> AsyncIterator[Serve]:
    running: list[Served] = []

    async def start(access: Access = ASKING, store: str | None = None, host: str = "127.0.0.1") -> Served:
        hub = TaskHub(SqliteStore(store, hub_name="Keys"))
        await hub.open()

        async def manage(request: Request, *, trusted: bool) -> HttpAnswer:
            return value_answer(200, {"trusted": trusted, "base": request.base_url})

        server = HttpServer(
            sort_functions(app, "api", {}).http,
            Invoker({}),
            manage,
            ServerSettings("api", tmp_path, LocalSettings(), {}, grace=10, access=access),
            guard=FunctionGuard(hub.keys, access),
        )
        server.health.phase = Phase.working
        served = Served(await server.start(host, 0), hub, aiohttp.ClientSession(), server)
        running.append(served)
        return served

    yield start
    for served in running:
        await served.session.close()
        await served.server.stop()
        await served.hub.close()


async def put_keys(hub: TaskHub, function: str) -> None:
    """Give the hub the keys of the table."""
    now = datetime.now(UTC)
    for kind, name in NAMES.items():
        await hub.keys.change(
            lambda ring, name=name, kind=kind: ring.with_key(KeyName.parse(name.format(function)), KEYS[kind], now)
        )


# --- keys of functions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize("kind", list(KEYS))
@pytest.mark.parametrize("level", LEVELS)
async def test_which_key_opens_which_function(serve: Serve, level: str, kind: str, place: str) -> None:
    served = await serve()
    await put_keys(served.hub, level)
    given: dict[str, Any] = {}
    if kind != "none":
        given = {"headers": {"X-Functions-Key": KEYS[kind]}} if place == "header" else {"params": {"code": KEYS[kind]}}
    status, body = await served.get(f"/api/{level}", **given)
    # The Functions host says nothing to who may not call, either.
    assert (status, body) == ((200, b"in") if kind in OPENS[level] else (401, b""))


@pytest.mark.parametrize("level", LEVELS)
async def test_on_a_loopback_address_no_key_is_asked_for(serve: Serve, level: str) -> None:
    served = await serve(Access())
    assert await served.get(f"/api/{level}") == (200, b"in")


async def test_the_header_comes_before_the_parameter_and_the_first_value_before_others(serve: Serve) -> None:
    served = await serve()
    await put_keys(served.hub, "function")
    good, bad = KEYS["host"], KEYS["wrong"]
    assert (await served.get("/api/function", headers={"x-functions-key": bad}, params={"code": good}))[0] == 401
    assert (await served.get("/api/function", headers={"x-functions-key": good}, params={"code": bad}))[0] == 200
    assert (await served.get(f"/api/function?code={bad}&code={good}"))[0] == 401
    assert (await served.get(f"/api/function?code={good}&code={bad}"))[0] == 200


@pytest.mark.parametrize("key", ["%00", "%ff%fe", "x" * 5000, "é", "code"])
async def test_odd_keys_are_refused(serve: Serve, key: str) -> None:
    served = await serve()
    assert await served.get(f"/api/admin?code={key}") == (401, b"")


async def test_a_body_is_not_read_from_who_may_not_call(serve: Serve) -> None:
    served = await serve()
    head = f"POST /api/admin HTTP/1.1\r\nHost: localhost:{served.port}\r\nContent-Length: 1000000\r\n\r\n"
    assert await served.raw(head) == (401, b"")


async def test_keys_that_are_changed_elsewhere_count_here(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MISS_SECONDS", 0.0)
    store = str(tmp_path / "hub.db")
    one, other = await serve(store=store), await serve(store=store)
    await put_keys(one.hub, "function")
    old, new = {"x-functions-key": KEYS["host"]}, {"x-functions-key": "another-key-of-the-host"}
    for served in (one, other):
        assert (await served.get("/api/function", headers=old))[0] == 200
    now = datetime.now(UTC)
    name = KeyName.parse(NAMES["host"])
    await other.hub.keys.change(lambda ring: ring.with_key(name, new["x-functions-key"], now))
    assert (await other.get("/api/function", headers=old))[0] == 401
    # A host that did not hear of it yet learns of it by the new key, or when what it knows is no longer fresh.
    assert (await one.get("/api/function", headers=new))[0] == 200
    assert (await one.get("/api/function", headers=old))[0] == 401


# --- how far callers are let in ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "enable_auth", "trust_local", "asks", "trusts"),
    [
        ("127.0.0.1", False, None, False, True),
        ("localhost", False, None, False, True),
        ("::1", False, None, False, True),
        ("127.0.0.1", True, None, True, True),
        ("127.0.0.1", False, False, False, False),
        ("127.0.0.1", False, True, False, True),
        ("0.0.0.0", False, None, True, False),
        ("::", False, None, True, False),
        ("", False, None, True, False),
        ("192.0.2.1", False, False, True, False),
        ("a.name", False, None, True, False),
        ("0.0.0.0", False, True, None, None),
        ("::", False, True, None, None),
        ("a.name", False, True, None, None),
    ],
)
def test_what_follows_from_the_address(
    host: str, enable_auth: bool, trust_local: bool | None, asks: bool | None, trusts: bool | None
) -> None:
    if asks is None or trusts is None:
        with pytest.raises(SettingsError, match="--trust-local"):
            Access.of(host, enable_auth=enable_auth, trust_local=trust_local)
    else:
        assert Access.of(host, enable_auth=enable_auth, trust_local=trust_local) == Access(asks, trusts)


# --- trust ------------------------------------------------------------------------------------------------

PROXY_HEADERS = (
    *("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port"),
    *("X-Forwarded-Server", "X-Forwarded", "X-Forwarded-Something-New", "X-Real-IP", "X-Client-IP", "Client-IP"),
    *("True-Client-IP", "CF-Connecting-IP", "CF-Ray", "X-Cluster-Client-IP", "Fastly-Client-IP", "X-Azure-ClientIP"),
    *("X-Azure-FDID", "X-ARR-SSL", "X-ARR-LOG-ID", "X-Original-Host", "X-Original-URL", "X-Original-Forwarded-For"),
    *("X-Envoy-External-Address", "X-Envoy-Internal", "X-Amzn-Trace-Id", "X-Cloud-Trace-Context", "CDN-Loop"),
    *("Proxy-Connection", "Max-Forwards", "X-ProxyUser-Ip", "WL-Proxy-Client-IP", "Fly-Client-IP", "X-Nf-Client-Ip"),
)


async def test_a_program_of_this_machine_is_trusted(serve: Serve) -> None:
    served = await serve(Access())
    assert await served.is_trusted()
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]"):
        assert await served.is_trusted(Host=f"{name}:{served.port}"), name
    assert await served.is_trusted(**{"X-Request-Id": "1", "Traceparent": "00-1-1-00", "User-Agent": "curl"})


@pytest.mark.parametrize("name", PROXY_HEADERS)
async def test_a_sign_of_a_proxy_ends_trust(serve: Serve, name: str) -> None:
    served = await serve(Access())
    assert not await served.is_trusted(**{name: "1"})
    assert not await served.is_trusted(**{name.lower(): ""})


async def test_a_page_is_not_trusted(serve: Serve) -> None:
    served = await serve(Access())
    assert await served.is_trusted(Origin=served.origin)
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{served.port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert not await served.is_trusted(**headers)


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site"])
async def test_of_a_header_that_is_there_twice_none_may_tell_of_a_page(serve: Serve, name: str) -> None:
    served = await serve(Access())
    ours = served.origin if name == "Origin" else "same-origin"
    twice = "".join(f"{name}: {value}\r\n" for value in (ours, "http://evil.example"))
    _, body = await served.raw(f"GET {LIST} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n{twice}\r\n")
    assert json.loads(body)["trusted"] is False


async def test_trust_can_be_turned_off(serve: Serve) -> None:
    served = await serve(Access(trusts_local=False))
    assert not await served.is_trusted()


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "localhost", "localhost:1", "127.0.0.1:1", "localhost.:{port}", "localhost.evil:{port}"),
        *("127.0.0.2:{port}", "127.1:{port}", "2130706433:{port}", "0x7f.1:{port}", "0.0.0.0:{port}", "[::]:{port}"),
        *("[::ffff:127.0.0.1]:{port}", "app.localhost:{port}"),
    ],
)
async def test_another_host_than_the_one_listened_on_is_not_trusted(serve: Serve, host: str) -> None:
    served = await serve(Access())
    assert not await served.is_trusted(Host=host.format(port=served.port))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com:80@localhost", "evil.com:80@localhost:{port}", "user@localhost:{port}", "localhost/evil"),
        *("localhost#x", "localhost?x", "localhost:abc", "localhost:", "localhost:{port}:1", "localhost:99999"),
        *("[::1", "::1", "[::1]x", "[::1%25lo]:{port}", "[localhost]:{port}", "localhost:{port} ,x", "local host", ""),
        *("localhost\\evil", "löcalhost", "localhost:+{port}", "-x", "a" * 300, "[::1]:{port}]", "localhost\t:{port}"),
    ],
)
async def test_a_host_that_cannot_be_is_refused(serve: Serve, host: str) -> None:
    served = await serve(Access())
    text = host.format(port=served.port) if "{port}" in host else host
    status, body = await served.raw(f"GET {LIST} HTTP/1.1\r\nHost: {text}\r\n\r\n")
    assert status == 400
    assert b"trusted" not in body


async def test_a_request_names_its_host_once(serve: Serve) -> None:
    served = await serve(Access())
    host = f"Host: localhost:{served.port}\r\n"
    assert (await served.raw(f"GET {LIST} HTTP/1.1\r\n{host}\r\n"))[0] == 200
    assert (await served.raw(f"GET {LIST} HTTP/1.1\r\n\r\n"))[0] == 400
    assert (await served.raw(f"GET {LIST} HTTP/1.1\r\n{host}{host}\r\n"))[0] == 400
    assert (await served.raw(f"GET {LIST} HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n"))[0] == 400


async def test_old_http_is_what_proxies_speak(serve: Serve) -> None:
    served = await serve(Access())
    for host in (f"Host: 127.0.0.1:{served.port}\r\n", ""):
        status, body = await served.raw(f"GET {LIST} HTTP/1.0\r\n{host}\r\n")
        assert (status, json.loads(body)["trusted"]) == (200, False)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on its loopback interface")
async def test_a_sidecar_is_not_trusted(serve: Serve) -> None:
    served = await serve(Access())
    request = f"GET {LIST} HTTP/1.1\r\nHost: localhost:{served.port}\r\n\r\n"
    assert json.loads((await served.raw(request, "127.0.0.1"))[1])["trusted"] is True
    assert json.loads((await served.raw(request, "127.0.0.6"))[1])["trusted"] is False


async def test_probes_tell_strangers_no_details(serve: Serve) -> None:
    trusting, wary = await serve(Access()), await serve(Access(trusts_local=False))
    assert len((await trusting.get("/readyz"))[1]) > len((await wary.get("/readyz"))[1])


# --- what links call the host --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost", HostName("localhost", None)),
        ("Example.ORG:8080", HostName("example.org", 8080)),
        ("[::1]:80", HostName("::1", 80)),
        ("my_service", HostName("my_service", None)),
        ("10.0.0.1:7071", HostName("10.0.0.1", 7071)),
        ("a@b", None),
        ("", None),
        ("[1.2.3.4]", None),
        ("host:65536", None),
        ("hóst", None),
        ("host:\u0661", None),
    ],
)
def test_names_of_hosts(text: str, host: HostName | None) -> None:
    assert read_host(text) == host


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("http://localhost:7071", "http://localhost:7071"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://[::1]:7071", "http://[::1]:7071"),
        ("http://192.0.2.7:7071", "http://192.0.2.7:7071"),
        ("http://{name}:7071", "http://{name}:7071"),
        ("http://192.0.2.7:80", "http://192.0.2.7:7071"),
        ("http://evil.example:7071", "http://192.0.2.7:7071"),
        ("http://evil.example@localhost", "http://192.0.2.7:7071"),
        ("http://localhost.evil.example", "http://192.0.2.7:7071"),
    ],
)
def test_links_call_the_host_by_its_own_names_only(origin: str, admitted: str) -> None:
    name = socket.gethostname().lower()
    origins = Origins(lambda: "http://192.0.2.7:7071", public=None, believed=False)
    assert origins.admitted(origin.format(name=name)) == admitted.format(name=name)


def test_links_carry_the_public_url_and_no_other() -> None:
    origins = Origins(lambda: "http://localhost:80", public="https://app.example", believed=True)
    assert {origins.admitted(origin) for origin in ("http://localhost:80", "http://evil.example")} == {
        "https://app.example"
    }
    assert origins.told == "https://app.example"


def test_a_host_behind_a_proxy_that_is_set_up_believes_it() -> None:
    origins = Origins(lambda: "http://localhost:80", public=None, believed=True)
    assert origins.admitted("https://app.example") == "https://app.example"


async def test_a_host_on_all_addresses_knows_the_one_at_which_a_request_arrives(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    served = await serve(host="0.0.0.0")
    await served.get("/")
    origins = served.server.origins
    assert origins.admitted(f"http://localhost:{served.port}") == f"http://localhost:{served.port}"
    with caplog.at_level(logging.WARNING):
        assert origins.admitted("http://evil.example") == f"http://localhost:{served.port}"
        assert origins.admitted("http://evil.example") == f"http://localhost:{served.port}"
    assert caplog.text.count("--public-url") == 1


@pytest.mark.parametrize("text", ["https://app.example", " HTTPS://App.Example/ ", "https://app.example:443"])
def test_a_public_url_is_an_origin(text: str) -> None:
    assert read_public_url(text, "x").startswith("https://app.example")


@pytest.mark.parametrize(
    "text", ["app.example", "ftp://app.example", "https://", "https://a/b", "https://u@a", "https://a?b"]
)
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--public-url is"):
        read_public_url(text, "--public-url")
