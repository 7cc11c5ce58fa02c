"""A header that does not fit its shape: seen, ended, purged, and in nobody's way. Over each store."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.waiter import outcome_answer
from azure_durable_py.errors import InstanceAlreadyExistsError, InvalidRequestError
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import (
    EventRaised,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    Value,
)
from azure_durable_py.ids import EntityId
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.damage import end_damaged, look_at
from azure_durable_py.taskhub.entity_state import new_entity_header
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.payloads import encode_ref
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, Commit, CorruptRowError, InstanceQuery, TaskHubStore
from azure_durable_py.taskhub.state import InstanceState, OutboxMessage, SendGroup, SendKind
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.worker.lifeless import ring_lifeless
from tests.client.playing import Playing
from tests.taskhub.building import inbox
from tests.taskhub.spoiling import empty_header, insert_row, spoil_body, spoil_columns

REF = encode_ref(PayloadRef("30-payload-x", 1, 1))
EVERYWHERE: dict[str, dict[str, Any]] = {
    "a status that is none": {"runtime_status": "Weird"},
    "a time that is a text": {"created_time": "yesterday"},
    "tags that are no JSON": {"tags": "{"},
    "tags that are no texts": {"tags": '{"a": [1]}'},
    "a reference that is none": {"input_payload": "x"},
    "a reference without end": {"output_payload": REF.replace('"chunks":1', '"chunks":30000000')},
    "a name of bytes": {"name": b"\xff\xfe"},
    "a generation below zero": {"generation": -1},
}
SQLITE: dict[str, dict[str, Any]] = {
    "a time that never comes": {"created_time": 10**18},
    "a generation that is a text": {"generation": "x"},
    "a number too large for JSON": {"last_updated_time": 1e300},
    "a text that is no text": {"runtime_status": b"\xff"},
}
pytestmark = pytest.mark.usefixtures("expected_errors")


@pytest.fixture
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.fixture
def hub(store: TaskHubStore) -> TaskHub:
    return TaskHub(store)


@pytest.fixture
def client(hub: TaskHub) -> DurableOrchestrationClient:
    return DurableOrchestrationClient(hub, Settings(hub_name="Damaged"))


async def _three(client: DurableOrchestrationClient) -> None:
    for instance_id in ("a", "bad", "z"):
        await client.start_new("Hello", instance_id, 1)


@pytest.mark.parametrize("what", EVERYWHERE)
async def test_a_damaged_header_is_listed_beside_all_others_and_can_be_ended_and_purged(
    what: str, store: TaskHubStore, client: DurableOrchestrationClient
):
    await _see_and_end(store, client, EVERYWHERE[what])


@pytest.mark.parametrize("store_kind", ["sqlite"])
@pytest.mark.parametrize("what", SQLITE)
async def test_so_is_one_with_values_that_only_sqlite_takes(
    what: str, store_kind: str, store: TaskHubStore, client: DurableOrchestrationClient
):
    await _see_and_end(store, client, SQLITE[what])


async def _see_and_end(store: TaskHubStore, client: DurableOrchestrationClient, columns: dict[str, Any]) -> None:
    await _three(client)
    await spoil_columns(store, "bad", **columns)
    for with_values in (True, False):
        page = await store.query(InstanceQuery(with_values=with_values))
        assert {item.instance_id: bool(item.damaged) for item in page.items} == {"a": False, "bad": True, "z": False}
    for load in (store.load, store.load_header):
        with pytest.raises(DamagedHeaderError, match=f"'bad' is damaged: {next(iter(columns))}: "):
            await load("bad")
    listed = {status.instance_id: status for status in await client.get_status_all()}
    assert sorted(listed) == ["a", "bad", "z"]
    status = await client.get_status("bad")
    assert status.damaged == listed["bad"].damaged
    assert next(iter(columns)) in (status.damaged or "")
    assert listed["a"].damaged is None
    assert await client.terminate("bad", "enough") is True
    status = await client.get_status("bad")
    assert status.runtime_status is OrchestrationRuntimeStatus.Terminated
    assert status.output.startswith("enough (Its header could not be read: ")
    assert (await client.purge_instance_history("bad")).instances_deleted == 1
    assert await store.list_blobs("bad", "40-") == ()
    assert not await client.get_status("bad")


@pytest.mark.parametrize("store_kind", [pytest.param("azurite", marks=pytest.mark.azurite)])
async def test_a_header_without_columns_is_a_damaged_one(
    store_kind: str, store: TaskHubStore, client: DurableOrchestrationClient
):
    await _three(client)
    await empty_header(store, "bad")
    assert {status.instance_id for status in await client.get_status_all()} >= {"a", "z"}
    status = await client.get_status("bad")
    assert "runtime_status" in (status.damaged or "")
    assert (status.runtime_status, status.name, status.created_time) == (None, None, None)
    assert await client.terminate("bad") is True
    assert (await client.purge_instance_history("bad")).instances_deleted == 1


async def test_a_value_that_cannot_be_read_is_left_out_and_told(
    store: TaskHubStore, client: DurableOrchestrationClient
):
    await _three(client)
    await spoil_columns(store, "bad", input_payload=REF, input="")
    listed = {status.instance_id: status for status in await client.get_status_all()}
    assert sorted(listed) == ["a", "bad", "z"]
    assert "row '30-payload-x-0000' is missing" in (listed["bad"].damaged or "")
    assert listed["bad"].runtime_status is OrchestrationRuntimeStatus.Pending
    with pytest.raises(CorruptRowError, match="is missing"):
        _ = listed["bad"].input_
    with pytest.raises(CorruptRowError, match="cannot be restarted"):
        await client.restart("bad")


@pytest.mark.parametrize("body", [b"", b"?", b"D\x01z\x00", b"D\x01p[{}, []]", b"\x00" * 100_000])
async def test_an_instance_whose_state_cannot_be_read_can_be_looked_at_ended_and_purged(
    body: bytes, store: TaskHubStore, client: DurableOrchestrationClient
):
    await _three(client)
    await spoil_body(store, "bad", body)
    status = await client.get_status("bad", show_history=True, show_input=True)
    assert "body of the header cannot be read" in (status.damaged or "")
    assert (status.runtime_status, status.input_) == (OrchestrationRuntimeStatus.Pending, 1)
    with pytest.raises(InstanceAlreadyExistsError, match="terminate it before"):
        await client.purge_instance_history("bad")
    with pytest.raises(InstanceAlreadyExistsError, match="exists and is Pending"):
        await client.start_new("Hello", "bad")
    assert await client.terminate("bad", "enough") is True
    assert await client.terminate("bad", "enough") is False
    kept = {row.key: row.body for row in await store.list_blobs("bad", "40-")}
    [name] = [key.removeprefix("40-quarantine-") for key in kept if key.startswith("40-quarantine-")]
    assert kept[f"40-quarantine-{name}"] == body
    assert b"cannot be read" in kept[f"40-why-{name}"]
    status = await client.get_status("bad", show_history=True)
    assert (status.runtime_status, status.damaged) == (OrchestrationRuntimeStatus.Terminated, None)
    assert [event["EventType"] for event in status.history or []] == ["ExecutionCompleted"]
    assert (await client.purge_instance_history("bad")).instances_deleted == 1
    assert await store.list_blobs("bad", "40-") == ()


async def test_a_finished_instance_whose_state_cannot_be_read_is_shown_and_purged(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await Playing(hub).fail("bad", "no")
    await spoil_body(hub.store, "bad", b"?")
    status = await client.get_status("bad", show_history=True)
    assert (status.runtime_status, status.failure, status.history) == (OrchestrationRuntimeStatus.Failed, None, None)
    assert "cannot be read" in (status.damaged or "")
    assert status.output == "no"
    assert await client.terminate("bad") is False
    assert (await client.purge_instance_history("bad", recursive=True)).instances_deleted == 1
    assert await hub.store.load_header("bad") is None


async def test_a_history_that_is_lost_does_not_keep_an_instance_from_being_shown_and_purged(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await Playing(hub).set_status("bad", "Completed", output="1", seal=True)
    await hub.store.delete_blobs("bad", [row.key for row in await hub.store.list_blobs("bad", "20-")])
    status = await client.get_status("bad", show_history=True)
    assert (status.runtime_status, status.output, status.history) == (OrchestrationRuntimeStatus.Completed, 1, None)
    assert "is missing" in (status.damaged or "")
    assert (await client.purge_instance_history("bad", recursive=True)).instances_deleted == 1


async def test_a_start_in_the_place_of_a_damaged_instance_ends_it_where_that_is_allowed(
    store: TaskHubStore, hub: TaskHub
):
    settings = Settings(hub_name="Damaged", overridable_existing_instance_states="AnyState")
    client = DurableOrchestrationClient(hub, settings)
    await _three(client)
    await spoil_body(store, "bad", b"?")
    await spoil_columns(store, "bad", runtime_status="Weird")
    await client.start_new("Other", "bad")
    status = await client.get_status("bad")
    assert (status.name, status.damaged) == ("Other", None)


async def test_a_body_larger_than_a_row_of_ours_is_kept_in_several(
    store: TaskHubStore, client: DurableOrchestrationClient
):
    await _three(client)
    body = b"?" * (MAX_BODY_BYTES + 1000)
    await spoil_body(store, "bad", body)
    assert await client.terminate("bad") is True
    kept = await store.list_blobs("bad", "40-quarantine-")
    assert [len(row.body) for row in kept] == [MAX_BODY_BYTES, 1000]


async def test_a_parent_is_told_that_its_damaged_child_was_ended(
    store: TaskHubStore, hub: TaskHub, client: DurableOrchestrationClient
):
    await client.start_new("Parent", "parent")
    header = await store.load_header("parent")
    assert header is not None
    state = InstanceState.decode(header.body)
    decided = SubOrchestrationCreated(hub.clock.now(), 4, "Child", "bad")
    state.tail = Tail([encode_event(decided)])
    state.pending = []
    state.children.add(4)
    running = replace(header, columns=replace(header.columns, runtime_status="Running"), body=state.encode())
    await store.commit(Commit("parent", replace(running, etag=""), header.etag))
    now = hub.clock.now()
    origin = ParentInstance("parent", state.execution_id, 0, 0, 4, "Parent", now)
    await hub.start(StartRequest("bad", hub.ids.new(), "Child", now, parent=origin))
    await spoil_body(store, "bad", b"?")
    assert await client.terminate("bad", "enough") is True
    [row] = (await store.load("parent")).inbox
    answer = InboxEvent.decode(row.body)
    assert isinstance(answer.event, SubOrchestrationFailed)
    assert (answer.event.task_id, answer.target.execution_id) == (4, state.execution_id)
    assert "enough" in answer.event.failure.message


async def test_a_child_is_not_started_in_the_place_of_a_damaged_stranger(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await spoil_body(hub.store, "bad", b"?")
    now = hub.clock.now()
    origin = ParentInstance("a", "e1", 0, 0, 4, "Hello", now)
    stranger = await hub.start(StartRequest("bad", "e2", "Child", now, parent=origin))
    assert stranger is not None
    assert stranger.body == b"?"
    await spoil_columns(hub.store, "bad", generation=-1)
    assert await hub.start(StartRequest("bad", "e2", "Child", now, parent=origin)) is not None


async def test_what_a_finished_instance_can_still_say_is_said_when_it_is_purged(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await Playing(hub).set_status("bad", "Completed", output="1")
    now = hub.clock.now()

    def sends(sequence: int, target: str, value: Value) -> OutboxMessage:
        event = InboxEvent(EventRaised(now, "go", value), "bad:e1", sequence, now)
        return OutboxMessage(sequence, target, SendKind.deliver, event.encode().decode())

    await _with_queue(hub, [sends(1, "a", PayloadRef("30-payload-lost", 20_000, 1)), sends(2, "z", "1")])
    assert (await client.purge_instance_history("bad")).instances_deleted == 1
    assert [len((await hub.store.load(target)).inbox) for target in ("a", "z")] == [0, 1]


async def test_an_outbox_that_cannot_be_read_does_not_keep_an_instance_from_being_purged(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await Playing(hub).set_status("bad", "Completed", output="1")
    await _with_queue(hub, [OutboxMessage(1, "a", SendKind.deliver, "?")], [SendGroup(hub.clock.now(), IdSet([7]))])
    assert (await client.purge_instance_history("bad")).instances_deleted == 1
    await client.start_new("Hello", "bad")
    await Playing(hub).set_status("bad", "Completed", output="1")
    await _with_queue(hub, [], [SendGroup(hub.clock.now(), IdSet([7]))])
    assert (await client.purge_instance_history("bad")).instances_deleted == 1


async def _with_queue(hub: TaskHub, messages: list[OutboxMessage], sends: list[SendGroup] | None = None) -> None:
    header = await hub.store.load_header("bad")
    assert header is not None
    state = InstanceState.decode(header.body)
    state.messages, state.sends, state.queue_guard = messages, sends or [], "guard"
    await hub.store.commit(Commit("bad", replace(header, body=state.encode(), etag=""), header.etag))


async def test_the_outcome_of_an_instance_whose_output_is_lost_is_no_output(
    hub: TaskHub, client: DurableOrchestrationClient
):
    await _three(client)
    await Playing(hub).set_status("bad", "Completed")
    await spoil_columns(hub.store, "bad", output=None, output_payload=REF)
    status = await client.finished("bad", 5.0)
    assert status is not None
    answer = outcome_answer(status)
    assert (answer.status_code, b"is missing" in answer.body) == (500, True)


async def test_only_one_of_two_who_end_a_damaged_instance_does(hub: TaskHub, client: DurableOrchestrationClient):
    await _three(client)
    await spoil_body(hub.store, "bad", b"?")
    assert await end_damaged(hub, "bad", "first") is True
    assert await end_damaged(hub, "bad", "second") is False
    assert await end_damaged(hub, "a", "healthy") is False
    assert await end_damaged(hub, "nobody", "absent") is False
    found = await look_at(hub, "bad")
    assert found is not None
    assert found.damage == ""


async def test_repair_and_purging_by_filter_go_past_a_damaged_header(hub: TaskHub, client: DurableOrchestrationClient):
    await _three(client)
    await Playing(hub).set_status("z", "Completed", output="1")
    await spoil_columns(hub.store, "bad", generation=-1)
    assert (await client.purge_instance_history_by(datetime(1970, 1, 1))).instances_deleted == 1
    assert await ring_lifeless(hub, quiet=timedelta(0)) == 1


async def test_a_damaged_entity_is_shown_and_begins_anew_when_it_is_deleted(
    hub: TaskHub, client: DurableOrchestrationClient
):
    for key in ("a", "bad", "empty", "z"):
        header, state = new_entity_header(f"@counter@{key}", "e1", hub.clock.now())
        columns = replace(header.columns, runtime_status="Running", output="5")
        await hub.store.commit(Commit(header.instance_id, replace(header, columns=columns, body=state.encode()), None))
    bad = EntityId("counter", "bad")
    # One that seems to be empty, and cannot be looked into.
    await spoil_columns(hub.store, "@counter@empty", runtime_status="Pending", output=None)
    await spoil_body(hub.store, "@counter@empty", b"?")
    await spoil_columns(hub.store, str(bad), custom_status="[1]")
    await spoil_body(hub.store, str(bad), b"?")
    page = await client.query_entities(name="counter", include_state=True)
    assert {item.entity_id.key: item.damaged is None for item in page.items} == {"a": True, "bad": False, "z": True}
    found = await client.get_entity(bad)
    assert "cannot be read" in (found.damaged or "")
    await client.clean_entity_storage()
    await client.delete_entity(bad)
    found = await client.get_entity(bad)
    assert (found.exists, found.damaged, found.state) == (False, None, None)
    assert [row.body for row in await hub.store.list_blobs(str(bad), "40-quarantine-")] == [b"?"]
    assert [item.entity_id.key for item in (await client.query_entities()).items] == ["a", "z"]


async def test_the_state_of_an_entity_that_is_lost_is_an_error_and_not_nothing(
    hub: TaskHub, client: DurableOrchestrationClient
):
    header, state = new_entity_header("@counter@a", "e1", hub.clock.now())
    columns = replace(header.columns, runtime_status="Running", output_payload=REF)
    await hub.store.commit(Commit("@counter@a", replace(header, columns=columns, body=state.encode()), None))
    with pytest.raises(CorruptRowError, match="is missing"):
        await client.read_entity_state(EntityId("counter", "a"))


# --- other rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["a text", 7, b"\xff"])
async def test_an_inbox_row_of_any_kind_is_loaded_and_can_be_deleted(body: Any, store: TaskHubStore):
    await insert_row(store, "x", "1 odd key (of theirs)", body)
    await store.insert_inbox("x", inbox("2-ours"))
    loaded = await store.load("x")
    assert [row.key for row in loaded.inbox] == ["1 odd key (of theirs)", "2-ours"]
    assert isinstance(loaded.inbox[0].body, bytes)
    await store.delete_inbox("x", [row.key for row in loaded.inbox])
    assert (await store.load("x")).inbox == ()


async def test_a_continuation_token_of_any_kind_is_refused_as_such(store: TaskHubStore):
    for text in ("[" * 100_000, '["after", 7]', '["after", "\\ud800"]', "{}", "1e999"):
        token = base64.urlsafe_b64encode(text.encode()).decode()
        with pytest.raises(InvalidRequestError, match="continuation token"):
            await store.query(InstanceQuery(continuation_token=token))
