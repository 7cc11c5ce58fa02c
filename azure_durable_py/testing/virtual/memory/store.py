"""A task hub in dictionaries, for runs at virtual time: lean, and open to be looked at.

Keeps to the contract of `TaskHubStore` like any other store (the contract suite runs over it). Owns what the
others hide: every row and message can be seen, and whoever plays the polling of queues is told when a message
becomes visible.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.errors import ConcurrencyConflictError, StorageRejectedError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.columns import header_of
from azure_durable_py.taskhub.marker import check_marker
from azure_durable_py.taskhub.naming import QueueNames, poison_queue
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    LONGEST_PAUSE,
    BlobRow,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Loaded,
    Page,
    QueueMessage,
    StoredKeys,
)
from azure_durable_py.testing.virtual.memory.listing import list_page
from azure_durable_py.testing.virtual.memory.place import Message, Partition, Place, Queue


class _Receipt(NamedTuple):
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
        self._visible = visible or _nobody
        self._tells = tells
        self._opened = False

    @property
    def description(self) -> str:
        """Where the hub is."""
        return f"hub {self._hub_name} (in memory)"

    @property
    def longest_pause(self) -> float:
        """Seconds between two polls of an idle queue."""
        return LONGEST_PAUSE

    @property
    def instance_queues(self) -> tuple[str, ...]:
        """The names of the doorbell queues."""
        return self._queues.instances

    @property
    def activity_queue(self) -> str:
        """The name of the work-item queue."""
        return self._queues.activities

    def instance_queue(self, instance_id: str) -> str:
        """The doorbell queue of an instance."""
        return self._queues.of_instance(instance_id)

    @property
    def partitions(self) -> dict[str, Partition]:
        """Every partition by instance id; one whose last row went may still be there, empty."""
        return self.place.partitions.setdefault(self._hub, {})

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        """Make the hub if it is not there, and read its marker."""
        mine = HubInfo(FORMAT_VERSION, len(self._queues.instances), bytes.fromhex(self._ids.new()) * 2)
        info = self.place.hubs.setdefault(self._hub, mine)
        checked = check_marker(info, self._hub_name, len(self._queues.instances), "memory")
        self._opened = True
        return checked

    async def close(self) -> None:
        """Refuse further calls; what is kept stays in its place."""
        self._opened = False

    async def delete_hub(self) -> None:
        """Delete everything of this hub; other hubs in the place stay."""
        self.place.hubs.pop(self._hub, None)
        self.place.partitions.pop(self._hub, None)
        self.place.keys.pop(self._hub, None)
        for queue in self._queues.all:
            self.place.queues.pop(queue, None)

    async def load_keys(self) -> StoredKeys | None:
        """The keys of the hub; None while nobody has made any."""
        self._open_partitions()
        return self.place.keys.get(self._hub)

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        """Write the keys of the hub; returns their new ETag."""
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
        """Header and the first inbox rows."""
        partition = self._of(instance_id)
        keys = sorted(partition.inbox)
        room = limits.LOAD_ROWS - 1
        return Loaded(_readable(partition), tuple([partition.inbox[key] for key in keys[:room]]), len(keys) > room)

    async def load_header(self, instance_id: str) -> Header | None:
        """The header alone."""
        return _readable(self._of(instance_id))

    async def commit(self, commit: Commit) -> str:
        """Apply a commit; returns the header's new ETag ('' when the header was deleted)."""
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
        partition.header, partition.damage = header, ""
        for key in commit.consumed:
            partition.inbox.pop(key, None)
        for key in commit.dropped:
            partition.blobs.pop(key, None)
        self._put(partition, commit.put)
        return etag

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        """Insert rows in order; returns the keys that existed."""
        inbox, now = self._of(instance_id).inbox, self._now()
        existed = frozenset([row.key for row in rows if row.key in inbox])
        for row in rows:
            if row.key not in existed:
                inbox[row.key] = InboxRow(row.key, row.body, now)
        return existed

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete inbox rows without touching a header."""
        inbox = self._of(instance_id).inbox
        for key in keys:
            inbox.pop(key, None)

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows."""
        self._put(self._of(instance_id), rows)

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of these blob rows; a missing one is absent."""
        blobs = self._of(instance_id).blobs
        return {key: blobs[key].body for key in keys if key in blobs}

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`."""
        blobs = self._of(instance_id).blobs
        return tuple(blobs[key] for key in sorted(blobs) if key.startswith(prefix))

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows of an instance, and when each was taken."""
        blobs = self._of(instance_id).blobs
        return {key: blobs[key].timestamp or self._now() for key in sorted(blobs)}

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete blob rows without touching a header."""
        blobs = self._of(instance_id).blobs
        for key in keys:
            blobs.pop(key, None)

    def _put(self, partition: Partition, rows: Sequence[BlobRow]) -> None:
        for row in rows:
            partition.blobs[row.key] = BlobRow(row.key, row.body, self._now())

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances with an inbox row that was taken before this time."""
        partitions = self._open_partitions().items()
        return sorted(
            instance_id
            for instance_id, partition in partitions
            if any(row.timestamp is not None and row.timestamp < before for row in partition.inbox.values())
        )

    async def claim_scan(self, every: timedelta) -> bool:  # noqa: ARG002
        """Granted: it is all in memory."""
        return True

    async def query(self, query: InstanceQuery) -> Page:
        """List headers in the order of their ids."""
        return list_page(self._open_partitions(), query)

    # --- queues --------------------------------------------------------------------------------------

    def queue(self, name: str) -> Queue:
        """A queue, made if it is not there."""
        queue = self.place.queues.get(name)
        if queue is None:
            queue = self.place.queues[name] = Queue()
        return queue

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message that never expires, invisible for `delay` seconds."""
        self._open_partitions()
        now = self._now()
        self.place.messages_made += 1
        message = Message(self.place.messages_made, body, now + timedelta(seconds=delay), now)
        self.queue(queue).place(message)
        self._visible(queue, message.visible_at)
        return QueueMessage(queue, body, 0, _Receipt(message.id, 0), now)

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take up to `limit` messages, the longest visible first."""
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
            QueueMessage(queue, found.body, found.dequeue_count, _Receipt(found.id, found.receipt), found.inserted)
            for found in taken
        ]

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible for `visibility` seconds from now."""
        found, kept = self._held(message)
        kept.visible_at = self._now() + timedelta(seconds=visibility)
        kept.receipt += 1
        found.place(kept)
        self._visible(message.queue, kept.visible_at)
        return QueueMessage(
            message.queue,
            message.body,
            message.dequeue_count,
            _Receipt(kept.id, kept.receipt),
            message.inserted_on,
        )

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold."""
        found, kept = self._held(message)
        del found.messages[kept.id]

    def _held(self, message: QueueMessage) -> tuple[Queue, Message]:
        self._open_partitions()
        handle = _Receipt(*message.handle)
        found = self.queue(message.queue)
        kept = found.messages.get(handle.id)
        if kept is None or kept.receipt != handle.receipt:
            raise limits.message_lost(message.queue)
        return found, kept

    async def next_visible(self, queue: str) -> float | None:
        """Seconds until the first message is visible; None: there is no message, or it does not tell."""
        self._open_partitions()
        first = self.queue(queue).first()
        if first is None or not self._tells:
            return None
        left = (first.visible_at - self._now()).total_seconds()
        # Times are rounded to microseconds: who comes exactly then may come too early.
        return left + 1e-6 if left > 0 else 0.0

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """There are no other processes to be told of."""
        del changed
        self._open_partitions()
        return lambda: None

    async def message_counts(self) -> dict[str, int]:
        """How many messages each queue holds."""
        self._open_partitions()
        return {queue: len(self.queue(queue).messages) for queue in self._queues.all}

    async def untaken_counts(self) -> dict[str, int]:
        """How many messages of each queue are due and in no worker's hands."""
        self._open_partitions()
        now = self._now()
        return {
            queue: min(limits.MAX_RECEIVE, sum(each.visible_at <= now for each in self.queue(queue).messages.values()))
            for queue in self._queues.all
        }

    async def poison_counts(self) -> dict[str, int]:
        """How many messages each poison queue holds."""
        self._open_partitions()
        return {poison_queue(name): len(self.queue(poison_queue(name)).messages) for name in self._queues.all}


def _readable(partition: Partition) -> Header | None:
    header = partition.header
    if header is None or not partition.damage:
        return header
    return header_of(header.instance_id, (header.columns, partition.damage), header.body, header.etag)


def _nobody(queue: str, moment: datetime) -> None:
    """Told of messages when nobody is."""
    del queue, moment
