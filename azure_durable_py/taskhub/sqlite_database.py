"""The SQLite database under an embedded hub: its file, its schema, its transactions, its errors.

Owns the connection. It knows nothing of what the tables mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from azure_durable_py.errors import HubFormatError, StorageError, StorageRejectedError, StorageUnavailableError

_APPLICATION_ID = 0x61647079
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE hubs (
    hub TEXT PRIMARY KEY, format_version INTEGER NOT NULL, queue_count INTEGER NOT NULL, signing_key BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE instances (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, etag TEXT NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, runtime_status TEXT NOT NULL,
    created_time INTEGER NOT NULL, last_updated_time INTEGER NOT NULL,
    execution_id TEXT NOT NULL, turn_id TEXT NOT NULL, generation INTEGER NOT NULL, completed_time INTEGER,
    custom_status TEXT, input TEXT, input_payload TEXT, output TEXT, output_payload TEXT,
    version TEXT, tags TEXT, parent_instance_id TEXT, wake_time INTEGER, has_outbox INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id)
);
CREATE TABLE inbox (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, key TEXT NOT NULL, taken INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id, key)
) WITHOUT ROWID;
CREATE TABLE blobs (
    hub TEXT NOT NULL, instance_id TEXT NOT NULL, key TEXT NOT NULL, taken INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (hub, instance_id, key)
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, visible_at INTEGER NOT NULL,
    dequeue_count INTEGER NOT NULL, receipt INTEGER NOT NULL, inserted INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, id);
"""

# Every other error of SQLite (locked, full, I/O) may pass.
_FOR_GOOD = ("not a database", "malformed", "readonly", "unable to open", "too big", "no such table")


class Database:
    """One connection to the database of a hub.

    :param path: its file, or None for a database in memory that lives from `open` to `close`.
    :param busy_timeout: seconds for which a statement waits while another process writes.
    """

    def __init__(self, path: str | None, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Connect, and create the tables if they are missing. Idempotent.

        :raises StorageRejectedError: there is something else in that place.
        :raises HubFormatError: the tables are of another version of this package.
        """
        if self._connection is not None:
            return
        if self._path is not None and not Path(self._path).absolute().parent.is_dir():
            raise StorageRejectedError(
                f"The folder of the hub's database {self._path!r} does not exist. Create it, or name another file."
            )
        try:
            # The sync client runs its event loop in a thread of its own; calls never overlap.
            self._connection = sqlite3.connect(
                ":memory:" if self._path is None else self._path,
                timeout=self._busy_timeout,
                isolation_level=None,
                check_same_thread=False,
            )
            # One row whose text is damaged must not end the reading of all others.
            self._connection.text_factory = _text
            if self._path is not None:
                self._connection.execute("PRAGMA journal_mode = WAL")
                # Survives the death of the process, which is what recovery is built for.
                self._connection.execute("PRAGMA synchronous = NORMAL")
            with self.write() as db:
                self._create_schema(db)
        except sqlite3.Error as error:
            self.close()
            raise self._translate(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Disconnect. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def read(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that sees one state of the database."""
        return self._transaction("BEGIN")

    def write(self) -> AbstractContextManager[sqlite3.Connection]:
        """A transaction that is committed at the end, or not at all."""
        return self._transaction("BEGIN IMMEDIATE")

    @contextmanager
    def _transaction(self, begin: str) -> Generator[sqlite3.Connection, None, None]:
        connection = self._connection
        if connection is None:
            raise StorageRejectedError(f"The hub's database in {self._where} is not open: call `open` first.")
        try:
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise self._translate(error) from error

    def _create_schema(self, db: sqlite3.Connection) -> None:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if application == _APPLICATION_ID:
            if version != _SCHEMA_VERSION:
                raise HubFormatError(
                    f"{self._where} was written by another version of azure-durable-py (schema {version}; this one "
                    f"knows {_SCHEMA_VERSION}). Upgrade azure-durable-py here, or name another file."
                )
            return
        if application != 0 or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StorageRejectedError(
                f"{self._where} is a SQLite database, but not one of azure-durable-py. Name another file for the hub."
            )
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")

    @property
    def _where(self) -> str:
        return self._path or "memory"

    def _translate(self, error: sqlite3.Error) -> StorageError:
        text = str(error)
        if "not a database" in text:
            return StorageRejectedError(f"{self._where} is not a SQLite database. Name another file for the hub.")
        if any(words in text for words in _FOR_GOOD):
            return StorageRejectedError(f"SQLite refused a call on {self._where}: {text}.")
        return StorageUnavailableError(f"SQLite gave no answer from {self._where}: {text}.")


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
