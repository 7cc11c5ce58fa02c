"""One instance as a person wants to see it: what it is, what it waits for and since when, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from azure_durable_py.failures import FailureDetails
from azure_durable_py.inspection.timeline import StepKind
from azure_durable_py.taskhub.hub import TaskHub


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that an instance waits for. `name` is that of the activity, event, child or entity operation."""

    kind: StepKind
    name: str
    since: datetime
    due: datetime | None = None
    task_id: int | None = None
    target: str | None = None
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something committed and not yet handed over. `what` is `activity`, `start`, `event`, `signal`, `answer` ..."""

    what: str
    name: str
    target: str | None
    since: datetime | None
    guard: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """Something that has arrived, and that no turn has taken up yet."""

    key: str
    what: str
    name: str | None
    sender: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class DamagedRow:
    """A row that cannot be read: it is in quarantine, or it is the header or the history itself."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth to know. `text` is what is seen, `mend` what to do about it (or None, where nothing is)."""

    level: Literal["info", "warning", "error"]
    text: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to be said of one instance. `kind` is `orchestration` or `entity`; texts of values are JSON.

    `custom_status`, `input` and `output` are None where there is none, or where it is large: then `large` names it.
    `lock` is, of an entity, who holds it. `findings` are the most severe first; none: it is as it should be.
    """

    instance_id: str
    kind: str
    name: str
    runtime_status: str
    created_time: datetime | None
    last_updated_time: datetime | None
    completed_time: datetime | None = None
    execution_id: str = ""
    generation: int = 0
    attempt: int = 0
    version: str | None = None
    tags: dict[str, str] = field(default_factory=lambda: {})
    parent_instance_id: str | None = None
    custom_status: str | None = None
    input: str | None = None
    output: str | None = None
    large: tuple[str, ...] = ()
    failure: FailureDetails | None = None
    start_at: datetime | None = None
    next_wake: datetime | None = None
    lock: str | None = None
    waits: tuple[Waiting, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    inbox: tuple[InboxEntry, ...] = ()
    inbox_goes_on: bool = False
    damaged: tuple[DamagedRow, ...] = ()
    findings: tuple[Finding, ...] = ()


async def inspect_instance(hub: TaskHub, instance_id: str) -> Inspection | None:
    """Look at an instance (an orchestration, or an entity as `@name@key`) without changing anything.

    Never fails for what is damaged: it says so.

    :raises StorageError: storage refuses, or gives no answer.
    """
    raise NotImplementedError
