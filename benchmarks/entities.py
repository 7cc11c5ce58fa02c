"""Signals: how many a second do one, a hundred and ten thousand entities take?"""

from __future__ import annotations

import asyncio
import itertools

import azure_durable_py as df
from azure_durable_py.registry import EntityDefinition
from benchmarks.place import Bench, at_once
from benchmarks.scenario import OnHub, Quantity, Sizes

SIGNALS = 2000
"""To fewer entities than that; to more, one to each."""


def signals_to(entities: int) -> int:
    """How many signals so many entities get, all alike."""
    return max(1, SIGNALS // entities) * entities


async def run(bench: Bench, size: int) -> None:
    """Signal from one client, and wait until every signal has taken effect."""
    count, taken = size if bench.is_smoke else signals_to(size), itertools.count(1)
    all_taken = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())
        if next(taken) == count:
            loop.call_soon_threadsafe(all_taken.set)

    bench.registry.entities.add(EntityDefinition("counter", counter))
    ids = [df.EntityId("counter", str(number)) for number in range(size)]

    async def signal(number: int) -> None:
        await bench.client.signal_entity(ids[number % size], "add", 1)

    with bench.measured() as span:
        await at_once(signal, range(count))
        await all_taken.wait()
        for entity_id in (ids[0], ids[-1]):
            await _settled(bench.client, entity_id, count // size)
    # It was done when storage had it, not when somebody looked.
    span.seconds = bench.store.last_commit - span.began


async def _settled(client: df.DurableOrchestrationClient, entity_id: df.EntityId, value: int) -> None:
    for _ in range(1000):
        if (await client.read_entity_state(entity_id)).entity_state == value:
            return
        await asyncio.sleep(0.02)
    raise RuntimeError(f"{entity_id} never came to {value}.")


SIGNALS_TO_ENTITIES = OnHub(
    "signals",
    "signals, by entities",
    {
        "memory": Sizes((1, 100), (10_000,)),
        "sqlite": Sizes((1, 100), (10_000,)),
        "azurite": Sizes((1, 100), (), (10_000,)),
    },
    5,
    run,
    (Quantity("signals/s", "higher", lambda span, size: signals_to(size) / span.seconds),),
)
