"""What an error of SQLite means to the caller: whether the call may have taken effect, and what to do."""

from __future__ import annotations

import sqlite3

from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError

_MENDS = {
    "malformed": (
        "The file is damaged: put a copy of it back, or move it away together with its -wal and -shm files to begin "
        "with an empty hub. `sqlite3 FILE .recover` shows what can still be read."
    ),
    "readonly": "This user must be able to write to the file and to its folder.",
    "unable to open": "This user must be able to read and write the file, and to make files in its folder.",
    "is full": "Make room on its disk.",
    "too big": "SQLite takes no row of that size.",
    "no such table": "Somebody took tables of the hub out of it: put a copy of the file back, or move it away.",
}
"""Definite refusals of SQLite by the words of their messages (Python 3.10 does not tell their codes)."""


def translate(error: sqlite3.Error, where: str) -> StorageError:
    """The error of a call that was not committed.

    Where SQLite says no, nothing took effect. Everything else (locked, I/O) gave no answer.
    """
    text = str(error)
    if "not a database" in text:
        return StorageRejectedError(f"{where} is not a SQLite database. Name another file for the hub.")
    for words, mend in _MENDS.items():
        if words in text:
            return StorageRejectedError(f"SQLite refused a call on {where}: {text}. {mend}")
    return unanswered(error, where)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has the file right now, and the call may go through a moment later."""
    return "is locked" in str(error)


def unanswered(error: sqlite3.Error, where: str) -> StorageUnavailableError:
    """The error of a call of which nobody knows whether it took effect."""
    return StorageUnavailableError(f"SQLite gave no answer from {where}: {error}.")
