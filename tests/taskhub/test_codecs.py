"""Whatever is written comes back as it was, whatever it holds; what nobody wrote is refused with the declared error.

`test_messages` and `test_damaged_state` hold chosen records, and damage done to them; here they are made up at random.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from azure_durable_py import shape
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import (
    decode_event,
    decode_failure,
    decode_value,
    encode_event,
    encode_failure,
    encode_value,
    event_from_json,
    event_to_json,
    map_values,
    payload_refs,
)
from azure_durable_py.history.events import ContinuedAsNew, Decision, Event, PayloadRef, TimerCreated
from azure_durable_py.shape import LARGEST, ShapeError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder, Summary, is_runnable
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import Cause, Doorbell, InboxEvent, MalformedMessageError, WorkItem
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.numbering import LAST_DECISION, decision_of, number_of
from azure_durable_py.taskhub.outgoing import (
    Deliver,
    ResumeChild,
    RunActivity,
    Send,
    Sender,
    StartChild,
    StartNew,
    child_execution,
    from_message,
    is_send,
    outgoing_of,
    outlives,
    queued_sends,
    replacement,
    to_message,
)
from azure_durable_py.taskhub.payloads import (
    Spill,
    decode_ref,
    encode_ref,
    from_blobs,
    is_large,
    pack,
    to_blobs,
    unpack,
)
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, CorruptRowError
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
from tests.generating import (
    ADDRESSES,
    COUNTS,
    EVENTS,
    FAILURES,
    ID_SETS,
    INBOX_EVENTS,
    JSON,
    KEYS,
    KINDS,
    MOMENTS,
    NUMBERS,
    REFS,
    TASK_IDS,
    TEXTS,
    VALUES,
    WORDS,
    records,
)
from tests.taskhub.building import T0

# The first example of a strategy this large takes its time; how fast an encoding is, others measure.

UNHURRIED = settings(deadline=None, max_examples=60)


# --- events ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_event_comes_back_as_it_was_written(kind: type[Event]):
    @UNHURRIED
    @given(records(kind))
    def comes_back(event: Event) -> None:
        assert decode_event(encode_event(event)) == event
        assert event_from_json(event_to_json(event)) == event

    comes_back()


def test_there_is_a_strategy_for_every_kind_of_event_that_is_known():
    assert len(KINDS) >= 27
    for kind in KINDS:
        with pytest.raises(ShapeError, match="needs this field"):
            event_from_json({"type": kind.__name__})


@given(JSON)
@example({"type": "TaskCompleted"})
def test_json_that_is_no_event_is_refused(data: Any):
    with pytest.raises(ShapeError):
        event_from_json(data)


@given(TEXTS)
def test_text_that_is_no_event_is_refused(text: str):
    with pytest.raises(ShapeError):
        decode_event(text)


@UNHURRIED
@given(EVENTS, st.sampled_from(["type", "timestamp", "task_id", "id", "name", "failure", "fire_at"]), JSON)
def test_an_event_with_another_field_is_refused_or_is_the_event_with_that_field(event: Event, name: str, content: Any):
    changed = {**event_to_json(event), name: content}
    try:
        found = event_from_json(changed)
    except ShapeError:
        return
    assert event_from_json(event_to_json(found)) == found


@UNHURRIED
@given(FAILURES)
def test_a_failure_comes_back_as_it_was_written(failure: FailureDetails):
    assert decode_failure(json.loads(json.dumps(encode_failure(failure)))) == failure


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_a_time_is_the_same_moment_whatever_its_zone(moment: datetime, minutes: int):
    elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert to_iso(elsewhere) == to_iso(moment)
    assert shape.time(to_iso(elsewhere)) == moment


@given(MOMENTS, MOMENTS)
def test_times_sort_as_their_texts_do(one: datetime, other: datetime):
    assert (one < other) is (to_iso(one) < to_iso(other))


@given(VALUES)
def test_a_value_comes_back_as_it_was_written(value: Any):
    assert decode_value(encode_value(value)) == value


@UNHURRIED
@given(EVENTS)
def test_every_value_of_an_event_can_be_changed_and_nothing_else_is(event: Event):
    assert map_values(event, lambda value: value) is event or isinstance(event, ContinuedAsNew)
    assert map_values(event, lambda value: value) == event
    without = map_values(event, lambda value: None)
    assert list(payload_refs([without])) == []
    assert type(without) is type(event)
    assert without.timestamp == event.timestamp


# --- envelopes -------------------------------------------------------------------------------------

DOORBELLS = st.builds(
    Doorbell,
    ADDRESSES,
    WORDS,
    st.sampled_from(Cause),
    st.text(max_size=50),
    COUNTS,
    st.text(max_size=5),
    COUNTS,
)
ITEMS = st.builds(
    WorkItem,
    WORDS,
    ADDRESSES,
    WORDS,
    COUNTS,
    COUNTS,
    TASK_IDS,
    TEXTS,
    VALUES,
    st.none() | MOMENTS,
    COUNTS,
    COUNTS,
    st.text(max_size=5),
    COUNTS,
)


@UNHURRIED
@given(INBOX_EVENTS)
def test_an_inbox_event_comes_back_as_it_was_written(event: InboxEvent):
    row = event.row()
    assert InboxEvent.decode(row.body) == event
    limits.check_inbox("one", [row])


@given(DOORBELLS)
def test_a_doorbell_comes_back_as_it_was_written(doorbell: Doorbell):
    assert Doorbell.decode(doorbell.encode()) == doorbell
    limits.check_message(doorbell.encode(), 0)


@given(ITEMS)
def test_a_work_item_comes_back_as_it_was_written(item: WorkItem):
    assert WorkItem.decode(item.encode()) == item
    limits.check_message(item.encode(), 0)


@given(DOORBELLS, ITEMS, WORDS)
def test_a_message_that_is_put_back_keeps_its_id_and_counts_up(doorbell: Doorbell, item: WorkItem, tag: str):
    for message in (doorbell, item):
        again = message.put_back(tag)
        assert (again.id, again.again, again.tag) == (message.id, message.again + 1, tag)


@pytest.mark.parametrize("decode", [Doorbell.decode, WorkItem.decode, InboxEvent.decode])
def test_what_is_no_envelope_is_refused(decode: Callable[[Any], object]):
    @UNHURRIED
    @given(JSON.map(json.dumps) | TEXTS | ITEMS.map(WorkItem.encode).map(lambda text: text[:-1]))
    def refuses(text: str) -> None:
        with pytest.raises(MalformedMessageError):
            decode(text)

    refuses()


@UNHURRIED
@given(INBOX_EVENTS, INBOX_EVENTS)
def test_the_keys_of_a_sender_sort_control_first_then_by_time_then_by_number(one: InboxEvent, other: InboxEvent):
    def of_one_sender(event: InboxEvent) -> InboxEvent:
        return InboxEvent(event.event, "s", event.sequence, event.sent_at, event.target, event.control)

    def order(event: InboxEvent) -> tuple[bool, datetime, int]:
        return (not event.control, event.sent_at, event.sequence)

    assert (order(one) < order(other)) is (of_one_sender(one).key < of_one_sender(other).key)


# --- headers ---------------------------------------------------------------------------------------

ENCODED = EVENTS.map(encode_event)
# Some of each list: what a header holds is tried field by field, not how much fits into it.
FEW = {"max_size": 2}
PAGES = st.builds(PageRef, KEYS, st.integers(1, 2_000), NUMBERS, st.lists(KEYS, **FEW).map(tuple))
SEQUENCES = NUMBERS
STARTED = st.builds(
    StartNew, SEQUENCES, ADDRESSES, WORDS, TEXTS, VALUES, st.none() | TEXTS, MOMENTS, st.none() | MOMENTS
)
# Generations and attempts share a part of the numbers of what is sent.
ROUNDS = st.integers(0, 3) | st.integers(0, 0x3FFFFFFF)
SENDERS = st.builds(Sender, ADDRESSES, TEXTS, WORDS, ROUNDS, ROUNDS)


@st.composite
def children(draw: st.DrawFn) -> StartChild:
    created = draw(records(next(kind for kind in KINDS if kind.__name__ == "SubOrchestrationCreated")))
    sender = draw(SENDERS)
    started = outgoing_of(sender, dataclasses.replace(created, attempt=sender.attempt), draw(MOMENTS))
    assert isinstance(started, StartChild)
    return StartChild(started.number, draw(ADDRESSES), started.name, started.input, started.version, started.parent)


DELIVERIES = st.builds(Deliver, SEQUENCES, ADDRESSES, INBOX_EVENTS)
RESUMED = st.builds(ResumeChild, children(), ROUNDS)
SENDS: st.SearchStrategy[Send] = st.one_of(children(), RESUMED, STARTED, DELIVERIES)


@st.composite
def states(draw: st.DrawFn) -> InstanceState:
    groups = draw(st.lists(st.tuples(st.text(max_size=5), MOMENTS, ID_SETS), **FEW))
    sends = draw(st.lists(st.tuples(MOMENTS, ID_SETS), **FEW))
    messages = draw(st.lists(SENDS.map(to_message), **FEW))
    queued = bool(sends or messages)
    ranks = st.tuples(COUNTS, st.text(max_size=5), COUNTS)
    handles = st.none() | st.tuples(TEXTS | NUMBERS, TEXTS | NUMBERS)
    return InstanceState(
        execution_id=draw(WORDS),
        turn_time=draw(MOMENTS),
        generation=draw(ROUNDS),
        attempt=draw(ROUNDS),
        sequence=draw(NUMBERS),
        parent=draw(st.none() | children().map(lambda child: child.parent)),
        start_at=draw(st.none() | MOMENTS),
        pending=draw(st.lists(ENCODED, **FEW) | REFS),
        activities=[ActivityGroup(*group) for group in groups],
        sends=[SendGroup(*group) for group in sends],
        messages=messages,
        # Of an empty queue nobody is the guard: that is not written.
        queue_guard=draw(WORDS) if queued else "",
        queued_at=draw(MOMENTS) if queued else None,
        arming=draw(st.none() | st.builds(Arming, WORDS, MOMENTS)),
        alarm=draw(st.none() | st.builds(Alarm, st.text(max_size=5), MOMENTS, handles)),
        marks=draw(st.dictionaries(WORDS, st.builds(Mark, ranks, MOMENTS, COUNTS), **FEW)),
        senders=draw(st.dictionaries(TEXTS, NUMBERS, **FEW)),
        sender_pages=draw(st.lists(st.builds(SenderPage, KEYS, st.integers(1, 2_000), MOMENTS, MOMENTS), **FEW)),
        latest_sent=draw(st.none() | MOMENTS),
        clients=draw(st.dictionaries(TEXTS, st.builds(ClientMemory, ID_SETS, MOMENTS), **FEW)),
        timers=draw(st.dictionaries(TASK_IDS, MOMENTS, max_size=5)),
        children=draw(ID_SETS),
        pages=draw(st.lists(PAGES, **FEW)),
        tail=Tail(draw(st.lists(ENCODED, **FEW))),
        locks=draw(st.lists(st.tuples(TEXTS, TEXTS), **FEW)),
        garbage=draw(st.lists(KEYS, **FEW)),
        # An entity that remembers nothing is not written.
        entity=draw(st.none() | entities().map(lambda entity: entity.to_json() or None)),
    )


@st.composite
def entities(draw: st.DrawFn) -> EntityState:
    # A page without events is never written.
    backlog = st.builds(PageRef, KEYS, st.integers(1, 2_000), st.integers(1, 1_000_000))
    return EntityState(
        last_operation=draw(st.none() | MOMENTS),
        holder=draw(st.none() | st.builds(LockHolder, TEXTS, ADDRESSES, TEXTS, MOMENTS)),
        waiters=draw(st.dictionaries(TEXTS, ADDRESSES, **FEW)),
        front=draw(st.lists(ENCODED, **FEW)),
        pages=draw(st.lists(backlog, **FEW)),
        tail=draw(st.lists(ENCODED, **FEW)),
        scheduled=draw(st.dictionaries(NUMBERS, ENCODED, **FEW)),
    )


@UNHURRIED
@given(states())
def test_a_state_comes_back_as_it_was_written(state: InstanceState):
    found = InstanceState.decode(state.encode())
    assert found == state
    # The senders that were heard of last leave the header last.
    assert list(found.senders) == list(state.senders)
    assert found.earliest == state.earliest


@UNHURRIED
@given(states(), TASK_IDS)
def test_a_turn_on_a_copy_of_a_state_leaves_the_state_alone(state: InstanceState, number: int):
    before, copy = state.encode(), state.copy()
    assert copy == state
    copy.children.add(number)
    copy.children.discard(number)
    for ids in (*(group.ids for group in copy.activities), *(group.ids for group in copy.sends)):
        ids.add(number)
        ids.discard(number)
    for memory in copy.clients.values():
        memory.seen.add(number)
        memory.last = T0
    copy.senders["x"] = copy.timers.setdefault(number, T0).year
    for held in (copy.locks, copy.garbage, copy.pages, copy.messages, copy.sender_pages, copy.activities):
        held.clear()
    copy.tail.extend(["{}"])
    copy.marks.clear()
    assert state.encode() == before


@UNHURRIED
@given(states())
def test_a_guard_is_needed_as_long_as_something_names_it(state: InstanceState):
    named = {
        *(group.guard for group in state.activities),
        *([state.queue_guard] if state.has_sends else []),
        *([state.arming.guard] if state.arming else []),
        *([state.alarm.doorbell] if state.alarm else []),
    }
    assert all(state.names(guard) for guard in named)
    assert not state.names("\n no guard has this id \n")


@given(JSON)
def test_json_that_is_no_state_is_refused(data: Any):
    with pytest.raises(CorruptRowError):
        InstanceState.decode(pack(json.dumps(data), Record.header))


@UNHURRIED
@given(entities())
def test_an_entity_comes_back_as_it_was_written(entity: EntityState):
    state = InstanceState("e1", T0, entity=entity.to_json())
    stored = InstanceState.decode(state.encode())
    assert EntityState.of(stored) == entity
    assert is_runnable(stored) is entity.is_runnable
    assert not (entity.is_idle and entity.is_runnable)
    summary = Summary.of(entity)
    assert Summary.decode(summary.encode()) == summary
    assert (summary.backlog_size == 0) or not entity.is_idle


@given(JSON)
def test_json_that_is_no_entity_is_refused_or_means_something(data: Any):
    state = InstanceState("e1", T0, entity=data)
    try:
        entity = EntityState.of(state)
    except CorruptRowError:
        return
    assert EntityState.of(InstanceState("e1", T0, entity=entity.to_json())) == entity


@given(TEXTS | JSON.map(json.dumps))
def test_text_that_is_no_summary_is_refused_or_means_something(text: str):
    try:
        summary = Summary.decode(text)
    except CorruptRowError:
        return
    assert Summary.decode(summary.encode()) == summary


# --- values in rows --------------------------------------------------------------------------------

LONG_TEXTS = st.builds(lambda text, times: text * times, TEXTS, st.sampled_from([1, 100, 5_000]))


@given(LONG_TEXTS)
def test_packed_text_is_unpacked_whole_and_never_past_its_bound(text: str):
    packed, size = pack(text, Record.payload), len(text.encode("utf-8", "surrogatepass"))
    assert unpack(packed, Record.payload, size) == text
    assert len(packed) <= size + 3
    if size:
        with pytest.raises(ShapeError):
            unpack(packed, Record.payload, size - 1)


@given(st.binary(max_size=40), st.sampled_from([b"", b"D", b"D\x01p", b"D\x01z", b"1"]))
def test_bytes_that_nobody_packed_are_refused_or_are_text(rest: bytes, mark: bytes):
    try:
        text = unpack(mark + rest, Record.payload)
    except (ShapeError, NewerFormatError):
        return
    assert unpack(pack(text, Record.payload), Record.payload) == text


@given(LONG_TEXTS.filter(lambda text: len(text) > 4_200), st.data())
def test_compressed_text_that_lost_its_end_is_refused(text: str, data: st.DataObject):
    packed = pack(text, Record.payload)
    assert packed[2:3] == b"z"
    with pytest.raises(ShapeError):
        unpack(packed[: data.draw(st.integers(0, len(packed) - 1))], Record.payload)


@settings(UNHURRIED, max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 5), st.randoms(use_true_random=False))
def test_a_value_of_many_rows_comes_back_whatever_their_order(seed: int, megabytes: int, dice: random.Random):
    text = random.Random(seed).randbytes(megabytes * 500_000).hex()
    ref, rows = to_blobs("30-payload-x-0000", text)
    assert (ref.size, ref.chunks) == (len(text), len(rows))
    assert [row.key for row in rows] == chunk_keys(ref.key, ref.chunks) == sorted(row.key for row in rows)
    assert all(0 < len(row.body) <= MAX_BODY_BYTES for row in rows)
    dice.shuffle(rows)
    bodies = {row.key: row.body for row in rows}
    assert from_blobs(ref.key, ref.chunks, bodies, ref.size) == text
    del bodies[rows[0].key]
    with pytest.raises(CorruptRowError, match="is missing"):
        from_blobs(ref.key, ref.chunks, bodies, ref.size)


@given(REFS)
def test_a_reference_comes_back_as_it_was_written(ref: PayloadRef):
    assert decode_ref(encode_ref(ref)) == ref


@given(st.lists(st.sampled_from(["", "small", "x" * 20_000, "y" * 20_000, "日" * 6_000]), max_size=6))
def test_large_values_leave_their_event_once_each_and_the_same_way_on_every_attempt(values: list[str]):
    first, second = Spill("turn"), Spill("turn")
    spilled = [first.value(value) for value in values]
    assert spilled == [second.value(value) for value in values]
    assert first.rows == second.rows
    assert len(first.rows) == len({value for value in values if is_large(value)})
    bodies = {row.key: row.body for row in first.rows}
    for value, kept in zip(values, spilled, strict=True):
        assert isinstance(kept, PayloadRef) is is_large(value)
        assert value == (from_blobs(kept.key, kept.chunks, bodies) if isinstance(kept, PayloadRef) else kept)


# --- the outbox ------------------------------------------------------------------------------------

DECISIONS = EVENTS.filter(lambda event: isinstance(event, Decision) and not isinstance(event, TimerCreated))


@UNHURRIED
@given(SENDS)
def test_a_send_comes_back_from_its_outbox_message_as_it_was(send: Send):
    message = to_message(send)
    assert (message.number, message.target) == (send.number, send.target)
    assert from_message(message) == send


@given(NUMBERS, TEXTS, TEXTS | JSON.map(json.dumps), st.sampled_from(SendKind))
def test_what_is_no_outbox_message_is_refused(number: int, target: str, body: str, kind: SendKind):
    with pytest.raises(CorruptRowError):
        from_message(OutboxMessage(number, target, kind, body))


@UNHURRIED
@given(SENDERS, DECISIONS, MOMENTS)
def test_a_decision_is_handed_over_under_the_number_of_its_generation_attempt_and_id(
    sender: Sender, decision: Any, committed_at: datetime
):
    outgoing = outgoing_of(sender, decision, committed_at)
    assert outgoing == outgoing_of(sender, decision, committed_at)
    assert is_send(decision) is not isinstance(outgoing, RunActivity)
    assert is_send(decision) or not outlives(decision)
    if isinstance(outgoing, RunActivity):
        assert outgoing.task_id == decision.id
    else:
        assert outgoing.number == number_of(sender.generation, sender.attempt, decision.id)
        assert decision_of(outgoing.number) == decision.id
        assert outgoing.number <= sender.number(LAST_DECISION) <= LARGEST
        assert outgoing.target == decision.instance_id
    if isinstance(outgoing, Deliver):
        assert (outgoing.event.sender, outgoing.event.sequence) == (sender.incarnation, outgoing.number)
        assert outgoing.event.sent_at == committed_at


@UNHURRIED
@given(SENDERS, st.lists(SENDS, max_size=4), st.dictionaries(st.integers(0, 30), DECISIONS, max_size=4))
def test_the_queue_of_sends_holds_each_send_once_in_the_order_of_their_numbers(
    sender: Sender, messages: list[Send], decisions: dict[int, Event]
):
    state = InstanceState("e1", T0, messages=[to_message(send) for send in messages])
    state.sends = [SendGroup(T0, IdSet(decisions))]
    found = queued_sends(sender, state, decisions.__getitem__)
    assert [send.number for send in found] == sorted(send.number for send in found)
    assert len(found) == len(messages) + sum(map(is_send, decisions.values()))


@UNHURRIED
@given(DELIVERIES)
def test_what_takes_the_place_of_an_answer_answers_the_same_task_and_nothing_else_is_replaced(send: Deliver):
    found = replacement(send, ValueError("too large"))
    task_id = getattr(send.event.event, "task_id", None)
    if found is None:
        assert task_id is None or type(send.event.event).__name__ in ("TimerFired", "EntityLockGranted")
        return
    assert (found.number, found.target, found.event.key) == (send.number, send.target, send.event.key)
    answer: Any = found.event.event
    assert (answer.task_id, answer.failure.error_type) == (task_id, "ValueError")


@given(SENDERS, SENDERS, TASK_IDS, TASK_IDS)
def test_two_tasks_never_start_the_same_execution(one: Sender, other: Sender, task: int, another: int):
    same = (task, one.instance_id, one.execution_id, one.generation, one.attempt) == (
        another,
        other.instance_id,
        other.execution_id,
        other.generation,
        other.attempt,
    )
    assert (child_execution(one, task, one.attempt) == child_execution(other, another, other.attempt)) is same


@given(children(), ROUNDS)
def test_whichever_attempt_waits_for_a_child_it_is_the_execution_that_was_decided(start: StartChild, attempt: int):
    resume = ResumeChild(
        dataclasses.replace(start, parent=dataclasses.replace(start.parent, attempt=attempt)), start.parent.attempt
    )
    assert resume.execution_id == start.execution_id
    assert (resume.number, resume.target) == (start.number, start.target)
