"""What a step of an orchestration is: one thing that it asked for, was told, or did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Value


class StepKind(str, Enum):
    """What a step is."""

    activity = "activity"
    http = "http"
    timer = "timer"
    retry_delay = "retry_delay"
    event = "event"
    event_sent = "event_sent"
    sub_orchestration = "sub_orchestration"
    entity_call = "entity_call"
    entity_signal = "entity_signal"
    lock = "lock"
    control = "control"


_WORDS = {
    "retry_delay": "retry",
    "event_sent": "event sent",
    "sub_orchestration": "sub-orchestration",
    "entity_call": "entity call",
    "entity_signal": "entity signal",
    "http": "HTTP call",
}


def kind_word(kind: str) -> str:
    """The word for a kind of step, or for whatever else has a kind."""
    return _WORDS.get(kind, kind)


class StepOutcome(str, Enum):
    """How a step ended, or that it has not.

    `void` is what a rewind made void; `cancelled` what nobody waits for any more: a timer or activity that was
    cancelled, and what was open when the orchestration ended.
    """

    open = "open"
    completed = "completed"
    failed = "failed"
    void = "void"
    cancelled = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that an orchestration asked for, was told, or did.

    `began` is when it was decided (of an external event: when it arrived), `ended` when its answer was taken up; what
    has no length (a signal, an event, suspend and resume) ends when it begins. `due` is when a timer fires. `target`
    is the instance that it concerns: a child, an entity, the receiver of an event. `attempt` counts from 1 and
    `retry_of` names the task of the first attempt. `detail` is for people: a reason. The input of an HTTP call is its
    method and address: the rest may be secret.
    """

    kind: StepKind
    name: str
    task_id: int | None
    began: datetime
    ended: datetime | None
    outcome: StepOutcome
    target: str | None = None
    due: datetime | None = None
    attempt: int = 1
    retry_of: int | None = None
    input: Value = None
    result: Value = None
    failure: FailureDetails | None = None
    detail: str | None = None
