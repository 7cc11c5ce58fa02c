"""A server under test, and a connection to it on which a test says what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from azure_durable_py.hosting.local.server import HttpServer
from azure_durable_py.http.wire import Request


@dataclass
class Wire:
    """A connection on which a test says what it likes. `Host: localhost` stands for where the server listens."""

    address: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, text: str | bytes) -> None:
        data = text.encode("latin-1") if isinstance(text, str) else text
        self.writer.write(data.replace(b"Host: localhost\r\n", f"Host: {self.address}\r\n".encode()))
        await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers by lower-case name, and body of the next answer."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        length = int(headers.get("content-length", "0"))
        return int(head[0].split()[1]), headers, await self.reader.readexactly(length)

    async def ended(self) -> bytes:
        """What comes until the server closes the connection."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()


@dataclass
class Served:
    """A running server: `get("/path")` and friends return status, headers and body."""

    origin: str
    session: aiohttp.ClientSession
    server: HttpServer
    managed: list[Request] = field(default_factory=lambda: [])
    wires: list[Wire] = field(default_factory=lambda: [])

    async def ask(self, method: str, path: str, **kwargs: Any) -> tuple[int, Any, bytes]:
        async with self.session.request(method, self.origin + path, **kwargs) as response:
            return response.status, response.headers, await response.read()

    async def connect(self) -> Wire:
        address = urlsplit(self.origin)
        wire = Wire(address.netloc, *await asyncio.open_connection(address.hostname, address.port))
        self.wires.append(wire)
        return wire

    async def close(self) -> None:
        for wire in self.wires:
            wire.close()
        await asyncio.gather(*(wire.writer.wait_closed() for wire in self.wires), return_exceptions=True)
        await self.session.close()
        await self.server.stop()


Serve = Callable[..., Awaitable[Served]]
