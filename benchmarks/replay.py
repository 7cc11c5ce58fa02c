"""Replay: how fast a history is run through, and whether a longer one costs more per event."""

from __future__ import annotations

import time

from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.settings import Settings
from benchmarks.place import Stores
from benchmarks.table import Table

SIZES = (500, 2000)
ROUNDS = 5


async def main(stores: Stores) -> Table:
    """Replay chains of two lengths and fan-outs of two widths; the best of some rounds."""
    table = Table(f"Replay (best of {ROUNDS})")
    for name in ("chain", "fan_out"):
        first = 0.0
        for size in SIZES:
            async with stores.bench("sqlite") as bench:
                history = await bench.client.get_history(await bench.run(name, size))
                registry = bench.registry
            best = float("inf")
            for _ in range(ROUNDS):
                began = time.perf_counter()
                Orchestration("instance", "execution", registry, Settings(), JsonDataConverter(), history)
                best = min(best, time.perf_counter() - began)
            each = best / len(history)
            first = first or each
            table.add(
                orchestrator=name,
                activities=size,
                events=len(history),
                ms=best * 1000,
                events_per_second=len(history) / best,
                ratio_to_first=each / first,
            )
    return table
