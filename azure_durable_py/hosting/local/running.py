"""Runs the local host until it is told to stop.

Owns signals: the first asks to stop in good order, the second ends the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.hosting.local.console import Served, banner, wants_color
from azure_durable_py.hosting.local.host import LocalHost, Options

logger = logging.getLogger(__name__)
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 30.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(options: Options) -> None:
    """Serve a function app until SIGINT or SIGTERM.

    While the storage of the task hub does not answer, it says so and tries again.

    :raises DurableError: the app or its surroundings cannot be used; nothing was started.
    """
    host = LocalHost(options, os.environ)
    asyncio.run(_serve(host))


async def _serve(host: LocalHost) -> None:
    stopping = asyncio.Event()
    _on_signal(_first_then_last(stopping))
    served = await _start(host, stopping)
    if served is None:
        return
    print(banner(served, wants_color(sys.stdout)), flush=True)  # noqa: T201 - told to the person who started it
    await stopping.wait()
    await host.stop()


async def _start(host: LocalHost, stopping: asyncio.Event) -> Served | None:
    """Start the host, waiting for storage that does not answer yet. None: it was told to stop meanwhile."""
    pause = FIRST_PAUSE
    while not stopping.is_set():
        try:
            return await host.start()
        except StorageUnavailableError as error:
            logger.error("%s Trying again in %.0f s; Ctrl+C ends.", error, pause)
        waiting = asyncio.ensure_future(stopping.wait())
        await asyncio.wait([waiting], timeout=pause)
        waiting.cancel()
        pause = min(2 * pause, LONGEST_PAUSE)
    return None


def _first_then_last(stopping: asyncio.Event) -> Callable[[], None]:
    def handle() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()
        print("\nStopping. Press Ctrl+C again to stop at once.", flush=True)  # noqa: T201 - see above

    return handle


def _on_signal(handle: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def wake(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(handle)

    for number in _SIGNALS:
        try:
            loop.add_signal_handler(number, handle)
        except NotImplementedError:
            # Windows: the loop must be woken by hand.
            signal.signal(number, wake)
