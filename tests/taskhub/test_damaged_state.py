"""The bodies of headers and the rows of values, damaged: refused with the place, in little time and memory."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.errors import PayloadTooLargeError
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import EventRaised, ParentInstance, PayloadRef, TaskCompleted
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder, Summary
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.outgoing import Deliver, StartChild, StartNew, from_message, to_message
from azure_durable_py.taskhub.payloads import decode_ref, encode_ref, from_blobs, pack, to_blobs, unpack
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.reading import read_pages
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.state import (
    ActivityGroup,
    Alarm,
    Arming,
    ClientMemory,
    InstanceState,
    Mark,
    OutboxMessage,
    PageRef,
    SenderPage,
    SendGroup,
    SendKind,
)
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.taskhub.upgrades import NewerFormatError, Record
from azure_durable_py.times import to_iso
from tests.counting import CountingStore
from tests.taskhub.building import T0
from tests.taskhub.mutating import damaged

PARENT = ParentInstance("parent", "e0", 0, 0, 3, "Parent", T0)
SENDS = (
    StartChild(1, "child", "Child", PayloadRef("30-payload-x", 1, 1), None, PARENT),
    StartNew(2, "new", "e9", "New", "1", "1.0", T0, T0),
    Deliver(3, "other", InboxEvent(EventRaised(T0, "go", "1"), "one:e1", 3, T0)),
)
ENTITY = EntityState(
    last_operation=T0,
    holder=LockHolder("s", "owner", "e1", T0),
    waiters={"s2": "other"},
    front=["a"],
    pages=[PageRef("60-backlog-x", 1, 5)],
    tail=["b"],
    scheduled={4: "c"},
)
STATE = InstanceState(
    execution_id="e1",
    turn_time=T0,
    generation=2,
    attempt=1,
    sequence=7,
    parent=PARENT,
    start_at=T0,
    pending=["x"],
    activities=[ActivityGroup("g1", T0, IdSet([1, 2, 5]))],
    sends=[SendGroup(T0, IdSet([6]))],
    messages=[to_message(send) for send in SENDS],
    queue_guard="g2",
    queued_at=T0,
    arming=Arming("g3", T0),
    alarm=Alarm("d1", T0, ("id", "receipt")),
    marks={"g1": Mark((1, "tag", 2), T0)},
    senders={"one:e1": 3},
    sender_pages=[SenderPage("50-senders-x", 1, T0, T0)],
    latest_sent=T0,
    clients={"client:x": ClientMemory(IdSet([0, 1, 2]), T0)},
    timers={8: T0, 9: T0 + timedelta(days=1)},
    children=IdSet([10]),
    pages=[PageRef("20-history-x", 2, 100, ("30-payload-y-0000",))],
    tail=Tail([encode_event(TaskCompleted(T0, 1, "1"))]),
    locks=[("@counter@a", "s")],
    garbage=["20-history-old-0000"],
    entity=ENTITY.to_json(),
)


def written(state: InstanceState = STATE) -> Any:
    """What the body of a header holds, as JSON values."""
    return json.loads(unpack(state.encode(), Record.header))


def spoiled(**changes: Any) -> bytes:
    head, tail = written()
    return pack(json.dumps([{**head, **changes}, tail]), Record.header)


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_state_comes_back_as_it_was_written():
    assert InstanceState.decode(STATE.encode()) == STATE
    assert EntityState.of(STATE) == ENTITY
    assert tuple(from_message(message) for message in STATE.messages) == SENDS


@settings(deadline=timedelta(seconds=5))
@given(damaged([written()]))
def test_a_damaged_state_is_refused_or_means_something(record: Any):
    try:
        state = InstanceState.decode(pack(json.dumps(record), Record.header))
    except CorruptRowError:
        return
    assert InstanceState.decode(state.encode()) == state
    assert state.copy() == state
    assert state.turn_time + timedelta(microseconds=1)
    try:
        EntityState.of(state)
    except CorruptRowError:
        return


@settings(deadline=timedelta(seconds=5))
@given(damaged([ENTITY.to_json()]))
def test_a_damaged_entity_is_refused_or_means_something(record: Any):
    state = InstanceState("e1", T0)
    state.entity = record
    try:
        entity = EntityState.of(state)
    except CorruptRowError:
        return
    state.entity = entity.to_json()
    assert EntityState.of(state) == entity
    assert entity.backlog_size >= 0


@settings(deadline=timedelta(seconds=5))
@given(damaged([json.loads(message.body) for message in STATE.messages]), st.sampled_from(SendKind))
def test_a_damaged_entry_of_the_outbox_is_refused_or_means_something(record: Any, kind: SendKind):
    try:
        send = from_message(OutboxMessage(1, "target", kind, json.dumps(record)))
    except (CorruptRowError, NewerFormatError):
        return
    assert from_message(to_message(send)) == send


@given(damaged([json.loads(Summary.of(ENTITY).encode())]))
def test_a_damaged_summary_is_refused_or_means_something(record: Any):
    try:
        summary = Summary.decode(json.dumps(record))
    except CorruptRowError:
        return
    assert Summary.decode(summary.encode()) == summary


@given(damaged([json.loads(encode_ref(PayloadRef("30-payload-x", 1, 1)))]))
def test_a_damaged_reference_is_refused_or_means_something(record: Any):
    try:
        ref = decode_ref(json.dumps(record))
    except CorruptRowError:
        return
    assert decode_ref(encode_ref(ref)) == ref


@given(st.binary(max_size=100))
def test_bytes_that_are_no_state_are_refused(body: bytes):
    with pytest.raises((CorruptRowError, NewerFormatError)):
        InstanceState.decode(body)


@pytest.mark.parametrize(
    "changes",
    [
        {"timers": [[to_iso(T0), [0, 10**9]]]},
        {"timers": [[to_iso(T0 + timedelta(seconds=n)), [n * 10**6, 10**6]] for n in range(1000)]},
        {"activities": [["g", to_iso(T0), [0, 10**9]]]},
        {"activities": [["g", to_iso(T0), [0, 10**6]]] * 1000},
        {"sends": [[to_iso(T0), [0, 10**6]]] * 1000},
        {"children": [0, 2**32 - 1]},
        {"pages": [["20-history-x", 30_000_000, 1, []]]},
        {"pages": [["20-history-x", 2_000, 1, []]] * 1000},
        {"pending": {"key": "30-payload-x", "size": 1, "chunks": 30_000_000}},
        {"turnTime": "9999-12-31T23:59:59.999999Z"},
    ],
)
def test_a_state_of_few_bytes_and_much_content_is_refused_at_once(changes: dict[str, Any]):
    body = spoiled(**changes)
    with little_memory(64 * 1024 * 1024), pytest.raises(CorruptRowError):
        InstanceState.decode(body)


def test_a_client_may_have_sent_any_number_of_events():
    state = InstanceState("e1", T0, clients={"client:x": ClientMemory(IdSet.from_json([0, 10**7], most=10**8), T0)})
    assert len(InstanceState.decode(state.encode()).clients["client:x"].seen) == 10**7


async def test_a_long_history_that_is_lost_is_given_up_at_its_first_pages():
    store = CountingStore(SqliteStore(None, hub_name="Long"))
    await store.open()
    pages = [PageRef(f"20-history-{number}", 2_000, 1) for number in range(50)]
    with pytest.raises(CorruptRowError, match="row '20-history-0-0000' is missing"):
        await read_pages(store, "one", pages)
    assert store.calls["get_blobs"] == 1
    await store.close()


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9)
    block = b" " * 1_000_000
    return b"D\x01z" + b"".join(packer.compress(block) for _ in range(size // len(block))) + packer.flush()


def test_a_body_is_never_inflated_past_its_bound():
    body = bomb(400_000_000)
    assert len(body) < 500_000
    with little_memory(160 * 1024 * 1024), pytest.raises(CorruptRowError, match="more than 67108864 bytes"):
        InstanceState.decode(body)
    with little_memory(8 * 1024 * 1024), pytest.raises(CorruptRowError, match="more than 4000 bytes"):
        from_blobs("30-payload-x", 1, {"30-payload-x-0000": body}, 1000)
    with pytest.raises(ShapeError, match="11 bytes where at most 10"):
        unpack(b"D\x01p" + b"x" * 11, Record.header, 10)


def test_a_state_that_nobody_could_read_back_is_not_written(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azure_durable_py.taskhub.state.MAX_STATE_BYTES", 40_000)
    state = InstanceState("e1", T0, senders={"日" * 1000 + str(number): 1 for number in range(14)})
    with pytest.raises(PayloadTooLargeError, match="over 40000 bytes"):
        state.encode()


@pytest.mark.parametrize("text", ["", "x", "日" * 5000, "\ud800\U0010ffff" * 3000])
def test_a_value_comes_back_within_the_size_that_its_reference_tells(text: str):
    ref, rows = to_blobs("30-payload-x", text)
    assert from_blobs(ref.key, ref.chunks, {row.key: row.body for row in rows}, ref.size) == text
