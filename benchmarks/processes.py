"""Several worker processes on one database file: do more of them do more?

Run as a module it is such a worker, until its standard input ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.worker.worker import Worker
from benchmarks import app
from benchmarks.machine import ROOT
from benchmarks.place import SYSTEMS, Stores, at_once
from benchmarks.scenario import Alone, Sample, Sizes, higher

INSTANCES = 1000
HUB = "Shared"


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """So many workers; the client is a process beside them, which waits for all instances by looking at the file."""
    path = str(stores.path())
    workers = [_launch(path) for _ in range(size)]
    try:
        for worker in workers:
            assert worker.stdout is not None
            await asyncio.to_thread(worker.stdout.readline)
        instances = 5 if stores.is_smoke else INSTANCES
        seconds = await _seconds(path, instances)
    finally:
        for worker in workers:
            worker.communicate()
    return [higher("instances/s", instances / seconds, system=SYSTEMS[kind])]


def _launch(path: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.processes", path]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


async def _seconds(path: str, instances: int) -> float:
    hub = TaskHub(SqliteStore(path, hub_name=HUB))
    await hub.open()
    client = DurableOrchestrationClient(hub, Settings(hub_name=HUB))

    async def start(_: int) -> None:
        await client.start_new("hello_cities")

    try:
        began = time.perf_counter()
        await at_once(start, range(instances))
        while await _left(hub):  # noqa: ASYNC110 - nobody tells of what another process does
            await asyncio.sleep(0.02)
        return time.perf_counter() - began
    finally:
        await hub.close()


async def _left(hub: TaskHub) -> bool:
    """Whether any instance has not ended."""
    query = InstanceQuery(runtime_status=("Pending", "Running"), with_values=False, page_size=1)
    return bool((await hub.store.query(query)).items)


PROCESSES = Alone("processes", "hello_cities, by worker processes on one file", {"sqlite": Sizes((1, 2), (4,))}, 1, run)


async def _work(path: str) -> None:
    hub = TaskHub(SqliteStore(path, hub_name=HUB))
    await hub.open()
    worker = Worker(hub, app.registry(), Settings(hub_name=HUB), repair=False)
    await worker.start()
    print(flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await worker.stop()
    await hub.close()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1]))
