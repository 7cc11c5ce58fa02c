"""Connections of the local host: who may wait for how long, who makes way, and who is turned away."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any, cast

import azure.functions as func
import pytest
from aiohttp import web

from azure_durable_py.app import DFApp
from azure_durable_py.hosting.local import connections as module
from azure_durable_py.hosting.local import listening
from azure_durable_py.hosting.local.connections import Connection, Connections
from azure_durable_py.hosting.local.limits import HttpLimits
from tests.hosting.local.serving import Serve, Served, Wire

REQUEST = "GET /api/hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Transport(asyncio.Transport):
    """Says how much is unsent, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


class Protocol:
    def __init__(self) -> None:
        self.transport = Transport()


class Table:
    """A table of connections at a time of its own."""

    def __init__(self, **limits: Any) -> None:
        self.now = 0.0
        self.all = Connections(HttpLimits(**limits), lambda: self.now)

    def open(self, address: str = "1.1.1.1") -> tuple[Connection | None, Transport]:
        connection, protocol = self.all.admit(address), Protocol()
        if connection is not None:
            self.all.attach(connection, cast("web.RequestHandler", protocol))
        return connection, protocol.transport

    def at(self, now: float) -> Table:
        self.now = now
        self.all.sweep()
        return self


def test_a_connection_that_brings_no_request_is_closed() -> None:
    table = Table(headers_timeout=30.0)
    _, transport = table.open()
    table.at(29.9)
    assert not transport.aborted
    table.at(30.0)
    assert transport.aborted


def test_what_is_being_served_is_left_alone_and_may_then_wait_for_the_next_request() -> None:
    table = Table(headers_timeout=30.0, keep_alive_timeout=75.0)
    connection, transport = table.open()
    assert connection is not None
    with table.all.serving(connection.protocol):
        table.at(1000.0)
        assert not transport.aborted
    table.at(1074.9)
    assert not transport.aborted
    table.at(1075.0)
    assert transport.aborted


def test_who_takes_nothing_of_an_answer_is_closed_and_who_takes_it_slowly_is_not() -> None:
    table = Table(headers_timeout=1000.0)
    (_, slow), (_, deaf) = table.open(), table.open()
    slow.unsent = deaf.unsent = 100_000
    for second in range(0, 30, 10):
        slow.unsent -= 1
        table.at(float(second))
    table.at(30.0)
    assert (slow.aborted, deaf.aborted) == (False, True)


def test_the_one_that_has_waited_longest_makes_way_and_the_largest_address_has_to() -> None:
    table = Table(max_connections=4, max_connections_per_address=3)
    first = table.open("9.9.9.9")[1]
    many = []
    for second in range(3):
        table.now = float(second)
        many.append(table.open("1.1.1.1")[1])
    assert table.all.make_room()
    assert [one.aborted for one in (first, *many)] == [False, True, False, False]
    assert len(table.all) == 3


def test_an_address_with_too_many_pays_for_itself() -> None:
    table = Table(max_connections=100, max_connections_per_address=2)
    opened = [table.open("1.1.1.1") for _ in range(3)]
    assert [transport.aborted for _, transport in opened] == [True, False, False]
    for connection, _ in opened[1:]:
        assert connection is not None
        connection.serving = 1
    assert table.open("1.1.1.1")[0] is None
    assert table.open("2.2.2.2")[0] is not None


def test_there_is_no_room_while_all_are_being_served() -> None:
    table = Table(max_connections=1, max_connections_per_address=10)
    connection, transport = table.open()
    assert connection is not None
    with table.all.serving(connection.protocol):
        assert not table.all.make_room()
    assert not transport.aborted
    assert table.all.make_room()


def test_half_of_all_may_come_from_one_address_unless_host_json_says_so() -> None:
    assert Connections(HttpLimits(max_connections=10)).most_of_an_address == 5
    assert Connections(HttpLimits(max_connections=1)).most_of_an_address == 1
    assert Connections(HttpLimits(max_connections=10, max_connections_per_address=9)).most_of_an_address == 9


# --- on the network --------------------------------------------------------------------------------------


@pytest.fixture
def hello(app: DFApp) -> None:
    @app.route(route="hello")
    def hello(req: func.HttpRequest) -> str:
        return "hi"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.01)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@pytest.mark.usefixtures("hello", "quick")
@pytest.mark.parametrize("half", ["", "G", REQUEST[:-2], "GET / HTTP/1.1\r\nX-A: " + "a" * 5000])
async def test_half_a_request_ends_in_time(serve: Serve, half: str) -> None:
    served = await serve(limits=HttpLimits(headers_timeout=0.1))
    wire = await served.connect()
    await wire.say(half)
    assert await wire.ended() == b""
    await until(lambda: len(served.server.connections) == 0)


@pytest.mark.usefixtures("hello", "quick")
@pytest.mark.parametrize("rest", ["", REQUEST[:-2]])
async def test_an_idle_connection_ends_in_time(serve: Serve, rest: str) -> None:
    served = await serve(limits=HttpLimits(headers_timeout=1000.0, keep_alive_timeout=0.1))
    wire = await served.connect()
    await wire.say(REQUEST)
    assert (await wire.answer())[0::2] == (200, b"hi")
    await wire.say(rest)
    assert await wire.ended() == b""


@pytest.mark.usefixtures("hello")
async def test_many_that_say_nothing_do_not_keep_others_out(serve: Serve) -> None:
    served = await serve(limits=HttpLimits(max_connections=8))
    silent = [await served.connect() for _ in range(50)]
    for one in silent:
        await one.say(REQUEST[:-2])
    for _ in range(3):
        wire = await served.connect()
        await wire.say(REQUEST)
        assert (await wire.answer())[0::2] == (200, b"hi")
        wire.close()
    assert len(served.server.connections) <= 8


async def taken(served: Served, count: int, entered: asyncio.Semaphore) -> list[Wire]:
    """Connections each with a request that runs."""
    wires = [await served.connect() for _ in range(count)]
    for wire in wires:
        await wire.say("GET /api/wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await entered.acquire()
    return wires


@pytest.fixture
def gate(app: DFApp) -> tuple[asyncio.Semaphore, asyncio.Event]:
    entered, leave = asyncio.Semaphore(0), asyncio.Event()

    @app.route(route="wait")
    async def wait(req: func.HttpRequest) -> str:
        entered.release()
        await leave.wait()
        return "done"

    return entered, leave


Gate = tuple[asyncio.Semaphore, asyncio.Event]


@pytest.mark.usefixtures("hello")
async def test_who_comes_while_all_are_served_waits_for_one_to_end(
    serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    entered, leave = gate
    served = await serve(limits=HttpLimits(max_connections=2, max_connections_per_address=2))
    busy = await taken(served, 2, entered)
    late = await served.connect()
    await late.say(REQUEST)
    await until(lambda: "All 2 connections are being served" in caplog.text)
    leave.set()
    assert (await late.answer())[0::2] == (200, b"hi")
    assert [(await wire.answer())[0] for wire in busy] == [200, 200]
    assert caplog.text.count("connections are being served") == 1


async def test_one_address_cannot_have_all(serve: Serve, gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    entered, leave = gate
    served = await serve(limits=HttpLimits(max_connections=100, max_connections_per_address=2))
    busy = await taken(served, 2, entered)
    for _ in range(3):
        assert await (await served.connect()).ended() == b""
    assert caplog.text.count("A connection from 127.0.0.1 is refused: 2 are being served for that address.") == 1
    leave.set()
    assert [(await wire.answer())[0] for wire in busy] == [200, 200]


@pytest.mark.usefixtures("hello")
async def test_without_a_file_descriptor_it_waits_and_says_so_once(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "PAUSE", 0.001)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, 0

    async def without_descriptors(listening: socket.socket) -> Any:
        nonlocal failures
        if failures < 20:
            failures += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", without_descriptors)
    served = await serve()
    assert (await served.ask("GET", "/api/hello"))[0] == 200
    assert failures == 20
    assert caplog.text.count("No connection can be accepted (Too many open files), with 0 open.") == 1


@pytest.mark.usefixtures("hello")
async def test_a_caller_who_left_before_it_was_accepted_is_nobodys_error(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, 0

    async def aborted(listening: socket.socket) -> Any:
        nonlocal failures
        failures += 1
        if failures == 1:
            raise OSError(errno.ECONNABORTED, "Software caused connection abort")
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", aborted)
    served = await serve()
    assert (await served.ask("GET", "/api/hello"))[0] == 200
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []
