"""What there is to be said of one instance: the records that the command line and the monitor show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from azure_durable_py.failures import FailureDetails
from azure_durable_py.inspection.steps import StepKind
from azure_durable_py.pending_approvals import PendingApproval


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that an instance waits for. `name` is that of the activity, event, child or entity operation.

    `last_failure` is, of a call that is tried again, how the attempt before failed. `detail` tells people more: in
    whose hands an activity is, how a child stands, who holds a lock.
    """

    kind: StepKind
    name: str
    since: datetime
    due: datetime | None = None
    task_id: int | None = None
    target: str | None = None
    attempt: int = 1
    last_failure: FailureDetails | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """Something committed and not yet handed over, or of which that is not known.

    `what` is `activity`, `start`, `event`, `call`, `signal`, `lock`, `release`, `answer`, `control` or `alarm`. An
    activity under a guard is run, as a rule, by the worker that decided it.
    """

    what: str
    name: str
    target: str | None
    since: datetime | None
    guard: str


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """Something that has arrived, and that no turn has taken up yet.

    `what` is `event`, `control`, `result`, `failure`, `operation`, `lock`, `release` or `unreadable`.
    """

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


REPAIR = "`azure-durable repair --quiet 0` wakes it."
"""The mend of what has lost its message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something worth to know. `text` is what is seen, `mend` what to do about it (or None, where nothing is).

    Times in it are UTC to the second; it says since when and not for how long, so it changes only when what it tells
    of does.
    """

    level: Literal["info", "warning", "error"]
    text: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to be said of one instance. `kind` is `orchestration` or `entity`; texts of values are JSON.

    `custom_status`, `input` and `output` are None where there is none, or where it is large: then `large` names it.
    The output of an entity is its state. `approvals` are calls of tools that wait for a person. `lock` is, of an
    entity, who holds it, and `backlog` what it holds back meanwhile. `findings` are the most severe first; none: it is
    as it should be. Of long lists only the beginning is given: `waits_left_out`, `outbox_left_out`, `inbox_size` and
    `backlog_size` tell of the rest.
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
    suspended_since: datetime | None = None
    lock: str | None = None
    approvals: tuple[PendingApproval, ...] = ()
    waits: tuple[Waiting, ...] = ()
    waits_left_out: int = 0
    outbox: tuple[OutboxEntry, ...] = ()
    outbox_left_out: int = 0
    inbox: tuple[InboxEntry, ...] = ()
    inbox_size: int = 0
    inbox_goes_on: bool = False
    backlog: tuple[InboxEntry, ...] = ()
    backlog_size: int = 0
    damaged: tuple[DamagedRow, ...] = ()
    findings: tuple[Finding, ...] = ()
