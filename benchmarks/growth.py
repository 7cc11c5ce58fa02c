"""A hub that has seen much: what an instance costs beside very many finished ones."""

from __future__ import annotations

from benchmarks.place import Bench
from benchmarks.scenario import OnHub, Quantity, Sizes

MORE = 300


async def run(bench: Bench, size: int) -> None:
    """So many instances that finish, in portions; then some more, which count."""
    left = size
    while left > 0:
        await bench.run_many("chain", min(1000, left), 1)
        left -= 1000
    with bench.measured():
        await bench.run_many("hello_cities", bench.some(MORE))


GROWTH = OnHub(
    "growth",
    "hello_cities beside finished instances",
    {"sqlite": Sizes((), (100, 1000, 10_000), (100_000,)), "azurite": Sizes((), (100, 1000), (10_000,))},
    5,
    run,
    (Quantity("instances/s", "higher", lambda span, _: MORE / span.seconds),),
)
