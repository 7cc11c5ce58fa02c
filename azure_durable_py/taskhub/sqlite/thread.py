"""The thread of a database file: it does what may have to wait for the disk or for another process.

The connection is its own, and it lends it: who borrows it runs statements on it at once, without the two hand-overs of
the interpreter's lock that each statement costs in another thread than the loop's, and gives it back with an open
transaction, of which only the end, the flush of the disk, is left to the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.sqlite.calls import WaitingCall, answer, call_on, refuse, writes_of
from azure_durable_py.taskhub.sqlite.neighbours import Neighbours
from azure_durable_py.taskhub.sqlite.transactions import end_together, read_together, write_together

logger = logging.getLogger("azure_durable_py.taskhub")
_Watcher = tuple[asyncio.AbstractEventLoop, Callable[[], None]]
LOOK_EVERY = 0.1
"""Seconds between two looks at what other processes do: they bound how late their messages are seen. A look takes a few
microseconds."""


@dataclass(slots=True)
class Flushes:
    """How many calls wrote, and how often the disk was flushed for them."""

    calls: int = 0
    flushes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class OpenTransaction:
    """A transaction that a borrower left open, and the calls that it answers at its end.

    `answer` does so on `loop`, which is that of all of them.
    """

    calls: Sequence[WaitingCall]
    loop: asyncio.AbstractEventLoop
    answer: Callable[[], None]


_Arrival = list[WaitingCall] | OpenTransaction | None


class DatabaseThread:
    """What the thread does. It does not know the store, which can be forgotten while the thread still runs.

    :param path: the file, as messages name it.
    :param connect: opens it, in the thread, for use from any.
    :param neighbours: the other stores on the file.
    :param patience: seconds for which a call waits while another process has the file.
    """

    def __init__(
        self, path: str, connect: Callable[[], sqlite3.Connection], neighbours: Neighbours, patience: float
    ) -> None:
        self._path = path
        self._connect = connect
        self._neighbours = neighbours
        self._patience = patience
        self._look_at = -math.inf
        # None: there will be no more.
        self._arriving: queue.SimpleQueue[_Arrival] = queue.SimpleQueue()
        self._submitting = threading.Lock()
        self._error: StorageError | None = None
        self._backlog: list[WaitingCall] = []
        self._is_told_to_close = False
        # Of the connection, under the lock: who works on it (the thread, or a borrower), who waits for that.
        self._lending = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._in_use = True
        self._wanted = False
        self._waiting: list[Callable[[], None]] = []
        self.watchers: list[_Watcher] = []
        self.flushes = Flushes()
        self.ended: Future[None] = Future()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=f"SQLite {self._path}", daemon=True).start()

    # --- what others ask of it -------------------------------------------------------------------------

    def submit(self, calls: list[WaitingCall]) -> None:
        """Have calls done."""
        with self._submitting:
            error = self._error
            if error is None:
                self._arriving.put(calls)
                return
        refuse(calls, error)

    def borrow(self, when_free: Callable[[], None]) -> sqlite3.Connection | None:
        """The connection, if nobody works on it; it must be given back before the borrower waits for anything.

        :param when_free: called, by whichever thread, once it is worth to try again; only if None is returned.
        :raises StorageError: it is closed.
        """
        with self._lending:
            if self._db is None and self.ended.done():
                raise not_open(self._path)
            if self._in_use or self._wanted:
                self._waiting.append(when_free)
                return None
            self._in_use = True
            return self._db

    def give_back(self, ending: OpenTransaction | None = None) -> None:
        """Give the connection back.

        :param ending: the transaction that is open on it, if one is: the thread commits it, and answers.
        """
        if ending is not None:
            self._arriving.put(ending)
            return
        if self._release():
            # The thread found it lent, and waits for something to arrive.
            self._arriving.put([])

    def _release(self) -> bool:
        """Tells whether the thread wants it next; else those who wait are told."""
        with self._lending:
            self._in_use = False
            if self._wanted:
                return True
            waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()
        return False

    def _take(self, *, wanted: bool) -> bool:
        """Have the connection, if it is wanted and not lent; who has borrowed it, wakes us if it still is."""
        with self._lending:
            self._wanted = wanted and self._in_use
            if not wanted or self._in_use:
                return False
            self._in_use = True
            return True

    def close(self) -> None:
        """End the thread when what was submitted is done."""
        with self._submitting:
            self._error = self._error or not_open(self._path)
            self._arriving.put(None)

    # --- the thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        """Do calls until there will be no more."""
        try:
            with contextlib.closing(self._connect()) as db:
                self._serve(db)
        except StorageError as error:
            self._give_up(error)
        except BaseException as error:
            logger.exception("The thread of %s ended.", self._path)
            self._give_up(StorageUnavailableError(f"The thread of {self._path} ended: {error!r}."))
        finally:
            # From here on whoever tries to borrow the connection hears that there is none.
            self._db, self._wanted = None, False
            self.ended.set_result(None)
            self._release()

    def _give_up(self, error: StorageError) -> None:
        """Give everybody this answer, so that nobody waits for one that never comes."""
        with self._submitting:
            self._error = error
        for ending in self._take_in(self._arrived(0.0)):
            for call in ending.calls:
                call.error = error
            call_on(ending.loop, ending.answer)
        refuse(self._backlog, error)

    def _serve(self, db: sqlite3.Connection) -> None:
        self._neighbours.arrive(db)
        self._db = db
        self._release()
        try:
            more = True
            while more:
                # While it is lent to somebody although we want it, that one wakes us.
                timeout = LOOK_EVERY if self._wanted else max(0.0, self._look_at - time.monotonic())
                more = self._work(db, self._take_in(self._arrived(timeout)))
        finally:
            with contextlib.suppress(StorageError):
                self._neighbours.leave(db)

    def _arrived(self, timeout: float) -> list[_Arrival]:
        """What has arrived, as soon as there is something, within `timeout` seconds."""
        arrived: list[_Arrival] = []
        with contextlib.suppress(queue.Empty):
            arrived.append(self._arriving.get(timeout=timeout) if timeout else self._arriving.get_nowait())
            while True:
                arrived.append(self._arriving.get_nowait())
        return arrived

    def _take_in(self, arrived: Iterable[_Arrival]) -> list[OpenTransaction]:
        endings: list[OpenTransaction] = []
        for what in arrived:
            if what is None:
                self._is_told_to_close = True
            elif isinstance(what, OpenTransaction):
                endings.append(what)
            else:
                self._backlog += what
        return endings

    def _work(self, db: sqlite3.Connection, endings: Sequence[OpenTransaction]) -> bool:
        """Do what there is to do, unless the connection is lent. False: that was the last, and it is kept."""
        is_time_to_look = time.monotonic() >= self._look_at
        # Who gives it back with an open transaction gives it to us.
        if not endings and not self._take(wanted=bool(self._backlog) or self._is_told_to_close or is_time_to_look):
            return True
        self._wanted = False
        done: list[Callable[[], None]] = []
        is_last = True
        try:
            done += [self._end(db, ending) for ending in endings]
            done += self._do(db)
            if is_time_to_look:
                self._look(db)
            is_last = self._is_told_to_close
        finally:
            if not is_last:
                self._release()
            # Only now: who has an answer may want the connection at once.
            for tell in done:
                tell()
        return not is_last

    def _end(self, db: sqlite3.Connection, ending: OpenTransaction) -> Callable[[], None]:
        end_together(db, ending.calls, self._path)
        self._count(ending.calls, 1)
        return partial(call_on, ending.loop, ending.answer)

    def _do(self, db: sqlite3.Connection) -> Iterator[Callable[[], None]]:
        calls, self._backlog = self._backlog, []
        reads = [call for call in calls if not call.writes]
        if reads:
            read_together(db, reads, self._path, self._patience)
            answer([call for call in reads if not call.goes_on])
        writes = writes_of(calls)
        if writes:
            self._count(writes, write_together(db, writes, self._path, self._patience))
            yield partial(answer, writes)

    def _count(self, calls: Sequence[WaitingCall], flushes: int) -> None:
        self.flushes.calls += len(calls)
        self.flushes.flushes += flushes

    def _look(self, db: sqlite3.Connection) -> None:
        news = False
        try:
            news = self._neighbours.look(db)
        except (StorageError, sqlite3.Error) as error:
            logger.debug("%s: other processes cannot be looked at now: %s", self._path, error)
        if news:
            for loop, changed in list(self.watchers):
                call_on(loop, changed)
        self._look_at = time.monotonic() + LOOK_EVERY


def not_open(path: str | None) -> StorageRejectedError:
    """The error of a call on a store that is not open."""
    return StorageRejectedError(f"The hub's database in {path or 'memory'} is not open: call `open` first.")
