"""A lock on a file that the operating system frees when the process that holds it ends, however it ends.

A stopped process keeps it. Two holders in one process are told apart like two processes.
"""

from __future__ import annotations

import os
import sys
import weakref
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class FileLock:
    """A lock that is held, until `release` or the end of the process."""

    def __init__(self, file: int) -> None:
        self._file: int | None = file
        _held.add(self)

    @classmethod
    def take(cls, path: Path, *, create: bool = False) -> FileLock | None:
        """Lock a file; None if somebody else holds the lock.

        :param create: make the file, which must not be there yet.
        :raises OSError: there is no such file (or there is, with `create`), or files cannot be locked there.
        """
        file = os.open(path, os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0), 0o600)
        try:
            _lock(file)
        except BlockingIOError:
            os.close(file)
            return None
        except BaseException:
            os.close(file)
            if create:
                path.unlink(missing_ok=True)
            raise
        return cls(file)

    def is_of(self, path: Path) -> bool:
        """Whether the file that is locked is still the one in that place."""
        assert self._file is not None
        try:
            return os.path.samestat(os.fstat(self._file), path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others have the lock. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


if sys.platform == "win32":

    def _lock(file: int) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error

else:

    def _lock(file: int) -> None:
        # Not `lockf`: those locks are one process's, and are gone when it closes the file anywhere.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _forget_in_child() -> None:
    """A forked child shares the locks, which would outlive its parent with it."""
    for lock in list(_held):
        lock.release()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forget_in_child)
