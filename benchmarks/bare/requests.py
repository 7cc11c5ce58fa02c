"""Azurite's limit: the requests of a run, by a bare HTTP client that signs them with the shared key.

A proxy writes down what passes it. Played again on a hub of another name, a request is the same but for what the
service itself must have told: message ids and receipts are those of the messages received this time, and a condition on
an ETag becomes one on any. A request waits for the one before it on the same rows, and for a message to delete; beside
that, as many are in flight as there were.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
from aiohttp import web
from yarl import URL

from benchmarks.span import Part, Span
from tests.azurite import ACCOUNT, KEY, Azurite

_KEY = base64.b64decode(KEY)
_MOST = 30_000
_KEPT_ALIVE = 3.0
"""Seconds for which an idle connection is kept: shorter than Azurite does."""
_ROW = re.compile(r"PartitionKey(?:=| eq )'([^']*)'")
_NAMED_ROW = re.compile(rb'"PartitionKey": ?"([^"]*)"')
_CONDITION = re.compile(rb"(?i)(If-Match: ?)[^\r\n]*")
_RECEIVED = re.compile(rb"<MessageId>([^<]*)</MessageId>.*?<PopReceipt>([^<]*)</PopReceipt>", re.DOTALL)
_KEPT = ("Content-Type", "Accept", "Prefer", "DataServiceVersion", "x-ms-version", "If-Match")


@dataclass(frozen=True)
class Request:
    """A request as it was sent, without what signs it."""

    service: str
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @cached_property
    def rows(self) -> str:
        """What orders it among others: the partition that it is about; empty for none."""
        if self.service == "queue":
            return ""
        inside = self.body if self.path.endswith("/$batch") else b""
        found = _ROW.search(unquote(f"{self.path}?{self.query}")) or _ROW.search(unquote(inside.decode()))
        if found is not None:
            return found[1]
        named = _NAMED_ROW.search(self.body)
        return "" if named is None else named[1].decode()

    @property
    def makes(self) -> str:
        """The path of the queue or table that it creates; empty for none."""
        if self.service == "queue":
            return self.path if self.method == "PUT" and "/messages" not in self.path else ""
        if self.method != "POST" or not self.path.endswith("/Tables"):
            return ""
        return f"{self.path}('{json.loads(self.body)['TableName']}')"


@dataclass
class RequestTape:
    """The requests of one hub, from its opening on; `refused` counts the answers of refusal when it was played last."""

    hub: str
    before: list[Request] = field(default_factory=list[Request])
    counted: list[Request] = field(default_factory=list[Request])
    part: Part = "before"
    at_once: int = 1
    operations: int = 0
    refused: Counter[int] = field(default_factory=Counter[int])

    @property
    def is_whole(self) -> bool:
        """Whether all of a run is on it."""
        return 0 < len(self.counted) < _MOST

    def start(self) -> None:
        """What comes from now on counts."""
        self.part = "counted"

    def stop(self, *, operations: int, writes: int, at_once: float) -> None:
        """No more of it counts.

        :param operations: how many calls of the store it was, as Azure counts them.
        :param writes: how many of them wrote.
        :param at_once: how many calls were in flight, on the average.
        """
        del writes
        self.part = "after"
        self.operations = operations
        self.at_once = min(64, max(1, round(at_once)))

    def note(self, request: Request) -> None:
        """Keep a request."""
        if self.part == "before":
            self.before.append(request)
        elif self.part == "counted" and len(self.counted) < _MOST:
            self.counted.append(request)

    async def play(self, azurite: Azurite, hub: str) -> Span:
        """Send it all again.

        :param hub: the name of the hub that it is on this time, as long as the other.
        """
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.at_once, keepalive_timeout=_KEPT_ALIVE), auto_decompress=False
        ) as session:
            player = _Player(session, azurite)
            for request in self.before:
                await player.send(_renamed(request, self.hub, hub))
            counted = [_renamed(request, self.hub, hub) for request in self.counted]
            began, cpu = time.perf_counter(), time.process_time()
            await player.play(counted, self.at_once)
            span = Span(began, time.perf_counter() - began, time.process_time() - cpu, self.operations)
            self.refused = Counter({status: count for status, count in player.statuses.items() if status >= 400})
            await player.tidy()
        return span


class _Player:
    def __init__(self, session: aiohttp.ClientSession, azurite: Azurite) -> None:
        self._session = session
        self._bases = {"queue": _origin(azurite.queue_uri), "table": _origin(azurite.table_uri)}
        self._held: dict[str, deque[tuple[str, str]]] = {}
        self._rows: dict[str, asyncio.Event] = {}
        self._made: set[tuple[str, str]] = set()
        self.statuses: Counter[int] = Counter()

    async def play(self, requests: list[Request], at_once: int) -> None:
        left = iter(requests)

        async def work() -> None:
            for request in left:
                await self._in_order(request)

        await asyncio.gather(*(work() for _ in range(at_once)))

    async def _in_order(self, request: Request) -> None:
        if not request.rows:
            await self.send(request)
            return
        before, done = self._rows.get(request.rows), asyncio.Event()
        self._rows[request.rows] = done
        if before is not None:
            await before.wait()
        try:
            await self.send(request)
        finally:
            done.set()

    async def send(self, request: Request) -> None:
        """Send a request, with what the service told this time."""
        path, query = request.path, request.query
        if request.makes:
            self._made.add((request.service, request.makes))
        queue, _, of_message = path.partition("/messages/")
        if request.service == "table" or not (of_message or path.endswith("/messages")):
            await self._send(request, path, query)
        elif not of_message:
            answer, _ = await self._send(request, path, query)
            if request.method == "GET":
                self._hold(queue, answer)
        else:
            held = self._held.setdefault(queue, deque())
            if not held:
                await self._receive(queue)
            if not held:
                return  # Others had put what was received then.
            message, receipt = held.popleft()
            query = re.sub(r"popreceipt=[^&]*", lambda _: f"popreceipt={quote(receipt, safe='')}", query)
            _, receipt = await self._send(request, f"{queue}/messages/{message}", query)
            if request.method == "PUT":  # It stays in hand, by the receipt that is told now.
                held.append((message, receipt))

    async def _receive(self, queue: str) -> None:
        request = Request("queue", "GET", f"{queue}/messages", "numofmessages=32&visibilitytimeout=30", _QUEUE_HEADERS)
        self._hold(queue, (await self._send(request, request.path, request.query))[0])

    def _hold(self, queue: str, answer: bytes) -> None:
        held = self._held.setdefault(queue, deque())
        held.extend((found[1].decode(), found[2].decode()) for found in _RECEIVED.finditer(answer))

    async def _send(self, request: Request, path: str, query: str) -> tuple[bytes, str]:
        """Returns the body and the pop receipt of the answer."""
        headers = {**request.headers, "x-ms-date": formatdate(usegmt=True)}
        headers["Authorization"] = _signed(request, path, query, headers)
        url = URL(f"{self._bases[request.service]}{path}{'?' if query else ''}{query}", encoded=True)
        async with self._session.request(
            request.method, url, headers=headers, data=request.body or None, skip_auto_headers=_NOT_SENT
        ) as response:
            body = await response.read()
            self.statuses[response.status] += 1
            return body, response.headers.get("x-ms-popreceipt", "")

    async def tidy(self) -> None:
        """Delete the hub."""
        for service, path in self._made:
            headers = _QUEUE_HEADERS if service == "queue" else _TABLE_HEADERS
            request = Request(service, "DELETE", path, "", headers)
            await self._send(request, path, "")


_QUEUE_HEADERS = {"x-ms-version": "2018-03-28"}
_TABLE_HEADERS = {"x-ms-version": "2019-02-02", "accept": "application/json;odata=nometadata"}
_NOT_SENT = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


def _origin(uri: str) -> str:
    return str(URL(uri).origin())


def _renamed(request: Request, old: str, new: str) -> Request:
    """The same for another hub, whatever the rows that it is about are like by now."""

    def rename(text: str) -> str:
        return text.replace(old, new).replace(old.lower(), new.lower())

    body = _CONDITION.sub(rb"\1*", request.body.replace(old.encode(), new.encode()))
    headers = {**request.headers, "If-Match": "*"} if "If-Match" in request.headers else request.headers
    return Request(request.service, request.method, rename(request.path), request.query, headers, body)


def _signed(request: Request, path: str, query: str, headers: Mapping[str, str]) -> str:
    """The Authorization header: Shared Key Lite for tables, Shared Key for queues, as the services document them."""
    resource = f"/{ACCOUNT}{path}"
    if request.service == "table":
        text = f"{headers['x-ms-date']}\n{resource}"
        return f"SharedKeyLite {ACCOUNT}:{_signature(text)}"
    length = str(len(request.body)) if request.body else ""
    named = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    parameters = sorted(part.partition("=")[::2] for part in query.split("&") if part)
    told = "".join(f"\n{name}:{unquote(value)}" for name, value in parameters)
    kind = headers.get("Content-Type", "")
    text = f"{request.method}\n\n\n{length}\n\n{kind}\n\n\n\n\n\n\n{named}{resource}{told}"
    return f"SharedKey {ACCOUNT}:{_signature(text)}"


def _signature(text: str) -> str:
    return base64.b64encode(hmac.new(_KEY, text.encode(), hashlib.sha256).digest()).decode()


@contextlib.asynccontextmanager
async def taping(tape: RequestTape, azurite: Azurite) -> AsyncGenerator[str]:
    """A proxy before Azurite that keeps all requests on a tape; gives the connection string by way of it."""
    async with contextlib.AsyncExitStack() as stack:
        # A connection for each request: one that is kept may be closed by Azurite just when it is used again, and what
        # becomes of a request then is the client's business, who is to see nothing of the proxy.
        connector = aiohttp.TCPConnector(force_close=True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, auto_decompress=False))
        endpoints = ""
        for service, uri in (("queue", azurite.queue_uri), ("table", azurite.table_uri)):
            app = web.Application(client_max_size=2**26)
            app.router.add_route("*", "/{path:.*}", _forward(tape, session, service, URL(uri)))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            endpoints += f"{service.capitalize()}Endpoint=http://{host}:{port}/{ACCOUNT};"
        yield f"AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"


def _forward(tape: RequestTape, session: aiohttp.ClientSession, service: str, target: URL) -> Any:
    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        kept = {name: request.headers[name] for name in _KEPT if name in request.headers}
        path, _, query = request.raw_path.partition("?")
        tape.note(Request(service, request.method, path, query, kept, body))
        headers = {name: value for name, value in request.headers.items() if name.lower() != "transfer-encoding"}
        url = URL(f"http://{target.host}:{target.port}{request.raw_path}", encoded=True)
        async with session.request(
            request.method, url, headers=headers, data=body or None, skip_auto_headers=_NOT_SENT
        ) as answer:
            told = {
                name: value
                for name, value in answer.headers.items()
                if name.lower() not in {"transfer-encoding", "content-length", "connection"}
            }
            return web.Response(status=answer.status, headers=told, body=await answer.read())

    return forward
