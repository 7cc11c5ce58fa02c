"""Runs the local host until it is told to stop.

Owns what comes before and after: waiting for storage, and how long the end may take. How a process is told to stop is
the business of `stopping`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.hosting.local.console import Served, banner, wants_color
from azure_durable_py.hosting.local.host import LocalHost, Options
from azure_durable_py.hosting.local.stopping import EndOfInput, end_after, nothing, on_signals, say_stopping

logger = logging.getLogger(__name__)
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 30.0
STORAGE_GRACE = 20.0
"""Seconds that stopping may take beside what `--grace` gives to requests, timers and activities, each in turn."""


def run(options: Options, *, supervised: bool = False) -> None:
    """Serve a function app until SIGINT or SIGTERM.

    While the storage of the task hub does not answer, it says so and tries again.

    :param supervised: another process looks after this one: stop as well when standard input ends.
    :raises DurableError: the app or its surroundings cannot be used; nothing was started.
    """
    end_of_input = EndOfInput() if supervised else None
    host = LocalHost(options, os.environ)
    asyncio.run(_serve(host, 3 * options.grace + STORAGE_GRACE, end_of_input))


async def _serve(host: LocalHost, longest_stop: float, end_of_input: EndOfInput | None) -> None:
    stopping = asyncio.Event()
    _on_orders(stopping, longest_stop, end_of_input)
    try:
        served = await start_patiently(host, stopping)
        if served is not None:
            if host.log_format == "json":
                logger.info("The host serves %s at %s.", served.app_dir, served.origin)
            else:
                print(banner(served, wants_color(sys.stdout)), flush=True)  # noqa: T201 - told to who started it
            await stopping.wait()
    finally:
        await host.stop()


async def start_patiently(host: LocalHost, stopping: asyncio.Event) -> Served | None:
    """Start the host, waiting for storage that does not answer yet, while probes are told that it is not ready.

    None: it was told to stop meanwhile.
    """
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


def _on_orders(stopping: asyncio.Event, longest_stop: float, end_of_input: EndOfInput | None) -> None:
    loop = asyncio.get_running_loop()

    def at_first() -> None:
        if end_of_input is None:  # Else the other process has said it.
            say_stopping()
        end_after(longest_stop)

    def at_end_of_input() -> None:
        end_after(longest_stop)
        with contextlib.suppress(RuntimeError):  # The loop is closed: the process is about to end.
            loop.call_soon_threadsafe(stopping.set)

    on_signals(stopping.set, at_first=at_first, at_second=nothing)
    if end_of_input is not None:
        end_of_input.then(at_end_of_input)
