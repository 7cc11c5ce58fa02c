"""Tells that for long no slot for activities has become free: those in the queue wait meanwhile."""

from __future__ import annotations

import asyncio
import logging

from azure_durable_py.wording import duration

logger = logging.getLogger("azure_durable_py.worker")
FIRST_TOLD_AFTER = 60.0
"""Seconds without a free slot after which it is told; then each time when it is twice as long."""
LONGEST_UNTOLD = 3600.0


class Crowding:
    """For how long all slots have been taken, by the same activities.

    :param slots: how many there are.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def full(self) -> None:
        """All slots are taken."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._since = loop.time()
            self._timer = loop.call_later(FIRST_TOLD_AFTER, self._tell)

    def freed(self) -> None:
        """A slot has become free, or nothing is to be begun any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        loop = asyncio.get_running_loop()
        passed = loop.time() - self._since
        self._timer = loop.call_later(min(passed, LONGEST_UNTOLD), self._tell)
        logger.info(
            "All %d places for activities are taken, and none has become free for %s: those that wait in the queue are "
            "not begun here (maxConcurrentActivityFunctions).",
            self._slots,
            duration(passed),
        )
