"""External events: many to one orchestration that waits for each."""

from __future__ import annotations

from benchmarks.place import Bench, at_once
from benchmarks.scenario import OnHub, Sizes, rate


async def run(bench: Bench, size: int) -> None:
    """One instance that listens, and one client that raises events as fast as it can."""
    instance_id = await bench.start("listener", size)
    await bench.client.wait_for_start(instance_id)

    async def tell(number: int) -> None:
        await bench.client.raise_event(instance_id, "news", number)

    with bench.measured():
        await at_once(tell, range(size))
        await bench.finish(instance_id)


EVENTS = OnHub(
    "events",
    "external events to one instance",
    {
        "memory": Sizes((10, 100, 1000)),
        "sqlite": Sizes((10, 100, 1000), (10_000,)),
        "azurite": Sizes((10, 100), (1000,), (10_000,)),
    },
    5,
    run,
    (rate("events/s"),),
)
