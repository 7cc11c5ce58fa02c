"""The SQLite database of a hub: its file, its schema, how it is opened.

It knows nothing of what the tables mean.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import stat
import sys
from collections.abc import Generator
from pathlib import Path

from azure_durable_py.errors import HubFormatError, StorageRejectedError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.sqlite.refusals import translate
from azure_durable_py.taskhub.sqlite.transactions import patiently
from azure_durable_py.taskhub.upgrades import SCHEMA_STEPS, lead_to

logger = logging.getLogger("azure_durable_py.taskhub")

_APPLICATION_ID = 0x61647079
_SCHEMA_VERSION = 2
_LONGEST_LOG = 64 * 1024 * 1024
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
    dequeue_count INTEGER NOT NULL, receipt INTEGER NOT NULL, inserted INTEGER NOT NULL, owner TEXT, body TEXT NOT NULL
);
CREATE INDEX messages_by_visibility ON messages (queue, visible_at, id);
"""


USUAL = OrchestrationRuntimeStatus.Completed.value
IS_UNUSUAL = f"kind = 'orchestration' AND runtime_status <> '{USUAL}'"
HAS_OUTBOX = "has_outbox = 1"
"""Conditions of indexes: a statement that has one, word for word, is served from there. What is true of most instances
is in neither, so that one that has ended as most do costs no entry."""
INDEXES = {
    "instances_by_creation": "instances (hub, kind, created_time)",
    "instances_by_status": f"instances (hub, runtime_status, instance_id) WHERE {IS_UNUSUAL}",
    "instances_with_outbox": f"instances (hub, kind, instance_id) WHERE {HAS_OUTBOX}",
}
"""Nothing depends on them but how long listings take, so they belong to no version of the tables: whoever opens a file
that lacks one makes it."""


def open_memory() -> sqlite3.Connection:
    """A new database in memory, which lives until it is closed."""
    # A sync client runs its event loop in a thread of its own; calls never overlap.
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.text_factory = _text
    _create_schema(db, "memory")
    _create_indexes(db)
    return db


def open_file(path: str, busy_timeout: float) -> sqlite3.Connection:
    """Open the database in a file, and make both if they are missing.

    :param busy_timeout: seconds for which a statement waits while another process writes.
    :raises StorageRejectedError: it cannot be opened, or there is something else in that place.
    :raises HubFormatError: the tables are of another version of this package.
    :raises StorageUnavailableError: SQLite gave no answer.
    """
    _check_place(path)
    _make_private(path)
    db: sqlite3.Connection | None = None
    try:
        # One thread at a time, not one thread only (see `thread`).
        db = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
        # One row whose text is damaged must not end the reading of all others.
        db.text_factory = _text
        # First of all: a database of somebody else stays as it is.
        _schema_of(db, path)
        mode = _keep_log(db, busy_timeout)
        # In WAL mode, FULL flushes the log at each commit: what was answered survives a loss of power, too.
        db.execute("PRAGMA synchronous = FULL")
        # A log that one large transaction made long is cut again when it was taken over into the file.
        db.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG}")
        # On macOS only this reaches the disk itself.
        db.execute("PRAGMA fullfsync = ON")
        _create_schema(db, path)
        with contextlib.suppress(sqlite3.OperationalError):
            # While another process writes for long, it does without.
            _create_indexes(db)
    except sqlite3.Error as error:
        _close(db)
        raise translate(error, path) from error
    except BaseException:
        _close(db)
        raise
    if mode == "wal":
        # Who waits for the file from now on does so by itself (see `transactions`).
        db.execute("PRAGMA busy_timeout = 0")
    else:
        logger.warning("%s cannot be kept in WAL mode but in mode %r: it will be slow.", path, mode)
    _narrow(path)
    return db


def _keep_log(db: sqlite3.Connection, busy_timeout: float) -> str:
    """Have the file written by way of a log; returns the mode in which it is now."""
    # Of two that change the mode of one file at once, SQLite turns one away without any waiting, since they could wait
    # for each other for ever. The other is done in a moment.
    return patiently(lambda: db.execute("PRAGMA journal_mode = WAL").fetchone()[0], busy_timeout)


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()


# --- the file ----------------------------------------------------------------------------------------


def _check_place(path: str) -> None:
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise StorageRejectedError(
            f"The folder of the hub's database {path!r} does not exist. Create it, or name another file."
        )
    if Path(path).is_dir():
        raise StorageRejectedError(
            f"{path!r} is a folder; the hub's database is a file. Name one, such as {str(Path(path) / 'hub.db')!r}."
        )


def _make_private(path: str) -> None:
    """Make the file, if it is not there, such that its owner alone may read it: it holds keys and payloads.

    SQLite gives the files beside it (-wal, -shm) the same mode. Whatever goes wrong here, SQLite will say why.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if sys.platform != "win32":
            # Whatever the umask took away.
            Path(path).chmod(0o600)
            _flush(Path(path).absolute().parent)


def _flush(folder: Path) -> None:
    """Have the names in a folder survive a loss of power."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _narrow(path: str) -> None:
    """Take the right to read an existing hub from others than its owner.

    Narrowed and not just told of: it holds the key that signs management URLs, nothing needs the wider mode, and a
    warning would have to be heeded by somebody on each machine.
    """
    if sys.platform == "win32":
        return
    for file in (Path(path), Path(f"{path}-wal"), Path(f"{path}-shm")):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
            if mode & 0o077:
                file.chmod(0o600)
                logger.warning("%s could be read by other users (mode %o); now its owner alone can.", file, mode)
        except FileNotFoundError:
            continue
        except OSError as error:
            logger.warning("%s can be read by other users, and cannot be made private: %s", file, error)


# --- the schema ----------------------------------------------------------------------------------------


def _create_schema(db: sqlite3.Connection, where: str) -> None:
    if _schema_of(db, where) == _SCHEMA_VERSION:
        return
    with _transaction(db, "IMMEDIATE"):
        # Another process may have been quicker.
        found = _find_schema(db, where)
        if found == 0:
            _run(db, _SCHEMA)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        else:
            for version in range(found, _SCHEMA_VERSION):
                _run(db, SCHEMA_STEPS[version])
        db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    if found not in (0, _SCHEMA_VERSION):
        logger.info("The tables of %s are now of schema %d, no longer %d.", where, _SCHEMA_VERSION, found)


def _run(db: sqlite3.Connection, statements: str) -> None:
    # `executescript` would end the transaction.
    for statement in statements.split(";\n"):
        db.execute(statement)


def _create_indexes(db: sqlite3.Connection) -> None:
    for name, what in INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {what}")


def _schema_of(db: sqlite3.Connection, where: str) -> int:
    """The version of our tables; 0: nothing is there."""
    # Of one state of the file: between two reads another process may make the tables, which would then seem to be there
    # without the mark that says whose they are.
    with _transaction(db, "DEFERRED"):
        return _find_schema(db, where)


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection, kind: str) -> Generator[None]:
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _find_schema(db: sqlite3.Connection, where: str) -> int:
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if application == _APPLICATION_ID:
        _check_schema(version, where)
        return version
    if application != 0 or db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise StorageRejectedError(
            f"{where} is a SQLite database, but not one of azure-durable-py. Name another file for the hub."
        )
    return 0


def _check_schema(version: int, where: str) -> None:
    if version > _SCHEMA_VERSION:
        raise HubFormatError(
            f"{where} was written by a newer version of azure-durable-py (schema {version}; this one knows up to "
            f"{_SCHEMA_VERSION}). Upgrade azure-durable-py here, or name another file."
        )
    if not lead_to(_SCHEMA_VERSION, version, SCHEMA_STEPS):
        raise HubFormatError(
            f"{where} was written by an older version of azure-durable-py (schema {version}), which this one cannot "
            f"make into schema {_SCHEMA_VERSION}. Let its instances end under that version, and name another file."
        )


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
