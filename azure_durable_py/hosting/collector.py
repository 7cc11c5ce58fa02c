"""How often Python's collector of cyclic garbage runs in a process that works on a hub.

CPython's default looks for garbage each time 700 (2,000 from Python 3.13 on) more containers were made than freed. A
worker has thousands of instances in flight, each of some hundreds of small containers that all live: with the default
a fifth of its time, and more with more instances, went into looking at them again and again.

Containers are no measure of memory: what two of them hold in a circle may be many megabytes. So beside that the
collector looks whenever the process has grown.
"""

from __future__ import annotations

import asyncio
import gc
import mmap
from collections.abc import Callable
from pathlib import Path

DEFAULTS = frozenset({700, 2_000})
"""What CPython begins with: anything else was chosen by the app, and is left alone."""
ALLOCATIONS = 50_000
"""How many more containers are made than freed between two looks at the youngest."""
GROWTH_BYTES = 128 * 1024 * 1024
"""The collector looks when the process has grown by so much, or by half where that is more."""
LOOK_SECONDS = 0.25
"""How often to see how large the process is."""

_STATM = Path("/proc/self/statm")
_PAGE_BYTES = mmap.PAGESIZE


class Collector:
    """Has the collector run less often, and when memory grows.

    Only where the app has not said how often it is to run, and the system tells how large the process is: elsewhere
    everything stays as it is.

    :param resident: bytes that the process has in memory; None: nobody can tell.
    """

    def __init__(self, resident: Callable[[], int | None] | None = None) -> None:
        self._resident = resident or resident_bytes
        self._watch: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        size = self._resident()
        youngest, *older = gc.get_threshold()
        if size is None or youngest not in DEFAULTS | {ALLOCATIONS}:
            return
        gc.set_threshold(ALLOCATIONS, *older)
        self._watch = asyncio.get_running_loop().create_task(self._run(size), name="collector of garbage")

    async def stop(self) -> None:
        """Look no more. How often the collector runs stays: other engines of the process may be at work. Idempotent."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait([watch])

    async def _run(self, size: int) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._resident() or size
            if now > size + max(GROWTH_BYTES, size // 2):
                gc.collect()
                size = self._resident() or now
            else:
                size = min(size, now)


def resident_bytes() -> int | None:
    """How much the process has in memory, as Linux tells; None elsewhere."""
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return None
