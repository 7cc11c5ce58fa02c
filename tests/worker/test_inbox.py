"""Whatever lies in an inbox, and however often: each event takes effect once, in its sender's order, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event, EventRaised, PayloadRef, TaskCompleted, TaskFailed
from azure_durable_py.taskhub.messages import ANY, InboxEvent, Target
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import CorruptRowError, InboxRow, Loaded
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance.inbox import (
    CLIENT_MEMORY,
    Accepted,
    accept,
    completed_task,
    forget_clients,
    horizon,
    matches,
    readable,
    without_lost,
)
from tests.taskhub.building import T0

UNHURRIED = settings(deadline=None)
NOW = T0 + timedelta(hours=1)
OPEN = frozenset({1, 2, 3})
"""The tasks that wait for an answer."""
MINE = Target("e1", 4, 0)
OTHERS = (Target("e0"), Target("e1", 3), Target("e1", 4, 1), Target("e2", 4, 0))


def fresh() -> InstanceState:
    return InstanceState("e1", T0, generation=4)


# Few senders with few numbers, so that most of what arrives has arrived before.
TARGETS = st.sampled_from([ANY, MINE, Target("e1"), *OTHERS])
INSTANCES = st.sampled_from(["one:e1", "two:e1", "two:e2"])
CLIENTS = st.sampled_from(["client:x", "client:y"])
VALUES = st.sampled_from([None, "1", PayloadRef("30-payload-a-0000", 9, 2), PayloadRef("30-payload-b-0000", 9, 1)])


def told(sender: str, number: int, value: object, target: Target) -> InboxEvent:
    sent_at = T0 + timedelta(seconds=number)
    return InboxEvent(EventRaised(sent_at, f"{sender}/{number}", value), sender, number, sent_at, target)  # type: ignore[arg-type]


def answer(task_id: int, number: int, value: object, target: Target) -> InboxEvent:
    sent_at = T0 + timedelta(seconds=number)
    return InboxEvent(TaskCompleted(sent_at, task_id, value), f"child-{task_id}:e", number, sent_at, target)  # type: ignore[arg-type]


NUMBERS = st.integers(0, 5)
# What has one sender and number has one content.
TOLD = st.builds(told, INSTANCES | CLIENTS, NUMBERS, st.just("1"), TARGETS)
ANSWERS = st.builds(answer, st.integers(0, 4), NUMBERS, VALUES, TARGETS)
JUNK_ROWS = st.builds(InboxRow, st.just("1-junk"), st.sampled_from([b"", b"{}", b"\xff", b'{"event":1}']))
ROWS = st.lists(TOLD.map(InboxEvent.row) | ANSWERS.map(InboxEvent.row) | JUNK_ROWS, max_size=30)


class Instance:
    """Takes row after row, and knows which tasks are answered since."""

    def __init__(self) -> None:
        self.state = fresh()
        self.open = set(OPEN)
        self.taken: list[InboxEvent] = []
        self.consumed: list[str] = []
        self.set_aside = 0

    def take(self, rows: list[InboxRow]) -> Accepted:
        accepted = accept("one", self.state, rows, self.open.__contains__, NOW)
        self.open -= {task for event in accepted.events if (task := completed_task(event.event)) is not None}
        self.taken += accepted.events
        self.consumed += accepted.consumed
        self.set_aside += len(accepted.quarantined)
        return accepted


def taken_of(rows: list[InboxRow], *cuts: int) -> Instance:
    """What an instance takes of rows that come in batches."""
    instance, bounds = Instance(), sorted({0, len(rows), *cuts})
    for begin, end in pairwise(bounds):
        instance.take(rows[begin:end])
    return instance


@UNHURRIED
@given(ROWS)
def test_nothing_takes_effect_twice(rows: list[InboxRow]):
    taken = taken_of(rows).taken
    told_by = [(event.sender, event.sequence) for event in taken if completed_task(event.event) is None]
    answered = [task for event in taken if (task := completed_task(event.event)) is not None]
    assert len(told_by) == len(set(told_by))
    assert len(answered) == len(set(answered))
    assert set(answered) <= OPEN


@UNHURRIED
@given(ROWS)
def test_what_an_instance_sent_takes_effect_in_the_order_of_its_numbers(rows: list[InboxRow]):
    numbers: dict[str, list[int]] = {}
    for event in taken_of(rows).taken:
        if completed_task(event.event) is None and not event.sender.startswith("client:"):
            numbers.setdefault(event.sender, []).append(event.sequence)
    assert all(found == sorted(found) for found in numbers.values())


@UNHURRIED
@given(ROWS)
def test_only_what_is_for_this_incarnation_takes_effect_and_the_rest_leaves_no_trace(rows: list[InboxRow]):
    def is_mine(row: InboxRow) -> bool:
        return not row.key.startswith("1-junk") and InboxEvent.decode(row.body).target not in OTHERS

    found = taken_of(rows)
    alone = taken_of([row for row in rows if is_mine(row)])
    assert found.taken == alone.taken
    assert found.state == alone.state


@UNHURRIED
@given(ROWS, st.lists(st.integers(0, 30), max_size=5))
def test_it_makes_no_difference_where_rows_are_cut_into_batches(rows: list[InboxRow], cuts: list[int]):
    whole, cut = taken_of(rows), taken_of(rows, *(at for at in cuts if at < len(rows)))
    assert (cut.taken, cut.consumed, cut.state, cut.set_aside) == (
        whole.taken,
        whole.consumed,
        whole.state,
        whole.set_aside,
    )


@UNHURRIED
@given(st.lists(st.tuples(CLIENTS, NUMBERS), max_size=20))
def test_what_clients_sent_takes_effect_in_whatever_order_it_comes(sent: list[tuple[str, int]]):
    taken = taken_of([told(client, number, "1", ANY).row() for client, number in sent]).taken
    assert [(event.sender, event.sequence) for event in taken] == list(dict.fromkeys(sent))


@UNHURRIED
@given(st.dictionaries(INSTANCES, st.integers(1, 5)), st.data())
def test_what_came_in_order_takes_effect_once_however_often_some_of_it_comes_again(
    counts: dict[str, int], data: st.DataObject
):
    sent = [told(sender, number, "1", MINE) for sender, count in counts.items() for number in range(count)]
    rows: list[InboxRow] = []
    for event in sent:
        rows.append(event.row())
        rows += data.draw(st.lists(st.sampled_from(rows), max_size=2))
    assert taken_of(rows).taken == sent


@UNHURRIED
@given(ROWS)
def test_every_row_is_consumed_and_what_cannot_be_read_is_set_aside(rows: list[InboxRow]):
    instance = Instance()
    accepted = instance.take(rows)
    assert accepted.consumed == [row.key for row in rows]
    assert [row.key for row in accepted.rows] == [event.key for event in accepted.events]
    junk = [row for row in rows if row.key.startswith("1-junk")]
    assert bool(accepted.quarantined) is bool(junk)
    # What the others refer to is of no use to anybody any more, whether or not they took effect.
    assert accepted.spent == payload_rows(event.event for event in readable(rows))


@given(ANSWERS)
def test_an_answer_names_its_task_and_the_rows_of_its_value(event: InboxEvent):
    assert isinstance(event.event, TaskCompleted)
    assert completed_task(event.event) == event.event.task_id
    value = event.event.result
    assert payload_rows(found.event for found in readable([event.row()])) == (
        chunk_keys(value.key, value.chunks) if isinstance(value, PayloadRef) else []
    )


@given(TARGETS, st.sampled_from(["e1", "e2"]), st.integers(3, 5), st.integers(0, 1))
def test_a_message_is_for_the_incarnation_that_it_names_as_far_as_it_names_one(
    target: Target, execution: str, generation: int, attempt: int
):
    state = replace(fresh(), execution_id=execution, generation=generation, attempt=attempt)
    named = [
        (target.execution_id, execution),
        (target.generation, generation),
        (target.attempt, attempt),
    ]
    assert matches(target, state) is all(wanted is None or wanted == found for wanted, found in named)


@UNHURRIED
@given(st.lists(st.sampled_from(["it", "lost"]), max_size=5))
def test_a_task_whose_result_is_lost_fails_and_the_other_events_are_what_they_were(fates: list[str]):
    sent = [answer(number, number, "1", ANY) if number % 2 else told("one:e1", number, "1", ANY) for number in range(5)]
    state = fresh()
    accepted = accept("one", state, [event.row() for event in sent], {1, 3}.__contains__, NOW)
    fates += ["it"] * (len(sent) - len(fates))
    filled: list[Event | CorruptRowError] = [
        CorruptRowError("row 'x' is missing") if fate == "lost" else event.event
        for fate, event in zip(fates, sent, strict=True)
    ]
    events = without_lost("one", accepted, filled)
    lost = [event.event for fate, event in zip(fates, sent, strict=True) if fate == "lost"]
    kept = [event.event for fate, event in zip(fates, sent, strict=True) if fate == "it"]
    assert [event for event in events if not isinstance(event, TaskFailed)] == kept
    failed = [event for event in events if isinstance(event, TaskFailed)]
    assert [event.task_id for event in failed] == [event.task_id for event in lost if isinstance(event, TaskCompleted)]
    assert all(isinstance(event.failure, FailureDetails) for event in failed)
    assert bool(accepted.quarantined) is bool(lost)


@given(st.integers(-30, 30), st.booleans())
def test_a_doorbell_answers_for_the_rows_of_its_load_and_for_what_was_sent_soon_after(minutes: int, more: bool):
    last = told("one:e1", 0, "1", ANY).row()
    later = replace(told("two:e1", 1, "1", ANY), sent_at=NOW + timedelta(minutes=minutes)).row()
    found = horizon(Loaded(None, (last,), more), NOW)
    assert last.key <= found
    if more:
        assert (later.key < found) is (minutes < 5)
    else:
        assert found == last.key
    assert not horizon(Loaded(None, (), False), NOW)


def test_a_client_is_forgotten_when_nothing_of_it_can_come_again():
    state = fresh()
    accept("one", state, [told("client:x", 0, "1", ANY).row()], OPEN.__contains__, NOW)
    forget_clients(state, NOW + CLIENT_MEMORY)
    assert list(state.clients) == ["client:x"]
    forget_clients(state, NOW + CLIENT_MEMORY + timedelta(microseconds=1))
    assert not state.clients
