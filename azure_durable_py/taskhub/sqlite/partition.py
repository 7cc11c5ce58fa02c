"""The statements on the rows of one instance: its header, its inbox, its blobs; and on the keys of the hub.

Every function takes part in a transaction of its caller.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.columns import body_of
from azure_durable_py.taskhub.naming import KEYRING_KEY
from azure_durable_py.taskhub.protocol import BlobRow, Commit, Header, InboxRow, Loaded, StoredKeys
from azure_durable_py.taskhub.sqlite.values import (
    COLUMNS,
    INDEXED,
    INDEXED_OF,
    UNINDEXED,
    UNINDEXED_OF,
    taken,
    to_header,
    to_row,
)
from azure_durable_py.times import UTC

_SELECT_HEADER = f"SELECT etag, body, {COLUMNS} FROM instances WHERE hub = ? AND instance_id = ?"  # noqa: S608
_INSERT_HEADER = f"INSERT INTO instances (hub, instance_id, etag, body, {COLUMNS}) VALUES ({', '.join('?' * 23)})"  # noqa: S608
_UPDATE_HEADER = (
    f"UPDATE instances SET (etag, body, {COLUMNS}) = ({', '.join('?' * 21)}) "  # noqa: S608
    "WHERE hub = ? AND instance_id = ? AND etag = ?"
)
_UPDATE_UNINDEXED = (
    f"UPDATE instances SET (etag, body, {UNINDEXED}) = ({', '.join('?' * 17)}) "  # noqa: S608
    f"WHERE hub = ? AND instance_id = ? AND etag = ? AND ({INDEXED}) = (?, ?, ?, ?)"
)
"""Where none of the indexed columns changes. SQLite writes the entry of an index anew when a column of it is set, be it
to what it was: a page more in the log for each index."""
_DELETE_HEADER = "DELETE FROM instances WHERE hub = ? AND instance_id = ? AND etag = ?"
_SELECT_INBOX = "SELECT key, body, taken FROM inbox WHERE hub = ? AND instance_id = ? ORDER BY key LIMIT ?"
_INSERT_INBOX = "INSERT OR IGNORE INTO inbox VALUES (?, ?, ?, ?, ?)"
_DELETE_INBOX = "DELETE FROM inbox WHERE hub = ? AND instance_id = ? AND key = ?"
_INSERT_BLOB = "INSERT OR REPLACE INTO blobs (hub, instance_id, key, taken, body) VALUES (?, ?, ?, ?, ?)"
_SELECT_BLOB = "SELECT body FROM blobs WHERE hub = ? AND instance_id = ? AND key = ?"
_LIST_BLOBS = (
    "SELECT key, body, taken FROM blobs WHERE hub = ? AND instance_id = ? AND key >= ? AND key < ? ORDER BY key"
)
_SELECT_BLOB_KEYS = "SELECT key, taken FROM blobs WHERE hub = ? AND instance_id = ? ORDER BY key"
_DELETE_SOME = tuple(
    f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE hub = ? LIMIT ?)"  # noqa: S608
    for table, key in (("instances", "rowid"), ("inbox", "hub, instance_id, key"), ("blobs", "rowid"))
)
_OF_NO_INSTANCE = ""
"""Beside the rows of all instances, whose ids are not empty. Who deletes the hub deletes what is there, too."""
_DELETE_BLOB = "DELETE FROM blobs WHERE hub = ? AND instance_id = ? AND key = ?"


def load(db: sqlite3.Connection, hub: str, instance_id: str) -> Loaded:
    """Header and the first inbox rows."""
    header = db.execute(_SELECT_HEADER, (hub, instance_id)).fetchone()
    rows = db.execute(_SELECT_INBOX, (hub, instance_id, limits.LOAD_ROWS)).fetchall()
    room = limits.LOAD_ROWS - 1
    inbox = tuple(InboxRow(row[0], body_of(row[1]), taken(row[2])) for row in rows[:room])
    return Loaded(to_header(instance_id, header), inbox, len(rows) > room)


def load_header(db: sqlite3.Connection, hub: str, instance_id: str) -> Header | None:
    """The header alone."""
    return to_header(instance_id, db.execute(_SELECT_HEADER, (hub, instance_id)).fetchone())


def commit(db: sqlite3.Connection, hub: str, commit: Commit, etag: str, now: int) -> None:
    """Apply a commit, after which the header has this ETag.

    :raises ConcurrencyConflictError: the header's ETag is not the one expected; nothing was written.
    """
    if not _write_header(db, hub, commit, etag):
        raise ConcurrencyConflictError(
            f"The header of {commit.instance_id!r} changed, appeared or disappeared since it was read."
        )
    if commit.consumed:
        delete_inbox(db, hub, commit.instance_id, commit.consumed)
    if commit.dropped:
        delete_blobs(db, hub, commit.instance_id, commit.dropped)
    if commit.put:
        put_blobs(db, hub, commit.instance_id, commit.put, now)


def _write_header(db: sqlite3.Connection, hub: str, commit: Commit, etag: str) -> bool:
    key = (hub, commit.instance_id)
    if commit.header is None:
        return db.execute(_DELETE_HEADER, (*key, commit.expected)).rowcount == 1
    row = to_row(commit.header.columns)
    values = (etag, commit.header.body, *row)
    if commit.expected is not None:
        unindexed = (*values[:2], *UNINDEXED_OF(row), *key, commit.expected, *INDEXED_OF(row))
        return (
            db.execute(_UPDATE_UNINDEXED, unindexed).rowcount == 1
            or db.execute(_UPDATE_HEADER, (*values, *key, commit.expected)).rowcount == 1
        )
    try:
        db.execute(_INSERT_HEADER, (*key, *values))
    except sqlite3.IntegrityError:
        return False
    return True


def insert_inbox(
    db: sqlite3.Connection, hub: str, instance_id: str, rows: Sequence[InboxRow], now: int
) -> frozenset[str]:
    """Insert rows in order; returns the keys that existed."""
    return frozenset(
        row.key for row in rows if db.execute(_INSERT_INBOX, (hub, instance_id, row.key, now, row.body)).rowcount == 0
    )


def delete_inbox(db: sqlite3.Connection, hub: str, instance_id: str, keys: Sequence[str]) -> None:
    """Delete inbox rows."""
    db.executemany(_DELETE_INBOX, [(hub, instance_id, key) for key in keys])


def put_blobs(db: sqlite3.Connection, hub: str, instance_id: str, rows: Sequence[BlobRow], now: int) -> None:
    """Insert or replace blob rows."""
    db.executemany(_INSERT_BLOB, [(hub, instance_id, row.key, now, row.body) for row in rows])


def get_blobs(db: sqlite3.Connection, hub: str, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
    """The bodies of these blob rows; a missing one is absent."""
    found = ((key, db.execute(_SELECT_BLOB, (hub, instance_id, key)).fetchone()) for key in keys)
    return {key: body_of(row[0]) for key, row in found if row is not None}


def list_blobs(db: sqlite3.Connection, hub: str, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
    """All blob rows whose RowKey begins with `prefix`."""
    rows = db.execute(_LIST_BLOBS, (hub, instance_id, *limits.prefix_range(prefix))).fetchall()
    return tuple(BlobRow(row[0], body_of(row[1]), taken(row[2])) for row in rows)


def blob_keys(db: sqlite3.Connection, hub: str, instance_id: str) -> dict[str, datetime]:
    """The RowKeys of all blob rows, and when each was taken."""
    rows = db.execute(_SELECT_BLOB_KEYS, (hub, instance_id)).fetchall()
    return {row[0]: taken(row[1]) or datetime.now(UTC) for row in rows}


def delete_blobs(db: sqlite3.Connection, hub: str, instance_id: str, keys: Sequence[str]) -> None:
    """Delete blob rows."""
    db.executemany(_DELETE_BLOB, [(hub, instance_id, key) for key in keys])


def delete_some(db: sqlite3.Connection, hub: str, limit: int) -> int:
    """Delete up to so many rows of each kind, of whatever instance; returns how many there were."""
    return sum(db.execute(statement, (hub, limit)).rowcount for statement in _DELETE_SOME)


# --- the keys of the hub -----------------------------------------------------------------------------


def load_keys(db: sqlite3.Connection, hub: str) -> StoredKeys | None:
    """The keys of the hub, if there are any."""
    row = db.execute(_SELECT_BLOB, (hub, _OF_NO_INSTANCE, KEYRING_KEY)).fetchone()
    return None if row is None else _stored(body_of(row[0]))


def save_keys(db: sqlite3.Connection, hub: str, body: bytes, expected: str | None, now: int) -> str:
    """Write the keys of the hub; returns their ETag.

    :raises ConcurrencyConflictError: there are others than expected; nothing was written.
    """
    found = load_keys(db, hub)
    if (None if found is None else found.etag) != expected:
        raise ConcurrencyConflictError("The keys of the task hub were changed since they were read.")
    put_blobs(db, hub, _OF_NO_INSTANCE, [BlobRow(KEYRING_KEY, body)], now)
    return _stored(body).etag


def _stored(body: bytes) -> StoredKeys:
    # What keys are, tells them from others: no two rings are alike, and nothing comes of replacing a like one.
    return StoredKeys(body, hashlib.sha256(body).hexdigest())
