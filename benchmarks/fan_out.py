"""Many activities at once: does each cost more when there are more of them?"""

from __future__ import annotations

import time

from benchmarks.place import Stores
from benchmarks.table import Table

SIZES = (100, 1000, 10_000)


async def main(stores: Stores) -> Table:
    """Run each size on each store, on a worker with 100 slots."""
    table = Table("Fan-out and fan-in, 100 activity slots")
    for kind in stores.kinds:
        first = 0.0
        for size in SIZES:
            async with stores.bench(kind) as bench:
                began = time.perf_counter()
                await bench.run("fan_out", size)
                seconds = time.perf_counter() - began
                each = seconds / size * 1000
                first = first or each
                table.add(
                    store=kind,
                    activities=size,
                    seconds=seconds,
                    activities_per_second=size / seconds,
                    ms_each=each,
                    ratio_to_first=each / first,
                    queue_operations=bench.store.queue_operations,
                    table_operations=bench.store.table_operations,
                )
    return table
