"""Which of the stores that are open on one database file live, on whichever process of this machine.

Each holds the lock of a file of its own, in a folder beside the database, for as long as it is open. Whose lock
somebody else can take is dead. Where files cannot be locked, nobody is known to be dead; nor is one whose file is
missing, since somebody may have deleted it behind its back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

from azure_durable_py.taskhub.sqlite.locks import FileLock

logger = logging.getLogger("azure_durable_py.taskhub")
_NO_LOCKS = (
    "Files cannot be locked in %s (%s): should this process be killed, what it has in hand will be taken over when its "
    "visibility ends, and not at once."
)
_NAME = re.compile(r"[0-9a-f]{16}")
_TRIES = 100


class Owners:
    """The owners of what is in hand in one database, seen from one of them.

    :param database: the file of the database.
    """

    def __init__(self, database: str) -> None:
        self._folder = Path(f"{os.path.realpath(database)}-owners")
        self._lock: FileLock | None = None
        self.name: str | None = None
        """Ours, never used by anybody before. None: nobody can tell whether we live."""

    def enter(self) -> None:
        """Be one of them."""
        try:
            for _ in range(_TRIES):
                if self._enter(secrets.token_hex(8)):
                    return
            logger.warning(_NO_LOCKS, self._folder, "none could be had")
        except OSError as error:
            logger.warning(_NO_LOCKS, self._folder, error)

    def _enter(self, name: str) -> bool:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        path = self._folder / name
        try:
            lock = FileLock.take(path, create=True)
        except FileNotFoundError:
            # The last one who left took the folder away.
            return False
        if lock is None:
            return False
        if not lock.is_of(path):
            # Somebody found it before it was locked, and took it for a dead one's.
            lock.release()
            return False
        self._lock, self.name = lock, name
        return True

    def leave(self, *, in_order: bool = True) -> None:
        """Be no longer one of them.

        :param in_order: nothing is in our hand. Otherwise we leave as the dead do.
        """
        name, self.name = self.name, None
        lock, self._lock = self._lock, None
        if lock is None or name is None:
            return
        lock.release()
        if in_order:
            self._forget(name)

    def bury(self, take_over: Callable[[str], None]) -> None:
        """Call `take_over` with the name of each that died, which is forgotten if that does not raise."""
        for name in self._others():
            try:
                lock = FileLock.take(self._folder / name)
            except OSError:
                # Another one buried it meanwhile.
                continue
            if lock is None:
                continue
            try:
                take_over(name)
            finally:
                lock.release()
            self._forget(name)

    def _others(self) -> list[str]:
        if self.name is None:
            return []
        try:
            names = [path.name for path in self._folder.iterdir()]
        except OSError:
            return []
        return [name for name in names if name != self.name and _NAME.fullmatch(name)]

    def _forget(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()
        with contextlib.suppress(OSError):
            self._folder.rmdir()
