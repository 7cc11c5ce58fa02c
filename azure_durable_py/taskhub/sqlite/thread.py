"""How the statements on a database file run: in one thread of their own, so that no disk makes the event loop wait.

The calls that wait while the thread is busy go into one transaction together, and the disk is flushed once for
all of them. A call is answered when what it wrote is on the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import queue
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.sqlite.neighbours import Neighbours
from azure_durable_py.taskhub.sqlite.transactions import Job, JobCall, read_together, write_together

logger = logging.getLogger("azure_durable_py.taskhub")
_Result = TypeVar("_Result")
_Watcher = tuple[asyncio.AbstractEventLoop, Callable[[], None]]
LOOK_EVERY = 0.1
"""Seconds between two looks at what other processes do: they bound how late their messages are seen. A look takes a few
microseconds."""


@dataclass(slots=True, eq=False)
class _Waiting(JobCall):
    """A call, and who waits for it."""

    writes: bool
    future: asyncio.Future[Any]
    then: Job[Any] | None = None
    """The job that writes, if this one, which only reads, finds something."""

    @property
    def goes_on(self) -> bool:
        """Whether there is more to be done, now that the job is."""
        return self.then is not None and self.error is None and bool(self.result)

    def answer(self) -> None:
        """Tell who waits, unless nobody does any more. Runs on the loop of who waits."""
        error, self.error = self.error, None
        if self.future.done():
            return
        if error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(error)


@dataclass(slots=True)
class Flushes:
    """How many calls wrote, and how often the disk was flushed for them."""

    calls: int = 0
    flushes: int = 0


class Threaded:
    """A database file with a thread for it. Safe for use from several event loops.

    :param path: the file, as messages name it.
    :param connect: opens it, in the thread.
    :param neighbours: the other stores on the file.
    :param patience: seconds for which a call waits while another process has the file.
    """

    def __init__(
        self, path: str, connect: Callable[[], sqlite3.Connection], neighbours: Neighbours, patience: float
    ) -> None:
        self._path = path
        self._neighbours = neighbours
        self._work = _Work(path, connect, neighbours, patience)
        self._process = os.getpid()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        # A store that nobody closes must neither keep its process from ending nor leave a thread behind.
        self._no_more = weakref.finalize(self, self._work.close)
        threading.Thread(target=self._work.run, name=f"SQLite {path}", daemon=True).start()

    @property
    def owner(self) -> str | None:
        """The name under which messages are held by this store; for jobs."""
        return self._neighbours.owner

    @property
    def flushes(self) -> Flushes:
        """What the disk was asked for so far."""
        return self._work.flushes

    async def read(self, job: Job[_Result]) -> _Result:
        """Run a job that only reads, and sees one state of the database."""
        return await self._run(job, writes=False)

    async def write(self, job: Job[_Result]) -> _Result:
        """Run a job whole, or not at all; when it returns, what it wrote is on the disk.

        If the caller is cancelled, the job is done all the same.
        """
        return await self._run(job, writes=True)

    async def write_if(self, look: Job[bool], job: Job[_Result]) -> _Result | None:
        """The same, unless a look shows that there is nothing to do: that takes no lock that writers would wait for."""
        return await self._run(look, writes=False, then=job) or None

    async def _run(self, job: Job[Any], *, writes: bool, then: Job[Any] | None = None) -> Any:
        self._check_process()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        gathered = self._gathered.get(loop)
        if gathered is None:
            gathered = self._gathered[loop] = []
            # What is called in one step of the loop goes to the thread at once. One by one, the thread would begin with
            # the first, and both would wait for the interpreter's lock again and again.
            loop.call_soon(self._submit, loop)
        gathered.append(_Waiting(job, writes, future, then))
        return await future

    def _submit(self, loop: asyncio.AbstractEventLoop) -> None:
        self._work.submit(self._gathered.pop(loop, []))

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call back on the running loop when others may have put messages; returns the way to stop."""
        watcher = (asyncio.get_running_loop(), changed)
        self._work.watchers.append(watcher)
        return lambda: self._work.watchers.remove(watcher)

    async def close(self) -> None:
        """Do what was asked for before, let go of what is in hand, and close the file."""
        self._check_process()
        self._submit(asyncio.get_running_loop())
        self._no_more()
        # Who waits for the end may be cancelled, but not the end.
        await asyncio.shield(asyncio.wrap_future(self._work.ended))

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StorageRejectedError(
                f"The hub's database in {self._path} was opened by the process that this one was forked from. "
                "Open a store of its own in each process."
            )


class _Work:
    """What the thread does. It does not know the store, which can be forgotten while the thread still runs."""

    def __init__(
        self, path: str, connect: Callable[[], sqlite3.Connection], neighbours: Neighbours, patience: float
    ) -> None:
        self._path = path
        self._connect = connect
        self._neighbours = neighbours
        self._patience = patience
        self._look_at = -math.inf
        # None: there will be no more.
        self._calls: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._submitting = threading.Lock()
        self._error: StorageError | None = None
        self.watchers: list[_Watcher] = []
        self.flushes = Flushes()
        self.ended: Future[None] = Future()

    def submit(self, calls: list[_Waiting]) -> None:
        """Have calls done."""
        with self._submitting:
            error = self._error
            if error is None:
                self._calls.put(calls)
                return
        _refuse(calls, error)

    def close(self) -> None:
        """End the thread when what was submitted is done."""
        with self._submitting:
            self._error = self._error or not_open(self._path)
            self._calls.put(None)

    def run(self) -> None:
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
        calls, _ = self._waiting(0.0)
        _refuse(calls, error)

    def _serve(self, db: sqlite3.Connection) -> None:
        self._neighbours.arrive(db)
        try:
            more = True
            while more:
                if time.monotonic() >= self._look_at:
                    self._look(db)
                calls, more = self._waiting(max(0.0, self._look_at - time.monotonic()))
                self._do(db, calls)
        finally:
            with contextlib.suppress(StorageError):
                self._neighbours.leave(db)

    def _waiting(self, timeout: float) -> tuple[list[_Waiting], bool]:
        """The calls that wait, as soon as there is one, within `timeout` seconds; and whether more may come."""
        calls: list[_Waiting] = []
        with contextlib.suppress(queue.Empty):
            more = self._calls.get(timeout=timeout)
            while more is not None:
                calls += more
                more = self._calls.get_nowait()
            return calls, False
        return calls, True

    def _do(self, db: sqlite3.Connection, calls: list[_Waiting]) -> None:
        reads = [call for call in calls if not call.writes]
        if reads:
            read_together(db, reads, self._path, self._patience)
            _answer([call for call in reads if not call.goes_on])
        writes = [call for call in calls if call.writes or call.goes_on]
        if writes:
            for call in writes:
                call.job = call.then or call.job
            self.flushes.calls += len(writes)
            self.flushes.flushes += write_together(db, writes, self._path, self._patience)
            _answer(writes)

    def _look(self, db: sqlite3.Connection) -> None:
        news = False
        try:
            news = self._neighbours.look(db)
        except (StorageError, sqlite3.Error) as error:
            logger.debug("%s: other processes cannot be looked at now: %s", self._path, error)
        if news:
            for loop, changed in list(self.watchers):
                _call(loop, changed)
        self._look_at = time.monotonic() + LOOK_EVERY


def not_open(path: str | None) -> StorageRejectedError:
    """The error of a call on a store that is not open."""
    return StorageRejectedError(f"The hub's database in {path or 'memory'} is not open: call `open` first.")


def _refuse(calls: list[_Waiting], error: StorageError) -> None:
    for call in calls:
        call.error = error
    _answer(calls)


def _answer(calls: Iterable[_Waiting]) -> None:
    """Answer all calls that wait on one loop in one step of it."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
    for call in calls:
        by_loop.setdefault(call.future.get_loop(), []).append(call)
    for loop, answered in by_loop.items():
        _call(loop, _answer_all, answered)


def _answer_all(calls: list[_Waiting]) -> None:
    for call in calls:
        call.answer()


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *arguments: object) -> None:
    # Nobody waits on a loop that is closed.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(callback, *arguments)
