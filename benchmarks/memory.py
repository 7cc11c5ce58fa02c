"""What an instance takes of a worker's memory: asleep for long, and at work.

Counted by `tracemalloc` after a collection, on an embedded hub, whose rows are in a file: what is left is the worker's.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable

from azure_durable_py.registry import ActivityDefinition
from benchmarks.place import Bench, Stores, at_once
from benchmarks.scenario import Alone, Sample, Sizes, lower


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """So many instances of each sort, each on a hub of its own."""
    # Without sessions a sleeper leaves memory at once, and not after half a minute.
    async with stores.bench(kind, extended_sessions=False) as bench:
        asleep = await _growth(lambda: _fall_asleep(bench, size))
    async with stores.bench(kind, slots=size, max_concurrent_orchestrators=size, max_extended_sessions=size) as bench:
        go, held = asyncio.Event(), asyncio.Semaphore(0)

        async def hold(nothing: None) -> None:
            del nothing
            held.release()
            await go.wait()

        bench.registry.activities.add(ActivityDefinition("hold", hold, "nothing"))
        live = await _growth(lambda: _be_held(bench, size, held))
        go.set()
        for instance_id in bench.started:
            await bench.finish(instance_id)
    return [
        lower("KB/sleeping instance", asleep / size / 1000),
        lower("KB/live instance", live / size / 1000),
    ]


async def _growth(grow: Callable[[], Awaitable[None]]) -> int:
    """Bytes that are allocated after it and were not before."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await grow()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return after - before
    finally:
        tracemalloc.stop()


async def _fall_asleep(bench: Bench, size: int) -> None:
    async def start(_: int) -> None:
        await bench.start("sleeper")

    await at_once(start, range(size))
    while bench.store.asleep < size:  # noqa: ASYNC110 - a look costs nothing, and nobody tells
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)  # The worker lets go of the last ones after their commit.


async def _be_held(bench: Bench, size: int, held: asyncio.Semaphore) -> None:
    async def start(_: int) -> None:
        await bench.start("holder")

    await at_once(start, range(size))
    for _ in range(size):
        await held.acquire()


MEMORY = Alone("memory", "memory of a worker, by instances", {"sqlite": Sizes((500,))}, 3, run)
