"""The time of a storm: it stands still while too much is under way.

So a machine that is slow, or busy with something else, takes longer over a run, and does the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_TICK_SECONDS = 0.05


class Pace:
    """Counts the seconds of a storm.

    :param is_behind: whether it must stand still.
    """

    def __init__(self, is_behind: Callable[[], bool]) -> None:
        self.now = 0.0
        self._is_behind = is_behind

    async def run(self) -> None:
        """Let time pass, until cancelled."""
        last = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            moment = time.monotonic()
            if not self._is_behind():
                self.now += moment - last
            last = moment

    async def until(self, moment: float) -> None:
        """Wait until so many seconds of the storm have passed."""
        while self.now < moment:
            await asyncio.sleep(_TICK_SECONDS)
