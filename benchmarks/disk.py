"""What the machine itself allows: how long a commit takes that survives a loss of power."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time

from benchmarks.place import BARE, Stores
from benchmarks.scenario import ENGINE, Alone, Sample, Sizes, lower


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """So many commits of one row, and so many flushes of one block, one after the other."""
    del kind
    commit = await asyncio.to_thread(_commit_seconds, str(stores.path()), size)
    flush = await asyncio.to_thread(_flush_seconds, str(stores.path()), size)
    return [
        lower("ms", commit / size * 1000, "one row committed", BARE["sqlite"]),
        lower("ms", flush / size * 1000, "one block of 4 KiB flushed", "bare fsync"),
    ]


def _commit_seconds(path: str, size: int) -> float:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE rows (key INTEGER PRIMARY KEY, body BLOB)")
        began = time.perf_counter()
        for number in range(size):
            db.execute("INSERT INTO rows VALUES (?, ?)", (number, b"x" * 200))
        return time.perf_counter() - began
    finally:
        db.close()


def _flush_seconds(path: str, size: int) -> float:
    opened = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        began = time.perf_counter()
        for _ in range(size):
            os.write(opened, b"x" * 4096)
            os.fsync(opened)
        return time.perf_counter() - began
    finally:
        os.close(opened)


DISK = Alone("disk", "the disk", {ENGINE: Sizes((500,))}, 3, run)
