"""One call in a transaction, or several in one transaction that reaches the disk once.

A *job* is what a call does with the database: it may be run again, as long as nothing of it was committed. One that
refuses does so before it has written anything, or what it shares a transaction with is done again without it.

While another process has the file, a call waits for as many seconds as its caller has *patience*. It tries again each
millisecond: SQLite's own pauses grow to a tenth of a second, and whoever sleeps that long is overtaken again and again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.sqlite.refusals import is_busy, translate, unanswered

_Result = TypeVar("_Result")
Job = Callable[[sqlite3.Connection], _Result]


@dataclass(slots=True, eq=False)
class JobCall:
    """A job, and what came of it."""

    job: Job[Any]
    result: Any = field(default=None, init=False)
    error: BaseException | None = field(default=None, init=False)

    def settle(self, run: Callable[[Job[Any]], Any]) -> None:
        """Run the job and keep what it returns or raises."""
        self.result = self.error = None
        try:
            self.result = run(self.job)
        except Exception as error:  # noqa: BLE001 - it is raised where the call is awaited
            self.error = error


def patiently(run: Callable[[], _Result], patience: float) -> _Result:
    """Run what SQLite turns away while another process has the file."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return run()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE)


_PAUSE = 0.001


def write(db: sqlite3.Connection, job: Job[_Result], where: str, patience: float = 0.0) -> _Result:
    """Run a job in a transaction of its own.

    :raises StorageRejectedError: SQLite refused it; nothing took effect.
    :raises StorageUnavailableError: SQLite gave no answer.
    """
    try:
        try:
            patiently(lambda: db.execute("BEGIN IMMEDIATE"), patience)
            result = job(db)
        except sqlite3.Error as error:
            raise translate(error, where) from error
        try:
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise unanswered(error, where) from error
        return result
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def write_together(db: sqlite3.Connection, calls: Sequence[JobCall], where: str, patience: float = 0.0) -> int:
    """Run jobs in one transaction, in which one that is refused leaves the others alone.

    Nothing is known of any of them before the transaction is committed. Returns how many transactions it took.
    """
    if len(calls) > 1 and _in_one_transaction(db, calls, where, patience):
        return 1
    for call in calls:
        call.settle(lambda job: write(db, job, where, patience))
    return len(calls)


def _in_one_transaction(db: sqlite3.Connection, calls: Sequence[JobCall], where: str, patience: float) -> bool:
    """Returns False if a job broke off half way, or SQLite refused it: all is rolled back, each may be tried alone."""
    try:
        patiently(lambda: db.execute("BEGIN IMMEDIATE"), patience)
    except sqlite3.Error as error:
        _answer_all(calls, translate(error, where), error)
        return True
    if not _run_all(db, calls):
        return False
    end_together(db, calls, where)
    return True


def begin_together(db: sqlite3.Connection, calls: Iterable[JobCall]) -> bool:
    """Run jobs at once in one transaction, which stays open for `end_together`.

    False: another process has the file, or a job cannot share a transaction. Nothing is known of any then.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.Error:
        return False
    return _run_all(db, calls)


def _run_all(db: sqlite3.Connection, calls: Iterable[JobCall]) -> bool:
    """Returns False if a job broke off half way, or SQLite refused it: all is rolled back, each may be tried alone.

    A savepoint for each would be two statements more for each call.
    """
    is_whole = False
    try:
        for call in calls:
            before = db.total_changes
            call.settle(lambda job: job(db))
            if isinstance(call.error, sqlite3.Error) or (call.error is not None and db.total_changes != before):
                return False
        is_whole = True
    finally:
        if not is_whole and db.in_transaction:
            db.execute("ROLLBACK")
    return True


def end_together(db: sqlite3.Connection, calls: Iterable[JobCall], where: str) -> None:
    """Commit what `begin_together` began."""
    try:
        db.execute("COMMIT")
    except sqlite3.Error as error:
        _answer_all(calls, unanswered(error, where), error)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _answer_all(calls: Iterable[JobCall], answer: StorageError, cause: sqlite3.Error) -> None:
    answer.__cause__ = cause
    for call in calls:
        call.error = answer


def read_at_once(db: sqlite3.Connection, calls: Sequence[JobCall]) -> bool:
    """Run jobs that only read; all of them see one state of the database.

    False: another process has the file, or SQLite refuses a job. Nothing is known of any then.
    """
    try:
        db.execute("BEGIN")
        for call in calls:
            call.settle(lambda job: job(db))
            if isinstance(call.error, sqlite3.Error):
                return False
    except sqlite3.Error:
        return False
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return True


def read_together(db: sqlite3.Connection, calls: Sequence[JobCall], where: str, patience: float = 0.0) -> None:
    """Run jobs that only read; all of them see one state of the database."""
    try:
        db.execute("BEGIN")
        for call in calls:
            call.settle(lambda job: _read(db, job, where, patience))
    except sqlite3.Error as error:
        for call in calls:
            call.error = translate(error, where)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _read(db: sqlite3.Connection, job: Job[_Result], where: str, patience: float) -> _Result:
    try:
        # Only the first has to wait: from then on nobody takes what is read away.
        return patiently(lambda: job(db), patience)
    except sqlite3.Error as error:
        raise translate(error, where) from error
