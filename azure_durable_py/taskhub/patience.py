"""Waiting for a storage that refuses something, for as long as that lasts (PROTOCOL I10)."""

from __future__ import annotations

import asyncio
import logging

from azure_durable_py.clock import Ids
from azure_durable_py.observer import Observer, StorageRetry

logger = logging.getLogger("azure_durable_py.taskhub")
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""The longest pause between two tries, in seconds: so late is it noticed at most that storage is back."""


class Patience:
    """Ever longer pauses while storage refuses something, told of once at the beginning and once at the end.

    :param ids: source of jitter.
    :param what: what waits, for the log.
    :param observer: told of each wait.
    :param first: the first pause, in seconds.
    """

    def __init__(self, ids: Ids, what: str, observer: Observer, first: float = FIRST_PAUSE) -> None:
        self._ids = ids
        self._what = what
        self._observer = observer
        self._first = first
        self._pause = 0.0

    async def wait(self, error: Exception) -> None:
        """Wait before the next try."""
        if not self._pause:
            logger.warning("%s is waiting for storage: %s", self._what, error)
        self._pause = min(max(self._first, 2 * self._pause), LONGEST_PAUSE)
        pause = self._ids.jitter(self._pause)
        self._observer.retry(StorageRetry(self._what, error, pause))
        await asyncio.sleep(pause)

    def over(self) -> None:
        """It went through."""
        if self._pause:
            logger.info("%s is waiting no longer.", self._what)
        self._pause = 0.0
