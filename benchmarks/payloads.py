"""Large payloads: a text that an orchestration carries through three activities, by its size in bytes."""

from __future__ import annotations

import random
import string

from benchmarks.place import SEED, Bench
from benchmarks.scenario import OnHub, Quantity, Sizes


async def run(bench: Bench, size: int) -> None:
    """One instance; the text is one that does not compress to nothing."""
    parcel = "".join(random.Random(SEED).choices(string.ascii_letters, k=size))
    with bench.measured():
        await bench.run("courier", parcel)


PAYLOADS = OnHub(
    "payloads",
    "payload through three activities, by bytes",
    {
        "sqlite": Sizes((1000, 100_000, 1_000_000), (10_000_000,)),
        "azurite": Sizes((1000, 100_000, 1_000_000), (), (10_000_000,)),
    },
    2000,
    run,
    (Quantity("ms for an instance", "lower", lambda span, _: span.seconds * 1000),),
)
