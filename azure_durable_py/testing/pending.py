"""What an orchestrator waits for, as a player of it shows it.

Owns the record and how it is read from decisions and awaited events. It completes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpRequest
from azure_durable_py.history.events import (
    Decision,
    EntityLockRequested,
    EntityOperationCalled,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
    Value,
)

PendingKind: TypeAlias = Literal["activity", "http", "sub-orchestration", "timer", "event", "entity call", "lock"]


@dataclass(frozen=True, slots=True)
class PendingCall:
    """One thing that an orchestrator waits for.

    `name` is that of the activity, the orchestrator, the operation or the event; of an HTTP call its method and
    address. `input` is what it was given, as plain JSON values; of an HTTP call the `DurableHttpRequest`. `target` is
    the instance id of the sub-orchestration or entity. `fire_at` is when a timer fires; `reason` what it is for, if
    that is a retry or the like. `since` is when the orchestrator asked for it. `task_id` is its number among the
    decisions of the orchestrator; an event has none.
    """

    kind: PendingKind
    name: str
    input: Any
    since: datetime
    target: str | None = None
    fire_at: datetime | None = None
    reason: str | None = None
    task_id: int | None = None

    def __str__(self) -> str:
        if self.fire_at is not None:
            return f"a timer at {self.fire_at:%Y-%m-%d %H:%M:%S}" + (f" ({self.reason})" if self.reason else "")
        if self.kind == "http":
            return f"the HTTP call {self.name}"
        if self.kind == "lock":
            return f"the lock of entity {self.target}"
        return f"{self.kind} {self.name!r}" + (f" of {self.target}" if self.kind == "entity call" else "")


def pending_decision(decision: Decision, plain: Callable[[Value], Any]) -> PendingCall:
    """An open decision.

    :param plain: a recorded value as plain JSON values.
    :raises ValueError: it is one that is never answered.
    """
    since, number = decision.timestamp, decision.id
    match decision:
        case TaskScheduled(name=name, input=value) if name == HTTP_ACTIVITY:
            request = DurableHttpRequest.from_plain(plain(value))
            return PendingCall("http", f"{request.method} {request.uri}", request, since, task_id=number)
        case TaskScheduled(name=name, input=value):
            return PendingCall("activity", name, plain(value), since, task_id=number)
        case SubOrchestrationCreated(name=name, instance_id=target, input=value):
            return PendingCall("sub-orchestration", name, plain(value), since, target, task_id=number)
        case EntityOperationCalled(operation=name, instance_id=target, input=value):
            return PendingCall("entity call", name, plain(value), since, target, task_id=number)
        case EntityLockRequested(instance_id=target):
            return PendingCall("lock", "lock", None, since, target, task_id=number)
        case TimerCreated(fire_at=fire_at, reason=reason):
            return PendingCall("timer", "timer", None, since, fire_at=fire_at, reason=reason, task_id=number)
        case _:
            raise ValueError(f"Nothing ever answers a {type(decision).__name__}.")
