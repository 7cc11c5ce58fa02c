"""A faulty way to storage: an HTTP proxy that stands between one worker and Azurite.

Owns what may happen to a request on its way. It reads only so much of HTTP that it knows where a request and an
answer end; what passes, passes as it came.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

_HEAD_BYTES = 1 << 20
LATE_SECONDS = (0.5, 8.0)
_NO_LINGER = struct.pack("ii", 1, 0)
_TROUBLE = (OSError, asyncio.IncompleteReadError)


@dataclass(frozen=True)
class Weather:
    """How likely each fault is for one request (0 to 1); the rest passes.

    `latency` are seconds that every request waits at most.

    - `reset`: the connection is reset, and storage never hears of the request;
    - `busy`: 500 or 503 in place of storage, which never hears of it;
    - `refused`: the same with 403;
    - `lost`: storage does what it was asked, and the connection is reset in place of its answer;
    - `failed`: the same, with 500 in place of its answer;
    - `late`: the connection is reset, and storage hears of the request some seconds later.
    """

    latency: float = 0.0
    reset: float = 0.0
    busy: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    failed: float = 0.0
    late: float = 0.0


FAULTS = ("reset", "busy", "refused", "lost", "failed", "late")
CALM = Weather()
WEATHERS = {
    "calm": CALM,
    "unsteady": Weather(latency=0.02, reset=0.003, busy=0.003, lost=0.003, failed=0.002, late=0.002),
    "slow": Weather(latency=2.0),
    "out of reach": Weather(reset=1.0),
    "busy": Weather(busy=0.9),
    "refused": Weather(refused=1.0),
    "refused now and then": Weather(refused=0.3),
    "losing answers": Weather(lost=0.2, failed=0.1, late=0.1),
}


class Sky:
    """The weather that several proxies are under, and what they did.

    :param dice: decides.
    """

    def __init__(self, dice: random.Random) -> None:
        self.weather = CALM
        self.faults: Counter[str] = Counter()
        self.unheard_messages = 0
        """Queue messages that were put, or will be, without an answer that says so."""
        self._dice = dice
        self._late: list[str] = []

    def draw(self) -> tuple[str, float]:
        """What happens to the next request (one of `FAULTS`, or "" for nothing), and after how many seconds."""
        weather, point = self.weather, self._dice.random()
        delay = self._dice.uniform(0.0, weather.latency) if weather.latency else 0.0
        for fault in FAULTS:
            point -= getattr(weather, fault)
            if point < 0:
                self.faults[fault] += 1
                return fault, delay
        return "", delay

    def lateness(self, request: bytes) -> float:
        """How many seconds a late request takes; it is kept in mind."""
        self._late.append(unquote(request.decode("utf-8", "replace")))
        return self._dice.uniform(*LATE_SECONDS)

    def choose(self, *choices: int) -> int:
        """One of several numbers."""
        return self._dice.choice(choices)

    def was_late(self, *words: str) -> bool:
        """Whether a late request held all these words: what it left behind nobody could know of."""
        return any(all(word in request for word in words) for request in self._late)


class Proxy:
    """Forwards to one port of this machine, under a sky.

    :param target: the port.
    """

    def __init__(self, target: int, sky: Sky) -> None:
        self._target = target
        self._sky = sky
        self._server: asyncio.Server | None = None
        self._live: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES)
        return self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._live):
            _reset(writer)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._live.add(writer)
        storage = Storage(self._target)
        try:
            while (request := await read_message(reader)) is not None:
                if not await self._pass_on(request, writer, storage):
                    break
        except _TROUBLE:
            _reset(writer)
        finally:
            self._live.discard(writer)
            self._tasks.discard(task)
            storage.hang_up()
            writer.close()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter, storage: Storage) -> bool:
        """Let happen to a request what is to happen; whether its connection goes on."""
        fault, delay = self._sky.draw()
        if delay:
            await asyncio.sleep(delay)
        if fault in ("busy", "refused"):
            status = 403 if fault == "refused" else self._sky.choose(500, 503)
            await _send(writer, refusal(status, request))
            return True
        if fault in ("late", "lost", "failed") and request.startswith(b"POST ") and b"/messages" in request[:2_000]:
            self._sky.unheard_messages += 1
        if fault == "late":
            self._start(self._later(request))
        if fault in ("reset", "late"):
            _reset(writer)
            return False
        answer = await storage.ask(request)
        if fault == "lost":
            _reset(writer)
            return False
        await _send(writer, refusal(500, request) if fault == "failed" else answer)
        return True

    async def _later(self, request: bytes) -> None:
        await asyncio.sleep(self._sky.lateness(request))
        storage = Storage(self._target)
        with contextlib.suppress(*_TROUBLE):
            await storage.ask(request)
        storage.hang_up()


class Storage:
    """One connection to what is behind the proxy, made when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> bytes:
        """The answer to a request.

        :raises OSError: there is none.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_HEAD_BYTES)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        answer = await read_message(reader, answers=True)
        if answer is None:
            raise ConnectionResetError("storage hung up")
        return answer

    def hang_up(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection as a broken network does: the peer learns that what it sent may be lost."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None and not writer.transport.is_closing():
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()


# --- HTTP --------------------------------------------------------------------------------------------------


async def read_message(reader: asyncio.StreamReader, *, answers: bool = False) -> bytes | None:
    """One request or answer, as it came; None when the other side has hung up before it.

    :raises OSError, IncompleteReadError: it hung up in the middle.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    if answers and head[9:12] in (b"204", b"304"):
        return head
    fields = _fields(head)
    if "chunked" in fields.get("transfer-encoding", ""):
        return head + await _read_chunks(reader)
    return head + await reader.readexactly(int(fields.get("content-length", "0")))


def _fields(head: bytes) -> dict[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        body += line + await reader.readexactly(size + 2)
        if size == 0:
            return body


_CODES = {
    403: ("AuthorizationFailure", "This request is not authorized to perform this operation."),
    500: ("InternalError", "The server encountered an internal error. Please retry the request."),
    503: ("ServerBusy", "The server is currently unable to receive requests. Please retry your request."),
}


def refusal(status: int, request: bytes) -> bytes:
    """What Azure Storage answers when it does not do what it was asked: XML from queues, JSON from tables."""
    code, text = _CODES[status]
    if b"TaskHub" in request.split(b"\r\n", 1)[0] or b"$batch" in request[:200]:
        kind = "application/json"
        body = f'{{"odata.error":{{"code":"{code}","message":{{"lang":"en-US","value":"{text}"}}}}}}'
    else:
        kind = "application/xml"
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{text}</Message></Error>'
    return (
        f"HTTP/1.1 {status} {code}\r\nContent-Type: {kind}\r\nx-ms-error-code: {code}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
