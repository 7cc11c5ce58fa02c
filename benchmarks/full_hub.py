"""A hub that is full of finished instances: whether what starts, lists and purges takes as long as in an empty one.

They are copies of one, written as rows: to run a million of them would take the better part of an hour.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.inspection.listing import list_newest
from azure_durable_py.taskhub.protocol import InstanceQuery
from benchmarks.place import SYSTEMS, Bench, Stores
from benchmarks.scenario import Alone, Sample, Sizes, higher, lower

MORE = 300
LOOKS = 20
OLD = timedelta(days=400)
TITLE = "a hub full of finished instances"


def fill(path: Path, model: str, count: int) -> None:
    """Add so many copies of a finished instance, with ids at random and times over a year, a year ago."""
    chance = random.Random(count)
    with closing(sqlite3.connect(path, timeout=60)) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(instances)")]
        row = dict(
            zip(columns, db.execute("SELECT * FROM instances WHERE instance_id = ?", (model,)).fetchone(), strict=True)
        )
        latest = row["created_time"] - int(OLD.total_seconds() * 1e6)
        insert = f"INSERT INTO instances ({', '.join(columns)}) VALUES ({', '.join(f':{name}' for name in columns)})"
        year = 365 * 86_400_000_000

        def copies(so_many: int) -> list[dict[str, object]]:
            moments = sorted(chance.randrange(year) for _ in range(so_many))
            times = (dict.fromkeys(_TIMES, latest - moment) for moment in moments)
            return [{**row, **each, "instance_id": f"{chance.getrandbits(128):032x}"} for each in times]

        for at in range(0, count, 50_000):
            with db:
                db.executemany(insert, copies(min(50_000, count - at)))


_TIMES = ("created_time", "last_updated_time", "completed_time")


async def seconds(call: Callable[[], Awaitable[object]], times: int = LOOKS) -> float:
    """The median of what a call takes."""
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """Fill a hub, then do what people and apps do."""
    async with stores.bench(kind) as bench:
        model = await bench.run("hello_cities")
        await asyncio.to_thread(fill, bench.path, model, size)
        return await measured(bench, SYSTEMS[kind])


async def measured(bench: Bench, system: str) -> list[Sample]:
    """What each costs now."""
    client: DurableOrchestrationClient = bench.client
    count = bench.some(MORE)
    with bench.measured() as span:
        await bench.run_many("hello_cities", count)
    now = datetime.now(timezone.utc)
    looks: dict[str, Callable[[], Awaitable[object]]] = {
        "the first page of 100": lambda: client.query_instances(page_size=100),
        "the newest 50": lambda: list_newest(client.hub, InstanceQuery(), None, 50, None),
        "those that failed, first page": lambda: client.query_instances(runtime_status=["Failed"]),
        "ids with a prefix": lambda: client.query_instances(instance_id_prefix="abcd"),
        "read one": lambda: client.get_status(bench.started[-1]),
    }
    ids = iter(bench.started)
    samples = [higher("instances/s", count / span.seconds, f"{TITLE}: hello_cities at once", system)]
    for title, look in looks.items():
        samples.append(lower("ms", 1000 * await seconds(look), f"{TITLE}: {title}", system))
    purge = await seconds(lambda: client.purge_instance_history(next(ids)), min(count, 100))
    samples.append(lower("ms", 1000 * purge, f"{TITLE}: purge one", system))
    began = time.perf_counter()
    purged = await client.purge_instance_history_by(now - timedelta(hours=1))
    took = 1000 * (time.perf_counter() - began)
    samples.append(lower("ms", took / max(1, purged.instances_deleted), f"{TITLE}: purge by time, each", system))
    return samples


FULL_HUB = Alone("full-hub", TITLE, {"sqlite": Sizes((), (1, 100_000, 1_000_000))}, 5, run)
