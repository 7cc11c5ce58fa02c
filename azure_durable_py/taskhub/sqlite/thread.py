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
_LONGEST_LOAN = 1.0
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
        self._db: sqlite3.Connection | None = None
        # Held by whoever works on the connection: the thread, or a borrower.
        self._in_use = threading.Lock()
        self._wanted = False
        self._waiting: list[Callable[[], None]] = []
        self._backlog: list[WaitingCall] = []
        self._is_told_to_close = False
        self._is_closing = False
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
        """
        # First this: whoever works on it looks here when it is done.
        self._waiting.append(when_free)
        if self._wanted or not self._in_use.acquire(blocking=False):
            return None
        self._waiting.remove(when_free)
        return self._db

    def give_back(self, ending: OpenTransaction | None = None) -> None:
        """Give the connection back.

        :param ending: the transaction that is open on it, if one is: the thread commits it, and answers.
        """
        if ending is not None:
            self._arriving.put(ending)
            return
        self._release()
        if self._wanted:
            # The thread found it lent, and waits for something to arrive.
            self._arriving.put([])

    def _release(self) -> None:
        self._in_use.release()
        while self._waiting and not self._wanted:
            self._waiting.pop()()

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
            self.ended.set_result(None)

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
        try:
            while not self._is_closing:
                self._work(db, self._take_in(self._arrived(max(0.0, self._look_at - time.monotonic()))))
        finally:
            # Never released: nobody borrows what is closed.
            self._in_use.acquire(timeout=_LONGEST_LOAN)
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

    def _work(self, db: sqlite3.Connection, endings: Sequence[OpenTransaction]) -> None:
        """Do what there is to do, unless the connection is lent: then whoever gives it back wakes us."""
        is_time_to_look = time.monotonic() >= self._look_at
        if not endings:
            # Set before it is tried: who gives it back looks here after that.
            self._wanted = bool(self._backlog) or self._is_told_to_close or is_time_to_look
            if not (self._wanted and self._in_use.acquire(blocking=False)):
                return
        done: list[Callable[[], None]] = []
        try:
            done += [self._end(db, ending) for ending in endings]
            done += self._do(db)
            if is_time_to_look:
                self._look(db)
            self._is_closing = self._is_told_to_close
        finally:
            self._wanted = False
            self._release()
            # Only now: who has an answer may want the connection at once.
            for tell in done:
                tell()

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
