"""What every task hub store must do: one suite, run over each of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    HubFormatError,
    InvalidRequestError,
    MessageLostError,
    SettingsError,
    StorageRejectedError,
    UnstorableError,
)
from azure_durable_py.history.events import PayloadRef
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.payloads import encode_ref
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    MAX_BODY_BYTES,
    MAX_COMMIT_BYTES,
    MAX_COMMIT_ROWS,
    MAX_DELAY_SECONDS,
    MAX_INBOX_BODY_BYTES,
    MAX_MESSAGE_CHARS,
    BlobRow,
    Commit,
    InboxRow,
    InstanceQuery,
    Kind,
    StoredKeys,
    TaskHubStore,
)
from azure_durable_py.times import UTC
from tests.conftest import StoreFactory
from tests.taskhub.building import (
    T0,
    blobs,
    header,
    inbox,
    insert,
    keys_in_inbox,
    listed,
    listed_ids,
    minutes,
    receive_one,
    until,
)

WEIRD_IDS = (
    "plain",
    "with space",
    "it's",
    'quote"d',
    "percent%20%",
    "~tilde~41",
    "ünïcode-日本語-🎈",
    "@counter@key/with\\every#thing?&=+",
    "@counter@control\x01\n\t\x7f\x85",
    "@counter@key@with@ats",
    "UPPER",
    "upper",
    "a" * 256,
    "日" * 256,
    "日" * 255 + "本",
    "@counter@" + "/" * 500,
    "edge\ud7ff",
    "edge\U0010ffff",
    "\U0010ffff\U0010ffff",
)


# --- the hub -----------------------------------------------------------------------------------------


async def test_opening_makes_a_marker_that_every_later_opening_reads(store_factory: StoreFactory):
    first, second = await store_factory(opened=False), await store_factory(opened=False)
    info = await first.open()
    assert (info.format_version, info.queue_count, len(info.signing_key)) == (FORMAT_VERSION, 1, 32)
    assert await second.open() == await first.open() == info


async def test_stores_that_open_a_new_hub_at_once_agree_on_its_marker(store_factory: StoreFactory):
    stores = [await store_factory(opened=False) for _ in range(4)]
    infos = await asyncio.gather(*(store.open() for store in stores))
    assert len({info.signing_key for info in infos}) == 1


async def test_a_hub_with_another_number_of_queues_is_refused_with_the_mend(store_factory: StoreFactory):
    await store_factory(instance_queue_count=2)
    other = await store_factory(opened=False, instance_queue_count=3)
    with pytest.raises(HubFormatError, match=r"instanceQueueCount to\s+2 in host.json"):
        await other.open()


async def test_the_signing_key_is_not_shown(store: TaskHubStore):
    info = await store.open()
    assert str(info.signing_key) not in repr(info)
    assert "signing" not in repr(info)


async def test_hub_names_that_cannot_name_queues_are_refused(store_factory: StoreFactory):
    for name in ("", "ab", "1hub", "my-hub", "x" * 46):
        with pytest.raises(SettingsError, match="3 to 45 letters and digits"):
            await store_factory(hub_name=name)


async def test_queue_counts_outside_the_range_are_refused(store_factory: StoreFactory):
    for count in (0, 17):
        with pytest.raises(SettingsError, match="instanceQueueCount"):
            await store_factory(instance_queue_count=count)


async def test_queues_are_named_after_the_hub(store: TaskHubStore, hub_name: str):
    assert store.instance_queues == (f"{hub_name.lower()}-instances",)
    assert store.activity_queue == f"{hub_name.lower()}-activities"
    assert store.instance_queue("anything") == store.instance_queues[0]


async def test_instances_are_spread_over_several_queues_in_the_same_way_everywhere(store_factory: StoreFactory):
    first = await store_factory(instance_queue_count=3)
    second = await store_factory(instance_queue_count=3)
    ids = [f"instance-{number}" for number in range(60)]
    assert [first.instance_queue(name) for name in ids] == [second.instance_queue(name) for name in ids]
    assert {first.instance_queue(name) for name in ids} == set(first.instance_queues)
    assert first.instance_queues[0].endswith("-instances-01")


async def test_hubs_in_one_place_do_not_see_each_other(store: TaskHubStore, store_factory: StoreFactory, hub_name: str):
    other = await store_factory(hub_name=f"{hub_name}B")
    await insert(store, "x")
    await store.insert_inbox("x", inbox("1"))
    await store.put_message(store.activity_queue, "work")
    assert await other.load_header("x") is None
    assert await keys_in_inbox(other, "x") == []
    assert await listed_ids(other) == set()
    assert await other.receive_messages(other.activity_queue, 1, 30) == []
    await other.delete_hub()
    assert await store.load_header("x") is not None


async def test_closing_twice_is_fine_and_a_closed_store_can_be_opened_again(store: TaskHubStore):
    await insert(store, "x")
    await store.close()
    await store.close()
    await store.open()
    assert await store.load_header("x") is not None


@pytest.mark.parametrize("was_open", [False, True], ids=["never opened", "closed"])
async def test_a_store_that_is_not_open_says_so(store_factory: StoreFactory, *, was_open: bool):
    store = await store_factory(opened=was_open)
    await store.close()
    for call in (store.load("x"), store.put_message(store.activity_queue, "x"), store.query(InstanceQuery())):
        with pytest.raises(StorageRejectedError, match="not open"):
            await call


async def test_deleting_the_hub_deletes_everything_and_can_be_repeated(store: TaskHubStore):
    await insert(store, "x")
    await store.put_blobs("x", blobs("20-a"))
    await store.put_message(store.activity_queue, "work")
    await store.delete_hub()
    await store.delete_hub()
    await store.open()
    assert await store.load_header("x") is None
    assert await store.list_blobs("x", "20-") == ()
    assert await store.message_counts() == {store.instance_queues[0]: 0, store.activity_queue: 0}


async def test_the_first_message_for_a_poison_queue_is_no_trouble(
    store: TaskHubStore, caplog: pytest.LogCaptureFixture
):
    await store.put_message(poison_queue(store.activity_queue), "poison")
    assert caplog.messages == []


async def test_what_is_in_poison_queues_is_counted_and_none_is_made_for_it(store: TaskHubStore):
    assert set((await store.poison_counts()).values()) == {0}
    await store.put_message(poison_queue(store.activity_queue), "poison")
    counts = await store.poison_counts()
    assert counts == {poison_queue(store.instance_queues[0]): 0, poison_queue(store.activity_queue): 1}
    assert set((await store.message_counts()).values()) == {0}
    await store.delete_message(await receive_one(store, poison_queue(store.activity_queue)))


async def test_a_hub_deleted_while_in_use_comes_back_empty(store: TaskHubStore, store_factory: StoreFactory):
    info = await store.open()
    await insert(store, "x")
    held = await store.put_message(store.activity_queue, "held")
    await (await store_factory()).delete_hub()
    assert (await store.load("x")).header is None
    assert await store.load_header("x") is None
    assert await listed_ids(store) == set()
    assert await store.get_blobs("x", ["20-a"]) == {}
    assert await store.insert_inbox("x", inbox("1")) == frozenset()
    assert await store.receive_messages(store.activity_queue, 1, 30) == []
    with pytest.raises(MessageLostError):
        await store.delete_message(held)
    await store.put_message(store.instance_queues[0], "ring")
    assert (await receive_one(store, store.instance_queues[0])).body == "ring"
    await insert(store, "x")
    assert await keys_in_inbox(store, "x") == ["1"]
    assert len((await store.open()).signing_key) == len(info.signing_key)


async def test_the_description_names_the_hub_and_no_secret(store: TaskHubStore, hub_name: str):
    assert hub_name in store.description
    assert "AccountKey" not in store.description
    assert "Eby8" not in store.description


# --- the keys of the hub ---------------------------------------------------------------------------------


async def test_a_hub_has_no_keys_until_somebody_makes_some(store: TaskHubStore):
    assert await store.load_keys() is None
    etag = await store.save_keys(b"one", None)
    assert await store.load_keys() == StoredKeys(b"one", etag)


async def test_keys_are_replaced_by_who_knows_them(store: TaskHubStore):
    with pytest.raises(ConcurrencyConflictError):
        await store.save_keys(b"one", "W/\"datetime'2026-01-01T00%3A00%3A00Z'\"")
    first = await store.save_keys(b"one", None)
    with pytest.raises(ConcurrencyConflictError):
        await store.save_keys(b"two", None)
    second = await store.save_keys(b"two", first)
    with pytest.raises(ConcurrencyConflictError):
        await store.save_keys(b"three", first)
    assert await store.load_keys() == StoredKeys(b"two", second)


async def test_of_many_that_make_keys_at_once_one_does(store_factory: StoreFactory):
    stores = [await store_factory() for _ in range(4)]
    made = await asyncio.gather(
        *(each.save_keys(b"%d" % number, None) for number, each in enumerate(stores)), return_exceptions=True
    )
    [winner] = [number for number, etag in enumerate(made) if isinstance(etag, str)]
    assert all(isinstance(other, ConcurrencyConflictError) for other in made if not isinstance(other, str))
    found = [await each.load_keys() for each in stores]
    assert {keys.body for keys in found if keys is not None} == {b"%d" % winner}


async def test_keys_are_of_no_instance(store: TaskHubStore):
    await store.save_keys(b"secret", None)
    await insert(store, "one")
    assert await listed_ids(store) == {"one"}
    assert await store.instances_with_inbox(datetime(2100, 1, 1, tzinfo=UTC)) == []
    assert await store.blob_keys("one") == await store.blob_keys("$hub") == {}


async def test_keys_go_with_the_hub(store: TaskHubStore):
    await store.save_keys(b"secret", None)
    await store.delete_hub()
    await store.open()
    assert await store.load_keys() is None


async def test_large_keys_are_kept_and_larger_ones_refused(store: TaskHubStore):
    etag = await store.save_keys(b"k" * MAX_BODY_BYTES, None)
    assert await store.load_keys() == StoredKeys(b"k" * MAX_BODY_BYTES, etag)
    with pytest.raises(UnstorableError):
        await store.save_keys(b"k" * (MAX_BODY_BYTES + 1), etag)


def test_stored_keys_do_not_show_themselves():
    assert "secret" not in repr(StoredKeys(b"secret", "1"))


# --- headers -----------------------------------------------------------------------------------------


FULL: dict[str, Any] = {
    "kind": Kind.entity,
    "name": "Näme",
    "runtime_status": "Failed",
    "created_time": T0,
    "last_updated_time": T0 + minutes(1),
    "execution_id": "e2",
    "turn_id": "t2",
    "generation": 7,
    "completed_time": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "custom_status": '{"步": 1}',
    "input": '"\\u0000🎈"',
    "input_payload": encode_ref(PayloadRef("30-payload-in", 1, 1)),
    "output": "null",
    "output_payload": encode_ref(PayloadRef("30-payload-out", 1, 1)),
    "version": "1.0",
    "tags": "{}",
    "parent_instance_id": "parent/1",
    "wake_time": datetime(1999, 12, 31, tzinfo=UTC),
    "has_outbox": True,
}


@pytest.mark.parametrize("columns", [{}, FULL, {"input": "", "custom_status": ""}], ids=["least", "full", "empty"])
async def test_a_header_comes_back_as_it_was_written(store: TaskHubStore, columns: dict[str, Any]):
    etag = await insert(store, "x", **columns)
    expected = replace(header("x", **columns), etag=etag)
    assert await store.load_header("x") == expected
    assert (await store.load("x")).header == expected


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, MAX_BODY_BYTES])
async def test_a_body_of_any_size_comes_back_as_it_was_written(store: TaskHubStore, size: int):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    etag = await insert(store, "x", body)
    for _ in range(2):
        loaded = await store.load_header("x")
        assert loaded is not None
        assert loaded.body == body
        etag = await store.commit(Commit("x", header("x", body, turn_id="t2"), etag))
        await store.put_blobs("x", [BlobRow("20-a", body)])
        assert await store.get_blobs("x", ["20-a"]) == {"20-a": body}


async def test_times_are_plain_utc_datetimes(store: TaskHubStore):
    await insert(store, "x", wake_time=T0)
    loaded = await store.load_header("x")
    assert loaded is not None
    for moment in (loaded.columns.created_time, loaded.columns.wake_time):
        assert type(moment) is datetime
        assert moment == T0


async def test_an_instance_that_does_not_exist_loads_as_nothing(store: TaskHubStore):
    assert await store.load_header("nobody") is None
    loaded = await store.load("nobody")
    assert (loaded.header, loaded.inbox, loaded.more) == (None, (), False)


async def test_instance_ids_of_any_kind_are_kept_apart(store: TaskHubStore):
    for number, name in enumerate(WEIRD_IDS):
        await insert(store, name, str(number).encode())
        await store.insert_inbox(name, inbox(f"{number}"))
        await store.put_blobs(name, blobs("20-a", body=str(number).encode()))
    for number, name in enumerate(WEIRD_IDS):
        loaded = await store.load(name)
        assert loaded.header is not None
        assert (loaded.header.instance_id, loaded.header.body) == (name, str(number).encode())
        assert [row.key for row in loaded.inbox] == [f"{number}"]
        assert await store.get_blobs(name, ["20-a"]) == {"20-a": str(number).encode()}
    assert await listed_ids(store) == set(WEIRD_IDS)


@pytest.mark.parametrize("id", ["", "x" * 1025, "lone\ud800"])
async def test_instance_ids_that_cannot_be_stored_are_refused(store: TaskHubStore, id: str):
    for call in (store.load(id), store.load_header(id), store.insert_inbox(id, inbox("1")), insert(store, id)):
        with pytest.raises(UnstorableError):
            await call


# --- commits -----------------------------------------------------------------------------------------


async def test_every_commit_gives_a_new_etag(store: TaskHubStore):
    etags = [await insert(store, "x")]
    for number in range(20):
        etags.append(await store.commit(Commit("x", header("x", str(number).encode()), etags[-1])))
    assert len(set(etags)) == len(etags)
    loaded = await store.load_header("x")
    assert loaded is not None
    assert (loaded.body, loaded.etag) == (b"19", etags[-1])


async def test_a_written_header_leaves_nothing_of_the_old_one(store: TaskHubStore):
    etag = await insert(store, "x", b"x" * 200_000, **FULL)
    etag = await store.commit(Commit("x", header("x", b"short"), etag))
    assert await store.load_header("x") == replace(header("x", b"short"), etag=etag)


WITH_ROWS = [{}, {"put": blobs("20-a")}, {"consumed": ("1",)}]


@pytest.mark.parametrize("rows", WITH_ROWS, ids=["alone", "with-page", "with-inbox"])
async def test_inserting_a_header_that_exists_conflicts(store: TaskHubStore, rows: dict[str, Any]):
    await store.insert_inbox("x", inbox("1"))
    await insert(store, "x", b"first")
    with pytest.raises(ConcurrencyConflictError, match="'x'"):
        await store.commit(Commit("x", header("x", b"second"), None, **rows))
    await _assert_untouched(store, b"first")


@pytest.mark.parametrize("rows", WITH_ROWS, ids=["alone", "with-page", "with-inbox"])
@pytest.mark.parametrize("deletes", [False, True], ids=["update", "delete"])
async def test_a_commit_on_a_stale_etag_conflicts(store: TaskHubStore, rows: dict[str, Any], deletes: bool):
    await store.insert_inbox("x", inbox("1"))
    stale = await insert(store, "x", b"first")
    await store.commit(Commit("x", header("x", b"second"), stale))
    with pytest.raises(ConcurrencyConflictError):
        await store.commit(Commit("x", None if deletes else header("x", b"third"), stale, **rows))
    await _assert_untouched(store, b"second")


@pytest.mark.parametrize("rows", WITH_ROWS, ids=["alone", "with-page", "with-inbox"])
@pytest.mark.parametrize("deletes", [False, True], ids=["update", "delete"])
async def test_a_commit_on_a_header_that_is_gone_conflicts(store: TaskHubStore, rows: dict[str, Any], deletes: bool):
    await store.insert_inbox("x", inbox("1"))
    etag = await insert(store, "x")
    await store.commit(Commit("x", None, etag))
    with pytest.raises(ConcurrencyConflictError):
        await store.commit(Commit("x", None if deletes else header("x"), etag, **rows))
    await _assert_untouched(store, None)


async def _assert_untouched(store: TaskHubStore, body: bytes | None) -> None:
    loaded = await store.load("x")
    assert (loaded.header.body if loaded.header else None) == body
    assert [row.key for row in loaded.inbox] == ["1"]
    assert await store.list_blobs("x", "20-") == ()


async def test_an_etag_of_an_earlier_life_of_the_id_conflicts(store: TaskHubStore):
    first = await insert(store, "x")
    await store.commit(Commit("x", None, first))
    await insert(store, "x", b"again")
    with pytest.raises(ConcurrencyConflictError):
        await store.commit(Commit("x", header("x"), first))


async def test_of_concurrent_commits_on_one_etag_one_wins(store: TaskHubStore):
    etag = await insert(store, "x")
    commits = [Commit("x", header("x", str(n).encode()), etag, put=blobs(f"20-{n}")) for n in range(8)]
    results = await asyncio.gather(*(store.commit(commit) for commit in commits), return_exceptions=True)
    winners = [number for number, result in enumerate(results) if isinstance(result, str)]
    assert len(winners) == 1
    assert all(isinstance(result, str | ConcurrencyConflictError) for result in results)
    assert [row.key for row in await store.list_blobs("x", "20-")] == [f"20-{winners[0]}"]


async def test_deleting_a_header_answers_with_no_etag_and_keeps_the_other_rows(store: TaskHubStore):
    etag = await insert(store, "x")
    await store.insert_inbox("x", inbox("1", "2"))
    await store.put_blobs("x", blobs("20-a", "20-b"))
    assert await store.commit(Commit("x", None, etag, consumed=("1",), dropped=("20-a",))) == ""
    assert await store.load_header("x") is None
    assert await keys_in_inbox(store, "x") == ["2"]
    assert [row.key for row in await store.list_blobs("x", "20-")] == ["20-b"]


async def test_a_header_alone_is_deleted(store: TaskHubStore):
    assert await store.commit(Commit("x", None, await insert(store, "x"))) == ""
    assert await store.load_header("x") is None


async def test_a_commit_consumes_puts_and_drops_in_one_step(store: TaskHubStore):
    await store.insert_inbox("x", inbox("1", "2", "3"))
    await store.put_blobs("x", blobs("20-old", "30-kept"))
    etag = await insert(store, "x")
    put = (BlobRow("20-new", b"page"), BlobRow("30-kept", b"replaced"))
    etag = await store.commit(
        Commit("x", header("x", b"after"), etag, consumed=("1", "3"), put=put, dropped=("20-old",))
    )
    loaded = await store.load("x")
    assert loaded.header is not None
    assert (loaded.header.body, loaded.header.etag) == (b"after", etag)
    assert [row.key for row in loaded.inbox] == ["2"]
    assert {row.key: row.body for row in await store.list_blobs("x", "20-")} == {"20-new": b"page"}
    assert await store.get_blobs("x", ["30-kept"]) == {"30-kept": b"replaced"}


@pytest.mark.parametrize("id", ["x", "@counter@" + "/" * 500])
async def test_the_keys_of_blob_rows_are_listed_with_the_time_of_each(store: TaskHubStore, id: str):
    etag = await insert(store, id)
    await store.insert_inbox(id, inbox("1"))
    await store.put_blobs(id, blobs(*(f"30-{number:04d}" for number in range(1_100))))
    etag = await store.commit(Commit(id, header(id), etag, put=blobs("20-a", "60-b", body=b"b" * 100_000)))
    keys = await store.blob_keys(id)
    assert list(keys) == ["20-a", *(f"30-{number:04d}" for number in range(1_100)), "60-b"]
    rows = {row.key: row.timestamp for row in await store.list_blobs(id, "20-")}
    assert keys["20-a"] == rows["20-a"]
    assert await store.blob_keys("another") == {}


async def test_instances_whose_inbox_waits_are_listed_by_the_time_of_its_rows(store: TaskHubStore):
    await insert(store, "idle")
    await store.put_blobs("idle", blobs("20-a"))
    for name in WEIRD_IDS:
        await insert(store, name)
        await store.insert_inbox(name, inbox("1", "2"))
    await store.insert_inbox("absent", inbox("1"))
    [row, *_] = (await store.load("absent")).inbox
    assert row.timestamp is not None
    later, before = row.timestamp + timedelta(seconds=30), row.timestamp - timedelta(minutes=30)
    assert sorted(await store.instances_with_inbox(later)) == sorted([*WEIRD_IDS, "absent"])
    assert await store.instances_with_inbox(before) == []


async def test_a_scan_is_granted_to_one_of_those_who_ask_at_once_where_it_costs_much(store_factory: StoreFactory):
    stores = [await store_factory() for _ in range(4)]
    costs_much = " at " in stores[0].description
    granted = await asyncio.gather(*(store.claim_scan(timedelta(hours=1)) for store in stores))
    assert sum(granted) == (1 if costs_much else 4)
    # Azurite tells times in whole seconds, and those to come count as just now.
    assert await stores[0].claim_scan(timedelta(seconds=-2))
    assert await stores[1].claim_scan(timedelta(hours=1)) is not costs_much


async def test_rows_that_are_already_gone_do_not_fail_a_commit(store: TaskHubStore):
    await store.insert_inbox("x", inbox("2"))
    etag = await insert(store, "x")
    etag = await store.commit(
        Commit("x", header("x", b"after"), etag, consumed=("1", "2", "3"), put=blobs("20-a"), dropped=("20-gone",))
    )
    loaded = await store.load("x")
    assert loaded.header is not None
    assert (loaded.header.body, loaded.header.etag, loaded.inbox) == (b"after", etag, ())
    assert await store.get_blobs("x", ["20-a"]) == {"20-a": b"blob"}
    assert await store.commit(Commit("x", None, etag, consumed=("1",))) == ""


async def test_naming_a_row_twice_for_deletion_is_naming_it_once(store: TaskHubStore):
    await store.insert_inbox("x", inbox("1"))
    etag = await insert(store, "x")
    await store.commit(Commit("x", header("x"), etag, consumed=("1", "1")))
    assert await keys_in_inbox(store, "x") == []


async def test_a_commit_may_consume_95_rows_and_seal_pages(store: TaskHubStore):
    keys = [f"1-{number:03d}" for number in range(99)]
    await store.insert_inbox("x", inbox(*keys))
    etag = await insert(store, "x")
    pages = blobs("20-1", "20-2", "20-3", "20-4", body=b"p" * 400_000)
    await store.commit(Commit("x", header("x", b"h" * 400_000), etag, consumed=tuple(keys[:95]), put=pages))
    assert await keys_in_inbox(store, "x") == keys[95:]
    assert [len(row.body) for row in await store.list_blobs("x", "20-")] == [400_000] * 4


async def test_the_largest_commit_is_taken(store: TaskHubStore):
    rest = MAX_COMMIT_BYTES - 3 * MAX_BODY_BYTES
    pages = (*blobs("20-1", "20-2", body=b"p" * MAX_BODY_BYTES), BlobRow("20-3", b"p" * rest))
    await store.commit(Commit("x", header("x", b"h" * MAX_BODY_BYTES), None, put=pages))
    assert [len(row.body) for row in await store.list_blobs("x", "20-")] == [MAX_BODY_BYTES, MAX_BODY_BYTES, rest]


LARGE = "x" * 32_768
REFUSED = {
    "a header over the limit": Commit("x", header("x", b"h" * (MAX_BODY_BYTES + 1)), None),
    "a page over the limit": Commit("x", header("x"), None, put=blobs("20-a", body=b"h" * (MAX_BODY_BYTES + 1))),
    "too many rows": Commit("x", header("x"), None, consumed=tuple(map(str, range(MAX_COMMIT_ROWS + 1)))),
    "too many bytes": Commit("x", header("x"), None, put=blobs("20-1", "20-2", "20-3", "20-4", body=b"p" * 715_000)),
    "a column over the limit": Commit("x", header("x", input=LARGE + "x"), None),
    "a column over the limit in pairs": Commit("x", header("x", output="🎈" * 16_385), None),
    "a column that is not text": Commit("x", header("x", input="\ud800"), None),
    "columns and body over the row's limit": Commit(
        "x", header("x", b"h" * MAX_BODY_BYTES, input=LARGE, output=LARGE, custom_status=LARGE, tags=LARGE), None
    ),
    "columns and rows over the transaction's limit": Commit(
        "x",
        header("x", input="日" * 32_768, output="日" * 32_768, custom_status="日" * 32_768),
        None,
        put=blobs("20-1", "20-2", "20-3", "20-4", body=b"p" * 700_000),
    ),
    "a page put twice": Commit("x", header("x"), None, put=blobs("20-a", "20-a")),
    "a page put and dropped": Commit("x", header("x"), None, put=blobs("20-a"), dropped=("20-a",)),
    "an inbox key with a slash": Commit("x", header("x"), None, consumed=("a/b",)),
    "a page key of another kind": Commit("x", header("x"), None, put=blobs("00-instance")),
    "a dropped key of another kind": Commit("x", header("x"), None, dropped=("10-inbox-1",)),
    "somebody else's header": Commit("x", header("y"), None),
    "nothing at all": Commit("x", None, None),
    "an empty etag": Commit("x", header("x"), ""),
}


@pytest.mark.parametrize("commit", REFUSED.values(), ids=list(REFUSED))
async def test_a_commit_beyond_the_limits_is_refused_and_changes_nothing(store: TaskHubStore, commit: Commit):
    with pytest.raises(UnstorableError):
        await store.commit(commit)
    assert await store.load_header("x") is None
    assert await store.list_blobs("x", "20-") == ()


async def test_columns_of_the_largest_size_are_taken(store: TaskHubStore):
    await insert(store, "x", input=LARGE, output="🎈" * 16_384)
    loaded = await store.load_header("x")
    assert loaded is not None
    assert (loaded.columns.input, loaded.columns.output) == (LARGE, "🎈" * 16_384)


# --- the inbox -----------------------------------------------------------------------------------------


async def test_inbox_rows_come_in_key_order_with_the_time_storage_took_them(store: TaskHubStore):
    await store.insert_inbox("x", inbox("1-b", "1-a"))
    await store.insert_inbox("x", inbox("0-control"))
    loaded = await store.load("x")
    assert [row.key for row in loaded.inbox] == ["0-control", "1-a", "1-b"]
    assert {row.body for row in loaded.inbox} == {b"event"}
    assert loaded.header is None
    for row in loaded.inbox:
        assert row.timestamp is not None
        assert abs(datetime.now(UTC) - row.timestamp) < timedelta(minutes=1)


async def test_inserting_a_row_again_leaves_it_and_tells(store: TaskHubStore):
    assert await store.insert_inbox("x", inbox("1", body=b"first")) == frozenset()
    assert await store.insert_inbox("x", inbox("1", body=b"second")) == {"1"}
    assert [row.body for row in (await store.load("x")).inbox] == [b"first"]


async def test_inserting_some_old_and_some_new_rows_inserts_the_new_ones(store: TaskHubStore):
    old = [f"{number:03d}" for number in range(0, 99, 2)]
    every = [f"{number:03d}" for number in range(99)]
    await store.insert_inbox("x", inbox(*old, body=b"first"))
    assert await store.insert_inbox("x", inbox(*every, body=b"second")) == set(old)
    assert {row.key: row.body for row in (await store.load("x")).inbox} == {
        key: b"first" if key in old else b"second" for key in every
    }
    assert await store.insert_inbox("x", inbox(*every)) == set(every)


async def test_inserting_no_rows_does_nothing(store: TaskHubStore):
    assert await store.insert_inbox("x", ()) == frozenset()


@pytest.mark.parametrize("size", [0, MAX_INBOX_BODY_BYTES])
async def test_inbox_bodies_up_to_the_limit_are_taken(store: TaskHubStore, size: int):
    await store.insert_inbox("x", inbox("k" * 400, body=b"b" * size))
    assert [(row.key, len(row.body)) for row in (await store.load("x")).inbox] == [("k" * 400, size)]


@pytest.mark.parametrize(
    "rows",
    [
        inbox("1", body=b"b" * (MAX_INBOX_BODY_BYTES + 1)),
        inbox(*map(str, range(MAX_COMMIT_ROWS + 1))),
        inbox(*map(str, range(99)), body=b"b" * 40_000),
        inbox("1", "1"),
        inbox(""),
        inbox("k" * 401),
        inbox("a b"),
    ],
    ids=["large", "many", "heavy", "twice", "empty key", "long key", "bad key"],
)
async def test_inbox_rows_beyond_the_limits_are_refused(store: TaskHubStore, rows: tuple[InboxRow, ...]):
    with pytest.raises(UnstorableError):
        await store.insert_inbox("x", rows)
    assert await keys_in_inbox(store, "x") == []


async def test_deleting_inbox_rows_ignores_those_that_are_gone(store: TaskHubStore):
    await insert(store, "x")
    await store.insert_inbox("x", inbox("1", "2", "3"))
    await store.delete_inbox("x", ["1", "gone", "3", "1"])
    assert await keys_in_inbox(store, "x") == ["2"]
    await store.delete_inbox("x", ["2"])
    await store.delete_inbox("x", ["2"])
    await store.delete_inbox("x", [])
    loaded = await store.load("x")
    assert loaded.inbox == ()
    assert loaded.header is not None


async def test_a_backlog_beyond_one_response_is_loaded_in_order_piece_by_piece(store: TaskHubStore):
    keys = [f"{number:05d}" for number in range(1_150)]
    for start in range(0, len(keys), MAX_COMMIT_ROWS):
        await store.insert_inbox("x", inbox(*keys[start : start + MAX_COMMIT_ROWS]))
    await insert(store, "x")
    loaded = await store.load("x")
    assert loaded.header is not None
    assert loaded.more
    assert 900 <= len(loaded.inbox) <= 1_000
    first = [row.key for row in loaded.inbox]
    assert first == keys[: len(first)]
    await store.delete_inbox("x", first)
    loaded = await store.load("x")
    assert not loaded.more
    assert [row.key for row in loaded.inbox] == keys[len(first) :]


# --- blob rows -----------------------------------------------------------------------------------------


async def test_blobs_are_put_got_listed_and_deleted(store: TaskHubStore):
    await store.put_blobs("x", (BlobRow("20-b", b"2"), BlobRow("20-a", b"1"), BlobRow("30-a", b"")))
    await store.put_blobs("x", (BlobRow("20-b", b"replaced"),))
    assert await store.get_blobs("x", ["20-b", "30-a", "20-gone"]) == {"20-b": b"replaced", "30-a": b""}
    found = await store.list_blobs("x", "20-")
    assert [(row.key, row.body) for row in found] == [("20-a", b"1"), ("20-b", b"replaced")]
    assert all(row.timestamp is not None for row in found)
    assert [row.key for row in await store.list_blobs("x", "20-b")] == ["20-b"]
    await store.delete_blobs("x", ["20-a", "20-gone", "30-a"])
    await store.delete_blobs("x", ["20-a"])
    assert [row.key for row in await store.list_blobs("x", "20-")] == ["20-b"]
    assert await store.list_blobs("x", "30-") == ()


async def test_no_blobs_are_no_work(store: TaskHubStore):
    await store.put_blobs("x", ())
    await store.delete_blobs("x", ())
    assert await store.get_blobs("x", ()) == {}


async def test_more_blobs_than_one_transaction_takes_are_put_and_deleted(store: TaskHubStore):
    many = [BlobRow(f"30-payload-{number:04d}", str(number).encode()) for number in range(230)]
    await store.put_blobs("x", many)
    keys = [row.key for row in many]
    assert await store.get_blobs("x", keys) == {row.key: row.body for row in many}
    assert [row.key for row in await store.list_blobs("x", "30-payload-")] == keys
    await store.delete_blobs("x", keys)
    assert await store.list_blobs("x", "30-") == ()


async def test_heavy_blobs_are_put_and_listed(store: TaskHubStore):
    many = [BlobRow(f"30-{number}", bytes([number]) * MAX_BODY_BYTES) for number in range(7)]
    await store.put_blobs("x", many)
    assert [(row.key, row.body) for row in await store.list_blobs("x", "30-")] == [(row.key, row.body) for row in many]


async def test_blob_rows_are_not_part_of_the_inbox(store: TaskHubStore):
    await store.put_blobs("x", blobs("20-a", "30-b"))
    assert (await store.load("x")).inbox == ()


@pytest.mark.parametrize(
    "rows",
    [blobs("20-a", body=b"b" * (MAX_BODY_BYTES + 1)), blobs("20-a", "20-a"), blobs("10-inbox-a"), blobs("20-/")],
    ids=["large", "twice", "kind", "key"],
)
async def test_blobs_beyond_the_limits_are_refused(store: TaskHubStore, rows: tuple[BlobRow, ...]):
    with pytest.raises(UnstorableError):
        await store.put_blobs("x", rows)


async def test_blob_keys_of_another_kind_are_refused_everywhere(store: TaskHubStore):
    for call in (
        store.get_blobs("x", ["00-instance"]),
        store.delete_blobs("x", ["00-instance"]),
        store.list_blobs("x", ""),
        store.delete_inbox("x", ["a/b"]),
    ):
        with pytest.raises(UnstorableError):
            await call


# --- listing -----------------------------------------------------------------------------------------


@pytest.fixture
async def listing(store: TaskHubStore) -> TaskHubStore:
    """A hub with a handful of instances that differ in every criterion."""
    statuses = ("Running", "Completed", "Failed", "Pending")
    for number in range(8):
        await insert(
            store,
            f"order-{number}",
            name="Even" if number % 2 == 0 else "it's odd",
            runtime_status=statuses[number % 4],
            created_time=T0 + minutes(number),
            last_updated_time=T0 + minutes(10 * number),
            has_outbox=number in (1, 2),
            input="1",
            output="2",
            custom_status="3",
        )
    for key in ("a", "ab", "b/1"):
        await insert(store, f"@counter@{key}", kind=Kind.entity, name="counter")
    await insert(store, "@counters@a", kind=Kind.entity, name="counters")
    return store


ALL_ORDERS = frozenset(range(8))
CRITERIA: dict[str, tuple[dict[str, Any], frozenset[int]]] = {
    "none": ({}, ALL_ORDERS),
    "one status": ({"runtime_status": ["Failed"]}, frozenset({2, 6})),
    "two statuses": ({"runtime_status": {"Failed", "Pending"}}, frozenset({2, 3, 6, 7})),
    "an unknown status": ({"runtime_status": ["Nothing"]}, frozenset()),
    "created from": ({"created_from": T0 + minutes(6)}, frozenset({6, 7})),
    "created just after": ({"created_from": T0 + minutes(6) + timedelta(microseconds=1)}, frozenset({7})),
    "created to": ({"created_to": T0 + minutes(1)}, frozenset({0, 1})),
    "created just before": ({"created_to": T0 + minutes(1) - timedelta(microseconds=1)}, frozenset({0})),
    "created at": ({"created_from": T0 + minutes(3), "created_to": T0 + minutes(3)}, frozenset({3})),
    "updated from": ({"updated_from": T0 + minutes(60)}, frozenset({6, 7})),
    "updated to": ({"updated_to": T0 + minutes(10)}, frozenset({0, 1})),
    "prefix": ({"instance_id_prefix": "order-"}, ALL_ORDERS),
    "prefix of one": ({"instance_id_prefix": "order-7"}, frozenset({7})),
    "prefix of none": ({"instance_id_prefix": "orders"}, frozenset()),
    "empty prefix": ({"instance_id_prefix": ""}, ALL_ORDERS),
    "name": ({"names": ["Even"]}, frozenset({0, 2, 4, 6})),
    "name with a quote": ({"names": ["it's odd"]}, frozenset({1, 3, 5, 7})),
    "many names": ({"names": [f"Name{n}" for n in range(30)] + ["Even"]}, frozenset({0, 2, 4, 6})),
    "with outbox": ({"with_outbox": True}, frozenset({1, 2})),
    "without outbox": ({"with_outbox": False}, ALL_ORDERS - {1, 2}),
    "everything": (
        {
            "runtime_status": ["Running", "Completed", "Failed", "Pending", "Terminated", "Suspended"],
            "created_from": T0 + minutes(1),
            "created_to": T0 + minutes(6),
            "updated_from": T0,
            "updated_to": T0 + minutes(50),
            "instance_id_prefix": "order-",
            "names": ["Even", "Odd", "Other", "More"],
            "with_outbox": True,
        },
        frozenset({2}),
    ),
}


@pytest.mark.parametrize(("criteria", "expected"), CRITERIA.values(), ids=list(CRITERIA))
async def test_a_query_lists_what_meets_every_criterion(
    listing: TaskHubStore, criteria: dict[str, Any], expected: frozenset[int]
):
    assert await listed_ids(listing, **criteria) == {f"order-{number}" for number in expected}


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (None, {"@counter@a", "@counter@ab", "@counter@b/1", "@counters@a"}),
        ("@counter@", {"@counter@a", "@counter@ab", "@counter@b/1"}),
        ("@counter@a", {"@counter@a", "@counter@ab"}),
        ("@counter@b/", {"@counter@b/1"}),
        ("@other@", set[str]()),
    ],
)
async def test_entities_are_listed_by_the_prefix_of_name_and_key(
    listing: TaskHubStore, prefix: str | None, expected: set[str]
):
    assert await listed_ids(listing, kind=Kind.entity, instance_id_prefix=prefix) == expected


@pytest.mark.parametrize("id", WEIRD_IDS)
async def test_every_prefix_of_an_id_finds_it(store: TaskHubStore, id: str):
    kind = Kind.entity if id.startswith("@") else Kind.orchestration
    await insert(store, id, kind=kind)
    await insert(store, id[:-1] + "é", kind=kind)
    for length in {1, 2, len(id) // 2, len(id) - 1} - {len(id)}:
        assert await listed_ids(store, kind=kind, instance_id_prefix=id[:length]) == {id, id[:-1] + "é"}
    assert await listed_ids(store, kind=kind, instance_id_prefix=id) == {id}
    assert await listed_ids(store, kind=kind, instance_id_prefix=id + "x") == set()


@pytest.mark.parametrize("page_size", [1, 2, 3, 8, 9, 1000])
async def test_pages_of_any_size_list_each_instance_once(listing: TaskHubStore, page_size: int):
    assert len(await listed_ids(listing, page_size=page_size)) == 8
    assert len(await listed_ids(listing, page_size=page_size, runtime_status=["Failed"])) == 2
    page = await listing.query(InstanceQuery(page_size=page_size))
    assert len(page.items) <= page_size


async def test_a_listing_goes_on_where_it_stopped_when_instances_come_and_go(listing: TaskHubStore):
    first = await listing.query(InstanceQuery(page_size=4))
    gone = first.items[-1].instance_id
    header_ = await listing.load_header(gone)
    assert header_ is not None
    await listing.commit(Commit(gone, None, header_.etag))
    rest = await listing.query(InstanceQuery(continuation_token=first.continuation_token))
    assert {item.instance_id for item in (*first.items, *rest.items)} == {f"order-{number}" for number in range(8)}


async def test_values_are_listed_only_when_asked_for(listing: TaskHubStore):
    for item in await listed(listing):
        assert (item.columns.input, item.columns.output, item.columns.custom_status) == ("1", "2", "3")
    for item in await listed(listing, with_values=False):
        assert (item.columns.input, item.columns.output, item.columns.custom_status) == (None, None, None)
        assert item.columns.execution_id == "e1"
    for item in await listed(listing, with_values=False, with_custom_status=True):
        assert (item.columns.input, item.columns.output, item.columns.custom_status) == (None, None, "3")


async def test_every_column_is_listed(store: TaskHubStore):
    await insert(store, "@näme@k", **FULL)
    [item] = await listed(store, kind=Kind.entity)
    assert (item.instance_id, item.columns) == ("@näme@k", header("@näme@k", **FULL).columns)


@pytest.mark.parametrize(
    "token", ["", "nonsense", "bm9uc2Vuc2U=", "WzEsMl0=", "e30=", "bnVsbA==", "ünï", "WyJhZnRlciIsICJcdWQ4MDAiXQ=="]
)
async def test_a_continuation_token_of_somebody_else_is_refused(store: TaskHubStore, token: str):
    with pytest.raises(InvalidRequestError, match="continuation token"):
        await store.query(InstanceQuery(continuation_token=token))


@pytest.mark.parametrize(
    "criteria", [{"instance_id_prefix": "\ud800"}, {"names": ["\ud800"]}, {"runtime_status": ["\ud800"]}]
)
async def test_criteria_that_are_no_text_are_refused(store: TaskHubStore, criteria: dict[str, Any]):
    with pytest.raises(InvalidRequestError, match="surrogate"):
        await store.query(InstanceQuery(**criteria))


@pytest.mark.parametrize("page_size", [0, 1001])
async def test_page_sizes_outside_the_range_are_refused(store: TaskHubStore, page_size: int):
    with pytest.raises(InvalidRequestError, match="1 to 1000"):
        await store.query(InstanceQuery(page_size=page_size))


# --- queues --------------------------------------------------------------------------------------------


@pytest.fixture
def queue(store: TaskHubStore) -> str:
    return store.activity_queue


BODIES = ("x", "{}", '{"a": "日本語 🎈 <&>\\u0001"}', " spaces ", "bGV0dGVycw==", "x" * MAX_MESSAGE_CHARS)


@pytest.mark.parametrize("body", BODIES, ids=["short", "json", "unicode", "spaces", "base64", "longest"])
async def test_a_message_comes_back_as_it_was_put(store: TaskHubStore, queue: str, body: str):
    put = await store.put_message(queue, body)
    assert (put.queue, put.body, put.dequeue_count) == (queue, body, 0)
    [received] = await store.receive_messages(queue, 32, 30)
    assert (received.queue, received.body, received.dequeue_count) == (queue, body, 1)
    assert received.inserted_on is not None
    assert abs(datetime.now(UTC) - received.inserted_on) < timedelta(minutes=1)


async def test_messages_come_in_the_order_in_which_they_were_put(store: TaskHubStore, queue: str):
    for number in range(5):
        await store.put_message(queue, str(number))
    received = [*await store.receive_messages(queue, 3, 30), *await store.receive_messages(queue, 3, 30)]
    assert [message.body for message in received] == list("01234")


async def test_a_received_message_is_invisible_until_its_time_is_up(store: TaskHubStore, queue: str):
    await store.put_message(queue, "x")
    [first] = await store.receive_messages(queue, 1, 1)
    assert await store.receive_messages(queue, 1, 1) == []
    second = await receive_one(store, queue)
    assert (first.dequeue_count, second.dequeue_count) == (1, 2)
    with pytest.raises(MessageLostError):
        await store.delete_message(first)
    with pytest.raises(MessageLostError):
        await store.extend_message(first, 30)
    await store.delete_message(second)
    assert (await store.message_counts())[queue] == 0


async def test_a_message_whose_time_is_up_is_ours_while_nobody_took_it(store: TaskHubStore, queue: str):
    await store.put_message(queue, "x")
    [message] = await store.receive_messages(queue, 1, 1)
    await store.put_message(queue, "later", delay=2)
    extended = await store.extend_message(message, 0)
    await store.delete_message(extended)
    assert (await receive_one(store, queue)).body == "later"


async def test_a_delayed_message_arrives_when_its_delay_is_over(store: TaskHubStore, queue: str):
    before = datetime.now(UTC)
    await store.put_message(queue, "x", delay=0.7)
    assert await store.receive_messages(queue, 1, 30) == []
    await receive_one(store, queue)
    # Azurite compares in whole milliseconds.
    assert datetime.now(UTC) - before >= timedelta(seconds=0.69)


async def test_a_put_message_may_be_held_extended_and_deleted_by_its_sender(store: TaskHubStore, queue: str):
    held = await store.put_message(queue, "x", delay=60)
    held = await store.extend_message(held, 60)
    assert await store.receive_messages(queue, 1, 30) == []
    await store.delete_message(held)
    assert (await store.message_counts())[queue] == 0


async def test_a_held_message_may_be_let_go_at_once(store: TaskHubStore, queue: str):
    held = await store.put_message(queue, "x", delay=60)
    await store.extend_message(held, 0)
    assert (await receive_one(store, queue)).dequeue_count == 1


async def test_extending_changes_the_handle(store: TaskHubStore, queue: str):
    await store.put_message(queue, "x")
    [first] = await store.receive_messages(queue, 1, 30)
    second = await store.extend_message(first, 30)
    assert (second.body, second.dequeue_count, second.inserted_on) == ("x", 1, first.inserted_on)
    with pytest.raises(MessageLostError, match=queue):
        await store.delete_message(first)
    await store.delete_message(second)


async def test_a_message_can_be_deleted_once(store: TaskHubStore, queue: str):
    message = await store.put_message(queue, "x")
    await store.delete_message(message)
    for call in (store.delete_message(message), store.extend_message(message, 30)):
        with pytest.raises(MessageLostError):
            await call


async def test_receivers_never_share_a_message(store: TaskHubStore, store_factory: StoreFactory, queue: str):
    other = await store_factory()
    for number in range(40):
        await store.put_message(queue, str(number))
    taken = await asyncio.gather(*(each.receive_messages(queue, 8, 60) for each in (store, other) for _ in range(4)))
    bodies = [message.body for batch in taken for message in batch]
    assert len(bodies) == len(set(bodies))


async def test_a_store_tells_when_the_next_message_is_due_or_that_it_cannot_tell(store: TaskHubStore, queue: str):
    assert await store.next_visible(queue) is None
    await store.put_message(queue, "later", delay=60)
    assert await tells(store, queue, 50, 60)
    await store.put_message(queue, "now")
    assert await tells(store, queue, 0, 0)
    [message] = await store.receive_messages(queue, 1, 30)
    assert await tells(store, queue, 20, 30)
    message = await store.extend_message(message, 90)
    assert await tells(store, queue, 50, 60)
    await store.extend_message(message, 0)
    assert await tells(store, queue, 0, 0)


async def tells(store: TaskHubStore, queue: str, least: float, most: float) -> bool:
    """Whether a store tells that the next message is due in so many seconds, or that it cannot tell."""
    seconds = await store.next_visible(queue)
    return seconds is None or least <= seconds <= most


async def test_counts_include_what_is_invisible(store: TaskHubStore, queue: str):
    await store.put_message(queue, "1")
    await store.put_message(queue, "2", delay=60)
    await store.receive_messages(queue, 1, 60)
    assert await store.message_counts() == {store.instance_queues[0]: 0, queue: 2}


async def test_messages_that_are_due_and_in_nobodys_hands_are_told(store: TaskHubStore, queue: str):
    await store.put_message(queue, "held")
    await store.receive_messages(queue, 1, 60)
    await store.put_message(queue, "later", delay=60)
    assert await store.untaken_counts() == {store.instance_queues[0]: 0, queue: 0}
    for number in range(33):
        await store.put_message(queue, str(number))
    assert await store.untaken_counts() == {store.instance_queues[0]: 0, queue: 32}
    assert len(await store.receive_messages(queue, 32, 60)) == 32  # A look takes nothing.


async def test_messages_beyond_the_limits_are_refused(store: TaskHubStore, queue: str):
    for call in (
        store.put_message(queue, "x" * (MAX_MESSAGE_CHARS + 1)),
        store.put_message(queue, "日" * 20_000),
        store.put_message(queue, "\ud800"),
        store.put_message(queue, "x", delay=-1),
        store.put_message(queue, "x", delay=MAX_DELAY_SECONDS + 1),
        store.receive_messages(queue, 0, 30),
        store.receive_messages(queue, 33, 30),
        store.receive_messages(queue, 1, -1),
        store.receive_messages(queue, 1, 8 * 24 * 3600),
    ):
        with pytest.raises(UnstorableError):
            await call
    assert (await store.message_counts())[queue] == 0


async def test_the_longest_delay_is_taken(store: TaskHubStore, queue: str):
    held = await store.put_message(queue, "x", delay=MAX_DELAY_SECONDS)
    with pytest.raises(UnstorableError):
        await store.extend_message(held, 8 * 24 * 3600)
    await store.delete_message(held)


async def test_many_calls_may_run_at_once(store: TaskHubStore, queue: str):
    async def work(number: int) -> None:
        name = f"instance-{number}"
        await store.insert_inbox(name, inbox("1"))
        etag = await insert(store, name)
        await store.commit(Commit(name, header(name), etag, consumed=("1",)))
        await store.put_message(queue, name)

    await asyncio.gather(*(work(number) for number in range(64)))
    assert len(await listed_ids(store)) == 64
    await until(lambda: _has(store, queue, 64))


async def _has(store: TaskHubStore, queue: str, count: int) -> bool:
    return (await store.message_counts())[queue] == count
