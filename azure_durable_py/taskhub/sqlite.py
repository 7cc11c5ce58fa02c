"""A task hub in SQLite: in memory for tests, in one file for the embedded hub.

Owns every statement on the hub's tables. Statements run inline, one transaction per call: nothing
is awaited while one is open, so a virtual event loop sees each call as one step.
"""

from __future__ import annotations

import base64
import json
import math
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.models import UTC
from azure_durable_py.taskhub import layout
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    BlobRow,
    Columns,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Kind,
    Listed,
    Loaded,
    Page,
    QueueMessage,
)
from azure_durable_py.taskhub.sqlite_database import Database

_COLUMNS = (
    "kind, name, runtime_status, created_time, last_updated_time, execution_id, turn_id, generation, completed_time, "
    "custom_status, input, input_payload, output, output_payload, version, tags, parent_instance_id, wake_time, "
    "has_outbox"
)
_NO_VALUES = _COLUMNS.replace("custom_status, input,", "NULL, NULL,").replace("output, ", "NULL, ", 1)
_SELECT_HEADER = f"SELECT etag, body, {_COLUMNS} FROM instances WHERE hub = ? AND instance_id = ?"  # noqa: S608
_INSERT_HEADER = f"INSERT INTO instances (hub, instance_id, etag, body, {_COLUMNS}) VALUES ({', '.join('?' * 23)})"  # noqa: S608
_UPDATE_HEADER = (
    f"UPDATE instances SET (etag, body, {_COLUMNS}) = ({', '.join('?' * 21)}) "  # noqa: S608
    "WHERE hub = ? AND instance_id = ? AND etag = ?"
)
_INSERT_BLOB = "INSERT OR REPLACE INTO blobs (hub, instance_id, key, taken, body) VALUES (?, ?, ?, ?, ?)"
_FIRST_VISIBLE = "SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ? LIMIT 1"
_DELETE_INBOX = "DELETE FROM inbox WHERE hub = ? AND instance_id = ? AND key = ?"
_DELETE_BLOB = "DELETE FROM blobs WHERE hub = ? AND instance_id = ? AND key = ?"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Handle(NamedTuple):
    """Names one delivery of a message: the receipt changes whenever the message is taken or extended."""

    id: int
    receipt: int


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
        self._queues = layout.QueueNames(hub_name, instance_queue_count)
        self._now = now or Clock().now
        self._ids = ids or Ids()
        self._database = Database(path, busy_timeout)

    @property
    def description(self) -> str:
        """Where the hub is."""
        return f"SQLite hub {self._hub_name} ({self._path or 'in memory'})"

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

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker."""
        self._database.open()
        try:
            with self._database.write() as db:
                db.execute(
                    "INSERT OR IGNORE INTO hubs VALUES (?, ?, ?, ?)",
                    (self._hub, FORMAT_VERSION, len(self._queues.instances), secrets.token_bytes(32)),
                )
                row = db.execute(
                    "SELECT format_version, queue_count, signing_key FROM hubs WHERE hub = ?", (self._hub,)
                ).fetchone()
            return layout.check_marker(HubInfo(*row), self._hub_name, len(self._queues.instances), self._where)
        except BaseException:
            self._database.close()
            raise

    async def close(self) -> None:
        """Close the database; one in memory is gone with it."""
        self._database.close()

    async def delete_hub(self) -> None:
        """Delete everything of this hub; other hubs in the file stay."""
        with self._database.write() as db:
            for table in ("hubs", "instances", "inbox", "blobs"):
                db.execute(f"DELETE FROM {table} WHERE hub = ?", (self._hub,))  # noqa: S608
            db.executemany("DELETE FROM messages WHERE queue = ?", [(queue,) for queue in self._queues.all])

    # --- one partition -----------------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        """Header and the first inbox rows."""
        layout.check_id(instance_id)
        key = (self._hub, instance_id)
        with self._database.read() as db:
            header = db.execute(_SELECT_HEADER, key).fetchone()
            rows = db.execute(
                "SELECT key, body, taken FROM inbox WHERE hub = ? AND instance_id = ? ORDER BY key LIMIT ?",
                (*key, layout.LOAD_ROWS),
            ).fetchall()
        room = layout.LOAD_ROWS - 1
        inbox = tuple(InboxRow(row[0], row[1], _time(row[2])) for row in rows[:room])
        return Loaded(_header(instance_id, header), inbox, len(rows) > room)

    async def load_header(self, instance_id: str) -> Header | None:
        """The header alone."""
        layout.check_id(instance_id)
        with self._database.read() as db:
            return _header(instance_id, db.execute(_SELECT_HEADER, (self._hub, instance_id)).fetchone())

    async def commit(self, commit: Commit) -> str:
        """Apply a commit; returns the header's new ETag ('' when the header was deleted)."""
        layout.check_commit(commit)
        key = (self._hub, commit.instance_id)
        etag = "" if commit.header is None else self._ids.new()
        with self._database.write() as db:
            if not self._write_header(db, commit, etag):
                raise ConcurrencyConflictError(
                    f"The header of {commit.instance_id!r} changed, appeared or disappeared since it was read."
                )
            db.executemany(_DELETE_INBOX, [(*key, name) for name in commit.consumed])
            db.executemany(_DELETE_BLOB, [(*key, name) for name in commit.dropped])
            self._put(db, commit.instance_id, commit.put)
        return etag

    def _write_header(self, db: sqlite3.Connection, commit: Commit, etag: str) -> bool:
        key = (self._hub, commit.instance_id)
        if commit.header is None:
            deleted = db.execute(
                "DELETE FROM instances WHERE hub = ? AND instance_id = ? AND etag = ?", (*key, commit.expected)
            )
            return deleted.rowcount == 1
        values = (etag, commit.header.body, *_values(commit.header.columns))
        if commit.expected is not None:
            return db.execute(_UPDATE_HEADER, (*values, *key, commit.expected)).rowcount == 1
        try:
            db.execute(_INSERT_HEADER, (*key, *values))
        except sqlite3.IntegrityError:
            return False
        return True

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        """Insert rows in order; returns the keys that existed."""
        layout.check_inbox(instance_id, rows)
        taken = self._micros()
        existed: set[str] = set()
        with self._database.write() as db:
            for row in rows:
                inserted = db.execute(
                    "INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, ?, ?)",
                    (self._hub, instance_id, row.key, taken, row.body),
                )
                if inserted.rowcount == 0:
                    existed.add(row.key)
        return frozenset(existed)

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete inbox rows without touching a header."""
        layout.check_id(instance_id)
        layout.check_keys(keys)
        with self._database.write() as db:
            db.executemany(_DELETE_INBOX, [(self._hub, instance_id, key) for key in keys])

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows."""
        layout.check_blobs(instance_id, rows)
        with self._database.write() as db:
            self._put(db, instance_id, rows)

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of these blob rows; a missing one is absent."""
        layout.check_id(instance_id)
        layout.check_keys(keys, blobs=True)
        found: dict[str, bytes] = {}
        with self._database.read() as db:
            for key in keys:
                row = db.execute(
                    "SELECT body FROM blobs WHERE hub = ? AND instance_id = ? AND key = ?",
                    (self._hub, instance_id, key),
                ).fetchone()
                if row is not None:
                    found[key] = row[0]
        return found

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`."""
        layout.check_id(instance_id)
        layout.check_keys([prefix], blobs=True)
        with self._database.read() as db:
            rows = db.execute(
                "SELECT key, body, taken FROM blobs WHERE hub = ? AND instance_id = ? AND key >= ? AND key < ? "
                "ORDER BY key",
                (self._hub, instance_id, *layout.prefix_range(prefix)),
            ).fetchall()
        return tuple(BlobRow(row[0], row[1], _time(row[2])) for row in rows)

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows of an instance, and when each was taken."""
        layout.check_id(instance_id)
        with self._database.read() as db:
            rows = db.execute(
                "SELECT key, taken FROM blobs WHERE hub = ? AND instance_id = ? ORDER BY key", (self._hub, instance_id)
            ).fetchall()
        return {row[0]: _time(row[1]) for row in rows}

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete blob rows without touching a header."""
        layout.check_id(instance_id)
        layout.check_keys(keys, blobs=True)
        with self._database.write() as db:
            db.executemany(_DELETE_BLOB, [(self._hub, instance_id, key) for key in keys])

    def _put(self, db: sqlite3.Connection, instance_id: str, rows: Sequence[BlobRow]) -> None:
        taken = self._micros()
        db.executemany(_INSERT_BLOB, [(self._hub, instance_id, row.key, taken, row.body) for row in rows])

    # --- all partitions ------------------------------------------------------------------------------

    async def query(self, query: InstanceQuery) -> Page:
        """List headers in the order of their ids."""
        layout.check_query(query)
        conditions, values = _conditions(query)
        columns = _COLUMNS if query.with_values else _NO_VALUES
        statement = (
            f"SELECT instance_id, {columns} FROM instances WHERE hub = ? AND instance_id > ? "  # noqa: S608
            f"{''.join(f'AND {condition} ' for condition in conditions)}ORDER BY instance_id LIMIT ?"
        )
        after = "" if query.continuation_token is None else _decode_token(query.continuation_token)
        with self._database.read() as db:
            rows = db.execute(statement, (self._hub, after, *values, query.page_size + 1)).fetchall()
        items = tuple(Listed(row[0], _columns(row[1:])) for row in rows[: query.page_size])
        more = len(rows) > query.page_size
        return Page(items, _encode_token(items[-1].instance_id) if more else None)

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances with an inbox row that was taken before this time."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT DISTINCT instance_id FROM inbox WHERE hub = ? AND taken < ? ORDER BY instance_id",
                (self._hub, _to_micros(before)),
            ).fetchall()
        return [row[0] for row in rows]

    # --- queues --------------------------------------------------------------------------------------

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message that never expires, invisible for `delay` seconds."""
        layout.check_message(body, delay)
        now = self._micros()
        with self._database.write() as db:
            inserted = db.execute(
                "INSERT INTO messages (queue, visible_at, dequeue_count, receipt, inserted, body) "
                "VALUES (?, ?, 0, 0, ?, ?)",
                (queue, now + _duration(delay), now, body),
            )
            handle = _Handle(inserted.lastrowid or 0, 0)
        return QueueMessage(queue, body, 0, handle, _time(now))

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take up to `limit` messages, the longest visible first."""
        layout.check_receive(limit, visibility)
        now = self._micros()
        # An idle hub is polled often: looking takes no lock that writers would wait for.
        with self._database.read() as db:
            if db.execute(_FIRST_VISIBLE, (queue, now)).fetchone() is None:
                return []
        with self._database.write() as db:
            rows = db.execute(
                "SELECT id, receipt + 1, dequeue_count + 1, inserted, body FROM messages "
                "WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?",
                (queue, now, limit),
            ).fetchall()
            db.executemany(
                "UPDATE messages SET visible_at = ?, receipt = ?, dequeue_count = ? WHERE id = ?",
                [(now + _duration(visibility), row[1], row[2], row[0]) for row in rows],
            )
        return [QueueMessage(queue, row[4], row[2], _Handle(row[0], row[1]), _time(row[3])) for row in rows]

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible for `visibility` seconds from now."""
        layout.check_visibility(visibility)
        handle: _Handle = message.handle
        with self._database.write() as db:
            updated = db.execute(
                "UPDATE messages SET visible_at = ?, receipt = receipt + 1 WHERE id = ? AND queue = ? AND receipt = ?",
                (self._micros() + _duration(visibility), handle.id, message.queue, handle.receipt),
            )
        if updated.rowcount == 0:
            raise layout.message_lost(message.queue)
        extended = _Handle(handle.id, handle.receipt + 1)
        return QueueMessage(message.queue, message.body, message.dequeue_count, extended, message.inserted_on)

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold."""
        handle: _Handle = message.handle
        with self._database.write() as db:
            deleted = db.execute(
                "DELETE FROM messages WHERE id = ? AND queue = ? AND receipt = ?",
                (handle.id, message.queue, handle.receipt),
            )
        if deleted.rowcount == 0:
            raise layout.message_lost(message.queue)

    async def message_counts(self) -> dict[str, int]:
        """How many messages each queue holds."""
        with self._database.read() as db:
            return {
                queue: db.execute("SELECT count(*) FROM messages WHERE queue = ?", (queue,)).fetchone()[0]
                for queue in self._queues.all
            }

    @property
    def _where(self) -> str:
        return self._path or "memory"

    def _micros(self) -> int:
        return _to_micros(self._now())


# --- values ----------------------------------------------------------------------------------------


def _to_micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else _to_micros(moment)


def _duration(seconds: float) -> int:
    return math.ceil(seconds * 1_000_000)


def _values(columns: Columns) -> tuple[Any, ...]:
    """The columns in the order of `_COLUMNS`."""
    return (
        columns.kind.value,
        columns.name,
        columns.runtime_status,
        _to_micros(columns.created_time),
        _to_micros(columns.last_updated_time),
        columns.execution_id,
        columns.turn_id,
        columns.generation,
        _optional(columns.completed_time),
        columns.custom_status,
        columns.input,
        columns.input_payload,
        columns.output,
        columns.output_payload,
        columns.version,
        columns.tags,
        columns.parent_instance_id,
        _optional(columns.wake_time),
        columns.has_outbox,
    )


def _columns(row: Sequence[Any]) -> Columns:
    kind, name, status, created, updated, execution_id, turn_id, generation, completed, *texts, wake, outbox = row
    return Columns(
        Kind(kind),
        name,
        status,
        _time(created),
        _time(updated),
        execution_id,
        turn_id,
        generation,
        None if completed is None else _time(completed),
        *texts,
        wake_time=None if wake is None else _time(wake),
        has_outbox=bool(outbox),
    )


def _header(instance_id: str, row: Sequence[Any] | None) -> Header | None:
    return None if row is None else Header(instance_id, _columns(row[2:]), row[1], row[0])


# --- listing ---------------------------------------------------------------------------------------


def _conditions(query: InstanceQuery) -> tuple[list[str], list[Any]]:
    conditions = ["kind = ?"]
    values: list[Any] = [query.kind.value]

    def add(condition: str, *given: Any) -> None:
        conditions.append(condition)
        values.extend(given)

    for condition, moment in (
        ("created_time >= ?", query.created_from),
        ("created_time <= ?", query.created_to),
        ("last_updated_time >= ?", query.updated_from),
        ("last_updated_time <= ?", query.updated_to),
    ):
        if moment is not None:
            add(condition, _to_micros(moment))
    for column, accepted in (("runtime_status", query.runtime_status), ("name", query.names)):
        if accepted:
            add(f"{column} IN ({', '.join('?' * len(accepted))})", *accepted)
    if query.instance_id_prefix:
        add("instance_id >= ? AND instance_id < ?", *layout.prefix_range(query.instance_id_prefix))
    if query.with_outbox is not None:
        add("has_outbox = ?", query.with_outbox)
    return conditions, values


def _encode_token(instance_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(["after", instance_id]).encode()).decode()


def _decode_token(token: str) -> str:
    try:
        word, instance_id = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        # A lone surrogate is valid JSON, but no id.
        instance_id.encode()
    except (ValueError, TypeError, AttributeError) as error:
        raise layout.unknown_token(token) from error
    if word != "after":
        raise layout.unknown_token(token)
    return instance_id
