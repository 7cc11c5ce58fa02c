"""Many activities at once: does each cost more when there are more of them?"""

from __future__ import annotations

from benchmarks.place import Bench
from benchmarks.scenario import OnHub, Sizes, rate


async def run(bench: Bench, size: int) -> None:
    """One orchestration that fans out and in."""
    with bench.measured():
        await bench.run("fan_out", size)


FAN_OUT = OnHub(
    "fan-out",
    "fan-out",
    {
        "memory": Sizes((10, 100, 1000), (10_000,), (100_000,)),
        "sqlite": Sizes((10, 100, 1000), (10_000,), (100_000,)),
        "azurite": Sizes((10, 100, 1000), (), (10_000, 100_000)),
    },
    5,
    run,
    (rate("activities/s"),),
)
