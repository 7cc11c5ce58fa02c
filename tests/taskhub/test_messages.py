"""Envelopes and events: what was written comes back, and what anybody wrote in its place is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event, event_to_json
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityCaller,
    EntityLockGranted,
    EntityOperationCalled,
    EntityOperationSignaled,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    LockRequestArrived,
    OperationArrived,
    OrchestratorStarted,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.idset import MAX_IDS, IdSet
from azure_durable_py.taskhub.messages import Cause, Doorbell, InboxEvent, MalformedMessageError, Target, WorkItem
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES
from azure_durable_py.taskhub.upgrades import NewerFormatError
from tests.format.samples import DOORBELLS, WORK_ITEMS
from tests.functions_worker.trigger_metadata import OF_THE_HOST
from tests.taskhub.building import T0
from tests.taskhub.mutating import damaged

REF = PayloadRef("30-payload-turn-0000", 20_000, 1)
FAILURE = FailureDetails("no", "ValueError", "stack", FailureDetails("deeper", "KeyError"), ("Exception",))
CALLER = EntityCaller("caller", "e1", 0, 0, 7)
EVENTS: list[Event] = [
    OrchestratorStarted(T0),
    ExecutionStarted(T0, "Hello", REF, "1.0", ParentInstance("p", "e", 0, 0, 3, "Parent", T0), {"a": "b"}),
    ExecutionCompleted(T0, "Failed", None, FAILURE),
    ContinuedAsNew(T0, "1", None, (EventRaised(T0, "go", REF), EventRaised(T0, "stop"))),
    ExecutionTerminated(T0, "because", recurse=True),
    TaskScheduled(T0, 0, "hello", '"x"'),
    TaskCompleted(T0, 0xFFFFFFFF, REF),
    TaskFailed(T0, 1, FAILURE),
    TimerCreated(T0, 2, T0 + timedelta(days=1), "retry"),
    TimerFired(T0, 2, T0),
    SubOrchestrationCreated(T0, 3, "Child", "child", "1", None),
    EntityOperationCalled(T0, 4, "@counter@a", "add", "1", "section"),
    EntityOperationSignaled(T0, 5, "@counter@a", "add", "1", T0),
    EntityLockGranted(T0, 6, "@counter@a", "section"),
    OperationArrived(T0, "add", "1", CALLER, T0, "section"),
    LockRequestArrived(T0, "section", CALLER),
]
DOORBELL = Doorbell("one", "id", Cause.timer, "due", again=2, tag="x", poisoned=1)
ITEM = WorkItem("i", "one", "e1", 0, 0, 3, "hello", REF, T0, 1, 2, "tag", 3)
INBOX = [InboxEvent(event, "client:x", 5, T0, Target("e1", 2, 0), control=True) for event in EVENTS]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was_written(event: Event):
    assert decode_event(encode_event(event)) == event


def test_envelopes_come_back_as_they_were_written():
    assert Doorbell.decode(DOORBELL.encode()) == DOORBELL
    assert WorkItem.decode(ITEM.encode()) == ITEM
    assert [InboxEvent.decode(event.encode()) for event in INBOX] == INBOX


def test_text_that_is_not_unicode_comes_back_in_every_envelope():
    failed = InboxEvent(TaskFailed(T0, 1, FailureDetails("\ud800", "ValueError")), "client:x", 1, T0)
    assert InboxEvent.decode(failed.encode()) == failed
    item = WorkItem("i", "one", "e1", 0, 0, 3, "\ud800")
    assert WorkItem.decode(item.encode()) == item
    limits.check_message(item.encode(), 0)


@given(damaged([event_to_json(event) for event in EVENTS]))
def test_a_damaged_event_is_refused_or_means_something(record: Any):
    try:
        event = decode_event(json.dumps(record))
    except ShapeError:
        return
    assert decode_event(encode_event(event)) == event


@given(damaged([json.loads(DOORBELL.encode())]))
def test_a_damaged_doorbell_is_refused_or_means_something(record: Any):
    try:
        doorbell = Doorbell.decode(json.dumps(record))
    except (MalformedMessageError, NewerFormatError):
        return
    assert Doorbell.decode(doorbell.encode()) == doorbell
    limits.check_id(doorbell.instance_id)


@given(damaged([json.loads(ITEM.encode())]))
def test_a_damaged_work_item_is_refused_or_means_something(record: Any):
    try:
        item = WorkItem.decode(json.dumps(record))
    except (MalformedMessageError, NewerFormatError):
        return
    assert WorkItem.decode(item.encode()) == item
    limits.check_id(item.instance_id)


@given(damaged([json.loads(event.encode()) for event in INBOX]))
def test_a_damaged_inbox_event_is_refused_or_means_something(record: Any):
    try:
        event = InboxEvent.decode(json.dumps(record).encode())
    except (MalformedMessageError, NewerFormatError):
        return
    assert InboxEvent.decode(event.encode()) == event
    limits.check_keys([event.key])


@given(st.binary(max_size=200))
def test_bytes_that_are_no_event_are_refused(body: bytes):
    with pytest.raises(MalformedMessageError):
        InboxEvent.decode(body)


@pytest.mark.parametrize("number", ["1e999", "Infinity", "NaN", "-1", "1.0", "true", "9" * 400, "9" * 9_000, '"1"'])
def test_a_number_that_is_none_is_refused_in_every_envelope(number: str):
    def spoiled(text: str, name: str) -> str:
        before, after = text.split(f'"{name}":', 1)
        return f'{before}"{name}":{number}{after[after.index(",") :]}'

    with pytest.raises(MalformedMessageError):
        Doorbell.decode(spoiled(DOORBELL.encode(), "again"))
    with pytest.raises(MalformedMessageError):
        WorkItem.decode(spoiled(ITEM.encode(), "generation"))
    with pytest.raises(MalformedMessageError):
        InboxEvent.decode(spoiled(INBOX[0].encode().decode(), "sequence").encode())
    with pytest.raises(ShapeError):
        decode_event(spoiled(encode_event(TaskScheduled(T0, 1, "x", "2")), "id"))


@pytest.mark.parametrize("instance_id", ["@", "@nokey", "@@k", "x" * 2000, "\ud800", ""])
def test_a_message_for_an_instance_that_cannot_be_is_refused(instance_id: str):
    named = {"instanceId": instance_id, "id": "x"}
    with pytest.raises(MalformedMessageError, match="instanceId"):
        Doorbell.decode(json.dumps(named))
    with pytest.raises(MalformedMessageError, match="instanceId"):
        WorkItem.decode(json.dumps({**json.loads(ITEM.encode()), "instanceId": instance_id}))
    with pytest.raises(ShapeError, match="caller"):
        decode_event(encode_event(LockRequestArrived(T0, "s", EntityCaller(instance_id, "e", 0, 0, 1))))


def test_a_refusal_says_where_and_what():
    with pytest.raises(MalformedMessageError, match=r"event\.task_id: .* whole number, 0 to 4294967295, found a list"):
        InboxEvent.decode(INBOX[6].encode().replace(b'"task_id":4294967295', b'"task_id":[1]'))


def test_failures_are_read_to_a_depth_that_everybody_can_walk():
    failure = FailureDetails("innermost", "ValueError")
    for number in range(150):
        failure = FailureDetails(str(number), "ValueError", None, failure)
    found = decode_event(encode_event(TaskFailed(T0, 1, failure)))
    assert isinstance(found, TaskFailed)
    levels, level = 0, found.failure
    while level is not None:
        levels, level = levels + 1, level.inner_failure
    assert levels == 100


# --- references and sets ---------------------------------------------------------------------------


def test_a_reference_can_name_the_largest_value_and_not_much_more():
    text = '{"type":"TaskCompleted","timestamp":"2026-01-01T00:00:00.000000Z","task_id":1,"result":%s}'
    ref = '{"key":"30-payload-x-0000","size":%d,"chunks":%d}'
    # A character takes four bytes at most, and compression never makes much more of them.
    most = -(-(4 * MAX_PAYLOAD_BYTES + MAX_PAYLOAD_BYTES // 100) // MAX_BODY_BYTES)
    decode_event(text % (ref % (MAX_PAYLOAD_BYTES, most)))
    for size, chunks in ((MAX_PAYLOAD_BYTES + 1, 1), (1, 30_000_000), (1, 0)):
        with pytest.raises(ShapeError, match="result"):
            decode_event(text % (ref % (size, chunks)))


def test_the_longest_key_of_a_reference_names_rows_that_a_store_takes():
    key = "30-" + "x" * 480
    ref = f'{{"key":"{key}","size":1,"chunks":2000}}'
    event = decode_event(
        f'{{"type":"EventRaised","timestamp":"{"2026-01-01T00:00:00.000000Z"}","name":"x","data":{ref}}}'
    )
    assert isinstance(event, EventRaised)
    assert isinstance(event.data, PayloadRef)
    limits.check_keys(chunk_keys(event.data.key, event.data.chunks), blobs=True)


@pytest.mark.parametrize(
    "data",
    [
        [0, 10**9],
        [0, MAX_IDS + 1],
        [0, MAX_IDS, MAX_IDS + 1, 1],
        [2**32, 1],
        [-1, 1],
        [0],
        [0, 0],
        [3, 1, 1, 1],
        [0, 2, 2, 1],
        ["0", 1],
        [0.0, 1],
        [True, 1],
        {"0": 1},
        None,
        "01",
    ],
)
def test_a_set_of_ids_that_an_instance_cannot_have_is_refused(data: Any):
    with pytest.raises(ShapeError):
        IdSet.from_json(data)


def test_the_largest_set_of_ids_comes_back():
    numbers = IdSet.from_json([0, MAX_IDS - 1, 0xFFFFFFFF, 1])
    assert (len(numbers), 0xFFFFFFFF in numbers) == (MAX_IDS, True)
    assert IdSet.from_json(numbers.to_json()) == numbers


# --- under a Functions host ------------------------------------------------------------------------------


def test_no_message_says_of_itself_what_only_the_host_of_its_function_knows():
    # A host puts each property of a message over what it knows itself, whatever its case. An id is a text either way.
    keys = {key for message in (*DOORBELLS.values(), *WORK_ITEMS.values()) for key in json.loads(message.encode())}
    assert {"instanceId", "input", "poisoned"} <= keys
    assert {key.lower() for key in keys} & ({name.lower() for name in OF_THE_HOST} - {"id"}) == set()
