"""Sub-orchestrations: many at once, each with one activity, and one parent that waits for all of them."""

from __future__ import annotations

from benchmarks.place import Bench
from benchmarks.scenario import OnHub, Sizes, rate


async def run(bench: Bench, size: int) -> None:
    """One parent and its children."""
    with bench.measured():
        await bench.run("children", size)


CHILDREN = OnHub(
    "sub-orchestrations",
    "sub-orchestrations",
    {
        "memory": Sizes((10, 100, 1000)),
        "sqlite": Sizes((10, 100, 1000), (), (10_000,)),
        "azurite": Sizes((10, 100), (1000,)),
    },
    5,
    run,
    (rate("sub-orchestrations/s"),),
)
