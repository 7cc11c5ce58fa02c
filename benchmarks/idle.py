"""A worker with nothing to do: how much it asks of Azure Storage, which counts and charges every operation.

At virtual time, on a store in memory that is as deaf as Azure's queues are: it tells nobody that a message is there.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

from azure_durable_py.clock import loop_clock
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.testing.virtual.memory import MemoryStore
from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker.worker import Worker
from benchmarks import app
from benchmarks.place import Stores
from benchmarks.scenario import ENGINE, Alone, Sample, Sizes, lower
from tests.counting import CountingStore

SETTLING = 300.0
"""Seconds until pauses between polls are as long as they get."""


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """So many idle minutes of one worker."""
    del stores, kind
    # In a thread: no event loop may run where another is played.
    queue, table = await asyncio.to_thread(run_virtual, _operations(60.0 * size))
    return [
        lower("queue operations/min", queue / size, system="azure_durable_py on Azure"),
        lower("table operations/min", table / size, system="azure_durable_py on Azure"),
    ]


async def _operations(seconds: float) -> tuple[int, int]:
    clock = loop_clock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    store = CountingStore(MemoryStore(hub_name="Idle", now=clock.now, tells=False))
    hub = TaskHub(store, clock)
    await hub.open()
    worker = Worker(hub, app.registry(), Settings(hub_name="Idle"))
    await worker.start()
    try:
        await asyncio.sleep(SETTLING)
        store.reset()
        await asyncio.sleep(seconds)
        return store.queue_operations, store.table_operations
    finally:
        await worker.stop()


IDLE = Alone("idle", "an idle worker, by minutes", {ENGINE: Sizes((), (60,))}, 2, run)
