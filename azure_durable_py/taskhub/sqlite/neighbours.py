"""Other stores on the same database file: what they change, and what is left in their hands when they die."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from azure_durable_py.taskhub.sqlite import queues
from azure_durable_py.taskhub.sqlite.owners import Owners
from azure_durable_py.taskhub.sqlite.transactions import write

logger = logging.getLogger("azure_durable_py.taskhub")
LOOKS_FOR_THE_DEAD = 5
"""Every how many looks it is found out who is dead."""


class Neighbours:
    """The neighbours of one open store.

    :param path: the file of the database.
    :param now: tells the time as it is stored.
    :param patience: seconds for which a call waits while another process writes.
    """

    def __init__(self, path: str, now: Callable[[], int], patience: float) -> None:
        self._path = path
        self._now = now
        self._patience = patience
        self._looks = 0
        self._owners = Owners(path)
        self._version = 0

    @property
    def owner(self) -> str | None:
        """What the neighbours know us by."""
        return self._owners.name

    def arrive(self, db: sqlite3.Connection) -> None:
        """Let the neighbours see that we live."""
        # SQLite keeps a log only where all processes are on one machine, where locks are seen by all of them, too.
        if db.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
            self._owners.enter()

    def look(self, db: sqlite3.Connection) -> bool:
        """Take over from the dead. Tells whether there may be messages that this store knows nothing of."""
        taken: list[int] = []
        # To find out who is dead takes twenty times as long as the rest.
        if self._looks % LOOKS_FOR_THE_DEAD == 0:
            self._owners.bury(lambda name: taken.append(self._take_over(db, name)))
        self._looks += 1
        # Changes whenever somebody else has written.
        version: int = db.execute("PRAGMA data_version").fetchone()[0]
        changed = version != self._version
        self._version = version
        return changed or any(taken)

    def leave(self, db: sqlite3.Connection) -> None:
        """Give the neighbours what is in our hand."""
        in_order = False
        try:
            if self.owner is not None:
                self._let_go(db, self.owner)
            in_order = True
        finally:
            self._owners.leave(in_order=in_order)

    def _take_over(self, db: sqlite3.Connection, name: str) -> int:
        count = self._let_go(db, name)
        logger.info("%s: a process ended with %d messages in hand; they are delivered again.", self._path, count)
        return count

    def _let_go(self, db: sqlite3.Connection, name: str) -> int:
        return write(db, lambda db: queues.let_go(db, name, self._now()), self._path, self._patience)
