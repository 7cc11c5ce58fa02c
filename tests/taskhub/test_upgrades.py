"""Records, markers and tables of other versions: older ones are upgraded by rule, newer ones are left alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from azure_durable_py.errors import HubFormatError
from azure_durable_py.history.events import EventRaised, PayloadRef
from azure_durable_py.taskhub import marker, upgrades
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.keyring import Keyring
from azure_durable_py.taskhub.marker import check_marker
from azure_durable_py.taskhub.messages import (
    Cause,
    Doorbell,
    InboxEvent,
    MalformedMessageError,
    WorkItem,
    put_back_unread,
)
from azure_durable_py.taskhub.outgoing import StartNew, from_message, message_refs, to_message
from azure_durable_py.taskhub.payloads import from_blobs, to_blobs
from azure_durable_py.taskhub.protocol import FORMAT_VERSION, HubInfo
from azure_durable_py.taskhub.sqlite import SqliteStore, database
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError, Record
from tests.taskhub.building import T0

Versions = Callable[[Record, int, upgrades.Step | None], None]
BELL = Doorbell("one", "d1", Cause.told, "x")
ITEM = WorkItem("w1", "one", "e1", 0, 0, 3, "hello")
EVENT = InboxEvent(EventRaised(T0, "go", "1"), "client:x", 0, T0)
START = StartNew(2, "new", "e9", "New", PayloadRef("30-payload-x-0000", 9, 1), None, T0)
STATE = InstanceState("e1", T0)
RING = Keyring.first(b"k" * 32, T0)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Pretends that a record is written in another version, to which a step leads."""

    def pretend(record: Record, version: int, step: upgrades.Step | None = None) -> None:
        monkeypatch.setitem(upgrades.VERSIONS, record, version)
        if step is not None:
            monkeypatch.setitem(upgrades.STEPS, (record, version - 1), step)

    return pretend


def _page(record: Record) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    key = {Record.history: "20-history-x", Record.payload: "30-payload-x-0000", Record.senders: "50-senders-x"}.get(
        record, "60-backlog-x"
    )
    return (
        lambda: {row.key: row.body for row in to_blobs(key, '"text"')[1]},
        lambda bodies: from_blobs(key, 1, bodies),
    )


def _pair(record: Record) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """How a record is written, and read."""
    match record:
        case Record.doorbell:
            return BELL.encode, Doorbell.decode
        case Record.work_item:
            return ITEM.encode, WorkItem.decode
        case Record.inbox_event:
            return EVENT.encode, InboxEvent.decode
        case Record.outbox_start:
            return lambda: to_message(START), from_message
        case Record.header:
            return STATE.encode, InstanceState.decode
        case Record.keyring:
            return RING.encode, Keyring.decode
        case _:
            return _page(record)


@pytest.mark.parametrize("record", Record)
def test_a_record_of_a_version_to_come_is_neither_read_nor_called_damaged(record: Record, today: Versions):
    write, read = _pair(record)
    version = upgrades.VERSIONS[record]
    today(record, version + 1, None)
    newer = write()
    today(record, version, None)
    with pytest.raises(NewerFormatError, match=f"{record.value} was written by a newer version.*Upgrade"):
        read(newer)


@pytest.mark.parametrize("record", Record)
def test_a_record_of_an_older_version_is_taken_through_the_steps(record: Record, today: Versions):
    write, read = _pair(record)
    older, as_it_was = write(), read(write())
    seen: list[Any] = []

    def step(data: Any) -> Any:
        seen.append(data)
        return data

    today(record, upgrades.VERSIONS[record] + 1, step)
    assert read(older) == as_it_was
    assert len(seen) == 1
    assert read(write()) == as_it_was
    assert len(seen) == 1, "what is written today needs no step"


def test_several_steps_are_taken_one_after_the_other(today: Versions):
    older = BELL.encode()
    today(Record.doorbell, 2, lambda data: {**data, "why": data["why"] + "2"})
    today(Record.doorbell, 3, lambda data: {**data, "why": data["why"] + "3"})
    assert Doorbell.decode(older).why == "x23"


@pytest.mark.parametrize("fields", [{"v": 0}, {"v": "2"}, {"v": 2, "instanceId": ""}, {"v": 2, "id": None}])
def test_what_only_looks_like_a_message_of_a_version_to_come_is_not_ours(fields: dict[str, Any]):
    with pytest.raises(MalformedMessageError):
        Doorbell.decode(json.dumps({**json.loads(BELL.encode()), **fields}))


def test_a_message_that_cannot_be_read_is_put_back_with_nothing_changed_but_its_rank():
    newer = {"v": 9, "instanceId": "one", "id": "d1", "again": 2, "tag": "a", "other": [{"things": "日"}]}
    unread = put_back_unread(json.dumps(newer), "b")
    assert (unread.instance_id, unread.again) == ("one", 3)
    assert json.loads(unread.body) == {**newer, "again": 3, "tag": "b"}
    poisoned = put_back_unread(unread.body, "c", poisoned=True)
    assert json.loads(poisoned.body) == {**newer, "again": 4, "tag": "c", "poisoned": 1}


def test_a_message_knows_the_values_that_it_refers_to():
    assert message_refs(to_message(START)) == [START.input]
    assert message_refs(to_message(replace(START, input="1"))) == []


# --- the marker ----------------------------------------------------------------------------------------

INFO = HubInfo(FORMAT_VERSION, 1, b"k" * 32)


def test_a_marker_of_a_newer_format_is_refused_with_the_mend():
    with pytest.raises(HubFormatError, match="Upgrade azure-durable-py here"):
        check_marker(replace(INFO, format_version=FORMAT_VERSION + 1), "MyHub", 1, "memory")


def test_a_marker_of_an_older_format_without_a_rule_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(marker, "FORMAT_VERSION", FORMAT_VERSION + 1)
    with pytest.raises(HubFormatError, match="Let its instances end under the version that made it"):
        check_marker(INFO, "MyHub", 1, "memory")


@pytest.fixture
def next_format(monkeypatch: pytest.MonkeyPatch) -> HubInfo:
    """Pretends that there is another format; returns what it makes of `INFO`."""
    monkeypatch.setattr(marker, "FORMAT_VERSION", FORMAT_VERSION + 1)
    monkeypatch.setitem(
        upgrades.MARKER_STEPS, FORMAT_VERSION, lambda info: replace(info, format_version=FORMAT_VERSION + 1)
    )
    return replace(INFO, format_version=FORMAT_VERSION + 1)


def test_a_marker_of_an_older_format_is_upgraded_by_rule(next_format: HubInfo):
    assert check_marker(INFO, "MyHub", 1, "memory") == next_format


@pytest.mark.usefixtures("next_format")
async def test_who_opens_an_older_hub_writes_the_new_marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = str(tmp_path / "hub.db")
    with monkeypatch.context() as before:
        before.setattr(marker, "FORMAT_VERSION", FORMAT_VERSION)
        key = (await _opened(path)).signing_key
    assert await _opened(path) == HubInfo(FORMAT_VERSION + 1, 1, key)
    with monkeypatch.context() as older:
        older.setattr(marker, "FORMAT_VERSION", FORMAT_VERSION)
        with pytest.raises(HubFormatError, match="Upgrade azure-durable-py here"):
            await _opened(path)


@pytest.mark.azurite
@pytest.mark.usefixtures("next_format")
async def test_who_opens_an_older_hub_on_azure_writes_the_new_marker(azurite: str, hub_name: str):
    store = AzureStore(StorageConnection.from_connection_string(azurite), hub_name=hub_name)
    try:
        info = await store.open()
    finally:
        await store.close()
    assert info.format_version == FORMAT_VERSION + 1
    async with TableClient.from_connection_string(azurite, f"{hub_name}TaskHub") as table:
        row = await table.get_entity("$hub", "marker")
    assert (row["FormatVersion"], row["SigningKey"]) == (FORMAT_VERSION + 1, info.signing_key)


async def _opened(path: str) -> HubInfo:
    store = SqliteStore(path, hub_name="MyHub")
    try:
        return await store.open()
    finally:
        await store.close()


# --- the tables of SQLite --------------------------------------------------------------------------------


async def test_tables_of_an_older_schema_without_a_rule_are_refused_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = str(tmp_path / "hub.db")
    await _opened(path)
    monkeypatch.setattr(database, "_SCHEMA_VERSION", database._SCHEMA_VERSION + 1)
    with pytest.raises(HubFormatError, match="Let its instances end under that version"):
        await _opened(path)


async def test_tables_of_an_older_schema_are_upgraded_by_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = str(tmp_path / "hub.db")
    info = await _opened(path)
    before = database._SCHEMA_VERSION
    monkeypatch.setattr(database, "_SCHEMA_VERSION", before + 1)
    monkeypatch.setitem(
        upgrades.SCHEMA_STEPS, before, "ALTER TABLE blobs ADD COLUMN one;\nALTER TABLE blobs ADD COLUMN two"
    )
    assert await _opened(path) == info
    assert await _opened(path) == info
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone() == (before + 1,)
    assert [row[1] for row in db.execute("PRAGMA table_info(blobs)")][-2:] == ["one", "two"]
    db.close()
    monkeypatch.setattr(database, "_SCHEMA_VERSION", before)
    with pytest.raises(HubFormatError, match="Upgrade azure-durable-py here"):
        await _opened(path)
