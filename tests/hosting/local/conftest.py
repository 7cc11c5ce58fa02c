"""A running server for tests, without a task hub: the management API says what it was asked."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.appsettings import LocalSettings
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.hosting.invoker import Invoker
from azure_durable_py.hosting.local.health import Phase
from azure_durable_py.hosting.local.limits import HttpLimits
from azure_durable_py.hosting.local.server import HttpServer, ServerSettings
from azure_durable_py.hosting.local.tls import Certificate
from azure_durable_py.http.wire import Request, error_answer, value_answer
from azure_durable_py.triggers.functions import sort_functions
from tests.hosting.local.serving import Serve, Served


@pytest.fixture
def app() -> DFApp:
    return DFApp(http_auth_level=func.AuthLevel.FUNCTION)


@pytest.fixture
async def serve(app: DFApp, tmp_path: Path) -> AsyncIterator[Serve]:
    running: list[Served] = []

    async def start(
        prefix: str = "api",
        local: LocalSettings | None = None,
        limits: HttpLimits = HttpLimits(),  # noqa: B008 - frozen
        certificate: Certificate | None = None,
        **settings: str,
    ) -> Served:
        managed: list[Request] = []

        async def manage(request: Request, *, trusted: bool) -> HttpAnswer:
            managed.append(request)
            return value_answer(200, {"path": request.path, "trusted": trusted, "base": request.base_url})

        async def refuse(request: Request, *, trusted: bool) -> HttpAnswer | None:
            return None if trusted or request.query.get("code") == ["key"] else error_answer(401, "No key.")

        server = HttpServer(
            sort_functions(app, prefix, settings).http,
            Invoker(settings),
            manage,
            ServerSettings(prefix, tmp_path, local or LocalSettings(), settings, 10, limits, certificate),
            refuse=refuse,
        )
        server.health.phase = Phase.working
        served = Served("", aiohttp.ClientSession(), server, managed)
        running.append(served)
        served.origin = await server.start("127.0.0.1", 0)
        return served

    yield start
    for served in running:
        await served.close()


@pytest.fixture
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """For tests that load an app: what that changes in the process is taken back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "function_app", raising=False)
    yield
    sys.modules.pop("function_app", None)
    os.environ.pop("TIMER_RAN", None)
