"""What host.json says of how much the local host takes at a time, and what that does."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.local.limits import HttpLimits
from azure_durable_py.hosting.local.seldom import Seldom
from tests.hosting.local.serving import Serve

ROOT = Path(__file__).parent.parent.parent.parent


def host_json(**settings: Any) -> dict[str, Any]:
    return {"extensions": {"http": settings}}


def test_what_host_json_says_is_taken() -> None:
    assert HttpLimits.from_host_json({}) == HttpLimits()
    assert HttpLimits.from_host_json(
        host_json(
            maxOutstandingRequests=200,
            MAXCONCURRENTREQUESTS="100",
            dynamicThrottlesEnabled="True",
            maxConnections=50,
            maxConnectionsPerAddress=5,
            headersTimeout="00:00:10",
            keepAliveTimeout="00:02:00",
            routePrefix="api",
        )
    ) == HttpLimits(200, 100, True, 50, 5, 10.0, 120.0)
    assert HttpLimits.from_host_json(host_json(maxOutstandingRequests=-1)) == HttpLimits()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxOutstandingRequests", 0),
        ("maxOutstandingRequests", True),
        ("maxConcurrentRequests", -2),
        ("maxConcurrentRequests", "many"),
        ("dynamicThrottlesEnabled", 1),
        ("maxConnections", 0),
        ("maxConnections", -1),
        ("maxConnectionsPerAddress", 1.5),
        ("headersTimeout", 30),
        ("headersTimeout", "00:00:00"),
        ("keepAliveTimeout", "soon"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=rf"^host\.json: extensions\.http\.{name} is {value!r}; accepted is "):
        HttpLimits.from_host_json(host_json(**{name: value}))


def test_the_settings_that_are_documented_are_those_that_are_read() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `extensions\.http\.(\w+)` \|", page, re.MULTILINE)
    read: list[str] = []

    class Recording(dict[str, Any]):
        """A section of host.json that says what it is asked for."""

        def __iter__(self) -> Iterator[str]:
            return iter(rows)

        def get(self, key: str, default: Any = None) -> Any:
            read.append(key)
            return default

    HttpLimits.from_host_json({"extensions": {"http": Recording()}})
    assert ["routePrefix", *read] == rows


class Gate:
    """A function that says when it was entered, and waits until it may leave."""

    def __init__(self, app: DFApp) -> None:
        self.entered = asyncio.Semaphore(0)
        self.leave = asyncio.Event()

        @app.route(route="wait")
        async def wait(req: func.HttpRequest) -> str:
            self.entered.release()
            await self.leave.wait()
            return "done"


async def test_one_request_too_many_is_told_to_come_later(app: DFApp, serve: Serve) -> None:
    gate = Gate(app)
    served = await serve(limits=HttpLimits(max_outstanding_requests=2))
    waiting = [asyncio.create_task(served.ask("GET", "/api/wait")) for _ in range(2)]
    for _ in waiting:
        await gate.entered.acquire()
    status, headers, _ = await served.ask("GET", "/api/wait")
    assert (status, headers["Retry-After"]) == (429, "1")
    # The management API and probes are no functions.
    assert (await served.ask("GET", "/runtime/webhooks/durabletask/instances"))[0] == 200
    gate.leave.set()
    assert [(await one)[0] for one in waiting] == [200, 200]
    assert (await served.ask("GET", "/api/wait"))[0] == 200


async def test_no_more_functions_run_at_a_time_than_may(app: DFApp, serve: Serve) -> None:
    gate = Gate(app)
    served = await serve(limits=HttpLimits(max_concurrent_requests=1))
    waiting = [asyncio.create_task(served.ask("GET", "/api/wait")) for _ in range(3)]
    await gate.entered.acquire()
    # An answer to something else shows that the others have had their chance.
    assert (await served.ask("GET", "/healthz"))[0] == 200
    assert gate.entered.locked()
    gate.leave.set()
    assert [(await one)[0] for one in waiting] == [200, 200, 200]


async def test_a_busy_process_takes_no_more_functions_where_host_json_says_so(app: DFApp, serve: Serve) -> None:
    @app.route(route="x")
    def x(req: func.HttpRequest) -> str:
        return "x"

    careful = await serve(limits=HttpLimits(dynamic_throttles=True, max_connections=10, max_connections_per_address=10))
    careless = await serve(limits=HttpLimits(max_connections=10, max_connections_per_address=10))
    for served, busy in ((careful, 429), (careless, 200)):
        assert (await served.ask("GET", "/api/x"))[0] == 200
        others = [await served.connect() for _ in range(8)]
        while len(served.server.connections) < 9:
            await asyncio.sleep(0)
        assert (await served.ask("GET", "/api/x"))[0] == busy
        for other in others:
            other.close()
        while len(served.server.connections) > 8:
            await asyncio.sleep(0)
        assert (await served.ask("GET", "/api/x"))[0] == 200


def test_a_line_that_comes_up_often_is_written_seldom() -> None:
    now = 0.0
    seldom = Seldom(10.0, lambda: now)
    assert seldom.due() == ""
    assert [seldom.due() for _ in range(3)] == [None] * 3
    now = 9.9
    assert seldom.due() is None
    now = 10.0
    assert seldom.due() == " (4 such lines were left out.)"
    now = 20.0
    assert seldom.due() == ""
