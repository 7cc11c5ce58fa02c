"""A task hub in SQLite: in memory for tests, in one file for the embedded hub.

Owns what a call is: its job on the database. How jobs run is the business of `inline` (in memory)
and `thread` (a file); the statements are in `partition`, `listing` and `queues`.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from azure_durable_py.clock import Clock, Ids
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
from azure_durable_py.taskhub.sqlite import listing, partition, queues
from azure_durable_py.taskhub.sqlite.database import open_file, open_memory
from azure_durable_py.taskhub.sqlite.inline import Inline
from azure_durable_py.taskhub.sqlite.neighbours import Neighbours
from azure_durable_py.taskhub.sqlite.thread import Flushes, not_open
from azure_durable_py.taskhub.sqlite.threaded import Threaded
from azure_durable_py.taskhub.sqlite.values import to_micros

_SHORT_BYTES = 262_144
_SLICE = 2_000
"""Rows of each table that are deleted at once: some tens of milliseconds."""


class SqliteStore:
    """A task hub in a SQLite database; implements `TaskHubStore`.

    :param path: file of the database (several processes may share it), or None for one in memory
        that lives from `open` to `close`.
    :param hub_name: name of the task hub; one file may hold several.
    :param instance_queue_count: number of doorbell queues.
    :param now: tells UTC time; decides when messages are visible.
    :param ids: source of ETags.
    :param busy_timeout: seconds for which a call waits while another process writes.
    :raises SettingsError: the name or the count cannot be used.
    """

    def __init__(
        self,
        path: str | None,
        *,
        hub_name: str,
        instance_queue_count: int = 1,
        now: Callable[[], datetime] | None = None,
        ids: Ids | None = None,
        busy_timeout: float = 5.0,
    ) -> None:
        self._path = path
        self._hub_name = hub_name
        self._hub = hub_name.lower()
        self._queues = QueueNames(hub_name, instance_queue_count)
        self._now = now or Clock().now
        self._ids = ids or Ids()
        self._busy_timeout = busy_timeout
        self._database: Inline | Threaded | None = None

    @property
    def description(self) -> str:
        """Where the hub is."""
        return f"SQLite hub {self._hub_name} ({self._path or 'in memory'})"

    @property
    def longest_pause(self) -> float:
        """Seconds between two polls of an idle queue: seldom, as it is told of what comes (`watch`, `next_visible`)."""
        return LONGEST_PAUSE

    @property
    def instance_queues(self) -> tuple[str, ...]:
        """The names of the doorbell queues."""
        return self._queues.instances

    @property
    def activity_queue(self) -> str:
        """The name of the work-item queue."""
        return self._queues.activities

    @property
    def flushes(self) -> Flushes:
        """How many calls wrote since the file was opened, and how often the disk was flushed for them."""
        database = self._open
        return database.flushes if isinstance(database, Threaded) else Flushes()

    def instance_queue(self, instance_id: str) -> str:
        """The doorbell queue of an instance."""
        return self._queues.of_instance(instance_id)

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker."""
        database = self._database = self._database or self._connect()
        try:
            found = await database.write(self._write_marker)
            info = check_marker(found, self._hub_name, len(self._queues.instances), self._path or "memory")
            if info != found:
                await database.write(lambda db: self._renew_marker(db, info))
            return info
        except BaseException:
            await self.close()
            raise

    def _connect(self) -> Inline | Threaded:
        path, timeout, now = self._path, self._busy_timeout, self._now
        if path is None:
            return Inline(open_memory())
        neighbours = Neighbours(path, lambda: to_micros(now()), timeout)
        return Threaded(path, lambda: open_file(path, timeout), neighbours, timeout)

    def _write_marker(self, db: sqlite3.Connection) -> HubInfo:
        marker = (self._hub, FORMAT_VERSION, len(self._queues.instances), secrets.token_bytes(32))
        db.execute("INSERT OR IGNORE INTO hubs VALUES (?, ?, ?, ?)", marker)
        columns = "format_version, queue_count, signing_key"
        return HubInfo(*db.execute(f"SELECT {columns} FROM hubs WHERE hub = ?", (self._hub,)).fetchone())  # noqa: S608

    def _renew_marker(self, db: sqlite3.Connection, info: HubInfo) -> None:
        values = (info.format_version, info.queue_count, info.signing_key, self._hub)
        db.execute("UPDATE hubs SET format_version = ?, queue_count = ?, signing_key = ? WHERE hub = ?", values)

    async def close(self) -> None:
        """Close the database when what is under way is done; one in memory is gone with it."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    async def delete_hub(self) -> None:
        """Delete everything of this hub; other hubs in the file stay."""
        # In slices: nobody who writes to other hubs of the file should wait for all of it.
        while await self._open.write(self._delete_some):
            pass

    def _delete_some(self, db: sqlite3.Connection) -> bool:
        """Tells whether there may be more; the marker goes last, so that whoever breaks off can begin again."""
        deleted = partition.delete_some(db, self._hub, _SLICE) + queues.delete_some(db, self._queues.all, _SLICE)
        if not deleted:
            db.execute("DELETE FROM hubs WHERE hub = ?", (self._hub,))
        return deleted > 0

    async def load_keys(self) -> StoredKeys | None:
        """The keys of the hub; None while nobody has made any."""
        return await self._open.read(lambda db: partition.load_keys(db, self._hub))

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        """Write the keys of the hub; returns their new ETag."""
        return await self._open.write(lambda db: partition.save_keys(db, self._hub, body, expected, self._micros()))

    @property
    def _open(self) -> Inline | Threaded:
        if self._database is None:
            raise not_open(self._path)
        return self._database

    def _micros(self) -> int:
        return to_micros(self._now())

    # --- one partition -----------------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        """Header and the first inbox rows."""
        return await self._open.read(lambda db: partition.load(db, self._hub, instance_id), short=True)

    async def load_header(self, instance_id: str) -> Header | None:
        """The header alone."""
        return await self._open.read(lambda db: partition.load_header(db, self._hub, instance_id), short=True)

    async def commit(self, commit: Commit) -> str:
        """Apply a commit; returns the header's new ETag ('' when the header was deleted)."""
        etag = "" if commit.header is None else self._ids.new()
        await self._open.write(
            lambda db: partition.commit(db, self._hub, commit, etag, self._micros()), short=_is_short(commit.put)
        )
        return etag

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        """Insert rows in order; returns the keys that existed."""
        return await self._open.write(
            lambda db: partition.insert_inbox(db, self._hub, instance_id, rows, self._micros()), short=_is_short(rows)
        )

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete inbox rows without touching a header."""
        await self._open.write(lambda db: partition.delete_inbox(db, self._hub, instance_id, keys), short=True)

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows."""
        await self._open.write(lambda db: partition.put_blobs(db, self._hub, instance_id, rows, self._micros()))

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of these blob rows; a missing one is absent."""
        return await self._open.read(lambda db: partition.get_blobs(db, self._hub, instance_id, keys))

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`."""
        return await self._open.read(lambda db: partition.list_blobs(db, self._hub, instance_id, prefix))

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows of an instance, and when each was taken."""
        return await self._open.read(lambda db: partition.blob_keys(db, self._hub, instance_id))

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete blob rows without touching a header."""
        await self._open.write(lambda db: partition.delete_blobs(db, self._hub, instance_id, keys))

    # --- all partitions ------------------------------------------------------------------------------

    async def query(self, query: InstanceQuery) -> Page:
        """List headers."""
        place = listing.place_of(query)
        return await self._open.read(lambda db: listing.list_page(db, self._hub, query, place))

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances with an inbox row that was taken before this time."""
        return await self._open.read(lambda db: listing.with_inbox(db, self._hub, before))

    async def claim_scan(self, every: timedelta) -> bool:  # noqa: ARG002
        """Granted: what is looked for has indexes."""
        return True

    # --- queues --------------------------------------------------------------------------------------

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message that never expires, invisible for `delay` seconds."""
        return await self._open.write(lambda db: queues.put(db, queue, body, delay, self._micros()), short=True)

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take up to `limit` messages, the longest visible first."""
        database = self._open
        # Most polls find nothing.
        received = await database.write_if(
            lambda db: queues.is_any_visible(db, queue, self._micros()),
            lambda db: queues.receive(db, queue, limit, visibility, self._micros(), database.owner),
        )
        return received or []

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible for `visibility` seconds from now."""
        database = self._open
        return await database.write(
            lambda db: queues.extend(db, message, visibility, self._micros(), database.owner), short=True
        )

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold."""
        await self._open.write(lambda db: queues.delete(db, message), short=True)

    async def next_visible(self, queue: str) -> float | None:
        """Seconds until the first message is visible; None: there is no message."""
        visible_at = await self._open.read(lambda db: queues.next_visible(db, queue), short=True)
        return None if visible_at is None else max(0, visible_at - self._micros()) / 1e6

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call back when other processes changed the file, or died with messages in hand."""
        return self._open.watch(changed)

    async def message_counts(self) -> dict[str, int]:
        """How many messages each queue holds."""
        return await self._open.read(lambda db: queues.count(db, self._queues.all))

    async def untaken_counts(self) -> dict[str, int]:
        """How many messages of each queue are due and in no worker's hands."""
        return await self._open.read(lambda db: queues.count_visible(db, self._queues.all, self._micros()))

    async def poison_counts(self) -> dict[str, int]:
        """How many messages each poison queue holds."""
        names = [poison_queue(name) for name in self._queues.all]
        return await self._open.read(lambda db: queues.count(db, names))


def _is_short(rows: Sequence[InboxRow | BlobRow]) -> bool:
    """Whether the event loop may write these rows itself: as much takes it about a millisecond."""
    return sum(len(row.body) for row in rows) <= _SHORT_BYTES
