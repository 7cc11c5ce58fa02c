"""Apps that were written for azure-functions-durable, in folders of their own and on the local host."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.hosting.local.loading import check_app_dir, load_app
from azure_durable_py.stand_in import install_as_durable_functions

WriteApp = Callable[[Mapping[str, Any]], Path]
Serve = Callable[..., Awaitable["Served"]]
SECONDS = 20.0
without_agents = pytest.mark.skipif(find_spec("agents") is not None, reason="the agents SDK is installed here")
OURS, THEIRS = "import azure_durable_py as df", "import azure.durable_functions as df"


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """What loading an app changes in the process ends with the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    modules, environ = set(sys.modules), dict(os.environ)
    yield
    for name in set(sys.modules) - modules:
        if not name.startswith("azure_durable_py"):
            del sys.modules[name]
    azure: Any = importlib.import_module("azure")
    if hasattr(azure, "durable_functions"):
        del azure.durable_functions
    for name in set(os.environ) - set(environ):
        del os.environ[name]


@pytest.fixture
def write_app(tmp_path: Path) -> WriteApp:
    """Writes the files of an app: texts as they are, without their indentation, anything else as JSON."""

    def write(files: Mapping[str, Any]) -> Path:
        directory = tmp_path / "app"
        for name, content in {"host.json": {"version": "2.0"}, **files}.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content) if isinstance(content, str) else json.dumps(content))
        return directory

    return write


@pytest.fixture(params=["import changed", "stand-in"])
def written(request: pytest.FixtureRequest, write_app: WriteApp) -> WriteApp:
    """Writes an app as its author has it, with the import line changed or with the name stood in for."""
    if request.param == "stand-in":
        install_as_durable_functions()
        return write_app
    changes = {THEIRS: OURS, "from azure.durable_functions import": "from azure_durable_py import"}

    def write(files: Mapping[str, Any]) -> Path:
        changed = dict(files)
        for name, text in files.items():
            for old, new in changes.items():
                changed[name] = changed[name].replace(old, new) if isinstance(text, str) else text
        return write_app(changed)

    return write


def loaded(directory: Path) -> DFApp:
    """The app in a directory, as the local host loads it."""
    return load_app(check_app_dir(directory, {}))


class Served:
    """A local host at work, and what a caller over HTTP sees of it."""

    def __init__(self, host: LocalHost, origin: str, session: aiohttp.ClientSession) -> None:
        self.host = host
        self.origin = origin
        self.session = session

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Send a request below the route prefix."""
        async with self.session.request(method, f"{self.origin}/api/{path}", json=body) as response:
            return response.status, await response.text()

    async def output(self, path: str, body: Any = None, *, method: str = "POST") -> Any:
        """Start an orchestration by a request, wait until it is finished, and give its output."""
        return (await self.outcome(path, body, method=method))["output"]

    async def outcome(self, path: str, body: Any = None, *, method: str = "POST") -> dict[str, Any]:
        """Start an orchestration by a request, wait until it is finished, and give its status."""
        status, text = await self.request(method, path, body)
        assert status == 202, (status, text)
        url = json.loads(text)["statusQueryGetUri"]
        return await asyncio.wait_for(self._finished(url), SECONDS)

    async def _finished(self, url: str) -> dict[str, Any]:
        instance_id = url.partition("/instances/")[2].partition("?")[0]
        await self.host.engine.client.wait_for_completion(instance_id)
        async with self.session.get(url) as response:
            return await response.json()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves an app in a directory on a local host, with a hub in memory, until the test ends."""
    hosts: list[LocalHost] = []
    async with aiohttp.ClientSession() as session:

        async def start(directory: Path, environ: dict[str, str] | None = None) -> Served:
            host = LocalHost(Options(directory, port=0, storage="memory"), {} if environ is None else environ)
            hosts.append(host)
            served = await host.start()
            return Served(host, served.origin, session)

        yield start
        for host in hosts:
            await host.stop()
