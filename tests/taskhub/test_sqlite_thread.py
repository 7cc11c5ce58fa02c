"""How calls on a database file share its thread, its transactions and its disk."""

from __future__ import annotations

import asyncio
import gc
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.errors import ConcurrencyConflictError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.sqlite.calls import WaitingCall
from azure_durable_py.taskhub.sqlite.database import open_file
from azure_durable_py.taskhub.sqlite.threaded import Threaded
from azure_durable_py.taskhub.sqlite.transactions import JobCall, write, write_together
from tests.taskhub.building import header, insert, listed_ids, until


@asynccontextmanager
async def opened(tmp_path: Path, **options: Any) -> AsyncGenerator[SqliteStore, None]:
    store = SqliteStore(str(tmp_path / "hub.db"), hub_name="MyHub", **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


class Busy:
    """Keeps the thread of a store busy, until it is let go."""

    def __init__(self, store: SqliteStore) -> None:
        self._begun = asyncio.Event()
        self._end = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._call = asyncio.ensure_future(store._open.read(self._wait))

    def _wait(self, db: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self._begun.set)
        assert self._end.wait(30)

    async def __aenter__(self) -> None:
        await self._begun.wait()

    async def __aexit__(self, *exc: object) -> None:
        self._end.set()
        await self._call


async def submitted(*calls: Any) -> list[asyncio.Future[Any]]:
    """Calls that wait for the thread."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def traced(store: SqliteStore, trace: Callable[[str], None] | None) -> None:
    await store._open.read(lambda db: db.set_trace_callback(trace))


# --- the event loop ----------------------------------------------------------------------------------


async def test_a_locked_file_does_not_hold_up_the_event_loop(tmp_path: Path):
    async with opened(tmp_path, busy_timeout=60) as store:
        other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        # Were the loop held up, the lock would never be given back.
        [inserted] = await submitted(insert(store, "x"))
        for _ in range(10):
            await asyncio.sleep(0.001)
        assert not inserted.done()
        other.execute("ROLLBACK")
        await inserted
        other.close()


async def test_a_slow_disk_does_not_hold_up_the_event_loop(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            tasks = await submitted(store.load("x"), store.put_message("q", "x"), store.receive_messages("q", 1, 30))
            assert not any(task.done() for task in tasks)
        await asyncio.gather(*tasks)


# --- many calls, one flush -----------------------------------------------------------------------------


async def test_calls_that_wait_together_are_committed_together(tmp_path: Path):
    async with opened(tmp_path) as store:
        seen: list[str] = []
        await traced(store, seen.append)
        async with Busy(store):
            tasks = await submitted(*(insert(store, f"{number}") for number in range(20)))
        await asyncio.gather(*tasks)
        await traced(store, None)
        assert (seen.count("BEGIN IMMEDIATE"), seen.count("COMMIT")) == (1, 1)
        assert len(await listed_ids(store)) == 20


async def test_the_flushes_of_the_disk_are_counted(tmp_path: Path):
    async with opened(tmp_path) as store:
        before = replace(store.flushes)
        async with Busy(store):
            tasks = await submitted(*(insert(store, f"{number}") for number in range(20)), store.load("x"))
        await asyncio.gather(*tasks)
        await insert(store, "alone")
        assert (store.flushes.calls - before.calls, store.flushes.flushes - before.flushes) == (21, 2)


ANSWERING = """
import asyncio, os, sys
from azure_durable_py.taskhub.protocol import InboxRow
from azure_durable_py.taskhub.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    for number in range(3):
        await store.insert_inbox("x", [InboxRow(str(number), b"event")])
        os.write(2, b"answered")

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_whatever_was_written_to_the_log_is_on_the_disk_before_a_call_is_answered(tmp_path: Path):
    trace = tmp_path / "trace"
    tracing = ["strace", "-f", "-y", "-e", "trace=pwrite64,write,fsync,fdatasync", "-e", "signal=none", "-o", trace]
    command = [*tracing, sys.executable, "-c", ANSWERING, str(tmp_path / "hub.db")]
    traced = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "ptrace" in traced.stderr:
        pytest.skip("processes cannot be traced here")
    flushed: list[bool] = []
    is_flushed = False
    for line in trace.read_text().splitlines():
        if "hub.db-wal>" in line:
            is_flushed = "sync(" in line
        elif '"answered"' in line:
            flushed.append(is_flushed)
            is_flushed = False
    assert flushed == [True] * 3


async def test_a_refused_call_leaves_those_committed_with_it_alone(tmp_path: Path):
    async with opened(tmp_path) as store:
        await insert(store, "there")
        message = await store.put_message("q", "x")
        await store.delete_message(message)
        async with Busy(store):
            tasks = await submitted(
                insert(store, "before"),
                insert(store, "there"),
                store.delete_message(message),
                store.commit(Commit("before", header("before"), "another etag")),
                insert(store, "after"),
            )
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        refused = ["ConcurrencyConflictError", "MessageLostError", "ConcurrencyConflictError"]
        assert [type(outcome).__name__ for outcome in outcomes] == ["str", *refused, "str"]
        assert await listed_ids(store) == {"before", "there", "after"}


async def test_a_call_is_answered_after_the_commit(tmp_path: Path):
    async with opened(tmp_path) as store:
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Future[Any]] = []
        answered: list[bool] = []

        def trace(statement: str) -> None:
            if statement == "COMMIT" and tasks:
                # Long enough for answers to arrive, if there were any.
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result(30)
                answered.extend(task.done() for task in tasks)

        await traced(store, trace)
        async with Busy(store):
            tasks += await submitted(insert(store, "a"), insert(store, "b"))
        await asyncio.gather(*tasks)
        assert answered == [False, False]


def together(db: sqlite3.Connection, *statements: str) -> list[Any]:
    """What each of some statements comes to, when they are run in one transaction."""
    calls = [JobCall(lambda db, statement=statement: db.execute(statement).rowcount) for statement in statements]
    write_together(db, calls, "memory")
    return [call.result if call.error is None else call.error for call in calls]


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body)")
    yield connection
    connection.close()


def test_what_sqlite_refuses_is_refused_alone(db: sqlite3.Connection):
    db.execute("PRAGMA max_page_count = 20")
    full = "INSERT INTO t VALUES (2, zeroblob(1000000))"
    first, second, third = together(db, "INSERT INTO t VALUES (1, 1)", full, "INSERT INTO t VALUES (3, 3)")
    assert (first, third) == (1, 1)
    assert isinstance(second, StorageRejectedError)
    assert [row[0] for row in db.execute("SELECT id FROM t")] == [1, 3]


class FullAtCommit:
    """A connection whose disk is full when it comes to the commit."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def execute(self, statement: str) -> Any:
        if statement == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")
        return self._db.execute(statement)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.mark.parametrize("count", [1, 2])
def test_where_the_commit_itself_fails_nobody_has_an_answer(db: sqlite3.Connection, count: int):
    full: Any = FullAtCommit(db)
    outcomes = together(full, *(f"INSERT INTO t VALUES ({number}, 1)" for number in range(count)))
    assert [type(outcome) for outcome in outcomes] == [StorageUnavailableError] * count
    assert together(db, "INSERT INTO t VALUES (9, 9)") == [1]


def test_a_job_that_breaks_off_leaves_nothing_in_the_transaction(db: sqlite3.Connection):
    def breaks_off(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (2, 2)")
        raise ConcurrencyConflictError

    calls = [JobCall(breaks_off), JobCall(lambda db: db.execute("INSERT INTO t VALUES (1, 1)").rowcount)]
    write_together(db, calls, "memory")
    assert isinstance(calls[0].error, ConcurrencyConflictError)
    assert [row[0] for row in db.execute("SELECT id FROM t")] == [1]


async def test_a_poll_takes_the_lock_only_if_there_is_something(tmp_path: Path):
    async with opened(tmp_path) as store:
        await store.put_message("q", "x")
        seen: list[str] = []
        await traced(store, seen.append)
        for bodies in (["x"], []):
            assert [message.body for message in await store.receive_messages("q", 1, 30)] == bodies
        assert seen.count("BEGIN IMMEDIATE") == 1


# --- the loop and the thread ---------------------------------------------------------------------------


async def ran_in(store: SqliteStore, *, short: bool) -> int:
    """The thread that runs a job."""
    return await store._open.write(lambda _: threading.get_ident(), short=short)


async def test_what_is_short_is_run_by_the_event_loop_and_ended_by_the_thread(tmp_path: Path):
    async with opened(tmp_path) as store:
        here = threading.get_ident()
        assert await ran_in(store, short=True) == here
        assert await ran_in(store, short=False) != here
        ended: list[int] = []
        await traced(store, lambda statement: ended.append(threading.get_ident()) if statement == "COMMIT" else None)
        await insert(store, "x")
        await traced(store, None)
        assert ended
        assert here not in ended


async def test_what_is_called_while_a_transaction_ends_goes_into_the_next_one(tmp_path: Path):
    async with opened(tmp_path) as store:
        seen: list[str] = []
        ending, end = threading.Event(), threading.Event()

        def trace(statement: str) -> None:
            seen.append(statement)
            if statement == "COMMIT" and not ending.is_set():
                ending.set()
                assert end.wait(30)

        await traced(store, trace)
        first = await submitted(insert(store, "0"))
        await asyncio.to_thread(ending.wait, 30)
        others = await submitted(*(insert(store, str(number)) for number in range(1, 20)), store.load("0"))
        # Nothing of them is begun, and the loop is not held up.
        assert seen.count("BEGIN IMMEDIATE") == 1
        assert not any(task.done() for task in [*first, *others])
        end.set()
        await asyncio.gather(*first, *others)
        await traced(store, None)
        assert seen.count("COMMIT") == 2


async def test_what_another_process_holds_up_is_left_to_the_thread(tmp_path: Path):
    async with opened(tmp_path, busy_timeout=60) as store:
        other = sqlite3.connect(tmp_path / "hub.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        ran: list[int] = []
        [written] = await submitted(store._open.write(lambda _: ran.append(threading.get_ident()), short=True))
        other.execute("ROLLBACK")
        other.close()
        await written
        assert len(ran) == 1
        assert ran != [threading.get_ident()]


async def test_a_short_call_that_sqlite_refuses_leaves_those_called_with_it_alone(tmp_path: Path):
    async with opened(tmp_path) as store:
        calls = [
            store._open.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)"), short=True),
            store._open.read(lambda db: db.execute("SELECT * FROM nowhere"), short=True),
            insert(store, "x"),
            store._open.read(lambda db: db.execute("SELECT 7").fetchone()[0], short=True),
        ]
        refused, unread, inserted, seven = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(refused, StorageRejectedError)
        assert isinstance(unread, StorageRejectedError)
        assert not isinstance(inserted, Exception)
        assert seven == 7
        assert await listed_ids(store) == {"x"}


async def test_short_calls_wait_while_the_thread_is_busy_and_go_on_when_it_is_free(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            waiting = await submitted(*(insert(store, str(number)) for number in range(20)))
            assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)
        assert len(await listed_ids(store)) == 20


async def test_who_waits_for_the_connection_is_told_once_when_it_is_free_and_that_it_is_closed(tmp_path: Path):
    async with opened(tmp_path) as store:
        database = store._open
        assert isinstance(database, Threaded)
        thread, told = database._thread, list[str]()
        async with Busy(store):
            assert thread.borrow(lambda: told.append("free")) is None
            assert told == []
        # Asked for in turn with the thread, which looks at the file again and again.
        while thread.borrow(lambda: told.append("again")) is None:
            await asyncio.sleep(0)
        assert told[0] == "free"
        assert thread.borrow(lambda: told.append("back")) is None
        thread.give_back()
        await insert(store, "x")
        assert (told.count("free"), told.count("back")) == (1, 1)
    with pytest.raises(StorageRejectedError, match="not open"):
        thread.borrow(lambda: None)


async def test_calls_of_another_loop_that_are_held_up_when_the_store_is_closed_are_answered(tmp_path: Path):
    async with opened(tmp_path) as store:

        async def elsewhere(name: str) -> None:
            for number in range(200):
                try:
                    await insert(store, f"{name} {number}")
                except StorageRejectedError:
                    return

        others = [asyncio.ensure_future(asyncio.to_thread(asyncio.run, elsewhere(name))) for name in "abc"]
        await asyncio.gather(*(insert(store, f"here {number}") for number in range(20)))
        await store.close()
        await asyncio.wait_for(asyncio.gather(*others), 30)


async def test_whoever_is_interrupted_leaves_the_connection_to_others(tmp_path: Path):
    class Interrupted(BaseException):
        pass

    def interrupted(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM instances")
        raise Interrupted

    async with opened(tmp_path) as store:
        await insert(store, "x")
        loop = asyncio.get_running_loop()
        database = store._open
        assert isinstance(database, Threaded)
        lane = database._lanes[loop]
        future: asyncio.Future[None] = loop.create_future()

        async def is_free() -> bool:
            return not database._thread._in_use

        await until(is_free)
        with pytest.raises(Interrupted):
            database._do_here(lane, [WaitingCall(interrupted, True, future, True)])
        assert await listed_ids(store) == {"x"}
        await insert(store, "y")
        assert await listed_ids(store) == {"x", "y"}


def test_who_waits_for_the_file_never_waits_long_between_two_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever sleeps for long while others come and go is overtaken for ever."""
    ours, theirs = (open_file(str(tmp_path / "hub.db"), busy_timeout=5) for _ in range(2))
    theirs.execute("BEGIN IMMEDIATE")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 200:
            theirs.execute("ROLLBACK")

    monkeypatch.setattr(time, "sleep", sleep)
    assert write(ours, lambda db: db.execute("DELETE FROM inbox").rowcount, "file", patience=60) == 0
    assert pauses == [0.001] * 200
    theirs.close()
    ours.close()


# --- life --------------------------------------------------------------------------------------------


async def test_a_cancelled_caller_leaves_those_who_wait_with_it_alone(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            first, second = await submitted(insert(store, "a"), insert(store, "b"))
            first.cancel()
            await asyncio.sleep(0)
            assert first.cancelled()
        await second
        # It was asked for, so it is done.
        assert await listed_ids(store) == {"a", "b"}


async def test_closing_waits_for_what_is_under_way(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            insertion, closing = await submitted(insert(store, "x"), store.close())
            assert not closing.done()
            with pytest.raises(StorageRejectedError, match=r"hub\.db is not open: call `open` first"):
                await store.load("x")
        await closing
        assert insertion.done()
        await store.open()
        assert await listed_ids(store) == {"x"}


async def test_who_gives_up_waiting_for_the_end_does_not_stop_it(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            insertion, closing = await submitted(insert(store, "x"), store.close())
            closing.cancel()
        await insertion
        await until(has_ended(store))


async def test_a_call_made_in_the_step_in_which_the_store_is_closed_is_answered(tmp_path: Path):
    async with opened(tmp_path) as store:
        insertion = asyncio.ensure_future(insert(store, "x"))
        await asyncio.sleep(0)
        await store.close()
        assert await insertion


async def test_several_event_loops_may_use_one_store(tmp_path: Path):
    async with opened(tmp_path) as store:
        await asyncio.gather(*(asyncio.to_thread(asyncio.run, insert(store, f"{number}")) for number in range(4)))
        assert len(await listed_ids(store)) == 4


async def test_a_caller_whose_loop_has_ended_does_not_stop_the_thread(tmp_path: Path):
    async with opened(tmp_path) as store:
        async with Busy(store):
            await asyncio.to_thread(asyncio.run, given_up(insert(store, "x")))
        await insert(store, "y")
        # What was still to be begun for the loop that has ended is nobody's any more.
        assert await listed_ids(store) == {"y"}


async def given_up(call: Coroutine[Any, Any, Any]) -> None:
    """Make a call and do not wait for its answer."""
    [task] = await submitted(call)
    assert not task.done()


async def test_a_store_that_is_forgotten_leaves_no_thread(tmp_path: Path):
    store = SqliteStore(str(tmp_path / "hub.db"), hub_name="MyHub")
    await store.open()
    ended = has_ended(store)
    assert not await ended()
    del store
    gc.collect()
    await until(ended)


def has_ended(store: SqliteStore) -> Callable[[], Awaitable[bool]]:
    name = f"SQLite {store._path}"

    async def ended() -> bool:
        return name not in {thread.name for thread in threading.enumerate()}

    return ended


FORKING = """
import asyncio, os, sys
from azure_durable_py.errors import StorageRejectedError
from azure_durable_py.taskhub.sqlite import SqliteStore

store = SqliteStore(sys.argv[1], hub_name="MyHub")
asyncio.run(store.open())
if child := os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
try:
    asyncio.run(store.load_header("x"))
except StorageRejectedError as error:
    os._exit(0 if "Open a store of its own in each process" in str(error) else 1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_forked_child_is_told_to_open_a_store_of_its_own(tmp_path: Path):
    command = [sys.executable, "-W", "ignore", "-c", FORKING, str(tmp_path / "hub.db")]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
