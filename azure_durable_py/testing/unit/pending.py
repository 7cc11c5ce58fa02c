"""What an orchestrator waits for, as a player of it shows it.

Owns the record and how it is read from decisions and awaited events. It completes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
from azure_durable_py.inspection.steps import kind_word
from azure_durable_py.testing.calls import CallKind, NamedList


@dataclass(frozen=True, slots=True)
class PendingCall:
    """One thing that an orchestrator waits for. The names are those of `Call`.

    `name` is that of the activity, orchestrator, operation or event, or the method and address of an HTTP call; a timer
    is "timer", a lock is "lock". `input` is what it was given, as plain JSON values; of an HTTP call the
    `DurableHttpRequest`. `scheduled_at` is when the orchestrator asked for it. `target` is the instance id of the
    sub-orchestration or entity. `due` is when a timer fires, `reason` what it is for, if that is a retry or the like.
    `task_id` is its number among the decisions of the orchestrator; an event has none.
    """

    kind: CallKind
    name: str
    input: Any
    scheduled_at: datetime
    target: str | None = None
    due: datetime | None = None
    reason: str | None = None
    task_id: int | None = None

    def __str__(self) -> str:
        if self.due is not None:
            return f"a timer at {self.due:%Y-%m-%d %H:%M:%S}" + (f" ({self.reason})" if self.reason else "")
        if self.kind == "http":
            return f"the HTTP call {self.name}"
        if self.kind == "lock":
            return f"the lock of entity {self.target}"
        return f"{kind_word(self.kind)} {self.name!r}" + (f" of {self.target}" if self.kind == "entity_call" else "")


class PendingList(NamedList[PendingCall]):
    """What an orchestrator waits for. A list with a few words for assertions, those of `CallList`."""


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
            return PendingCall("sub_orchestration", name, plain(value), since, target, task_id=number)
        case EntityOperationCalled(operation=name, instance_id=target, input=value):
            return PendingCall("entity_call", name, plain(value), since, target, task_id=number)
        case EntityLockRequested(instance_id=target):
            return PendingCall("lock", "lock", None, since, target, task_id=number)
        case TimerCreated(fire_at=due, reason=reason):
            return PendingCall("timer", "timer", None, since, due=due, reason=reason, task_id=number)
        case _:
            raise ValueError(f"Nothing ever answers a {type(decision).__name__}.")
