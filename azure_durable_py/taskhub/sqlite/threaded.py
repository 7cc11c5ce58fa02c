"""How the statements on a database file run, such that no flush of the disk makes the event loop wait.

What is called in one step of the loop goes into one transaction, and the disk is flushed once for all of it. What
touches few rows is run by the loop itself, on the connection that the file's thread lends it; the end of the
transaction, and everything that may take or wait long, is the thread's. While a transaction ends, calls gather for
the next. A call is answered when what it wrote is on the disk.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from azure_durable_py.errors import StorageError, StorageRejectedError
from azure_durable_py.taskhub.sqlite.calls import WaitingCall, answer_here, call_on, writes_of
from azure_durable_py.taskhub.sqlite.neighbours import Neighbours
from azure_durable_py.taskhub.sqlite.thread import DatabaseThread, Flushes, OpenTransaction
from azure_durable_py.taskhub.sqlite.transactions import Job, begin_together, read_at_once

_Result = TypeVar("_Result")


@dataclass(slots=True, eq=False)
class _LoopCalls:
    """What is called on one event loop. While `is_held_up`, calls gather."""

    calls: list[WaitingCall] = field(default_factory=list[WaitingCall])
    is_held_up: bool = False


class Threaded:
    """A database file with a thread for it. Safe for use from several event loops.

    A job that is said to be `short` touches so few rows and bytes that the event loop may run it.

    :param path: the file, as messages name it.
    :param connect: opens it, in the thread, for use from any.
    :param neighbours: the other stores on the file.
    :param patience: seconds for which a call waits while another process has the file.
    """

    def __init__(
        self, path: str, connect: Callable[[], sqlite3.Connection], neighbours: Neighbours, patience: float
    ) -> None:
        self._path = path
        self._neighbours = neighbours
        self._thread = DatabaseThread(path, connect, neighbours, patience)
        self._process = os.getpid()
        self._lanes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopCalls] = weakref.WeakKeyDictionary()
        # A store that nobody closes must neither keep its process from ending nor leave a thread behind.
        self._no_more = weakref.finalize(self, self._thread.close)
        self._thread.start()

    @property
    def owner(self) -> str | None:
        """The name under which messages are held by this store; for jobs."""
        return self._neighbours.owner

    @property
    def flushes(self) -> Flushes:
        """What the disk was asked for so far."""
        return self._thread.flushes

    async def read(self, job: Job[_Result], *, short: bool = False) -> _Result:
        """Run a job that only reads, and sees one state of the database."""
        return await self._run(job, writes=False, short=short)

    async def write(self, job: Job[_Result], *, short: bool = False) -> _Result:
        """Run a job whole, or not at all; when it returns, what it wrote is on the disk.

        If the caller is cancelled, the job is done all the same.
        """
        return await self._run(job, writes=True, short=short)

    async def write_if(self, look: Job[bool], job: Job[_Result]) -> _Result | None:
        """Run a short job, unless a look shows that there is nothing to do: that takes no lock that others wait for."""
        return await self._run(look, writes=False, short=True, then=job) or None

    async def _run(self, job: Job[Any], *, writes: bool, short: bool, then: Job[Any] | None = None) -> Any:
        self._check_process()
        loop = asyncio.get_running_loop()
        lane = self._lanes.get(loop)
        if lane is None:
            lane = self._lanes[loop] = _LoopCalls()
        if not lane.calls and not lane.is_held_up:
            loop.call_soon(self._begin, lane)
        future: asyncio.Future[Any] = loop.create_future()
        lane.calls.append(WaitingCall(job, writes, future, short, then))
        return await future

    def _begin(self, lane: _LoopCalls) -> None:
        """Do what was called in this step of the loop, or have it done."""
        calls, lane.calls = lane.calls, []
        slow = [call for call in calls if not call.is_short]
        if len(slow) < len(calls):
            slow += self._do_here(lane, [call for call in calls if call.is_short])
        if slow:
            self._thread.submit(slow)

    def _do_here(self, lane: _LoopCalls, calls: list[WaitingCall]) -> list[WaitingCall]:
        """Run calls on the loop; returns those that are left to the thread: they may have to wait."""
        loop = asyncio.get_running_loop()
        try:
            db = self._thread.borrow(partial(call_on, loop, self._go_on, lane))
        except StorageError:
            return calls  # The thread says so to those who call.
        if db is None:
            lane.is_held_up = True
            lane.calls += calls
            return []
        ending: OpenTransaction | None = None
        try:
            reads = [call for call in calls if not call.writes]
            if reads and not read_at_once(db, reads):
                return calls
            answer_here(call for call in reads if not call.goes_on)
            writes = writes_of(calls)
            if writes and not begin_together(db, writes):
                return writes
            if writes:
                lane.is_held_up = True
                ending = OpenTransaction(writes, loop, partial(self._ended, lane, writes))
            return []
        finally:
            self._thread.give_back(ending)

    def _ended(self, lane: _LoopCalls, calls: list[WaitingCall]) -> None:
        answer_here(calls)
        self._go_on(lane)

    def _go_on(self, lane: _LoopCalls) -> None:
        lane.is_held_up = False
        if lane.calls:
            # Behind those who have just had their answers, and may call again at once.
            asyncio.get_running_loop().call_soon(self._begin, lane)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call back on the running loop when others may have put messages; returns the way to stop."""
        watcher = (asyncio.get_running_loop(), changed)
        self._thread.watchers.append(watcher)
        return lambda: self._thread.watchers.remove(watcher)

    async def close(self) -> None:
        """Do what was asked for before, let go of what is in hand, and close the file."""
        self._check_process()
        lane = self._lanes.get(asyncio.get_running_loop(), _LoopCalls())
        calls, lane.calls = lane.calls, []
        self._thread.submit(calls)
        self._no_more()
        # Who waits for the end may be cancelled, but not the end.
        await asyncio.shield(asyncio.wrap_future(self._thread.ended))

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StorageRejectedError(
                f"The hub's database in {self._path} was opened by the process that this one was forked from. "
                "Open a store of its own in each process."
            )
