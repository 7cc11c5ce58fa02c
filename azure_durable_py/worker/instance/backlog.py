"""What an entity was asked while it was locked: held back in order, in its header and beyond a limit in rows.

A backlog has three parts, oldest first: `front`, which was opened to be taken from, pages in rows, and the tail,
to which is added.
"""

from __future__ import annotations

import logging
from typing import TypeAlias

from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import Event
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.damage import quarantine
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.naming import backlog_key, chunk_keys
from azure_durable_py.taskhub.payloads import to_blobs
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.state import PageRef
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.instance.entity_reader import EntityReader
from azure_durable_py.worker.instance.header_draft import HeaderDraft

logger = logging.getLogger("azure_durable_py.worker")
Kept: TypeAlias = tuple[Event | None, TraceContext | None]
"""A request, if it can be read, and the span that asked for it, if that is known."""
_NOTHING: Kept = (None, None)
SEAL_CHARS = 65_536
"""The tail is sealed into a page when its events take more characters than this."""


class Backlog:
    """The backlog of one entity, during one turn.

    :param entity: the state that it is a part of; changed in place.
    :param draft: the commit that the turn becomes.
    """

    def __init__(self, instance_id: str, entity: EntityState, reader: EntityReader, draft: HeaderDraft) -> None:
        self._instance_id = instance_id
        self._entity = entity
        self._reader = reader
        self._draft = draft
        self._quarantined = 0

    def hold(self, event: Event, trace: TraceContext | None = None) -> None:
        """Put a request at the end.

        :param trace: the span that asked for it.
        """
        text = encode_event(event)
        self._entity.tail.append(text)
        self._entity.keep_trace(text, trace)

    async def take(self) -> Kept:
        """Take the oldest request. None: there is none here, or it cannot be read; others may follow."""
        entity = self._entity
        if not entity.front:
            await self._open_page()
        return self.decoded(entity.front.pop(0)) if entity.front else _NOTHING

    async def _open_page(self) -> None:
        entity = self._entity
        if not entity.pages:
            entity.front, entity.tail = entity.tail, []
            return
        page = entity.pages.pop(0)
        try:
            entity.front = (await self._reader.rows(page.key, page.chunks)).split("\n")
        except CorruptRowError as error:
            logger.error("%d requests that entity %s held back are lost: %s", page.events, self._instance_id, error)
            return
        self._draft.state.garbage += chunk_keys(page.key, page.chunks)

    def decoded(self, text: str) -> Kept:
        """A request that was kept, with the span that asked for it; one that cannot be read is quarantined."""
        trace = self._entity.take_trace(text)
        try:
            return decode_event(text), trace
        except ShapeError as error:
            self._quarantined += 1
            name = f"backlog-{self._draft.turn_id}-{self._quarantined:04d}"
            body = text.encode("utf-8", "surrogatepass")
            self._draft.rows.put(quarantine(self._instance_id, name, body, error))
            return _NOTHING

    def seal(self) -> None:
        """Move a long tail to rows."""
        entity = self._entity
        if sum(map(len, entity.tail)) > SEAL_CHARS:
            ref, rows = to_blobs(backlog_key(self._draft.turn_id), "\n".join(entity.tail))
            entity.pages.append(PageRef(ref.key, ref.chunks, len(entity.tail)))
            entity.tail = []
            self._draft.rows.put(rows)
