"""Reads instances one after the other, for an export.

Owns which instances are exported and in which order. However many there are, only a few are in memory at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.reader import Reader, has_tags
from azure_durable_py.status import TERMINAL_NAMES, OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import Columns, InstanceQuery, Listed

_AT_ONCE = 8
"""Instances that are read at a time: a large export waits for storage most of the time, one by one all of it."""
_KNOWN = frozenset(status.value for status in OrchestrationRuntimeStatus)


@dataclass(frozen=True, slots=True)
class Selection:
    """What storage is not asked for: of the instances that it gives, those with all these tags, finished in time.

    Times are UTC; the bounds belong to it.
    """

    tags: Mapping[str, str] | None = None
    completed_from: datetime | None = None
    completed_to: datetime | None = None

    def has(self, columns: Columns) -> bool:
        """Whether an instance belongs to it. One of which it is not known when it finished does."""
        done = columns.completed_time
        if done is not None:
            if self.completed_from is not None and done < self.completed_from:
                return False
            if self.completed_to is not None and done > self.completed_to:
                return False
        return has_tags(columns, self.tags)


class Exporter:
    """Exports instances for one client."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def instances(self, query: InstanceQuery, selection: Selection) -> AsyncGenerator[ExportedInstance, None]:
        """The instances that match, finished ones if no status is asked for.

        Those that are purged or change to another status meanwhile are left out.
        """
        wanted = frozenset(query.runtime_status) or TERMINAL_NAMES
        query = replace(query, runtime_status=wanted, with_values=False, updated_from=selection.completed_from)
        return self._read_ahead(query, selection)

    async def _read_ahead(self, query: InstanceQuery, selection: Selection) -> AsyncGenerator[ExportedInstance, None]:
        running: deque[asyncio.Task[ExportedInstance | None]] = deque()
        try:
            async for item in self._items(query, selection):
                running.append(asyncio.create_task(self._read(item.instance_id, query.runtime_status)))
                if len(running) == _AT_ONCE and (read := await running.popleft()):
                    yield read
            while running:
                if read := await running.popleft():
                    yield read
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _items(self, query: InstanceQuery, selection: Selection) -> AsyncIterator[Listed]:
        async for page in self._reader.pages(query):
            for item in page.items:
                if item.damaged or selection.has(item.columns):
                    yield item

    async def _read(self, instance_id: str, wanted: Collection[str]) -> ExportedInstance | None:
        found = await self._reader.look_at(instance_id)
        while found is not None:
            status = found.header.columns.runtime_status
            if status in _KNOWN and status not in wanted:
                return None  # Started again since it was listed, or finished.
            whole = await self._reader.whole(found)
            if not whole.status.damaged and whole.status.execution_id == found.header.columns.execution_id:
                return whole
            # Between the header and its rows the instance may have gone on, or away.
            newer = await self._reader.look_at(instance_id)
            if newer is not None and newer.header.etag == found.header.etag:
                return whole
            found = newer
        return None
