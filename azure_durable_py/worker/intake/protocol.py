"""How messages come to a worker: what it asks of that, and what it gives for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from azure_durable_py.worker.activities.slots import ActivitySlots
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.intake.delivery import Delivery


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a worker works whose messages come this way. Durations are in seconds.

    `local_bound`: an activity that ran longer than this outside of a message of its own is a slow one, whose further
    calls go to the queue; None: there is no bound. `drop_after`, `take_over_after`: see `WorkerContext`.
    """

    local_bound: float | None = None
    drop_after: float = 0.5
    take_over_after: float = 120.0


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where messages go to in a worker.

    `ring` gives a delivery to the actor of an instance; `activities` take work items.
    """

    context: WorkerContext
    activities: ActivitySlots
    ring: Callable[[str, Delivery], None]


class Intake(Protocol):
    """Brings messages to one worker."""

    @property
    def terms(self) -> Terms:
        """On what terms."""
        ...

    def start(self, receiver: Receiver) -> Sequence[asyncio.Task[None]]:
        """Begin to bring messages; returns the tasks that do, which the worker ends."""
        ...

    def stop(self) -> None:
        """The worker takes no more."""
        ...

    def instance_room_made(self) -> None:
        """An instance has nothing in hand any more: doorbells may be taken again."""
        ...

    def activity_room_made(self) -> None:
        """A slot is free: work items may be taken again."""
        ...
