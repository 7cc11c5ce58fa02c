"""A long chain of activities: what one costs at the end, beside what one costs at the start."""

from __future__ import annotations

from benchmarks.place import Stores
from benchmarks.table import Table

LENGTH = 2000


async def main(stores: Stores) -> Table:
    """Run the chain on each store."""
    table = Table(f"A chain of {LENGTH} activities")
    part = LENGTH // 10
    for kind in stores.kinds:
        async with stores.bench(kind) as bench:
            await bench.run("chain", LENGTH)
            moments = bench.moments
        (start_time, start_count), (after_time, after_count) = moments[part], moments[2 * part]
        (late_time, late_count), (end_time, end_count) = moments[-1 - part], moments[-1]
        first, last = (after_time - start_time) / part * 1000, (end_time - late_time) / part * 1000
        table.add(
            store=kind,
            ms_each_at_start=first,
            ms_each_at_end=last,
            ratio=last / first,
            operations_each_at_start=(after_count - start_count) / part,
            operations_each_at_end=(end_count - late_count) / part,
        )
    return table
