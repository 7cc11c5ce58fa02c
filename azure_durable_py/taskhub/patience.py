"""Waiting for a storage that refuses something, for as long as that lasts (PROTOCOL I10)."""

from __future__ import annotations

import asyncio
import logging

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.observer import StorageRetry
from azure_durable_py.taskhub.outage import Outage

logger = logging.getLogger("azure_durable_py.taskhub")
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""The longest pause between two tries, in seconds: so late is it noticed at most that storage takes it."""


class Patience:
    """Ever longer pauses while storage refuses something, told of once at the beginning and once at the end.

    Where it gives no answer at all, that is told for all who wait (see `Outage`).

    :param outage: what those who wait for the same storage know.
    :param what: what waits, for the log.
    :param first: the first pause, in seconds.
    """

    def __init__(self, outage: Outage, what: str, first: float = FIRST_PAUSE) -> None:
        self._outage = outage
        self._what = what
        self._first = first
        self._pause = 0.0
        self._is_refused = False

    async def wait(self, error: Exception) -> None:
        """Wait before the next try."""
        self._pause = min(max(self._first, 2 * self._pause), LONGEST_PAUSE)
        if isinstance(error, StorageUnavailableError):
            await self._outage.wait(self, self._what, error, self._pause)
            return
        self._outage.leave(self)
        if not self._is_refused:
            self._is_refused = True
            logger.warning("%s is waiting for storage: %s", self._what, error)
        pause = self._outage.ids.jitter(self._pause)
        self._outage.observer.retry(StorageRetry(self._what, error, pause))
        await asyncio.sleep(pause)

    def over(self) -> None:
        """It went through."""
        if not self._pause:
            return
        self._outage.over(self)
        if self._is_refused:
            logger.info("%s is waiting no longer.", self._what)
        self._pause, self._is_refused = 0.0, False
