"""Runs the local host until it is told to stop.

Owns signals: the first asks to stop in good order, the second ends the process. Neither depends on the
event loop, which user code may be keeping: Python runs the handlers between any two steps of that code, and an
alarm that needs no Python at all ends a process that has been asked to stop for too long.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.hosting.local.console import Served, banner, wants_color
from azure_durable_py.hosting.local.host import LocalHost, Options

logger = logging.getLogger(__name__)
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 30.0
STORAGE_GRACE = 20.0
"""Seconds that stopping may take beside what `--grace` gives to requests, timers and activities, each in turn."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(options: Options) -> None:
    """Serve a function app until SIGINT or SIGTERM.

    While the storage of the task hub does not answer, it says so and tries again.

    :raises DurableError: the app or its surroundings cannot be used; nothing was started.
    """
    host = LocalHost(options, os.environ)
    asyncio.run(_serve(host, 3 * options.grace + STORAGE_GRACE))


async def _serve(host: LocalHost, longest_stop: float) -> None:
    stopping = asyncio.Event()
    _on_signals(stopping.set, longest_stop)
    try:
        served = await _start(host, stopping)
        if served is not None:
            print(banner(served, wants_color(sys.stdout)), flush=True)  # noqa: T201 - told to the person who started it
            await stopping.wait()
    finally:
        await host.stop()


async def _start(host: LocalHost, stopping: asyncio.Event) -> Served | None:
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


def _on_signals(stop: Callable[[], None], longest_stop: float) -> None:
    """Call `stop` on the event loop at the first signal, and end the process at the next."""
    loop = asyncio.get_running_loop()
    told = False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told:
            os._exit(128 + number)
        told = True
        _say(b"\nStopping. Press Ctrl+C again to stop at once.\n")
        _end_after(longest_stop)
        with contextlib.suppress(RuntimeError):  # The loop is closed: the process is about to end.
            loop.call_soon_threadsafe(stop)

    for number in _SIGNALS:
        # Has a signal wake the loop, whichever thread the system gives it to. Windows does so by itself.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, _nothing)
        signal.signal(number, handle)


def _nothing() -> None:
    """The handler proper runs outside of the event loop."""


def _say(text: bytes) -> None:
    # Not `print`: a handler may run in the middle of one.
    with contextlib.suppress(OSError):
        os.write(1, text)


def _end_after(seconds: float) -> None:
    """End the process, with the stack of every thread, if it still lives after so long."""
    try:
        faulthandler.dump_traceback_later(seconds, exit=True)
    except (OSError, RuntimeError, ValueError, AttributeError):
        # There is no stderr to write to.
        alarm = threading.Timer(seconds, os._exit, (1,))
        alarm.daemon = True
        alarm.start()
