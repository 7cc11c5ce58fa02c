"""SQLite's limit: the statements of a run, on one bare connection, committed in groups.

Statements are played in their order on a copy of what the file held before, so that each finds the rows that it found.
Of transactions so many are joined as there were calls in flight: that is what group commit can do at best.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.span import Part, Span

_FRAMES = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA")
_MOST = 400_000
Statement = tuple[str, Sequence[Any], bool]
"""SQL, its parameters (or rows of parameters), and whether those are many."""


class StatementTape:
    """The statements of one store's connections, from its opening on; `groups` are those that one commit ends."""

    def __init__(self) -> None:
        self._before: list[Statement] = []
        self.groups: list[list[Statement]] = []
        self._lock = threading.Lock()
        self._count = 0
        self._part: Part = "before"
        self.operations = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of a run is on it."""
        return 0 < self._count < _MOST

    def start(self) -> None:
        """What comes from now on counts."""
        self._part = "counted"

    def stop(self, *, operations: int, writes: int, at_once: float) -> None:
        """No more of it counts.

        :param operations: how many calls of the store it was, as Azure counts them.
        :param writes: how many of them wrote.
        :param at_once: how many calls were in flight, on the average.
        """
        self._part = "after"
        self.operations = operations
        groups = [group for group in self.groups if group]
        together = max(1, round(len(groups) * max(1.0, at_once) / max(1, writes)))
        self.groups = [
            [statement for group in groups[at : at + together] for statement in group]
            for at in range(0, len(groups), together)
        ]

    def note(self, sql: str, parameters: Sequence[Any], *, many: bool) -> None:
        """Keep a statement."""
        with self._lock:
            if self._part == "after":
                return
            if self._part == "before":
                self._before.append((sql, parameters, many))
            elif sql.startswith("COMMIT"):
                self.groups.append([])
            elif not sql.startswith(_FRAMES) and self._count < _MOST:
                self._count += 1
                if not self.groups:
                    self.groups.append([])
                self.groups[-1].append((sql, parameters, many))

    def play(self, path: Path) -> Span:
        """Issue it all again on a new file."""
        db = sqlite3.connect(path, isolation_level=None)
        try:
            for statement in self._before:
                with contextlib.suppress(sqlite3.Error):  # As it failed then.
                    _issue(db, statement)
            if db.in_transaction:
                db.execute("COMMIT")
            began, cpu = time.perf_counter(), time.process_time()
            for group in self.groups:
                db.execute("BEGIN IMMEDIATE")
                for statement in group:
                    with contextlib.suppress(sqlite3.Error):
                        _issue(db, statement)
                db.execute("COMMIT")
            return Span(began, time.perf_counter() - began, time.process_time() - cpu, self.operations)
        finally:
            db.close()


def _issue(db: sqlite3.Connection, statement: Statement) -> None:
    sql, parameters, many = statement
    if many:
        db.executemany(sql, parameters)
    else:
        db.execute(sql, parameters).fetchall()


@contextlib.contextmanager
def taping(tape: StatementTape) -> Generator[None]:
    """Have every connection that is opened meanwhile keep its statements on a tape."""

    class Connection(sqlite3.Connection):
        """Keeps what it is given."""

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            tape.note(sql, parameters, many=False)
            return super().execute(sql, parameters)

        def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
            rows = list(parameters)
            tape.note(sql, rows, many=True)
            return super().executemany(sql, rows)

    connect = sqlite3.connect

    def taped(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        return connect(*args, **{**kwargs, "factory": Connection})

    sqlite3.connect = taped
    try:
        yield
    finally:
        sqlite3.connect = connect
