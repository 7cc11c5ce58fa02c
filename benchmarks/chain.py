"""A long chain of activities: does a step cost more when there were many before it?"""

from __future__ import annotations

from benchmarks.place import Bench
from benchmarks.scenario import OnHub, Sizes, each


async def run(bench: Bench, size: int) -> None:
    """One orchestration that calls one activity after the other."""
    with bench.measured():
        await bench.run("chain", size)


CHAIN = OnHub(
    "chain",
    "chain",
    {
        "memory": Sizes((10, 100, 1000), (10_000,)),
        "sqlite": Sizes((10, 100, 1000), (10_000,)),
        "azurite": Sizes((10, 100, 1000), (), (10_000,)),
    },
    5,
    run,
    (each("ms/step"),),
)
