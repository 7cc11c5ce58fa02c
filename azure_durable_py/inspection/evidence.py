"""What is read of an instance, and of those around it, to say what it waits for and what is wrong with it.

Owns which rows are read: every look at an instance costs a read of its header and inbox, one of what is in
quarantine, and one for each row of its history. Only where something stands still more is looked at: a child, an
entity, the counts of the queues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from azure_durable_py.inspection.joining import JoinedHistory
from azure_durable_py.inspection.looking import Look
from azure_durable_py.inspection.report import DamagedRow, InboxEntry, OutboxEntry, Waiting
from azure_durable_py.inspection.rows import inbox_entries, outbox_entries, quarantined
from azure_durable_py.inspection.steps import StepKind, StepOutcome
from azure_durable_py.inspection.timeline import Seen, see
from azure_durable_py.pending_approvals import PendingApproval, pending_approvals
from azure_durable_py.status import TERMINAL_NAMES
from azure_durable_py.taskhub.clearing import is_orphan
from azure_durable_py.taskhub.entity_state import EntityState, is_entity
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError

A_WHILE = timedelta(minutes=1)
"""After this time it is worth to look why something is not over."""
RUNS = "runs in the worker that called it"
MOST_NEIGHBOURS = 3
"""Children and entities that are looked at because an instance waits for them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read.

    `entity` is that of an entity, `is_orphaned` whether the holder of its lock is gone. `counts` are the messages in
    each queue, `untaken` those that are due and in no worker's hands, or nothing where nobody had to know.
    """

    look: Look
    now: datetime
    joined: JoinedHistory
    waits: tuple[Waiting, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    inbox: tuple[InboxEntry, ...] = ()
    oldest_arrival: datetime | None = None
    damaged: tuple[DamagedRow, ...] = ()
    entity: EntityState | None = None
    is_orphaned: bool = False
    counts: Mapping[str, int] = field(default_factory=lambda: {})
    untaken: Mapping[str, int] = field(default_factory=lambda: {})
    instance_queue: str = ""
    activity_queue: str = ""
    neighbours: Mapping[str, str] = field(default_factory=lambda: {})

    @property
    def is_over(self) -> bool:
        """Whether it is finished for good."""
        return self.look.header.columns.runtime_status in TERMINAL_NAMES

    @property
    def is_damaged(self) -> bool:
        """Whether nothing but its columns can be read."""
        return self.look.state is None


async def gather(hub: TaskHub, instance_id: str, known: Seen | None = None) -> Evidence | None:
    """Read what there is to be read; None: there is no such instance.

    :param known: what was seen of it before (see `see`).
    :raises StorageError: storage refuses, or gives no answer.
    """
    seen = await see(hub, instance_id, with_inbox=True, known=known)
    if seen is None:
        return None
    now, look = hub.clock.now(), seen.look
    entity, entity_problem = _entity_of(look)
    inbox, oldest, unreadable = inbox_entries(look.inbox)
    damaged = (
        *_damage(look, entity_problem),
        *unreadable,
        *quarantined(await hub.reliable.list_blobs(instance_id, "40-why-")),
    )
    found = Evidence(
        look=look,
        now=now,
        joined=seen.joined,
        outbox=tuple(outbox_entries(look)),
        inbox=inbox,
        oldest_arrival=oldest,
        damaged=damaged,
        entity=entity,
        instance_queue=hub.store.instance_queue(instance_id),
        activity_queue=hub.store.activity_queue,
    )
    found = replace(found, waits=tuple(_waits(found)))
    return await _with_neighbours(hub, found)


def approvals_of(found: Evidence) -> tuple[PendingApproval, ...]:
    """The calls of tools that wait for a person, as its custom status tells them."""
    header = found.look.header
    if is_entity(header.instance_id) or header.columns.runtime_status in TERMINAL_NAMES:
        return ()
    return tuple(pending_approvals(header.columns.custom_status))


def _entity_of(look: Look) -> tuple[EntityState | None, str]:
    if look.state is None or not is_entity(look.header.instance_id):
        return None, ""
    try:
        return EntityState.of(look.state), ""
    except CorruptRowError as error:
        return EntityState(), str(error)


def _damage(look: Look, entity_problem: str) -> list[DamagedRow]:
    header = look.damage or entity_problem
    found = [DamagedRow("00-instance", header)] if header else []
    return [*found, DamagedRow("history", look.problem)] if look.problem and not look.newer else found


# --- what it waits for -------------------------------------------------------------------------------


def _waits(found: Evidence) -> list[Waiting]:
    """What an instance waits for, the oldest first."""
    state = found.look.state
    if state is None or found.is_over:
        return []
    waits = _of_entity(found.entity, state) if found.entity is not None else _of_orchestration(found, state)
    return sorted(waits, key=lambda wait: wait.since)


def _of_orchestration(found: Evidence, state: InstanceState) -> list[Waiting]:
    queued = {task_id for group in state.activities if not group.guard for task_id in group.ids}
    waits = [
        Waiting(
            step.kind,
            step.name,
            step.began,
            step.due,
            step.task_id,
            step.target,
            step.attempt,
            found.joined.last_failures.get(at),
            _whose(step.kind, step.task_id in queued, found.activity_queue) or step.detail,
        )
        for at, step in enumerate(found.joined.steps)
        if step.outcome is StepOutcome.open
    ]
    if found.look.problem:
        waits = [
            Waiting(StepKind.timer, "timer", state.turn_time, due, task_id) for task_id, due in state.timers.items()
        ]
    return waits + [Waiting(StepKind.event, name, since) for name, since in state.awaited.items()]


def _whose(kind: StepKind, queued: bool, queue: str) -> str | None:
    if kind not in (StepKind.activity, StepKind.http):
        return None
    return f"waits in queue {queue}, or runs in a worker that took it from there" if queued else RUNS


def _of_entity(entity: EntityState, state: InstanceState) -> list[Waiting]:
    waits: list[Waiting] = []
    if entity.holder is not None:
        waits.append(Waiting(StepKind.lock, "release", entity.holder.since, target=entity.holder.instance_id))
    for task_id in entity.scheduled:
        due = state.timers.get(task_id)
        waits.append(Waiting(StepKind.timer, "signal to come", state.turn_time, due, task_id))
    return waits


# --- those around it ---------------------------------------------------------------------------------


async def _with_neighbours(hub: TaskHub, found: Evidence) -> Evidence:
    """Look at who keeps an instance waiting, where it has waited for a while."""
    if found.is_over and not found.outbox:
        return found
    late = [wait for wait in found.waits if found.now - wait.since > A_WHILE]
    neighbours: dict[str, str] = {}
    if found.entity is None:
        targets = dict.fromkeys(wait.target for wait in late if wait.target is not None)
        for target in list(targets)[:MOST_NEIGHBOURS]:
            neighbours[target] = await _shown_neighbour(hub, target)
    waits = tuple(
        wait if wait.target not in neighbours else replace(wait, detail=neighbours[wait.target]) for wait in found.waits
    )
    orphaned = False
    if found.entity is not None and found.entity.holder is not None:
        holder = found.entity.holder
        orphaned = await is_orphan(hub, found.look.header.instance_id, holder.section, holder.instance_id)
    found = replace(found, waits=waits, neighbours=neighbours, is_orphaned=orphaned)
    if _is_idle(found, late):
        found = replace(found, counts=await hub.reliable.message_counts(), untaken=await hub.reliable.untaken_counts())
    return found


def _is_idle(found: Evidence, late: Sequence[Waiting]) -> bool:
    """Whether something should have been done by now, so that it matters whether a message is there for it."""
    columns = found.look.header.columns
    if found.now - columns.last_updated_time < A_WHILE:
        return False
    works = any(wait.kind in (StepKind.activity, StepKind.http) for wait in late)
    return works or bool(found.outbox) or bool(found.inbox) or columns.runtime_status == "Pending"


async def _shown_neighbour(hub: TaskHub, instance_id: str) -> str:
    """How an instance stands that another waits for, in a few words."""
    header = await hub.salvage(instance_id)
    if header is None:
        return "not there"
    if not is_entity(instance_id):
        return header.columns.runtime_status or "damaged"
    try:
        entity = EntityState.of(InstanceState.decode(header.body))
    except (CorruptRowError, NewerFormatError):
        return "cannot be read"
    if entity.holder is None:
        return "not locked"
    held_back = f", {entity.backlog_size} requests wait" if entity.backlog_size else ""
    return f"locked by {entity.holder.instance_id}{held_back}"
