"""Thousands of odd requests to every route: none is answered 500, none lets in whom it should not, and nothing breaks.

`FUZZ_REQUESTS=18000 FUZZ_SEED=7` in the environment makes it more of them, and others.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_durable_py.hosting.local import server
from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.http.signing import SignedOperation
from azure_durable_py.taskhub.keyring import SYSTEM, KeyName
from tests.hosting.local.fuzzing import KEPT, OURS, Attempt, Fuzzer, Route
from tests.hosting.local.serving import Wire

pytestmark = [pytest.mark.usefixtures("clean_process"), pytest.mark.timeout(600)]
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "2400"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
CONNECTIONS = 8
APP = """
import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="plain/{name}")
def plain(req: func.HttpRequest) -> str:
    return f"{dict(req.params)} {dict(req.route_params)} {len(req.get_body())}"

@app.route(route="parts/{a}-{b}.{c}/{number:int?}")
async def parts(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(str(dict(req.route_params)), mimetype="text/html")

@app.route(route="rest/{*rest}")
def rest(req: func.HttpRequest) -> bytes:
    return req.get_body()

@app.route(route="secret/{name}", auth_level=func.AuthLevel.FUNCTION)
def secret(req: func.HttpRequest) -> str:
    return "secret"

@app.route(route="admin/{name}", auth_level=func.AuthLevel.ADMIN)
def admin(req: func.HttpRequest) -> str:
    return "admin"

@app.orchestration_trigger(context_name="context")
async def quick(context):
    return context.get_input()

@app.orchestration_trigger(context_name="context")
async def waits(context):
    return await context.wait_for_external_event("go")

@app.orchestration_trigger(context_name="context")
async def fails(context):
    raise ValueError("as it should")

@app.entity_trigger(context_name="context")
def counter(context):
    context.set_state((context.get_state(lambda: 0) or 0) + 1)
"""
PATHS = ("/api/plain/{name}", "/api/parts/{name}-{name}.{name}/{number}", "/api/rest/{name}/{name}", "/", "/healthz")
VERBS = ("GET", "POST")
PUBLIC = {("GET", "monitor"), ("GET", "monitor/assets/{file}")}
"""What of the management API anybody may have: the page, which holds nothing of the hub."""
FUNCTIONS = [
    *(Route(method, path, open=True) for path in PATHS for method in VERBS),
    *(Route("GET", path, open=True) for path in ("/readyz", "/runtime/health")),
]


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[LocalHost]:
    (tmp_path / "function_app.py").write_text(APP)
    (tmp_path / "host.json").write_text('{"extensions": {"durableTask": {"hubName": "FuzzedHub"}}}')
    host = LocalHost(Options(tmp_path, port=0, storage="memory", enable_auth=True), {})
    await host.start()
    yield host
    await host.stop()


def table(host: LocalHost) -> list[Route]:
    """All routes that the host has."""
    managed = [
        Route(
            route.method,
            route.path,
            None if route.operation is None else route.operation.value,
            open=(route.method, route.path) in PUBLIC,
        )
        for route in host.engine.routes
    ]
    assert len(managed) > 25
    assert {(route.method, route.path) for route in managed if route.open} == PUBLIC
    function, every, master = (key(host, name) for name in ("function/secret", "host/default", "master"))
    guarded = [
        *(Route(method, "/api/secret/{name}", is_function=True, keys=(function, every, master)) for method in VERBS),
        *(Route(method, "/api/admin/{name}", is_function=True, keys=(master,)) for method in VERBS),
    ]
    return [*managed, *guarded, *FUNCTIONS]


def key(host: LocalHost, name: str) -> str:
    return host.engine.hub.keys.known.key(KeyName.parse(name)).value


async def links_of(host: LocalHost) -> dict[str, str]:
    """Per operation, the link to an instance that waits."""
    client = host.engine.client
    await client.start_new("waits", KEPT)
    payload = client.create_http_management_payload(KEPT)
    names = {"status": "statusQueryGetUri", "raiseEvent": "sendEventPostUri", "purge": "purgeHistoryDeleteUri"}
    named = {of.value: names.get(of.value, f"{of.value}PostUri") for of in SignedOperation}
    return {operation: str(payload[name]) for operation, name in named.items() if name in payload}


class Line:
    """A connection that is opened again when the host closes it."""

    def __init__(self, origin: str) -> None:
        self._address = urlsplit(origin)
        self._wire: Wire | None = None

    async def ask(self, attempt: Attempt) -> int:
        if self._wire is None:
            streams = await asyncio.open_connection(self._address.hostname, self._address.port)
            self._wire = Wire(self._address.netloc, *streams)
        # It may be answered, and the connection closed, before all of it is there.
        with contextlib.suppress(ConnectionError):
            await self._wire.say(attempt.data)
        return await self._answer(attempt.method)

    async def _answer(self, method: str) -> int:
        assert self._wire is not None
        reader = self._wire.reader
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split()[1])
        if status == 100:
            return await self._answer(method)
        length = re.search(r"^content-length: (\d+)", head, re.MULTILINE)
        if length is not None and method != "HEAD" and status not in (204, 304):
            await reader.readexactly(int(length[1]))
        if "\r\nconnection: close" in head or status in (400, 408, 413, 417):
            await self.close()
        return status

    async def close(self) -> None:
        if self._wire is not None:
            self._wire.close()
            await asyncio.gather(self._wire.writer.wait_closed(), return_exceptions=True)
            self._wire = None


async def storm(host: LocalHost, requests: int, seed: int) -> tuple[list[str], Counter[int]]:
    """What was answered that should not have been, and how often each status was."""
    keys = [found.value for found in host.engine.hub.keys.known.keys.values()]
    system_key = key(host, f"system/{SYSTEM}")
    fuzzer = Fuzzer(table(host), await links_of(host), system_key, keys, seed)
    wrong: list[str] = []
    statuses: Counter[int] = Counter()

    async def call(count: int) -> None:
        line = Line(host.origin or "")
        for _ in range(count):
            attempt = fuzzer.attempt()
            status = await asyncio.wait_for(line.ask(attempt), 60)
            statuses[status] += 1
            refusal = attempt.refusal(status)
            if refusal is not None:
                wrong.append(f"{refusal}: {attempt}")
        await line.close()

    await asyncio.gather(*(call(requests // CONNECTIONS) for _ in range(CONNECTIONS)))
    return wrong, statuses


async def test_odd_requests_break_nothing_and_open_nothing(host: LocalHost, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong, statuses = await storm(host, REQUESTS, SEED)
    assert wrong == []
    # Else it would test little.
    assert all(statuses[status] >= REQUESTS // 240 for status in (200, 202, 400, 401, 404)), statuses
    await assert_nothing_was_made_or_harmed(host)
    assert_quiet(caplog.records)


async def test_a_host_that_trusts_everybody_would_be_noticed(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "is_local_caller", lambda _request: True)
    wrong, _ = await storm(host, 400, SEED)
    assert any("let in with" in line for line in wrong)


async def test_what_a_stranger_made_would_be_noticed(host: LocalHost) -> None:
    await host.engine.client.start_new("waits", f"{OURS}-1")
    with pytest.raises(AssertionError, match=OURS):
        await assert_nothing_was_made_or_harmed(host)


async def test_a_route_that_breaks_would_be_noticed(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_answer: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(server, "from_answer", broken)
    wrong, _ = await storm(host, 80, SEED)
    assert any("answered 500" in line for line in wrong)


async def assert_nothing_was_made_or_harmed(host: LocalHost) -> None:
    client = host.engine.client
    made = [str(status.instance_id) for status in await client.get_status_all()]
    entities = (await client.query_entities(page_size=1000)).items
    assert [one for one in [*made, *(str(entity.entity_id) for entity in entities)] if OURS in one] == []
    worker = host.engine.health
    assert worker is not None
    assert worker.is_healthy
    assert [(name, task.restarts) for name, task in worker.tasks.items() if task.restarts] == []
    await client.start_new("quick", "afterwards", "well")
    status = await client.wait_for_completion("afterwards", 30)
    assert status.output == "well"


def assert_quiet(records: list[logging.LogRecord]) -> None:
    """No line says that something broke, and none holds what a terminal obeys."""
    ours = [record for record in records if record.name.startswith(("azure_durable_py", "asyncio", "aiohttp"))]
    loud = [record.getMessage() for record in ours if record.levelno >= logging.ERROR]
    # What the app itself fails with is told.
    assert [line for line in loud if "as it should" not in line and "nobody waits for it" not in line] == []
    assert [
        record.getMessage() for record in ours if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", record.getMessage())
    ] == []
