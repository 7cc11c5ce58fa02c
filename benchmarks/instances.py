"""Many small orchestrations at once: how many a second one worker starts and finishes."""

from __future__ import annotations

import asyncio
import time

from benchmarks.place import Stores
from benchmarks.table import Table

SIZES = (50, 200, 500)
ACTIVITIES = 3


async def main(stores: Stores) -> Table:
    """Start so many instances at once, and wait for all of them."""
    table = Table(f"Instances of {ACTIVITIES} activities each, started at once")
    for kind in stores.kinds:
        first = 0.0
        for size in SIZES:
            async with stores.bench(kind) as bench:
                began = time.perf_counter()
                starts = (bench.client.start_new("chain", client_input=ACTIVITIES) for _ in range(size))
                instance_ids = await asyncio.gather(*starts)
                started = time.perf_counter() - began
                for instance_id in instance_ids:
                    await bench.finish(instance_id)
                seconds = time.perf_counter() - began
                each = seconds / size
                first = first or each
                table.add(
                    store=kind,
                    instances=size,
                    starts_per_second=size / started,
                    instances_per_second=size / seconds,
                    ratio_to_first=each / first,
                    operations_each=bench.operations / size,
                )
    return table
