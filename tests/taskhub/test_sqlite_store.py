"""What is special to the hub in SQLite: virtual time, memory, files and several processes."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.clock import Ids
from azure_durable_py.errors import HubFormatError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import BlobRow, Commit, InstanceQuery, Kind
from azure_durable_py.taskhub.sqlite import SqliteStore, listing
from azure_durable_py.taskhub.sqlite.database import INDEXES, open_file
from azure_durable_py.taskhub.sqlite.threaded import Threaded
from azure_durable_py.taskhub.sqlite.transactions import Job
from tests.taskhub.building import T0, blobs, header, inbox, insert, keys_in_inbox, minutes
from tests.taskhub.spoiling import execute


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
    before = path.read_bytes()
    with pytest.raises(StorageRejectedError, match="not one of azure-durable-py"):
        await SqliteStore(str(path), hub_name="MyHub").open()
    assert path.read_bytes() == before


async def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(StorageRejectedError, match="folder"):
        await SqliteStore(str(tmp_path / "nowhere" / "hub.db"), hub_name="MyHub").open()


async def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path):
    with pytest.raises(StorageRejectedError, match=r"is a folder.*hub\.db"):
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


async def test_a_full_disk_refuses_and_nothing_took_effect(tmp_path: Path):
    async with opened(tmp_path) as store:
        etag = await insert(store, "x", b"before")
        await on(store, "PRAGMA max_page_count = 1")
        with pytest.raises(StorageRejectedError, match=r"full\. Make room on its disk"):
            await store.commit(Commit("x", header("x", b"after" * 100_000), etag))
        loaded = await store.load_header("x")
        assert loaded is not None
        assert loaded.body == b"before"


async def test_a_file_that_cannot_be_written_refuses_with_the_mend(tmp_path: Path):
    async with opened(tmp_path) as store:
        await on(store, "PRAGMA query_only = ON")
        with pytest.raises(StorageRejectedError, match="must be able to write to the file and to its folder"):
            await insert(store, "x")


async def test_a_damaged_file_is_refused_with_the_mend(tmp_path: Path):
    async with opened(tmp_path) as store:
        await insert(store, "x", b"x" * 100_000)
    file = tmp_path / "hub.db"
    damaged = bytearray(file.read_bytes())
    damaged[4096:] = bytes(len(damaged) - 4096)
    file.write_bytes(damaged)
    with pytest.raises(StorageRejectedError, match=r"malformed.*put a copy of it back, or move it away"):
        await SqliteStore(str(file), hub_name="MyHub").open()


@pytest.mark.parametrize("path", [None, "hub.db"])
async def test_a_call_that_fails_half_way_leaves_nothing_behind(path: str | None, tmp_path: Path):
    store = SqliteStore(path and str(tmp_path / path), hub_name="Half")
    info = await store.open()
    with pytest.raises(StorageUnavailableError):
        await store._open.write(lambda db: db.execute("DELETE FROM hubs").execute("SELECT nonsense"))
    assert await store.open() == info
    await insert(store, "x")
    await store.close()


@asynccontextmanager
async def opened(tmp_path: Path, **options: Any) -> AsyncGenerator[SqliteStore, None]:
    store = SqliteStore(str(tmp_path / "hub.db"), hub_name="MyHub", **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def on(store: SqliteStore, statement: str) -> Any:
    """What a statement returns on the connection of a store."""
    return await store._open.read(lambda db: db.execute(statement).fetchone())


# --- what a file is ----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
async def test_nobody_else_may_read_a_hub(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    umask = os.umask(0)
    try:
        async with opened(tmp_path) as store:
            await insert(store, "x")
            modes = modes_in(tmp_path)
            assert {"hub.db", "hub.db-wal", "hub.db-shm", "hub.db-owners"} <= modes.keys()
            assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    finally:
        os.umask(umask)
    # At no time.
    assert caplog.text == ""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
async def test_a_hub_that_others_may_read_is_taken_from_them(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    async with opened(tmp_path):
        pass
    file = tmp_path / "hub.db"
    file.chmod(0o644)
    async with opened(tmp_path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "could be read by other users (mode 644)" in caplog.text


async def test_what_was_answered_is_on_the_disk(tmp_path: Path):
    async with opened(tmp_path) as store:
        assert await on(store, "PRAGMA journal_mode") == ("wal",)
        # FULL: the log is flushed at each commit.
        assert await on(store, "PRAGMA synchronous") == (2,)


async def test_nothing_is_left_beside_the_file_when_it_is_closed(tmp_path: Path):
    async with opened(tmp_path) as store, opened(tmp_path):
        await insert(store, "x")
    assert list(modes_in(tmp_path)) == ["hub.db"]


def modes_in(folder: Path) -> dict[str, int]:
    """The mode of everything in a folder, by name."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


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
from azure_durable_py.taskhub.protocol import BlobRow, Commit, InstanceQuery, Kind
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


def test_who_opens_a_file_while_another_makes_it_never_takes_it_for_somebody_elses(tmp_path: Path):
    opened: list[bool] = []

    def opens(path: str, together: threading.Barrier) -> None:
        together.wait()
        open_file(path, busy_timeout=30).close()
        opened.append(True)

    # One in four was refused, while what the file is was not read as one state of it.
    for number in range(25):
        together = threading.Barrier(4)
        arguments = (str(tmp_path / f"{number}.db"), together)
        threads = [threading.Thread(target=opens, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 100


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


async def test_a_large_hub_is_deleted_in_slices_and_the_marker_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azure_durable_py.taskhub.sqlite.store._SLICE", 3)
    async with opened(tmp_path) as store:
        for number in range(10):
            await insert(store, f"{number}")
            await store.insert_inbox(f"{number}", inbox("1"))
            await store.put_message(store.activity_queue, f"{number}")
        assert isinstance(store._open, Threaded)
        write, left = store._open.write, list[tuple[int, int]]()

        async def counting(job: Job[Any]) -> Any:
            result = await write(job)
            left.append(await on(store, "SELECT (SELECT count(*) FROM instances), (SELECT count(*) FROM hubs)"))
            return result

        monkeypatch.setattr(store._open, "write", counting)
        await store.delete_hub()
        assert left == [(7, 1), (4, 1), (1, 1), (0, 1), (0, 0)]
        for table in ("inbox", "messages"):
            assert await on(store, f"SELECT count(*) FROM {table}") == (0,)


async def test_a_log_that_grew_long_is_cut_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azure_durable_py.taskhub.sqlite.database._LONGEST_LOG", 100_000)
    async with opened(tmp_path) as store:
        await store.put_blobs("x", [BlobRow(f"20-{number}", b"x" * 700_000) for number in range(8)])
        assert length_of_log(store) > 5_000_000
        # The next who writes begins the log anew, since all of it was taken over.
        await on(store, "PRAGMA wal_checkpoint")
        await insert(store, "x")
        assert length_of_log(store) <= 100_000


def length_of_log(store: SqliteStore) -> int:
    return Path(f"{store._path}-wal").stat().st_size


# --- how listings find what they list ----------------------------------------------------------------


@asynccontextmanager
async def with_many(tmp_path: Path) -> AsyncGenerator[SqliteStore, None]:
    """A store with 12 orchestrations. The later an id comes, the older it is; two were created at once."""
    async with opened(tmp_path) as store:
        for number in range(12):
            columns: dict[str, Any] = {"created_time": T0 - minutes(number // 2), "has_outbox": number % 4 == 0}
            status = ("Completed", "Running", "Failed")[number % 3]
            await insert(store, f"x{number:02}", runtime_status=status, name=f"n{number % 2}", **columns)
        await insert(store, "@a@b", kind=Kind.entity, created_time=T0)
        yield store


LISTINGS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "all": ({}, set(range(12))),
    "a name": ({"names": ["n1"]}, {1, 3, 5, 7, 9, 11}),
    "a status": ({"runtime_status": ["Failed"]}, {2, 5, 8, 11}),
    "two statuses": ({"runtime_status": ["Failed", "Running", "Failed"]}, {1, 2, 4, 5, 7, 8, 10, 11}),
    "the usual status": ({"runtime_status": ["Failed", "Completed"]}, {0, 2, 3, 5, 6, 8, 9, 11}),
    "an outbox": ({"with_outbox": True}, {0, 4, 8}),
    "an outbox and a status": ({"with_outbox": True, "runtime_status": ["Failed"]}, {8}),
    "no outbox": ({"with_outbox": False, "names": ["n0"]}, {2, 6, 10}),
    "a prefix": ({"instance_id_prefix": "x0", "names": ["n0"]}, {0, 2, 4, 6, 8}),
    "a prefix and a status": ({"instance_id_prefix": "x0", "runtime_status": ["Failed"]}, {2, 5, 8}),
    "a time": ({"created_from": T0 - minutes(4), "created_to": T0 - minutes(1)}, set(range(2, 10))),
    "a beginning": ({"created_from": T0 - minutes(1)}, {0, 1, 2, 3}),
    "an end and a name": ({"created_to": T0 - minutes(2), "names": ["n0"]}, {4, 6, 8, 10}),
    "a time and a status": ({"created_from": T0 - minutes(3), "runtime_status": ["Running"]}, {1, 4, 7}),
    "a time and a prefix": ({"created_to": T0 - minutes(2), "instance_id_prefix": "x0"}, {4, 5, 6, 7, 8, 9}),
}


@pytest.mark.parametrize("few", [0, 2, 100])
@pytest.mark.parametrize("slice_", [1, 2, 5, 100])
async def test_listings_find_the_same_however_they_go_through_the_instances(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slice_: int, few: int
):
    monkeypatch.setattr(listing, "SLICE", slice_)
    monkeypatch.setattr(listing, "FEW", few)
    async with with_many(tmp_path) as store:
        for name, (criteria, expected) in LISTINGS.items():
            for page_size in (1, 3, 100):
                found = await pages(store, InstanceQuery(page_size=page_size, **criteria))
                assert all(len(page) <= min(page_size, slice_) for page in found)
                listed = [instance_id for page in found for instance_id in page]
                assert sorted(listed) == sorted(f"x{number:02}" for number in expected), name


async def pages(store: SqliteStore, query: InstanceQuery) -> list[list[str]]:
    """The ids on all pages of a listing."""
    found: list[list[str]] = []
    while True:
        page = await store.query(query)
        found.append([item.instance_id for item in page.items])
        if page.continuation_token is None:
            return found
        query = replace(query, continuation_token=page.continuation_token)


async def test_listings_find_the_same_without_their_indexes(tmp_path: Path):
    async with with_many(tmp_path) as store:
        for name in INDEXES:
            await execute(store, f"DROP INDEX {name}")
        for criteria, expected in LISTINGS.values():
            [listed] = await pages(store, InstanceQuery(**criteria))
            assert sorted(listed) == sorted(f"x{number:02}" for number in expected)
    async with opened(tmp_path) as store:
        found = await store._open.read(lambda db: db.execute("SELECT name FROM sqlite_master").fetchall())
        assert {(name,) for name in INDEXES} <= set(found)


async def plans(store: SqliteStore, *calls: Awaitable[Any]) -> dict[str, list[str]]:
    """How SQLite goes about the statements of some calls."""
    statements: list[str] = []
    await store._open.read(lambda db: db.set_trace_callback(statements.append))
    for call in calls:
        await call
    await store._open.read(lambda db: db.set_trace_callback(None))
    looks = [text for text in statements if text.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT")]

    def explain(db: sqlite3.Connection) -> dict[str, list[str]]:
        return {text: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in looks}

    return await store._open.read(explain)


async def test_no_statement_goes_through_a_whole_table_or_sorts(tmp_path: Path):
    async with with_many(tmp_path) as store:
        etag = await insert(store, "y")
        held = await store.put_message("q", "x", 30)
        queries = [InstanceQuery(**criteria) for criteria, _ in LISTINGS.values()]
        found = await plans(
            store,
            store.load("y"),
            store.load_header("y"),
            store.commit(Commit("y", header("y"), etag, consumed=("1",), put=blobs("20-1"), dropped=("20-2",))),
            store.insert_inbox("y", inbox("1")),
            store.delete_inbox("y", ["1"]),
            store.put_blobs("y", blobs("20-1")),
            store.get_blobs("y", ["20-1"]),
            store.list_blobs("y", "20-"),
            store.blob_keys("y"),
            store.delete_blobs("y", ["20-1"]),
            store.put_message("q", "x"),
            store.next_visible("q"),
            store.receive_messages("q", 1, 30),
            store.extend_message(held, 30),
            store.message_counts(),
            store.untaken_counts(),
            store.instances_with_inbox(T0),
            *map(store.query, queries),
            *(store.query(replace(query, kind=Kind.entity)) for query in queries if not query.instance_id_prefix),
        )
        assert len(found) > 30
        bad = {text: plan for text, plan in found.items() if any(is_costly(step) for step in plan)}
        assert bad == {}


def is_costly(step: str) -> bool:
    """Whether a step of a plan takes the longer the more rows there are of no interest."""
    return "TEMP B-TREE" in step or (step.startswith("SCAN") and "CONSTANT ROW" not in step and "subquery" not in step)


@pytest.mark.parametrize(
    ("criteria", "index"),
    [
        ({}, "sqlite_autoindex_instances_1 (hub=? AND instance_id>? AND instance_id<?)"),
        ({"with_outbox": True}, "instances_with_outbox (hub=? AND kind=? AND instance_id>? AND instance_id<?)"),
        (
            {"runtime_status": ["Failed"]},
            "instances_by_status (hub=? AND runtime_status=? AND instance_id>? AND instance_id<?)",
        ),
        (
            {"created_from": T0, "created_to": T0, "runtime_status": ["Completed"]},
            "instances_by_creation (hub=? AND kind=? AND created_time>? AND created_time<?)",
        ),
    ],
)
async def test_what_is_rare_has_an_index(tmp_path: Path, criteria: dict[str, Any], index: str):
    async with with_many(tmp_path) as store:
        for query in (InstanceQuery(**criteria), InstanceQuery(page_size=1, **criteria)):
            for steps in (await plans(store, store.query(query))).values():
                assert [step.partition(" INDEX ")[2] for step in steps if "SEARCH" in step] == [index]


async def test_a_commit_that_changes_nothing_that_is_indexed_touches_no_index(tmp_path: Path):
    async with with_many(tmp_path) as store:
        etag = await insert(store, "y", runtime_status="Running")
        etag, unchanged = await written_pages(store, Commit("y", header("y", runtime_status="Running"), etag))
        etag, changed = await written_pages(store, Commit("y", header("y", runtime_status="Failed"), etag))
        assert unchanged == 1
        assert changed > 1


async def written_pages(store: SqliteStore, commit: Commit) -> tuple[str, int]:
    """The new ETag, and how many pages the commit wrote to the log."""
    await on(store, "PRAGMA wal_checkpoint(TRUNCATE)")
    etag = await store.commit(commit)
    return etag, (length_of_log(store) - 32) // (4096 + 24)
