"""Runs what a command does on the event loop."""

from __future__ import annotations

import logging
import sys
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from azure_durable_py.escaping import escaped
from azure_durable_py.wording import one_line

T = TypeVar("T")
_MOST_CHARS = 2_000


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command, and tell on stderr what the engine warns of meanwhile."""
    import asyncio

    if not logging.root.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(_WarningFormatter())
        logging.root.addHandler(handler)
    return asyncio.run(_interruptible(work))


if sys.version_info >= (3, 11):

    async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
        """Have Ctrl+C cancel the work: `asyncio.run` itself sees to that."""
        return await work

else:

    async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
        """Have Ctrl+C cancel the work: else it strikes wherever the code is."""
        import asyncio
        import signal

        task, interrupted = asyncio.ensure_future(work), False

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            task.cancel()

        with suppress(NotImplementedError):  # On Windows.
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        try:
            return await task
        except asyncio.CancelledError:
            if interrupted:
                raise KeyboardInterrupt from None
            raise


class _WarningFormatter(logging.Formatter):
    """What the engine tells of, in one line. `Error:` is for a command that did not work; this one may go on."""

    def format(self, record: logging.LogRecord) -> str:
        return f"Warning: {escaped(one_line(record.getMessage(), _MOST_CHARS))}"
