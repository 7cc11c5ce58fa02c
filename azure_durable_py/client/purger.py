"""Purges finished instances: one, one with its children, or all that match.

Owns which instances a purge takes; how one is taken away is the hub's business.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from azure_durable_py.client.reader import Reader
from azure_durable_py.errors import InstanceAlreadyExistsError
from azure_durable_py.history.events import SubOrchestrationCreated
from azure_durable_py.status import TERMINAL_NAMES
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import CorruptRowError, InstanceQuery

logger = logging.getLogger("azure_durable_py.client")
_PARALLEL_PURGES = 8


class Purger:
    """Purges instances for one client."""

    def __init__(self, hub: TaskHub, reader: Reader) -> None:
        self._hub = hub
        self._reader = reader

    async def one(self, instance_id: str, *, recursive: bool) -> int:
        """Purge an instance; returns how many were deleted.

        :param recursive: also the finished sub-orchestrations that its history names.
        :raises InstanceAlreadyExistsError: it is not finished.
        """
        deleted = 0
        for child in await self._children(instance_id) if recursive else ():
            # The parent goes last: it is the only one that knows its children, should this have to be repeated.
            with suppress(InstanceAlreadyExistsError):  # Started again since it was looked at.
                deleted += await self.one(child, recursive=True)
        return deleted + int(await purge(self._hub, instance_id))

    async def many(self, query: InstanceQuery) -> int:
        """Purge all finished instances that match; returns how many were deleted."""
        wanted = frozenset(query.runtime_status or TERMINAL_NAMES) & TERMINAL_NAMES
        if not wanted:
            return 0
        limit = asyncio.Semaphore(_PARALLEL_PURGES)

        async def take(instance_id: str) -> int:
            async with limit:
                try:
                    return await self.one(instance_id, recursive=False)
                except InstanceAlreadyExistsError:
                    # Restarted since it was listed: it is no longer one that was asked for.
                    return 0

        deleted = 0
        async for page in self._reader.pages(replace(query, runtime_status=wanted, with_values=False)):
            deleted += sum(await asyncio.gather(*(take(item.instance_id) for item in page.items)))
        return deleted

    async def _children(self, instance_id: str) -> list[str]:
        header = await self._hub.salvage(instance_id)
        if header is None or not header.is_terminal:
            return []
        try:
            history = await self._reader.history(header, values=False)
        except CorruptRowError as error:
            logger.error("The sub-orchestrations of instance %r are not purged with it: %s", instance_id, error)
            return []
        children: list[str] = []
        for event in history:
            if isinstance(event, SubOrchestrationCreated):
                child = await self._hub.salvage(event.instance_id)
                if child is not None and child.columns.parent_instance_id == instance_id and child.is_terminal:
                    children.append(event.instance_id)
        return children
