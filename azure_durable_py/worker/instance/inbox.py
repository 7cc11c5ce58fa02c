"""Decides which events of an inbox take effect: dedupe, matching, quarantine.

Pure: works on a copy of an instance's state that a commit may or may not make true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
)
from azure_durable_py.taskhub.damage import quarantine
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import CLIENT_SENDER, InboxEvent, MalformedMessageError, Target
from azure_durable_py.taskhub.naming import inbox_keys_until
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import BlobRow, CorruptRowError, InboxRow, Loaded
from azure_durable_py.taskhub.state import ClientMemory, InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.instance.sender_memory import note_sender

HORIZON = timedelta(minutes=5)
"""How far clocks may be apart where keys must be compared with the time."""

_FAILURE_OF: dict[type[Event], type[TaskFailed | SubOrchestrationFailed | EntityOperationFailed]] = {
    TaskCompleted: TaskFailed,
    SubOrchestrationCompleted: SubOrchestrationFailed,
    EntityOperationCompleted: EntityOperationFailed,
}

CLIENT_MEMORY = timedelta(minutes=10)
"""How long a client's consumed events are remembered past the last of them (PROTOCOL R12)."""


@dataclass(slots=True)
class Accepted:
    """What a turn takes from the inbox.

    `events` take effect, in order; `rows` are the rows that they came in. `consumed` are the keys of all rows
    that the commit deletes, those without effect included. `quarantined` keep what could not be read. `spent` are
    the payload rows of what was consumed: of no use any more to who has copied the values, or takes none. `vain` are
    locks that were granted to an execution which is not there any more.
    """

    events: list[InboxEvent] = field(default_factory=lambda: [])
    rows: list[InboxRow] = field(default_factory=lambda: [])
    consumed: list[str] = field(default_factory=lambda: [])
    quarantined: list[BlobRow] = field(default_factory=lambda: [])
    spent: list[str] = field(default_factory=lambda: [])
    vain: list[InboxEvent] = field(default_factory=lambda: [])


def accept(
    instance_id: str,
    state: InstanceState,
    rows: Sequence[InboxRow],
    is_open: Callable[[int], bool],
    now: datetime,
) -> Accepted:
    """Take rows in order, remembering in `state` what must not take effect again.

    A row of a version to come stays where it is, and all behind it, so that nothing overtakes it.

    :param is_open: whether a task id of this generation still waits for its answer.
    :raises NewerFormatError: the first row is one of a version to come.
    """
    accepted = Accepted()
    answered: set[int] = set()
    for row in rows:
        try:
            event = InboxEvent.decode(row.body)
        except MalformedMessageError as error:
            accepted.consumed.append(row.key)
            accepted.quarantined += quarantine(instance_id, row.key, row.body, error)
            continue
        except NewerFormatError:
            if not accepted.consumed:
                raise
            break
        accepted.consumed.append(row.key)
        accepted.spent += payload_rows([event.event])
        if isinstance(event.event, EntityLockGranted) and not matches(event.target, state):
            accepted.vain.append(event)
        if _takes_effect(state, event, is_open, answered, row.timestamp or now):
            accepted.events.append(event)
            accepted.rows.append(row)
    return accepted


def readable(rows: Iterable[InboxRow]) -> list[InboxEvent]:
    """The events of inbox rows, without those that cannot be read.

    :raises NewerFormatError: one of them is of a version to come.
    """
    events: list[InboxEvent] = []
    for row in rows:
        try:
            events.append(InboxEvent.decode(row.body))
        except MalformedMessageError:
            continue
    return events


def without_lost(instance_id: str, accepted: Accepted, filled: Sequence[Event | CorruptRowError]) -> list[Event]:
    """The events of a turn, where the rows with the value of one may be missing or damaged.

    Such an event is quarantined. If a task waits for it, the task fails with the reason in its place.

    :param filled: for each accepted event either the event with its values, or why they cannot be read.
    """
    events: list[Event] = []
    for inbox_event, row, found in zip(accepted.events, accepted.rows, filled, strict=True):
        if isinstance(found, Event):
            events.append(found)
            continue
        accepted.quarantined += quarantine(instance_id, row.key, row.body, found)
        answer = _lost_answer(inbox_event.event, found)
        if answer is not None:
            events.append(answer)
    return events


def _lost_answer(event: Event, error: CorruptRowError) -> Event | None:
    failed = _FAILURE_OF.get(type(event))
    task_id = completed_task(event)
    if failed is None or task_id is None:
        return None
    failure = FailureDetails(
        message=f"It returned, but its result is lost: {error}.",
        error_type="azure_durable_py.taskhub.protocol.CorruptRowError",
        base_types=("azure_durable_py.errors.StorageError", "azure_durable_py.errors.DurableError", "Exception"),
    )
    return failed(event.timestamp, task_id, failure)


def horizon(loaded: Loaded, now: datetime) -> str:
    """The key of the last row that a doorbell received before this load was rung for.

    A row is inserted before it is rung for, so all of them are in the load; what comes later has rings of its own. Of
    a load that did not reach the end only the clock can tell: what a sender dated later than `HORIZON` from now is
    beyond it.
    """
    if not loaded.more:
        return loaded.inbox[-1].key if loaded.inbox else ""
    return inbox_keys_until(now + HORIZON)


def matches(target: Target, state: InstanceState) -> bool:
    """Whether a message is for this execution, generation and attempt (PROTOCOL R13)."""
    return (
        target.execution_id in (None, state.execution_id)
        and target.generation in (None, state.generation)
        and target.attempt in (None, state.attempt)
    )


def forget_clients(state: InstanceState, seen_until: datetime) -> None:
    """Drop the memory of clients whose events can no longer arrive again (PROTOCOL R12).

    A repetition that storage took late may lie in the inbox for as long as nobody looks.

    :param seen_until: everything that was in the inbox by then is consumed.
    """
    for name in [name for name, memory in state.clients.items() if seen_until - memory.last > CLIENT_MEMORY]:
        del state.clients[name]


def _takes_effect(
    state: InstanceState,
    event: InboxEvent,
    is_open: Callable[[int], bool],
    answered: set[int],
    taken_at: datetime,
) -> bool:
    if not matches(event.target, state):
        return False
    task_id = completed_task(event.event)
    if task_id is not None:
        if task_id in answered or not is_open(task_id):
            return False
        answered.add(task_id)
        return True
    if event.sender.startswith(CLIENT_SENDER):
        return _first_from_client(state, event, taken_at)
    if event.sequence <= state.senders.get(event.sender, -1):
        return False
    note_sender(state, event)
    return True


def completed_task(event: Event) -> int | None:
    """The id of the task that an event answers; None for other events."""
    return event.task_id if isinstance(event, Answer) else None


def _first_from_client(state: InstanceState, event: InboxEvent, taken_at: datetime) -> bool:
    memory = state.clients.setdefault(event.sender, ClientMemory(IdSet(), taken_at))
    memory.last = max(memory.last, taken_at)
    if event.sequence in memory.seen:
        return False
    memory.seen.add(event.sequence)
    return True
