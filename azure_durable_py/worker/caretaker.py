"""What a hub needs now and then, whichever worker does it: who shows no life is rung, what is old is purged.

Both look through the whole hub. On Azure that is a scan of the table, so one worker does it for all: however many start
and stop within an hour, they scan once.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.clearing import purge_unchanged
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.worker.lifeless import ring_lifeless

logger = logging.getLogger("azure_durable_py.worker")
AT_START = timedelta(hours=1)
"""A worker that starts scans if nobody did for so long."""
EVERY = timedelta(days=1)
"""How long a worker waits before it asks again; then it scans if nobody did for half of that."""


class Caretaker:
    """Looks after a hub for as long as a worker runs.

    :param retention: seconds for which finished orchestrations are kept; None: until somebody purges them.
    """

    def __init__(self, hub: TaskHub, retention: float | None) -> None:
        self._hub = hub
        self._retention = None if retention is None else timedelta(seconds=retention)

    async def run(self) -> None:
        """At start and daily, until cancelled."""
        unless_within = AT_START
        while True:
            try:
                if await self._hub.reliable.claim_scan(unless_within):
                    await ring_lifeless(self._hub)
                    await self._purge()
            except StorageError as error:
                logger.warning("The hub could not be looked through for what has no life or is old: %s", error)
            unless_within = EVERY / 2
            await asyncio.sleep(self._hub.ids.jitter(EVERY.total_seconds()))

    async def _purge(self) -> None:
        if self._retention is None:
            return
        purged = await purge_unchanged(self._hub, self._hub.clock.now() - self._retention)
        if purged:
            logger.info("%d finished %s purged by age.", purged, "instance was" if purged == 1 else "instances were")
