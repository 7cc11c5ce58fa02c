"""A stand-in for an account that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from tests.azurite import ACCOUNT, KEY

Told: TypeAlias = web.Response | asyncio.Event | bytes | None


@dataclass(frozen=True)
class Asked:
    """A request as it came. `target` is what the request line says."""

    method: str
    target: str
    headers: CIMultiDictProxy[str] | CIMultiDict[str]
    body: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


class FakeStorage:
    """Answers every request as told, the last answer for ever.

    None: the connection ends instead; bytes: it ends after these; an event: when that is set, it ends.
    """

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.never = asyncio.Event()
        self.answers: list[Told] = []
        self.uri = ""

    @property
    def connection_string(self) -> str:
        return f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={self.uri};TableEndpoint={self.uri}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Asked(request.method, request.raw_path, request.headers, await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
        if not isinstance(answer, web.Response):
            assert request.transport is not None
            if isinstance(answer, bytes):
                request.transport.write(answer)
            request.transport.close()
            return web.Response()
        # A response is sent once.
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def refuse(self, status: int, code: str, **headers: str) -> None:
        self.answers = [refused(status, code, **headers)]


def refused(status: int, code: str, **headers: str) -> web.Response:
    """An answer of a table that refuses; `_` in the name of a header stands for `-`."""
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": "Somebody says so."}}}
    given = {"Content-Type": "application/json", "x-ms-error-code": code}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, text=json.dumps(body), headers=given)


@asynccontextmanager
async def fake_storage() -> AsyncIterator[FakeStorage]:
    """A stand-in on a free port."""
    storage = FakeStorage()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", storage.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    storage.uri = f"http://127.0.0.1:{runner.addresses[0][1]}/{ACCOUNT}"
    try:
        yield storage
    finally:
        storage.never.set()
        await runner.cleanup()
