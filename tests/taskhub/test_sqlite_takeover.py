"""What the processes on one database file know of each other: who is dead, and what was put.

Messages are taken for ten minutes here: whatever comes back sooner was taken over.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from azure_durable_py.errors import MessageLostError
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.sqlite.locks import FileLock
from azure_durable_py.taskhub.sqlite.threaded import Threaded
from tests.taskhub.building import receive_one, until

TEN_MINUTES = 600.0
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and SIGSTOP")


class Files:
    """Stores on one file; they are closed at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened: list[SqliteStore] = []

    async def open(self) -> SqliteStore:
        store = SqliteStore(str(self.path), hub_name="Shared")
        self.opened.append(store)
        await store.open()
        return store

    @property
    def owners(self) -> list[str]:
        """Those who left a file, dead or alive."""
        return sorted(path.name for path in self.folder.iterdir())

    @property
    def folder(self) -> Path:
        """Where they are."""
        return Path(f"{self.path}-owners")

    @property
    def beside(self) -> list[str]:
        """The database, and what is beside it."""
        return names_in(self.path.parent)


@pytest.fixture
async def files(tmp_path: Path) -> AsyncIterator[Files]:
    made = Files(tmp_path / "hub.db")
    yield made
    for store in made.opened:
        await store.close()


TAKER = """
import asyncio, sys
from azure_durable_py.taskhub.sqlite import SqliteStore

async def main(path, after):
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    for number in range(3):
        await store.put_message("q", str(number))
    messages = await store.receive_messages("q", 2, 600)
    held = await store.put_message("q", "held", 600)
    await store.extend_message(held, 600)
    await store.put_message("q", "later", 600)
    exec(after)
    print("taken", flush=True)
    await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def taker(files: Files) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has taken messages 0 and 1 of 0, 1, 2 for ten minutes, and holds one that it put."""
    with taking(files) as process:
        yield process


@contextmanager
def taking(files: Files, after: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "ignore", "-c", TAKER, str(files.path), after]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    try:
        yield process
    finally:
        # With its children.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait(30)


async def received(store: SqliteStore, count: int) -> dict[str, int]:
    """The dequeue counts of the messages that come, as soon as there are so many."""
    messages: list[QueueMessage] = []

    async def look() -> bool:
        messages.extend(await store.receive_messages("q", 32, TEN_MINUTES))
        return len(messages) >= count

    await until(look)
    return {message.body: message.dequeue_count for message in messages}


# --- death -------------------------------------------------------------------------------------------


async def test_what_a_killed_process_had_in_hand_is_delivered_again(files: Files, taker: subprocess.Popen[str]):
    store = await files.open()
    assert await received(store, 1) == {"2": 1}
    taker.send_signal(signal.SIGKILL)
    loop = asyncio.get_running_loop()
    killed = loop.time()
    # Delivered for the second time, and not what was put for later.
    assert await received(store, 3) == {"0": 2, "1": 2, "held": 1}
    assert loop.time() - killed < 5
    assert (await store.message_counts())["shared-activities"] == 0
    assert len(files.owners) == 1


async def test_a_store_that_is_opened_after_a_death_takes_over_at_once(files: Files, taker: subprocess.Popen[str]):
    taker.kill()
    taker.wait(30)
    assert await received(await files.open(), 4) == {"0": 2, "1": 2, "2": 1, "held": 1}


async def test_a_stopped_process_keeps_what_it_has_in_hand(files: Files, taker: subprocess.Popen[str]):
    taker.send_signal(signal.SIGSTOP)
    store = await files.open()
    await looks(store, 3)
    assert await received(store, 1) == {"2": 1}
    taker.kill()
    assert await received(store, 3) == {"0": 2, "1": 2, "held": 1}


FORK = """
import os, time
if os.fork() == 0:
    time.sleep(600)
"""


async def test_a_forked_child_does_not_pass_for_its_dead_parent(files: Files):
    with taking(files, after=FORK) as taker:
        store = await files.open()
        taker.kill()
        assert await received(store, 4) == {"0": 2, "1": 2, "2": 1, "held": 1}


async def test_two_stores_in_one_process_are_not_taken_for_dead_by_each_other(files: Files):
    first, second = await files.open(), await files.open()
    await first.put_message("q", "x")
    message = await receive_one(first, "q", TEN_MINUTES)
    await looks(second, 3)
    assert await second.receive_messages("q", 1, TEN_MINUTES) == []
    assert len(files.owners) == 2
    await first.delete_message(message)


async def test_what_a_store_has_in_hand_when_it_is_closed_is_delivered_again_at_once(files: Files):
    first, second = await files.open(), await files.open()
    await first.put_message("q", "x")
    message = await receive_one(first, "q", TEN_MINUTES)
    await first.close()
    [again] = await second.receive_messages("q", 1, TEN_MINUTES)
    assert again.dequeue_count == 2
    await first.open()
    with pytest.raises(MessageLostError):
        await first.delete_message(message)


async def test_what_went_from_one_hand_to_another_stays_there(files: Files):
    store = await files.open()
    await store.put_message("q", "x")
    message = await receive_one(store, "q", TEN_MINUTES)
    await store.extend_message(message, 0)
    other = await files.open()
    [again] = await other.receive_messages("q", 1, TEN_MINUTES)
    await store.close()
    await looks(other, 2)
    assert await other.receive_messages("q", 1, TEN_MINUTES) == []
    await other.delete_message(again)


async def test_the_dead_leave_nothing_behind(files: Files):
    store = await files.open()
    with taking(files) as first, taking(files) as second:
        assert len(files.owners) == 3
        for taker in (first, second):
            taker.kill()

        async def alone() -> bool:
            return len(files.owners) == 1

        await until(alone)
    await store.close()
    assert files.beside == ["hub.db"]


# --- where nobody can tell -----------------------------------------------------------------------------


async def test_one_whose_file_was_deleted_is_not_taken_for_dead(files: Files, taker: subprocess.Popen[str]):
    [name] = files.owners
    files.folder.joinpath(name).unlink()
    store = await files.open()
    await looks(store, 3)
    assert await received(store, 1) == {"2": 1}
    taker.kill()


async def test_where_files_cannot_be_locked_visibility_decides(
    files: Files, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(FileLock, "take", refuse)
    first, second = await files.open(), await files.open()
    assert "cannot be locked" in caplog.text
    await first.put_message("q", "x")
    message = await receive_one(first, "q", TEN_MINUTES)
    await first.close()
    await looks(second, 3)
    assert await second.receive_messages("q", 1, TEN_MINUTES) == []
    await second.extend_message(message, 0)
    assert [again.body for again in await second.receive_messages("q", 1, TEN_MINUTES)] == ["x"]


def refuse(*_: object, **__: object) -> FileLock:
    raise OSError(errno.ENOLCK, "No locks available")


async def test_one_who_is_buried_while_it_arrives_arrives_again(files: Files, monkeypatch: pytest.MonkeyPatch):
    """Between the making of its file and its lock, an owner looks dead."""
    take = FileLock.take
    made: list[Path] = []

    def buried(path: Path, *, create: bool = False) -> FileLock | None:
        made.append(path)
        lock = take(path, create=create)
        if len(made) == 1:
            path.unlink()
            path.parent.rmdir()
        return lock

    monkeypatch.setattr(FileLock, "take", buried)
    store = await files.open()
    assert len(made) == 2
    assert files.owners == [store._open.owner]


async def test_a_hub_in_memory_has_no_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    store = SqliteStore(None, hub_name="Memory")
    await store.open()
    assert store._open.owner is None
    await store.close()
    assert names_in(tmp_path) == []


async def test_a_file_of_somebody_else_is_left_alone(files: Files):
    store = await files.open()
    files.folder.joinpath("notes.txt").touch()
    await looks(store, 3)
    await store.close()
    assert files.owners == ["notes.txt"]


# --- what others put -----------------------------------------------------------------------------------


async def test_what_another_process_puts_is_told_of(files: Files):
    store = await files.open()
    told = asyncio.Event()
    stop = store.watch(told.set)
    await looks(store, 1)
    told.clear()
    await looks(store, 3)
    assert not told.is_set()
    stopped = asyncio.Event()
    store.watch(stopped.set)()
    with taking(files):
        await asyncio.wait_for(told.wait(), 10)
    assert not stopped.is_set()
    stop()


async def test_what_a_store_puts_itself_is_not_told_to_it(files: Files):
    store = await files.open()
    await looks(store, 1)
    told = asyncio.Event()
    stop = store.watch(told.set)
    await store.put_message("q", "x")
    await looks(store, 3)
    assert not told.is_set()
    stop()


async def test_a_death_that_makes_messages_visible_is_told_of(files: Files, taker: subprocess.Popen[str]):
    store = await files.open()
    await looks(store, 1)
    told = asyncio.Event()
    stop = store.watch(told.set)
    taker.kill()
    await asyncio.wait_for(told.wait(), 10)
    stop()
    assert await store.next_visible("q") == 0


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def looks(store: SqliteStore, count: int) -> None:
    """Wait until a store has looked around so many times."""
    lane = store._open
    assert isinstance(lane, Threaded)
    seen = 0
    neighbours = lane._neighbours
    look = neighbours.look

    def counting(db: sqlite3.Connection) -> bool:
        nonlocal seen
        news = look(db)
        seen += 1
        return news

    async def enough() -> bool:
        return seen >= count

    neighbours.look = counting
    await until(enough)
    neighbours.look = look
