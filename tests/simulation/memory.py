"""A task hub in dictionaries, for simulated runs: lean, and open to be looked at.

Keeps to the contract of `TaskHubStore` like any other store (the contract suite runs over it). Owns what the
others hide: every row and message can be seen, and whoever simulates the polling of queues is told when a
message becomes visible.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.errors import ConcurrencyConflictError, StorageRejectedError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.marker import check_marker
from azure_durable_py.taskhub.naming import QueueNames, poison_queue
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    BlobRow,
    Columns,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Listed,
    Loaded,
    Page,
    QueueMessage,
    StoredKeys,
)


@dataclass(slots=True)
class Partition:
    """All rows of one instance."""

    header: Header | None = None
    inbox: dict[str, InboxRow] = field(default_factory=lambda: {})
    blobs: dict[str, BlobRow] = field(default_factory=lambda: {})

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of it."""
        return self.header is None and not self.inbox and not self.blobs


@dataclass(slots=True)
class Message:
    """One message, visible or not."""

    id: int
    body: str
    visible_at: datetime
    inserted: datetime
    dequeue_count: int = 0
    receipt: int = 0


class Queue:
    """One queue; messages are taken in the order in which they became visible."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self._order: list[tuple[datetime, int]] = []

    def place(self, message: Message) -> None:
        """Put a message in, or note that it becomes visible at another time."""
        self.messages[message.id] = message
        heapq.heappush(self._order, (message.visible_at, message.id))

    def first(self) -> Message | None:
        """The message that is visible first, now or later."""
        while self._order:
            visible_at, number = self._order[0]
            message = self.messages.get(number)
            if message is not None and message.visible_at == visible_at:
                return message
            heapq.heappop(self._order)
        return None

    def take(self, now: datetime) -> Message | None:
        """Take a visible message out; it is to be placed again."""
        message = self.first()
        if message is None or message.visible_at > now:
            return None
        heapq.heappop(self._order)
        return message


class Place:
    """Where hubs are kept: stores that share one see the same."""

    def __init__(self) -> None:
        self.hubs: dict[str, HubInfo] = {}
        self.partitions: dict[str, dict[str, Partition]] = {}
        self.queues: dict[str, Queue] = {}
        self.keys: dict[str, StoredKeys] = {}
        self.messages_made = 0


class _Handle(NamedTuple):
    id: int
    receipt: int


class MemoryStore:
    """A task hub in memory; implements `TaskHubStore`.

    :param hub_name: name of the task hub; one place may hold several.
    :param place: where it is kept (default: a place of its own).
    :param tells: whether it can tell when the next message is visible.
    :param visible: told of a queue and of the time at which a message of it becomes visible.
    """

    def __init__(
        self,
        *,
        hub_name: str,
        instance_queue_count: int = 1,
        place: Place | None = None,
        now: Callable[[], datetime] | None = None,
        ids: Ids | None = None,
        visible: Callable[[str, datetime], None] | None = None,
        tells: bool = True,
    ) -> None:
        self._hub_name = hub_name
        self._hub = hub_name.lower()
        self._queues = QueueNames(hub_name, instance_queue_count)
        self.place = place or Place()
        self._now = now or Clock().now
        self._ids = ids or Ids()
        self._visible = visible or (lambda queue, moment: None)
        self._tells = tells
        self._opened = False

    @property
    def description(self) -> str:
        return f"hub {self._hub_name} (simulated)"

    @property
    def instance_queues(self) -> tuple[str, ...]:
        return self._queues.instances

    @property
    def activity_queue(self) -> str:
        return self._queues.activities

    def instance_queue(self, instance_id: str) -> str:
        return self._queues.of_instance(instance_id)

    @property
    def partitions(self) -> dict[str, Partition]:
        """Every partition by instance id; one whose last row went may still be there, empty."""
        return self.place.partitions.setdefault(self._hub, {})

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        mine = HubInfo(FORMAT_VERSION, len(self._queues.instances), bytes.fromhex(self._ids.new()) * 2)
        info = self.place.hubs.setdefault(self._hub, mine)
        checked = check_marker(info, self._hub_name, len(self._queues.instances), "memory")
        self._opened = True
        return checked

    async def close(self) -> None:
        self._opened = False

    async def delete_hub(self) -> None:
        self.place.hubs.pop(self._hub, None)
        self.place.partitions.pop(self._hub, None)
        self.place.keys.pop(self._hub, None)
        for queue in self._queues.all:
            self.place.queues.pop(queue, None)

    async def load_keys(self) -> StoredKeys | None:
        self._open_partitions()
        return self.place.keys.get(self._hub)

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        found = await self.load_keys()
        if (None if found is None else found.etag) != expected:
            raise ConcurrencyConflictError("The keys were changed since they were read.")
        stored = self.place.keys[self._hub] = StoredKeys(body, self._ids.new())
        return stored.etag

    def _of(self, instance_id: str) -> Partition:
        partitions = self._open_partitions()
        partition = partitions.get(instance_id)
        if partition is None:
            partition = partitions[instance_id] = Partition()
        return partition

    def _open_partitions(self) -> dict[str, Partition]:
        if not self._opened:
            raise StorageRejectedError(f"{self.description} is not open: call `open` first.")
        return self.place.partitions.setdefault(self._hub, {})

    # --- one partition -----------------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        partition = self._of(instance_id)
        keys = sorted(partition.inbox)
        room = limits.LOAD_ROWS - 1
        return Loaded(partition.header, tuple([partition.inbox[key] for key in keys[:room]]), len(keys) > room)

    async def load_header(self, instance_id: str) -> Header | None:
        return self._of(instance_id).header

    async def commit(self, commit: Commit) -> str:
        partition = self._of(commit.instance_id)
        found = None if partition.header is None else partition.header.etag
        if found != commit.expected:
            raise ConcurrencyConflictError(
                f"The header of {commit.instance_id!r} changed, appeared or disappeared since it was read."
            )
        etag = ""
        header = commit.header
        if header is not None:
            etag = self._ids.new()
            header = Header(header.instance_id, header.columns, header.body, etag)
        partition.header = header
        for key in commit.consumed:
            partition.inbox.pop(key, None)
        for key in commit.dropped:
            partition.blobs.pop(key, None)
        self._put(partition, commit.put)
        return etag

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        inbox, now = self._of(instance_id).inbox, self._now()
        existed = frozenset([row.key for row in rows if row.key in inbox])
        for row in rows:
            if row.key not in existed:
                inbox[row.key] = InboxRow(row.key, row.body, now)
        return existed

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        inbox = self._of(instance_id).inbox
        for key in keys:
            inbox.pop(key, None)

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        self._put(self._of(instance_id), rows)

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        blobs = self._of(instance_id).blobs
        return {key: blobs[key].body for key in keys if key in blobs}

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        blobs = self._of(instance_id).blobs
        return tuple(blobs[key] for key in sorted(blobs) if key.startswith(prefix))

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        blobs = self._of(instance_id).blobs
        return {key: blobs[key].timestamp or self._now() for key in sorted(blobs)}

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        blobs = self._of(instance_id).blobs
        for key in keys:
            blobs.pop(key, None)

    def _put(self, partition: Partition, rows: Sequence[BlobRow]) -> None:
        for row in rows:
            partition.blobs[row.key] = BlobRow(row.key, row.body, self._now())

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        partitions = self._open_partitions().items()
        return sorted(
            instance_id
            for instance_id, partition in partitions
            if any(row.timestamp is not None and row.timestamp < before for row in partition.inbox.values())
        )

    async def query(self, query: InstanceQuery) -> Page:
        after = "" if query.continuation_token is None else _decode_token(query.continuation_token)
        found = [
            (instance_id, partition.header.columns)
            for instance_id, partition in self._open_partitions().items()
            if partition.header is not None
            and instance_id > after
            and _matches(query, instance_id, partition.header.columns)
        ]
        found.sort(key=lambda item: item[0])
        items = tuple(
            Listed(instance_id, columns if query.with_values else _without_values(columns, query.with_custom_status))
            for instance_id, columns in found[: query.page_size]
        )
        more = len(found) > query.page_size
        return Page(items, _encode_token(items[-1].instance_id) if more else None)

    # --- queues --------------------------------------------------------------------------------------

    def queue(self, name: str) -> Queue:
        """A queue, made if it is not there."""
        queue = self.place.queues.get(name)
        if queue is None:
            queue = self.place.queues[name] = Queue()
        return queue

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        self._open_partitions()
        now = self._now()
        self.place.messages_made += 1
        message = Message(self.place.messages_made, body, now + timedelta(seconds=delay), now)
        self.queue(queue).place(message)
        self._visible(queue, message.visible_at)
        return QueueMessage(queue, body, 0, _Handle(message.id, 0), now)

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        self._open_partitions()
        now, found = self._now(), self.queue(queue)
        taken: list[Message] = []
        while len(taken) < limit and (message := found.take(now)) is not None:
            taken.append(message)
        for message in taken:
            message.visible_at = now + timedelta(seconds=visibility)
            message.receipt += 1
            message.dequeue_count += 1
            found.place(message)
            self._visible(queue, message.visible_at)
        return [
            QueueMessage(queue, found.body, found.dequeue_count, _Handle(found.id, found.receipt), found.inserted)
            for found in taken
        ]

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        found, kept = self._held(message)
        kept.visible_at = self._now() + timedelta(seconds=visibility)
        kept.receipt += 1
        found.place(kept)
        self._visible(message.queue, kept.visible_at)
        return QueueMessage(
            message.queue,
            message.body,
            message.dequeue_count,
            _Handle(kept.id, kept.receipt),
            message.inserted_on,
        )

    async def delete_message(self, message: QueueMessage) -> None:
        found, kept = self._held(message)
        del found.messages[kept.id]

    def _held(self, message: QueueMessage) -> tuple[Queue, Message]:
        self._open_partitions()
        handle = _Handle(*message.handle)
        found = self.queue(message.queue)
        kept = found.messages.get(handle.id)
        if kept is None or kept.receipt != handle.receipt:
            raise limits.message_lost(message.queue)
        return found, kept

    async def next_visible(self, queue: str) -> float | None:
        self._open_partitions()
        first = self.queue(queue).first()
        return None if first is None or not self._tells else max(0.0, (first.visible_at - self._now()).total_seconds())

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        del changed  # There are no other processes; a simulated world tells its workers by itself.
        self._open_partitions()
        return lambda: None

    async def message_counts(self) -> dict[str, int]:
        self._open_partitions()
        return {queue: len(self.queue(queue).messages) for queue in self._queues.all}

    async def untaken_counts(self) -> dict[str, int]:
        self._open_partitions()
        now = self._now()
        return {
            queue: min(limits.MAX_RECEIVE, sum(each.visible_at <= now for each in self.queue(queue).messages.values()))
            for queue in self._queues.all
        }

    async def poison_counts(self) -> dict[str, int]:
        self._open_partitions()
        return {poison_queue(name): len(self.queue(poison_queue(name)).messages) for name in self._queues.all}


# --- listing ---------------------------------------------------------------------------------------


def _matches(query: InstanceQuery, instance_id: str, columns: Columns) -> bool:
    return (
        columns.kind is query.kind
        and (not query.runtime_status or columns.runtime_status in query.runtime_status)
        and (query.created_from is None or columns.created_time >= query.created_from)
        and (query.created_to is None or columns.created_time <= query.created_to)
        and (query.updated_from is None or columns.last_updated_time >= query.updated_from)
        and (query.updated_to is None or columns.last_updated_time <= query.updated_to)
        and (not query.instance_id_prefix or instance_id.startswith(query.instance_id_prefix))
        and (not query.names or columns.name in query.names)
        and (query.with_outbox is None or columns.has_outbox == query.with_outbox)
    )


def _without_values(columns: Columns, with_custom_status: bool) -> Columns:
    kept = replace(columns, input=None, output=None)
    return kept if with_custom_status else replace(kept, custom_status=None)


def _encode_token(instance_id: str) -> str:
    return base64.b16encode(b"after:" + instance_id.encode()).decode()


def _decode_token(token: str) -> str:
    try:
        word, _, instance_id = base64.b16decode(token).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise limits.unknown_token(token) from error
    if word != "after":
        raise limits.unknown_token(token)
    return instance_id
