"""The outbox, the inbox and the quarantine of an instance, in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from azure_durable_py.durable_http import HTTP_ACTIVITY
from azure_durable_py.history.events import (
    Answer,
    Decision,
    EntityLockGranted,
    EntityOperationFailed,
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
    SubOrchestrationFailed,
    TaskFailed,
    TaskScheduled,
)
from azure_durable_py.history.rewinding import standing
from azure_durable_py.inspection.looking import Look, readable
from azure_durable_py.inspection.report import DamagedRow, InboxEntry, OutboxEntry
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.naming import RowKind
from azure_durable_py.taskhub.outgoing import Deliver, ResumeChild, RunActivity, Send, Sender, from_message, outgoing_of
from azure_durable_py.taskhub.protocol import BlobRow, CorruptRowError, InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError

MOST_CHARS = 1_000
"""Characters of a reason that are shown."""


# --- the inbox ---------------------------------------------------------------------------------------


def inbox_entries(rows: Iterable[InboxRow]) -> tuple[tuple[InboxEntry, ...], datetime | None, list[DamagedRow]]:
    """What waits in an inbox, the time at which storage took the oldest of it, and what of it cannot be read."""
    entries: list[InboxEntry] = []
    damaged: list[DamagedRow] = []
    oldest: datetime | None = None
    for row in rows:
        if row.timestamp is not None:
            oldest = row.timestamp if oldest is None else min(oldest, row.timestamp)
        try:
            found = InboxEvent.decode(row.body)
        except MalformedMessageError as error:
            damaged.append(DamagedRow(f"{RowKind.inbox.value}{row.key}", str(error)[:MOST_CHARS]))
            entries.append(InboxEntry(row.key, "unreadable", None, "", row.timestamp))
        except NewerFormatError:
            entries.append(InboxEntry(row.key, "unreadable", "of a newer version", "", row.timestamp))
        else:
            what, name = _arrived(found.event)
            entries.append(InboxEntry(row.key, what, name, found.sender, found.sent_at))
    return tuple(entries), oldest, damaged


def backlog_entries(entity: EntityState) -> Iterator[InboxEntry]:
    """What an entity holds back while it is locked, as far as that is in its header."""
    for event in readable([*entity.front, *entity.tail]):
        what, name = _arrived(event)
        match event:
            case OperationArrived(caller=caller) if caller is not None:
                sender = caller.instance_id
            case LockRequestArrived(caller=caller):
                sender = caller.instance_id
            case _:
                sender = ""
        yield InboxEntry("", what, name, sender, event.timestamp)


_CONTROL: dict[type[Event], str] = {
    ExecutionTerminated: "terminate",
    ExecutionSuspended: "suspend",
    ExecutionResumed: "resume",
}


def _arrived(event: Event) -> tuple[str, str | None]:
    match event:
        case EventRaised(name=name):
            return "event", name
        case OperationArrived(operation=operation):
            return "operation", operation
        case LockRequestArrived():
            return "lock", None
        case LockReleaseArrived():
            return "release", None
        case EntityLockGranted():
            return "result", "lock"
        case TaskFailed() | SubOrchestrationFailed() | EntityOperationFailed():
            return "failure", f"of task {event.task_id}"
        case Answer():
            return "result", f"of task {event.task_id}"
        case _:
            return "control", _CONTROL.get(type(event), type(event).__name__)


# --- the outbox --------------------------------------------------------------------------------------


def outbox_entries(look: Look) -> Iterator[OutboxEntry]:
    """What a header names as still to be handed over, in the order in which it came to be."""
    state = look.state
    if state is None:
        return
    if not (state.sends or any(group.guard for group in state.activities)):
        decisions: dict[int, Decision] = {}
    else:
        decisions = standing(look.events).decisions
    sender = Sender.of(look.header.instance_id, look.header.columns.name, state)
    for group in state.activities:
        if group.guard:
            for task_id in group.ids:
                yield OutboxEntry("activity", _activity(decisions.get(task_id)), None, group.committed_at, group.guard)
    yield from _sends(state, sender, decisions)
    if state.arming is not None:
        yield OutboxEntry("alarm", "timer", None, None, state.arming.guard)


def _activity(decision: Decision | None) -> str:
    if not isinstance(decision, TaskScheduled):
        return "(cannot be read)"
    return "HTTP call" if decision.name == HTTP_ACTIVITY else decision.name


def _sends(state: InstanceState, sender: Sender, decisions: dict[int, Decision]) -> Iterator[OutboxEntry]:
    guard = state.queue_guard
    for message in state.messages:
        try:
            send: Send | None = from_message(message)
        except (CorruptRowError, NewerFormatError):
            send = None
        what, name = ("start", "(cannot be read)") if send is None else _sent(send)
        yield OutboxEntry(what, name, message.target, state.queued_at, guard)
    for group in state.sends:
        for task_id in group.ids:
            decision = decisions.get(task_id)
            try:
                outgoing = None if decision is None else outgoing_of(sender, decision, group.sent_at)
            except TypeError:
                outgoing = None
            if outgoing is None or isinstance(outgoing, RunActivity):
                yield OutboxEntry("event", "(cannot be read)", None, group.sent_at, guard)
            else:
                yield OutboxEntry(*_sent(outgoing), outgoing.target, group.sent_at, guard)


def _sent(send: Send) -> tuple[str, str]:
    if not isinstance(send, Deliver):
        return "start", (send.start if isinstance(send, ResumeChild) else send).name
    event = send.event.event
    match event:
        case EventRaised(name=name):
            return "event", name
        case OperationArrived(operation=operation, caller=caller):
            return ("signal" if caller is None else "call"), operation
        case LockRequestArrived():
            return "lock", "lock"
        case LockReleaseArrived():
            return "release", "lock"
        case Answer():
            return "answer", f"to task {event.task_id}"
        case _:
            return "control", _CONTROL.get(type(event), type(event).__name__)


# --- the quarantine ----------------------------------------------------------------------------------


def quarantined(reasons: Iterable[BlobRow]) -> Iterator[DamagedRow]:
    """What was set aside, and why, from the rows that keep the reasons."""
    for row in reasons:
        name = row.key.removeprefix(RowKind.reason.value)
        reason = row.body[: 4 * MOST_CHARS].decode("utf-8", "replace")[:MOST_CHARS]
        yield DamagedRow(f"{RowKind.quarantine.value}{name}", reason)
