"""Probes of the local host: what lives, what is ready, and who is told why not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.hosting.local import health as module
from azure_durable_py.hosting.local import running
from azure_durable_py.hosting.local.health import Check, HostHealth, LoopLag, Phase, StorageProbe
from azure_durable_py.hosting.local.host import LocalHost, Options

pytestmark = pytest.mark.usefixtures("clean_process")
STRANGER = {"X-Forwarded-For": "203.0.113.9"}
APP = """
import asyncio
import threading
import time
import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="block/{seconds}")
async def block(req: func.HttpRequest) -> str:
    time.sleep(float(req.route_params["seconds"]))
    return "done"

entered, leave = asyncio.Event(), asyncio.Event()

@app.route(route="slow")
async def slow(req: func.HttpRequest) -> str:
    entered.set()
    await leave.wait()
    return "done"
"""


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


@pytest.fixture
async def host(app_dir: Path) -> AsyncIterator[LocalHost]:
    host = LocalHost(Options(app_dir, port=0, storage="memory"), {})
    yield host
    await host.stop()


async def ask(host: LocalHost, path: str, **headers: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{host.origin}{path}", headers=headers) as response:
        return response.status, await response.json()


def failing(told: Any) -> list[str]:
    return [name for name, check in told["checks"].items() if check["status"] != "ok"]


async def test_a_host_that_works_is_alive_and_ready(host: LocalHost) -> None:
    await host.start()
    ok = {"status": "ok"}
    assert await ask(host, "/healthz", **STRANGER) == (200, {**ok, "checks": {"eventLoop": ok, "worker": ok}})
    checks = ("taskHub", "accepting", "eventLoop", "worker", "storage")
    assert await ask(host, "/readyz", **STRANGER) == (200, {**ok, "checks": dict.fromkeys(checks, ok)})


async def test_a_dead_pump_is_neither_alive_nor_ready_and_only_friends_are_told_why(host: LocalHost) -> None:
    await host.start()
    assert host.engine.health is not None
    host.engine.health.failed("work items", ValueError("the secret"))
    for path in ("/healthz", "/readyz"):
        status, told = await ask(host, path, **STRANGER)
        assert (status, told["status"], failing(told)) == (503, "failing", ["worker"])
        assert told["checks"]["worker"] == {"status": "failing"}
        _, told = await ask(host, path)
        assert "work items since " in told["checks"]["worker"]["detail"]
        assert told["checks"]["worker"]["detail"].endswith(": ValueError: the secret")


async def test_a_task_that_is_not_essential_is_no_reason_to_start_anew(host: LocalHost) -> None:
    await host.start()
    assert host.engine.health is not None
    host.engine.health.failed("repair", ValueError())
    assert [(await ask(host, path))[0] for path in ("/healthz", "/readyz")] == [200, 200]


async def test_without_storage_it_lives_and_is_not_ready(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    async def gone(_instance_id: str) -> None:
        raise StorageUnavailableError("account secretaccount gave no answer")

    await host.start()
    monkeypatch.setattr(host.engine.hub.store, "load_header", gone)
    assert (await ask(host, "/healthz"))[0] == 200
    status, told = await ask(host, "/readyz", **STRANGER)
    assert (status, failing(told), "secretaccount" in json.dumps(told)) == (503, ["storage"], False)
    assert (await ask(host, "/readyz"))[1]["checks"]["storage"]["detail"] == "account secretaccount gave no answer"


async def test_storage_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_TIMEOUT", 0.01)
    probe = StorageProbe(asyncio.Event().wait)
    assert await probe.check() == Check("storage", False, "no answer within 0.01 s")
    await probe.close()
    await probe.close()


async def test_storage_is_asked_seldom_however_many_want_to_know() -> None:
    now, asked, answers = 0.0, 0, asyncio.Event()

    async def ask_storage() -> None:
        nonlocal asked
        asked += 1
        await answers.wait()
        if asked == 2:
            raise OSError("broken")

    probe = StorageProbe(ask_storage, lambda: now)
    many = [asyncio.create_task(probe.check()) for _ in range(20)]
    await asyncio.sleep(0)
    answers.set()
    assert {await one for one in many} == {Check("storage", True)}
    now = 4.9
    assert (await probe.check(), asked) == (Check("storage", True), 1)
    now = 5.0
    assert (await probe.check(), asked) == (Check("storage", False, "OSError"), 2)


async def test_a_loop_that_is_kept_by_user_code_is_not_ready_for_some_seconds(
    host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LAG", 0.3)
    monkeypatch.setattr(module, "LAG_WINDOW", 1.0)
    await host.start()
    url = f"{host.origin}/api/block/0.7"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
    status, told = await ask(host, "/readyz")
    assert (status, failing(told)) == (503, ["eventLoop"])
    assert "it was late by 0." in told["checks"]["eventLoop"]["detail"]
    assert (await ask(host, "/healthz"))[0] == 200
    until = time.monotonic() + 20
    while (await ask(host, "/readyz"))[0] != 200:
        assert time.monotonic() < until


def test_the_worst_lag_is_remembered_for_a_while() -> None:
    now = 0.0
    lag = LoopLag(lambda: now)
    assert lag.worst == 0.0
    for moment, late in ((0.0, 0.5), (1.0, 3.0), (2.0, 0.1), (3.0, 0.2)):
        now = moment
        lag.saw(late)
    seen = []
    for moment in (3.0, 6.0, 6.1, 8.0, 8.1):
        now = moment
        seen.append(lag.worst)
    assert seen == [3.0, 3.0, 0.2, 0.2, 0.0]


async def test_a_lag_that_goes_on_is_seen_before_it_ends() -> None:
    now = 0.0
    lag = LoopLag(lambda: now)
    measuring = asyncio.create_task(lag.keep())
    await asyncio.sleep(0)
    now = 7.0
    assert lag.worst == 7.0 - module.LAG_EVERY
    measuring.cancel()


AWAY = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=c2VjcmV0;"
    "QueueEndpoint=http://127.0.0.1:9/devstoreaccount1;TableEndpoint=http://127.0.0.1:9/devstoreaccount1"
)


async def test_a_host_that_waits_for_its_storage_lives_and_says_that_it_is_not_ready(app_dir: Path) -> None:
    host = LocalHost(Options(app_dir, port=0, storage="Nowhere"), {"Nowhere": AWAY})
    with pytest.raises(StorageUnavailableError):
        await host.start()
    try:
        assert await ask(host, "/healthz", **STRANGER) == (
            200,
            {"status": "ok", "checks": {"eventLoop": {"status": "ok"}}},
        )
        status, told = await ask(host, "/readyz")
        assert (status, failing(told)) == (503, ["taskHub"])
        assert "does not answer" in told["checks"]["taskHub"]["detail"]
        assert "devstoreaccount1" not in json.dumps((await ask(host, "/readyz", **STRANGER))[1])
        async with aiohttp.ClientSession() as session:
            for path in ("/", "/api/slow", "/runtime/webhooks/durabletask/instances"):
                async with session.get(f"{host.origin}{path}") as response:
                    assert (response.status, response.headers["Retry-After"]) == (503, "5")
                    assert await response.text() == "The host is starting: its task hub is not open yet.\n"
    finally:
        await host.stop()


async def test_storage_that_comes_later_makes_it_ready(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_PAUSE", 0.01)
    opened, attempts = host.engine.open, 0

    async def open_later() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            assert (await ask(host, "/readyz"))[0] == 503
            raise StorageUnavailableError("not yet")
        await opened()

    monkeypatch.setattr(host.engine, "open", open_later)
    assert await running.start_patiently(host, asyncio.Event()) is not None
    assert (attempts, (await ask(host, "/readyz"))[0]) == (3, 200)


async def test_while_it_stops_it_is_not_ready_and_what_is_under_way_is_answered(host: LocalHost) -> None:
    import function_app  # type: ignore[import-not-found]

    await host.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{host.origin}/readyz") as response:
            assert response.status == 200
        slow = asyncio.create_task(session.get(f"{host.origin}/api/slow"))
        await function_app.entered.wait()
        stopping = asyncio.create_task(host.stop())
        while (await ask(host, "/readyz"))[0] != 503:
            pass
        status, told = await ask(host, "/readyz", **STRANGER)
        assert (status, failing(told)) == (503, ["accepting"])
        assert (await ask(host, "/healthz"))[0] == 200
        async with session.get(f"{host.origin}/api/slow") as response:
            assert (response.status, await response.text()) == (503, "The host is stopping.\n")
            assert response.headers["Connection"] == "close"
        assert not stopping.done()
        function_app.leave.set()
        async with await slow as response:
            assert (response.status, await response.text()) == (200, "done")
        await stopping
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{host.origin}/healthz")


async def test_what_does_not_end_within_the_grace_is_cut_off(app_dir: Path) -> None:
    import sys

    host = LocalHost(Options(app_dir, port=0, storage="memory", grace=0.1), {})
    await host.start()
    async with aiohttp.ClientSession() as session:
        slow = asyncio.create_task(session.get(f"{host.origin}/api/slow"))
        await sys.modules["function_app"].entered.wait()
        await asyncio.wait_for(host.stop(), 10)
        with pytest.raises(aiohttp.ClientConnectionError):
            await slow


def test_what_is_failing_is_so_in_every_phase() -> None:
    health = HostHealth(lambda: None, StorageProbe(asyncio.sleep), LoopLag())
    assert health.live().ok
    for phase, wrong in ((Phase.opening, ["taskHub"]), (Phase.stopping, ["accepting"])):
        health.phase = phase
        report = asyncio.run(health.ready())
        assert [check.name for check in report.checks if not check.ok] == wrong
