"""What is special to the hub in SQLite: virtual time, memory, files and several processes."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from azure_durable_py.clock import Ids
from azure_durable_py.errors import HubFormatError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.sqlite import SqliteStore
from tests.taskhub.building import T0, header, inbox, insert, keys_in_inbox, minutes


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.time = T0

    def now(self) -> datetime:
        return self.time


async def test_visibility_follows_the_clock_that_was_given():
    hand = Hand()
    store = SqliteStore(None, hub_name="Virtual", now=hand.now)
    await store.open()
    await store.put_message("q", "x", delay=60)
    hand.time += timedelta(seconds=60) - timedelta(microseconds=1)
    assert await store.receive_messages("q", 1, 30) == []
    hand.time += timedelta(microseconds=1)
    [message] = await store.receive_messages("q", 1, 30)
    assert message.inserted_on == T0
    message = await store.extend_message(message, 60)
    hand.time += minutes(0.9)
    assert await store.receive_messages("q", 1, 30) == []
    hand.time += minutes(0.1)
    [again] = await store.receive_messages("q", 1, 30)
    assert again.dequeue_count == 2
    await store.close()


async def test_rows_carry_the_time_of_the_clock_that_was_given():
    store = SqliteStore(None, hub_name="Virtual", now=lambda: T0)
    await store.open()
    await store.insert_inbox("x", inbox("1"))
    assert [row.timestamp for row in (await store.load("x")).inbox] == [T0]
    await store.close()


async def test_the_same_seed_gives_the_same_etags():
    etags: list[str] = []
    for _ in range(2):
        store = SqliteStore(None, hub_name="Seeded", ids=Ids(random.Random(7)))
        await store.open()
        etags.append(await insert(store, "x"))
        await store.close()
    assert etags[0] == etags[1]


async def test_no_call_lets_another_run_before_it_is_done():
    store = SqliteStore(None, hub_name="Atomic")
    await store.open()
    order: list[int] = []

    async def work(number: int) -> None:
        order.append(number)
        await insert(store, f"{number}")
        order.append(number)

    await asyncio.gather(*(work(number) for number in range(5)))
    assert order == [number for number in range(5) for _ in range(2)]
    await store.close()


async def test_a_hub_in_memory_lives_from_open_to_close():
    store = SqliteStore(None, hub_name="Memory")
    await store.open()
    await insert(store, "x")
    await store.close()
    await store.open()
    assert await store.load_header("x") is None
    assert "in memory" in store.description
    await store.close()


async def test_case_does_not_tell_hubs_apart(tmp_path: Path):
    first, second = (SqliteStore(str(tmp_path / "hub.db"), hub_name=name) for name in ("MyHub", "myhub"))
    assert await first.open() == await second.open()
    await first.close()
    await second.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary, " * 500)
    with pytest.raises(StorageRejectedError, match="is not a SQLite database"):
        await SqliteStore(str(path), hub_name="MyHub").open()
    assert path.read_text() == "dear diary, " * 500


async def test_the_database_of_another_application_is_refused(tmp_path: Path):
    path = tmp_path / "other.db"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE things (id)")
    other.close()
    with pytest.raises(StorageRejectedError, match="not one of azure-durable-py"):
        await SqliteStore(str(path), hub_name="MyHub").open()


async def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(StorageRejectedError, match="folder"):
        await SqliteStore(str(tmp_path / "nowhere" / "hub.db"), hub_name="MyHub").open()


async def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path):
    with pytest.raises(StorageRejectedError, match="unable to open"):
        await SqliteStore(str(tmp_path), hub_name="MyHub").open()


async def test_a_database_of_a_newer_schema_is_refused(tmp_path: Path):
    path = str(tmp_path / "hub.db")
    await _made(path)
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(HubFormatError, match="Upgrade azure-durable-py"):
        await SqliteStore(path, hub_name="MyHub").open()


async def test_a_hub_of_a_newer_format_is_refused(tmp_path: Path):
    path = str(tmp_path / "hub.db")
    await _made(path)
    database = sqlite3.connect(path)
    database.execute("UPDATE hubs SET format_version = 99")
    database.commit()
    database.close()
    with pytest.raises(HubFormatError, match="Upgrade azure-durable-py"):
        await SqliteStore(path, hub_name="MyHub").open()


async def _made(path: str) -> None:
    store = SqliteStore(path, hub_name="MyHub")
    await store.open()
    await store.close()


async def test_a_database_locked_by_somebody_else_is_unavailable(tmp_path: Path):
    path = str(tmp_path / "hub.db")
    store = SqliteStore(path, hub_name="MyHub", busy_timeout=0.05)
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailableError, match="locked"):
        await insert(store, "x")
    assert await store.load_header("x") is None
    other.execute("ROLLBACK")
    other.close()
    await insert(store, "x")
    await store.close()


async def test_a_full_disk_is_unavailable_and_nothing_took_effect(tmp_path: Path):
    store = SqliteStore(str(tmp_path / "hub.db"), hub_name="MyHub")
    await store.open()
    etag = await insert(store, "x", b"before")
    with store._database.read() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StorageUnavailableError, match="full"):
        await store.commit(Commit("x", header("x", b"after" * 100_000), etag))
    loaded = await store.load_header("x")
    assert loaded is not None
    assert loaded.body == b"before"
    await store.close()


async def test_a_call_that_fails_half_way_leaves_no_transaction_open():
    store = SqliteStore(None, hub_name="Half")
    info = await store.open()
    with pytest.raises(StorageUnavailableError), store._database.write() as database:
        database.execute("DELETE FROM hubs").execute("SELECT nonsense")
    assert await store.open() == info
    await insert(store, "x")
    await store.close()


def _run_together(script: str, *arguments: list[str], ends: int = 0) -> list[str]:
    """Run a script in one process for each list of arguments; returns what they printed."""
    processes = [
        subprocess.Popen([sys.executable, "-c", script, *each], stdout=subprocess.PIPE, text=True) for each in arguments
    ]
    printed = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [ends] * len(arguments)
    return printed


COMPETITOR = """
import asyncio, sys
from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.sqlite import SqliteStore
from dataclasses import replace

async def main(path, name):
    store = SqliteStore(path, hub_name="Shared", busy_timeout=30)
    await store.open()
    done = 0
    while done < 50:
        header = await store.load_header("counter")
        body = str(int(header.body) + 1).encode()
        try:
            await store.commit(Commit("counter", replace(header, body=body), header.etag))
        except ConcurrencyConflictError:
            continue
        done += 1
        await store.put_message("q", f"{name}-{done}")
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_several_processes_share_one_file(tmp_path: Path):
    path = str(tmp_path / "hub.db")
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    await insert(store, "counter", b"0")
    assert _run_together(COMPETITOR, [path, "0"], [path, "1"], [path, "2"]) == ["", "", ""]
    counter = await store.load_header("counter")
    assert counter is not None
    assert counter.body == b"150"
    bodies: set[str] = set()
    while batch := await store.receive_messages("q", 32, 60):
        bodies |= {message.body for message in batch}
    assert bodies == {f"{number}-{done}" for number in range(3) for done in range(1, 51)}
    await store.close()


OPENER = """
import asyncio, sys
from azure_durable_py.taskhub.sqlite import SqliteStore
info = asyncio.run(SqliteStore(sys.argv[1], hub_name="Shared").open())
print(info.signing_key.hex())
"""


def test_processes_that_make_the_file_at_once_agree_on_it(tmp_path: Path):
    keys = _run_together(OPENER, *[[str(tmp_path / "hub.db")]] * 4)
    assert len(set(keys)) == 1


DYING = """
import asyncio, os, signal, sys
from azure_durable_py.taskhub.protocol import InboxRow
from azure_durable_py.taskhub.sqlite import SqliteStore

async def main(path):
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    await store.insert_inbox("x", [InboxRow("1", b"event")])
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_what_was_answered_survives_the_death_of_the_process(tmp_path: Path):
    path = str(tmp_path / "hub.db")
    _run_together(DYING, [path], ends=-9)
    store = SqliteStore(path, hub_name="Shared")
    await store.open()
    assert await keys_in_inbox(store, "x") == ["1"]
    await store.close()
