"""Which numbers of which senders an instance has taken: in its header, and beyond a limit in rows.

Owns the order in which senders leave the header, and the way back (PROTOCOL R12). What a sender sends again has its
old number and its old time, so one that left the header is looked for only among those that had sent by then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from azure_durable_py import shape
from azure_durable_py.history.events import Answer
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.messages import CLIENT_SENDER, InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.naming import chunk_keys, senders_key
from azure_durable_py.taskhub.payloads import from_blobs, to_blobs
from azure_durable_py.taskhub.protocol import BlobRow, CorruptRowError, InboxRow, TaskHubStore
from azure_durable_py.taskhub.state import InstanceState, SenderPage
from azure_durable_py.taskhub.upgrades import NewerFormatError

logger = logging.getLogger("azure_durable_py.worker")
MAX_SENDERS = 2_000
"""Senders remembered in the header; of more, the older half moves to rows."""
MAX_PAGES = 1_000
"""So many times that, the oldest are forgotten: what names them would fill the header in the end."""
SENDER_MEMORY = timedelta(days=30)
"""How long those in rows are remembered: longer than anything stays in an outbox."""


_SENDERS = shape.mapping(shape.text, shape.whole(0, shape.LARGEST))


class SenderMemory:
    """Reads the senders of one instance that have left its header; those read are kept.

    Rows that cannot be read are forgotten: nobody waits for them.
    """

    def __init__(self, store: TaskHubStore, instance_id: str) -> None:
        self._store = store
        self._instance_id = instance_id
        self._read: dict[str, dict[str, int]] = {}

    async def recall(self, state: InstanceState, rows: Sequence[InboxRow]) -> None:
        """Put into `state` what is known of the senders of these inbox rows."""
        if not state.sender_pages:
            return
        named = {page.key for page in state.sender_pages}
        self._read = {key: numbers for key, numbers in self._read.items() if key in named}
        for row in rows:
            try:
                event = InboxEvent.decode(row.body)
            except (MalformedMessageError, NewerFormatError):
                continue
            if event.sender not in state.senders and _is_numbered(event):
                await self._recall(state, event)

    async def _recall(self, state: InstanceState, event: InboxEvent) -> None:
        known = -1
        for page in state.sender_pages:
            if event.sent_at <= page.until:
                known = max(known, (await self._page(page)).get(event.sender, -1))
        if known >= 0:
            state.senders[event.sender] = known

    async def _page(self, page: SenderPage) -> dict[str, int]:
        found = self._read.get(page.key)
        if found is None:
            bodies = await self._store.get_blobs(self._instance_id, chunk_keys(page.key, page.chunks))
            try:
                found = _SENDERS(shape.parse(from_blobs(page.key, page.chunks, bodies)))
            except (CorruptRowError, ShapeError) as error:
                logger.error("Instance %r forgets senders of long ago: %s", self._instance_id, error)
                found = {}
            self._read[page.key] = found
        return found


def _is_numbered(event: InboxEvent) -> bool:
    """Whether it takes effect by its number: answers do by their task, what clients send is remembered otherwise."""
    return not isinstance(event.event, Answer) and not event.sender.startswith(CLIENT_SENDER)


def note_sender(state: InstanceState, event: InboxEvent) -> None:
    """An event of an instance was taken. Senders stay in the order in which they were last heard of."""
    state.senders.pop(event.sender, None)
    state.senders[event.sender] = event.sequence
    state.latest_sent = event.sent_at if state.latest_sent is None else max(state.latest_sent, event.sent_at)


def move_senders(state: InstanceState, turn_id: str, now: datetime) -> list[BlobRow]:
    """Keep the header within its limit. Returns the rows that must be written with it."""
    pages = state.sender_pages
    while pages and (len(pages) > MAX_PAGES or now - pages[0].moved_at > SENDER_MEMORY):
        oldest = pages.pop(0)
        state.garbage += chunk_keys(oldest.key, oldest.chunks)
    if len(state.senders) <= MAX_SENDERS:
        return []
    older = list(state.senders)[: len(state.senders) // 2]
    moved = {sender: state.senders.pop(sender) for sender in older}
    ref, rows = to_blobs(senders_key(turn_id), json.dumps(moved, ensure_ascii=False))
    pages.append(SenderPage(ref.key, ref.chunks, state.latest_sent or now, now))
    return rows
