"""The faulty way to storage does to requests what it says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import CALM, Proxy, Sky, Storage, Weather, read_message

ASK = b"PUT /devstoreaccount1/q/messages/1 HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello"
ANSWER = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"


class Server:
    """What stands behind the proxy: keeps what it is asked, and answers."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.heard = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_message(reader)) is not None:
            self.asked.append(request)
            self.heard.set()
            writer.write(ANSWER)
            await writer.drain()
        writer.close()


class Setting:
    """A server, a proxy before it, and a way to ask through it."""

    def __init__(self, server: Server, sky: Sky, port: int) -> None:
        self.server = server
        self.sky = sky
        self.port = port

    async def ask(self, request: bytes = ASK) -> bytes:
        way = Storage(self.port)
        try:
            return await way.ask(request)
        finally:
            way.hang_up()


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    sky = Sky(random.Random(1))
    proxy = Proxy(listener.sockets[0].getsockname()[1], sky)
    yield Setting(server, sky, await proxy.open())
    await proxy.close()
    listener.close()


async def test_in_calm_weather_all_passes_as_it_came(setting: Setting):
    assert await setting.ask() == ANSWER
    assert setting.server.asked == [ASK]
    assert not setting.sky.faults


async def test_one_connection_carries_many_requests(setting: Setting):
    way = Storage(setting.port)
    assert [await way.ask(ASK) for _ in range(3)] == [ANSWER] * 3
    way.hang_up()
    assert setting.server.asked == [ASK] * 3


@pytest.mark.parametrize(("weather", "statuses"), [(Weather(busy=1), (500, 503)), (Weather(refused=1), (403,))])
async def test_a_refusal_is_not_heard_of_by_storage(setting: Setting, weather: Weather, statuses: tuple[int, ...]):
    setting.sky.weather = weather
    answer = await setting.ask()
    assert int(answer[9:12]) in statuses
    assert b"x-ms-error-code" in answer
    assert setting.server.asked == []


async def test_a_reset_is_not_heard_of_by_storage(setting: Setting):
    setting.sky.weather = Weather(reset=1)
    with pytest.raises(OSError, match=r"reset|hung up"):
        await setting.ask()
    assert setting.server.asked == []


async def test_storage_does_what_it_was_asked_though_the_answer_is_lost(setting: Setting):
    setting.sky.weather = Weather(lost=1)
    with pytest.raises(OSError, match=r"reset|hung up"):
        await setting.ask()
    assert setting.server.asked == [ASK]


async def test_storage_does_what_it_was_asked_though_it_seems_to_have_failed(setting: Setting):
    setting.sky.weather = Weather(failed=1)
    assert (await setting.ask())[9:12] == b"500"
    assert setting.server.asked == [ASK]


async def test_storage_hears_late_of_what_its_sender_gave_up(setting: Setting, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tests.chaos.proxy.LATE_SECONDS", (0.0, 0.01))
    setting.sky.weather = Weather(late=1)
    with pytest.raises(OSError, match=r"reset|hung up"):
        await setting.ask()
    await asyncio.wait_for(setting.server.heard.wait(), 5)
    assert setting.server.asked == [ASK]
    assert setting.sky.was_late("/messages/1")
    assert not setting.sky.was_late("/messages/2")


async def test_faults_are_counted_and_end_with_the_weather(setting: Setting):
    setting.sky.weather = Weather(refused=1)
    await setting.ask()
    setting.sky.weather = CALM
    await setting.ask()
    assert setting.sky.faults == {"refused": 1}
