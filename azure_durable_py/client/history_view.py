"""A history for people: one dict per event, with what was asked merged into its answer.

Owns the names that the management API gives to events and their fields, which are those of the .NET extension:
inputs are JSON texts, results are values. Turns (OrchestratorStarted) are left out; a task that is still open is
shown as it was scheduled, and so is every timer. What a rewind made void stays, before the
event that says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from azure_durable_py.client.status import plain
from azure_durable_py.durable_http import shown_input
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ANSWERED,
    Answer,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
    Value,
)
from azure_durable_py.times import to_iso

_SHOWN_AS: dict[type[Event], str] = {
    SubOrchestrationCreated: "SubOrchestrationInstanceCreated",
    SubOrchestrationCompleted: "SubOrchestrationInstanceCompleted",
    SubOrchestrationFailed: "SubOrchestrationInstanceFailed",
}

_MERGED = tuple(set(ANSWERED.values()) - {TimerCreated})


def history_view(events: Sequence[Event], *, show_output: bool, show_input: bool) -> list[dict[str, Any]]:
    """The events of one generation, compacted.

    :param events: in order; the values that are to be shown are text, not references.
    :param show_output: include results.
    :param show_input: include the inputs of the orchestration and of what it called, and the data of raised events.
    """
    return _View(show_output, show_input).of(events)


class _View:
    def __init__(self, show_output: bool, show_input: bool) -> None:
        self._show_output = show_output
        self._show_input = show_input

    def of(self, events: Sequence[Event]) -> list[dict[str, Any]]:
        questions = _questions(events)
        answered = set(questions.values())
        shown: list[dict[str, Any]] = []
        for at, event in enumerate(events):
            if isinstance(event, OrchestratorStarted) or at in answered:
                continue
            asked = questions.get(at)
            shown.append(self._show(event, None if asked is None else events[asked]))
        return shown

    def _show(self, event: Event, asked: Event | None) -> dict[str, Any]:
        entry: dict[str, Any] = {"EventType": _SHOWN_AS.get(type(event), type(event).__name__)}
        if asked is not None:
            entry |= self._question(asked)
            entry["ScheduledTime"] = to_iso(asked.timestamp)
        entry |= self._own(event)
        entry["Timestamp"] = to_iso(event.timestamp)
        return entry

    def _question(self, event: Event) -> dict[str, Any]:
        match event:
            case TaskScheduled(name=name, input=value):
                return {"FunctionName": name} | self._input(shown_input(name, value))
            case SubOrchestrationCreated(name=name, input=value, instance_id=instance_id):
                return {"FunctionName": name, "InstanceId": instance_id} | self._input(value)
            case EntityOperationCalled(instance_id=instance_id, operation=operation, input=value):
                return {"InstanceId": instance_id, "Operation": operation} | self._input(value)
            case EntityOperationSignaled(instance_id=instance_id, operation=operation, input=value):
                return {"InstanceId": instance_id, "Operation": operation} | self._input(value)
            case EntityLockRequested(instance_id=instance_id) | EntityLockReleased(instance_id=instance_id):
                return {"InstanceId": instance_id}
            case TimerCreated(fire_at=fire_at, reason=reason):
                return {"FireAt": to_iso(fire_at)} | ({"Reason": reason} if reason else {})
            case _:
                return {}

    def _own(self, event: Event) -> dict[str, Any]:
        match event:
            case ExecutionStarted(name=name, input=value):
                return {"FunctionName": name} | self._input(value)
            case ExecutionCompleted(status=status, result=result, failure=failure):
                return {"OrchestrationStatus": status} | self._output("Result", result) | _failed(failure)
            case TaskCompleted(result=result) | SubOrchestrationCompleted(result=result):
                return self._output("Result", result)
            case EntityOperationCompleted(result=result):
                return self._output("Result", result)
            case TaskFailed(failure=failure) | SubOrchestrationFailed(failure=failure):
                return _failed(failure)
            case EntityOperationFailed(failure=failure):
                return _failed(failure)
            case TimerFired(fire_at=fire_at):
                return {"FireAt": to_iso(fire_at)}
            case EventRaised(name=name, data=data):
                return {"Name": name} | self._input(data)
            case EventSent(instance_id=instance_id, name=name, data=data):
                return {"InstanceId": instance_id, "Name": name} | self._input(data)
            case (
                ExecutionTerminated(reason=reason) | ExecutionSuspended(reason=reason) | ExecutionResumed(reason=reason)
            ):
                return {"Reason": reason}
            case ExecutionRewound(reason=reason, attempt=attempt):
                return {"Reason": reason, "Attempt": attempt}
            case _:
                return self._question(event)

    def _input(self, value: Value) -> dict[str, Any]:
        return {"Input": value if isinstance(value, str) else None} if self._show_input else {}

    def _output(self, name: str, value: Value) -> dict[str, Any]:
        return {name: plain(value)} if self._show_output and isinstance(value, str) else {}


def _questions(events: Sequence[Event]) -> dict[int, int]:
    """For each answer the decision that it belongs to, by their places: after a rewind an id may be used anew."""
    asked: dict[int, int] = {}
    found: dict[int, int] = {}
    for at, event in enumerate(events):
        if isinstance(event, _MERGED):
            asked[event.id] = at
        elif isinstance(event, Answer) and event.task_id in asked:
            found[at] = asked[event.task_id]
    return found


def _failed(failure: FailureDetails | None) -> dict[str, Any]:
    if failure is None:
        return {}
    shown: dict[str, Any] = {"Reason": failure.message, "ErrorType": failure.error_type}
    return shown | ({"Details": failure.stack_trace} if failure.stack_trace else {})
