"""An event loop on which time passes only when everybody waits.

Sleeps and timeouts end at once, in the right order, and a run is repeatable as long as nothing
outside the loop (threads, sockets) takes part.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class StuckError(Exception):
    """Everybody waits, and nothing is scheduled that could wake anybody."""


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for a timeout, moves the loop's clock on by it."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # Running takes time, too: or rounding could keep a timer from ever being due.
        self.loop.advance(1e-6)
        if ready:
            return ready
        if timeout is None:
            raise StuckError("Every task waits, and no timer is set: the run can never end.")
        if timeout > 0:
            self.loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` starts at 0 and jumps to the next timer."""

    is_virtual = True

    def __init__(self) -> None:
        selector = _JumpingSelector()
        selector.loop = self
        self._virtual_now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual_now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._virtual_now += seconds


def run_virtual(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end on a loop of its own with virtual time, and clean up after it.

    :raises StuckError: it can never end.
    """
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
