"""Processes on one database file: how soon one sees that another died with work in hand, or put work for it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.worker.intake.pump import Pump
from benchmarks.place import Stores
from benchmarks.scenario import Alone, Sample, Sizes

QUEUE = "q"
OTHER = """
import asyncio, sys
from azure_durable_py.taskhub.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    for line in sys.stdin:
        if line == "hold\\n":
            held = await store.put_message("q", line, 600)
            await store.extend_message(held, 600)
        else:
            await store.put_message("q", line)
        print(flush=True)

asyncio.run(main(sys.argv[1]))
"""


class Other:
    """Another process on the file, that does as it is told."""

    def __init__(self, path: str) -> None:
        command = [sys.executable, "-c", OTHER, path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    async def put(self) -> None:
        """Put a message."""
        await self._tell("put")

    async def hold(self) -> None:
        """Put a message and hold it for ten minutes."""
        await self._tell("hold")

    async def _tell(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        assert self.process.stdout is not None
        await asyncio.to_thread(self.process.stdout.readline)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self.process.kill()
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.process.communicate()


async def run(stores: Stores, kind: str, size: int) -> list[Sample]:
    """Wait for messages that another process put, and for those that were in its hand when it was killed."""
    del kind
    path = str(stores.path())
    seen: asyncio.Queue[QueueMessage] = asyncio.Queue()
    async with pumping(path, lambda message, _: seen.put_nowait(message)):
        puts: list[float] = []
        deaths: list[float] = []
        for _ in range(size):
            other = Other(path)
            try:
                # Where in its pause the pump is shall not matter.
                await other.hold()
                puts.append(1000 * await _seconds(other.put, seen))
                deaths.append(1000 * await _seconds(lambda other=other: asyncio.to_thread(other.kill), seen))
            finally:
                other.kill()
    return [
        Sample("ms", "lower", times, f"a message of another process: {what}", is_latency=True)
        for what, times in (("put", puts), ("in its hand when it is killed", deaths))
    ]


async def _seconds(act: Callable[[], Awaitable[object]], seen: asyncio.Queue[QueueMessage]) -> float:
    """Seconds from the end of an act until a message is there."""
    await act()
    began = time.perf_counter()
    await seen.get()
    return time.perf_counter() - began


@asynccontextmanager
async def pumping(path: str, take: Callable[[QueueMessage, float], None]) -> AsyncGenerator[None]:
    """A pump at work on a file."""
    hub = TaskHub(SqliteStore(path, hub_name="Shared"))
    await hub.open()
    pump = Pump(hub, QUEUE, take, lambda: 1, visibility=600.0, max_pause=30.0, batch=1)
    running = asyncio.ensure_future(pump.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await hub.close()


TAKEOVER = Alone("takeover", "a message of another process", {"sqlite": Sizes((), (10,))}, 2, run)
