"""What an orchestration did and when: its history as steps with a beginning, an end and an outcome.

Owns the joining of decisions with their answers, and of the attempts of one call. Replays and turns are not steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Value
from azure_durable_py.taskhub.hub import TaskHub


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


class Outcome(str, Enum):
    """How a step ended, or that it has not."""

    open = "open"
    completed = "completed"
    failed = "failed"
    void = "void"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that an orchestration asked for, was told, or did.

    `began` is when it was decided (of an external event: when it arrived), `ended` when its answer was taken up; what
    has no length (a signal, an event, suspend and resume) ends when it begins. `due` is when a timer fires. `target`
    is the instance that it concerns: a child, an entity, the receiver of an event. `attempt` counts from 1 and
    `retry_of` names the task of the first attempt. `detail` is for people: a reason, the address of a request.
    `outcome` is `void` for what a rewind made void.
    """

    kind: StepKind
    name: str
    task_id: int | None
    began: datetime
    ended: datetime | None
    outcome: Outcome
    target: str | None = None
    due: datetime | None = None
    attempt: int = 1
    retry_of: int | None = None
    input: Value = None
    result: Value = None
    failure: FailureDetails | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of the newest generation of an orchestration, in the order in which they began.

    `generation` counts from 0: of one above 0 the steps before `continue_as_new` are not kept. `began` is when this
    generation began; `ended` is None while it runs. `events` is how many events the history has. `left_out` counts
    steps that were not asked for (see `read_timeline`). `problem` tells why there are no steps, where the history
    cannot be read.
    """

    instance_id: str
    name: str
    runtime_status: str
    generation: int
    began: datetime
    ended: datetime | None
    events: int
    steps: tuple[Step, ...]
    left_out: int = 0
    failure: FailureDetails | None = None
    problem: str | None = None


async def read_timeline(
    hub: TaskHub, instance_id: str, *, skip: int = 0, limit: int | None = None
) -> Timeline | None:
    """The timeline of an orchestration; None: there is none of this id.

    :param skip: how many steps to leave out at the beginning.
    :param limit: how many steps to give at most (None: all).
    :raises StorageError: storage refuses, or gives no answer.
    """
    raise NotImplementedError
