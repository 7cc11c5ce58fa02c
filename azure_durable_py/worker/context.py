"""What the parts of one worker share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from azure_durable_py.history.events import Event
from azure_durable_py.record import record
from azure_durable_py.registry import Registry
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import Target
from azure_durable_py.taskhub.outgoing import RunActivity, Sender
from azure_durable_py.telling import Told
from azure_durable_py.worker.activities.cancelling import CancellableRuns
from azure_durable_py.worker.activities.runner import SyncRunner, run_in_thread
from azure_durable_py.worker.instance.attention import Crowd
from azure_durable_py.worker.instance.sessions import Sessions
from azure_durable_py.worker.intake.delivery import Delivery, Holder
from azure_durable_py.worker.supervision import Supervisor
from azure_durable_py.worker.taskset import TaskSet
from azure_durable_py.worker.watchdog import Watchdog

PARALLEL_SENDS = 32
"""Storage calls that one worker has under way at once for handing over."""


@record
class TaskResult:
    """The answer to a task that was run in this process; `delivery` is the work item that asked for it."""

    target: Target
    task_id: int
    event: Event
    delivery: Delivery | None = None


class ActivityJob(Protocol):
    """Who offers activities to be run, and hears of them."""

    @property
    def sender(self) -> Sender:
        """On whose behalf."""
        ...

    def wants(self, sender: Sender, number: int) -> bool:
        """Whether this outbox entry is still to be handed over by us."""
        ...

    def handed_over(self, sender: Sender, number: int) -> None:
        """It is in the activities queue now."""
        ...

    def finish(self, result: TaskResult) -> None:
        """It was run here."""
        ...

    def has_abandoned(self, sender: Sender, task_id: int) -> bool:
        """Whether code was cancelled that waited for this task, so that it need not be run."""
        ...


class Activities(Protocol):
    """Takes activities that a turn decided: runs them here or puts them into the queue."""

    def offer(self, job: ActivityJob, number: int, activity: RunActivity, *, tries: int, again: bool) -> None:
        """Take one activity.

        :param tries: how often it was begun by a process that did not end it, as far as is known.
        :param again: whether it may have been begun before at all.
        """
        ...


@dataclass(slots=True)
class WorkerContext:
    """The shared parts of one worker: what it works on, and what bounds it."""

    hub: TaskHub
    registry: Registry
    settings: Settings
    converter: DataConverter
    activities: Activities
    cancellable: CancellableRuns
    holder: Holder
    sessions: Sessions
    supervisor: Supervisor
    watchdog: Watchdog
    settling: TaskSet
    turns: asyncio.Semaphore
    entity_turns: asyncio.Semaphore
    crowd: Crowd
    """The orchestrations that wait for a turn."""
    entity_crowd: Crowd
    """The entities that do."""
    drop_after: float
    """Seconds for which what is handed over waits for a turn to drop it, before it gets a commit of its own."""
    take_over_after: float
    """Seconds after which sends under a message that is not in hand are taken over: longer than any visibility."""
    suspected: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by the one instance that runs of those that have been under way when processes ended."""
    run_sync: SyncRunner = run_in_thread
    replay: Replay = "when-needed"
    sends: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PARALLEL_SENDS))
    told: Told = field(default_factory=Told)

    @property
    def room(self) -> int:
        """How many more messages may be taken for instances: each may be for another, of either kind."""
        return min(self.crowd.room, self.entity_crowd.room)
