"""The hub as a whole: what waits in its queues, how many instances are in which state, what looks wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from azure_durable_py.inspection.findings import SLOW_START
from azure_durable_py.inspection.report import Finding
from azure_durable_py.taskhub.entity_state import EXISTS
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.life import QUIET, is_in_need
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, InstanceQuery, Kind, Listed
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.wording import counted, moment

LATELY = timedelta(minutes=5)
"""The time over which rates are counted."""
MOST_SUSPECTS = 50
"""Instances that are looked at more closely, as their columns look as if they showed no life."""
MOST_STUCK = 100
_DAMAGED = "Damaged"


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """About how many messages a queue holds, those included that are invisible (in hand, or alarms to come)."""

    name: str
    role: Literal["instances", "activities", "poison"]
    messages: int


@dataclass(frozen=True, slots=True)
class Rates:
    """How many orchestrations of those counted were created, completed and failed in the last `seconds`."""

    seconds: float
    created: int
    completed: int
    failed: int


@dataclass(frozen=True, slots=True)
class HubOverview:
    """What a hub looks like at one moment.

    `counts` is the number of orchestrations by runtime status, `Damaged` among them, of the `counted` first ones;
    `complete` tells whether these are all. `entities` (those with a state) likewise. `stuck` are ids of instances that
    show no life.
    """

    name: str
    storage: str
    format_version: int
    taken_at: datetime
    queues: tuple[QueueBacklog, ...]
    counts: Mapping[str, int]
    counted: int
    complete: bool
    entities: int
    oldest_pending: datetime | None
    stuck: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    rates: Rates = field(default_factory=lambda: Rates(LATELY.total_seconds(), 0, 0, 0))


async def read_overview(hub: TaskHub, name: str, *, most: int = 10_000) -> HubOverview:
    """Look at a hub without changing anything.

    It counts the messages of each queue, lists the columns of up to `most` orchestrations and as many entities in pages
    of 1,000, and asks once for inboxes where something waits. Of those that look as if they showed no life, the headers
    of some are read: an activity may simply take long.

    :param name: the hub's name.
    :param most: how many instances to count at most.
    :raises StorageError: storage refuses, or gives no answer.
    """
    now = hub.clock.now()
    queues = await _queues(hub)
    seen = _Count(now)
    complete = await _list(hub, InstanceQuery(with_values=False, page_size=1000), most, seen.take)
    entities = InstanceQuery(kind=Kind.entity, with_values=False, page_size=1000)
    all_entities = await _list(hub, entities, most, seen.take_entity)
    unheard = await hub.reliable.instances_with_inbox(now - QUIET)
    stuck = list(dict.fromkeys([*await _without_life(hub, seen.suspects, now), *unheard]))
    return HubOverview(
        name=name,
        storage=hub.store.description,
        format_version=hub.info.format_version,
        taken_at=now,
        queues=queues,
        counts=dict(seen.counts),
        counted=seen.counts.total(),
        complete=complete and all_entities,
        entities=seen.entities,
        oldest_pending=seen.oldest_pending,
        stuck=tuple(stuck[:MOST_STUCK]),
        findings=tuple(_findings(now, queues, seen, stuck)),
        rates=Rates(LATELY.total_seconds(), seen.created, seen.completed, seen.failed),
    )


async def _queues(hub: TaskHub) -> tuple[QueueBacklog, ...]:
    counts, poison = await hub.reliable.message_counts(), await hub.reliable.poison_counts()
    found = [
        QueueBacklog(name, "activities" if name == hub.store.activity_queue else "instances", count)
        for name, count in counts.items()
    ]
    return (*found, *(QueueBacklog(poison_queue(name), "poison", poison[poison_queue(name)]) for name in counts))


# --- counting ----------------------------------------------------------------------------------------


class _Count:
    """What the columns of a hub's instances come to."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.counts: Counter[str] = Counter()
        self.created = self.completed = self.failed = self.entities = 0
        self.oldest_pending: datetime | None = None
        self.suspects: list[str] = []
        self.damaged: list[str] = []

    def take(self, item: Listed) -> None:
        """Count an orchestration."""
        columns = item.columns
        if item.damaged:
            self.counts[_DAMAGED] += 1
            self.damaged.append(item.instance_id)
            return
        self.counts[columns.runtime_status] += 1
        self._rate(columns)
        if columns.runtime_status == "Pending" and (columns.wake_time or columns.created_time) <= self._now:
            due = max(columns.last_updated_time, columns.wake_time or columns.created_time)
            self.oldest_pending = due if self.oldest_pending is None else min(due, self.oldest_pending)
        if is_in_need(columns, self._now):
            self.suspects.append(item.instance_id)

    def take_entity(self, item: Listed) -> None:
        """Look at an entity."""
        if item.damaged:
            self.damaged.append(item.instance_id)
            return
        self.entities += item.columns.runtime_status == EXISTS
        # One without an outbox waits for nothing but its inbox.
        if item.columns.has_outbox and is_in_need(item.columns, self._now):
            self.suspects.append(item.instance_id)

    def _rate(self, columns: Columns) -> None:
        since = self._now - LATELY
        self.created += columns.created_time >= since
        if columns.completed_time is not None and columns.completed_time >= since:
            self.completed += columns.runtime_status == "Completed"
            self.failed += columns.runtime_status == "Failed"


async def _list(hub: TaskHub, query: InstanceQuery, most: int, take: Callable[[Listed], None]) -> bool:
    """Take the first instances of a listing, page by page; tells whether there are no more."""
    left = most
    while True:
        page = await hub.reliable.query(replace(query, page_size=max(1, min(left, query.page_size))))
        for item in page.items[:left]:
            take(item)
        left -= len(page.items)
        if page.continuation_token is None:
            return left >= 0
        if left <= 0:
            return False
        query = replace(query, continuation_token=page.continuation_token)


async def _without_life(hub: TaskHub, suspects: Sequence[str], now: datetime) -> list[str]:
    """Those of the suspects in whose headers something is to be done that takes no time."""
    found: list[str] = []
    for instance_id in suspects[:MOST_SUSPECTS]:
        header = await hub.salvage(instance_id)
        if header is None or not is_in_need(header.columns, now):
            continue
        try:
            state = InstanceState.decode(header.body)
        except (CorruptRowError, NewerFormatError):
            continue
        is_overdue = is_in_need(replace(header.columns, has_outbox=False), now)
        if state.has_sends or state.arming is not None or is_overdue:
            found.append(instance_id)
    return found


# --- what looks wrong --------------------------------------------------------------------------------


def _findings(now: datetime, queues: Sequence[QueueBacklog], seen: _Count, stuck: Sequence[str]) -> Iterator[Finding]:
    for queue in queues:
        if queue.role == "poison" and queue.messages:
            yield Finding(
                "warning",
                f"Queue {queue.name} holds {counted(queue.messages, 'message', 'that was', 'that were')} given up.",
                "Under a Functions host they are put back by the app when it runs. What our own workers put there is "
                "no message of this hub: look at it, find who wrote it, and delete it.",
            )
    if seen.oldest_pending is not None and now - seen.oldest_pending >= SLOW_START:
        yield Finding(
            "error",
            f"Instances wait to be started since {moment(seen.oldest_pending)}.",
            "See that a worker of this hub runs, with this storage and this hub name, and that it may run their "
            "version. One that runs may have more to do than it can: look at the backlog of the queues.",
        )
    if stuck:
        yield Finding(
            "error",
            f"{counted(len(stuck), 'instance', 'shows', 'show')} no life: {_names(stuck)}.",
            "Look at one of them. `azure-durable repair` wakes them; workers do the same when they start, and daily.",
        )
    if seen.damaged:
        yield Finding(
            "error",
            f"{counted(len(seen.damaged), 'instance', 'is', 'are')} damaged: {_names(seen.damaged)}.",
            "Look at one of them. Terminating it ends it, and keeps what was there until it is purged.",
        )


def _names(ids: Sequence[str]) -> str:
    shown = ", ".join(each[:100] for each in ids[:_NAMED])
    return f"{shown} and {len(ids) - _NAMED} more" if len(ids) > _NAMED else shown


_NAMED = 3
