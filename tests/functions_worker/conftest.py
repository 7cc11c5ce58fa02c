"""The production Functions worker on apps of the tests; skipped where it cannot be installed."""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import json
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.functions_worker.emulated_host import EmulatedHost
from tests.functions_worker.worker_process import WorkerProcess

MakeApp = Callable[..., Path]
StartWorker = Callable[..., Awaitable[WorkerProcess]]

HOST_JSON: dict[str, Any] = {
    "version": "2.0",
    "extensions": {"queues": {"maxPollingInterval": "00:00:02"}, "durableTask": {}},
}


@pytest.fixture(autouse=True)
def production_worker() -> None:
    if importlib.util.find_spec("azure_functions_runtime") is None:
        pytest.skip("azure-functions-runtime is not installed: it needs Python 3.13 or newer")


@pytest.fixture
def make_app(tmp_path: Path, hub_name: str) -> MakeApp:
    """Makes an app's folder from the text of function_app.py, and changes to the top level of host.json."""

    def make(code: str, **host_json: Any) -> Path:
        directory = tmp_path / "app"
        directory.mkdir()
        (directory / "function_app.py").write_text(textwrap.dedent(code))
        content = copy.deepcopy({**HOST_JSON, **host_json})
        content["extensions"]["durableTask"] = {"hubName": hub_name, **content["extensions"].get("durableTask", {})}
        (directory / "host.json").write_text(json.dumps(content))
        return directory

    return make


@pytest.fixture
async def start_worker(tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Starts worker processes, which end with the test."""
    workers: list[WorkerProcess] = []

    async def start(directory: Path, **settings: str) -> WorkerProcess:
        worker = WorkerProcess(directory, settings, tmp_path / f"worker-{len(workers)}.log")
        workers.append(worker)
        await worker.start()
        return worker

    yield start
    for worker in workers:
        await worker.kill()


StartHost = Callable[..., Awaitable[EmulatedHost]]


@pytest.fixture
async def start_host(azurite: str, tmp_path: Path) -> AsyncIterator[StartHost]:
    """Starts emulated instances on the run's Azurite, which end with the test."""
    hosts: list[EmulatedHost] = []

    async def start(directory: Path, settings: Mapping[str, str] | None = None, **options: Any) -> EmulatedHost:
        environment = {"AzureWebJobsStorage": azurite, "WEBSITE_HOSTNAME": "localhost:7071", **(settings or {})}
        host = EmulatedHost(directory, environment, tmp_path, name=f"host-{len(hosts)}", **options)
        hosts.append(host)
        await host.start()
        return host

    yield start
    for host in hosts:
        await host.kill()


async def finished(host: EmulatedHost, answer: dict[str, Any], *, timeout: float = 90.0) -> dict[str, Any]:
    """The status of the instance that an answer tells of, once it is finished, whatever becomes of the worker."""
    url = json.loads(answer["body"])["statusQueryGetUri"]
    deadline = time.monotonic() + timeout
    while True:
        worker = host.worker
        try:
            status = await host.request("GET", url)
        except ConnectionError:
            await host.restart_worker(worker)
            continue
        found: dict[str, Any] = json.loads(status["body"])
        if status["status"] == 200:
            return found
        assert status["status"] == 202, status
        assert time.monotonic() < deadline, f"{found}\n{host.worker.log()[-6000:]}"
        await asyncio.sleep(0.1)
