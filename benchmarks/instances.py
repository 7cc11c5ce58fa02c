"""Many small orchestrations: how many a second one worker starts and finishes, and how long each takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.place import Bench, at_once
from benchmarks.scenario import CPU, OnHub, Sizes, rate

RUNS_OF_ONE = 50
RUNS_OF_EACH = 15
"""Where there are more clients."""


@dataclass(frozen=True)
class Orchestrator:
    """Starts so many instances of one at once, and waits for all of them."""

    name: str

    async def __call__(self, bench: Bench, size: int) -> None:
        with bench.measured():
            await bench.run_many(self.name, size)


@dataclass(frozen=True)
class Clients:
    """So many clients at once, each of which starts one instance after the other as soon as the one before has ended.

    :param asks: whether a client learns of the end as `wait_for_completion` does, by asking storage; or at once.
    """

    asks: bool

    async def __call__(self, bench: Bench, size: int) -> None:
        with bench.measured() as span:

            async def run(_: int) -> None:
                began = time.perf_counter()
                instance_id = await bench.start("hello_cities")
                if self.asks:
                    await bench.client.wait_for_completion(instance_id)
                else:
                    await bench.finish(instance_id)
                span.times.append(time.perf_counter() - began)

            await at_once(run, range(bench.some(RUNS_OF_ONE if size == 1 else RUNS_OF_EACH * size)), size)


HELLO = OnHub(
    "hello-cities",
    "hello_cities",
    {
        "memory": Sizes((200, 2000)),
        "sqlite": Sizes((200, 2000), (20_000,)),
        "azurite": Sizes((200,), (2000,), (20_000,)),
    },
    5,
    Orchestrator("hello_cities"),
    (rate("instances/s"), CPU),
)
HELLO_SYNC = OnHub(
    "hello-cities-sync",
    "hello_cities, sync activities",
    {
        "memory": Sizes((200,)),
        "sqlite": Sizes((200, 2000), (), (20_000,)),
        "azurite": Sizes((200,), (), (2000, 20_000)),
    },
    5,
    Orchestrator("hello_cities_sync"),
    (rate("instances/s"),),
)
LATENCY = OnHub(
    "latency",
    "hello_cities, start to completed, by clients at once",
    {"memory": Sizes((1, 16)), "sqlite": Sizes((1, 16)), "azurite": Sizes((1, 16))},
    1,
    Clients(asks=False),
    (),
)
LATENCY_ASKED = OnHub(
    "latency-of-wait",
    "hello_cities, start to answer of wait_for_completion, by clients at once",
    {"sqlite": Sizes((1, 16)), "azurite": Sizes((1, 16))},
    1,
    Clients(asks=True),
    (),
)
