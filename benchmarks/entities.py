"""Signals: how many a second does one entity take, and how many do a hundred?"""

from __future__ import annotations

import asyncio
import time

import azure_durable_py as df
from azure_durable_py.registry import EntityDefinition
from benchmarks.place import Stores
from benchmarks.table import Table

SIGNALS = 2000
ENTITIES = (1, 100)
AT_ONCE = 32


def counter(context: df.DurableEntityContext) -> None:
    """Counts what it is told."""
    context.set_state(context.get_state(lambda: 0) + context.get_input())


async def main(stores: Stores) -> Table:
    """Signal from one client, and wait until every signal has taken effect."""
    table = Table(f"{SIGNALS} signals from one client")
    for kind in stores.kinds:
        for count in ENTITIES:
            async with stores.bench(kind) as bench:
                bench.registry.entities.add(EntityDefinition("counter", counter))
                ids = [df.EntityId("counter", str(number)) for number in range(count)]
                began = time.perf_counter()
                await _signal(bench.client, ids)
                sent = time.perf_counter() - began
                await _settled(bench.client, ids)
                seconds = time.perf_counter() - began
                table.add(
                    store=kind,
                    entities=count,
                    seconds_to_send=sent,
                    seconds=seconds,
                    signals_per_second=SIGNALS / seconds,
                    queue_operations=bench.store.queue_operations,
                    table_operations=bench.store.table_operations,
                )
    return table


async def _signal(client: df.DurableOrchestrationClient, ids: list[df.EntityId]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def send(number: int) -> None:
        async with room:
            await client.signal_entity(ids[number % len(ids)], "add", 1)

    await asyncio.gather(*(send(number) for number in range(SIGNALS)))


async def _settled(client: df.DurableOrchestrationClient, ids: list[df.EntityId]) -> None:
    for entity_id in ids:
        while (await client.read_entity_state(entity_id)).entity_state != SIGNALS // len(ids):  # noqa: ASYNC110 - storage tells nobody
            await asyncio.sleep(0.02)
