"""The hub as a whole: what waits in its queues, how many instances are in which state, what looks wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from azure_durable_py.inspection.instance import Finding
from azure_durable_py.taskhub.hub import TaskHub


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """About how many messages a queue holds, those included that are invisible (in hand, or alarms to come)."""

    name: str
    role: Literal["instances", "activities", "poison"]
    messages: int


@dataclass(frozen=True, slots=True)
class HubOverview:
    """`counts` is the number of orchestrations by runtime status, `Damaged` among them, of the `counted` first ones;
    `complete` tells whether these are all. `entities` likewise. `stuck` are ids of instances that show no life.
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


async def read_overview(hub: TaskHub, name: str, *, most: int = 10_000) -> HubOverview:
    """Look at a hub without changing anything.

    :param name: the hub's name.
    :param most: how many instances to count at most.
    :raises StorageError: storage refuses, or gives no answer.
    """
    raise NotImplementedError
