"""How the kinds of events are shown to people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client.history_view import history_view
from azure_durable_py.durable_http import HTTP_ACTIVITY
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityLockGranted,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventSent,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
)
from tests.client.playing import START

NOW = "2026-03-01T12:00:00.000000Z"
COUNTER = "@counter@a"
BOOM = FailureDetails("boom", "ValueError")


def shown(*events: Event) -> list[dict[str, Any]]:
    return history_view(events, show_output=True, show_input=True)


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (
            (EntityOperationCalled(START, 0, COUNTER, "add", "1"),),
            {"InstanceId": COUNTER, "Operation": "add", "Input": "1"},
        ),
        (
            (EntityOperationCalled(START, 0, COUNTER, "get"), EntityOperationCompleted(START, 0, "0")),
            {"InstanceId": COUNTER, "Operation": "get", "Input": None, "ScheduledTime": NOW, "Result": 0},
        ),
        (
            (EntityOperationCalled(START, 0, COUNTER, "get"), EntityOperationFailed(START, 0, BOOM)),
            {
                "InstanceId": COUNTER,
                "Operation": "get",
                "Input": None,
                "ScheduledTime": NOW,
                "Reason": "boom",
                "ErrorType": "ValueError",
            },
        ),
        (
            (EntityOperationSignaled(START, 0, COUNTER, "reset"),),
            {"InstanceId": COUNTER, "Operation": "reset", "Input": None},
        ),
        (
            (EntityLockRequested(START, 0, COUNTER, "s"), EntityLockGranted(START, 0)),
            {"InstanceId": COUNTER, "ScheduledTime": NOW},
        ),
        ((EntityLockReleased(START, 0, COUNTER, "s"),), {"InstanceId": COUNTER}),
        ((EventSent(START, 0, "other", "Go", "false"),), {"InstanceId": "other", "Name": "Go", "Input": "false"}),
        ((TimerCreated(START, 0, START, "retry"),), {"FireAt": NOW, "Reason": "retry"}),
        ((ExecutionTerminated(START, "enough"),), {"Reason": "enough"}),
        ((ExecutionSuspended(START, "wait"),), {"Reason": "wait"}),
        ((ExecutionResumed(START),), {"Reason": None}),
        ((ContinuedAsNew(START, "1"),), {}),
        (
            (SubOrchestrationCreated(START, 0, "Child", "c"), SubOrchestrationFailed(START, 0, BOOM)),
            {
                "FunctionName": "Child",
                "InstanceId": "c",
                "Input": None,
                "ScheduledTime": NOW,
                "Reason": "boom",
                "ErrorType": "ValueError",
            },
        ),
        (
            (ExecutionCompleted(START, "Failed", None, BOOM),),
            {"OrchestrationStatus": "Failed", "Reason": "boom", "ErrorType": "ValueError"},
        ),
    ],
)
def test_an_event_shows_what_it_is_about(events: tuple[Event, ...], expected: dict[str, Any]):
    (entry,) = shown(*events)
    del entry["EventType"]
    assert entry == {**expected, "Timestamp": NOW}


def test_names_are_those_of_the_management_api():
    later = START + timedelta(seconds=1)
    entries = shown(
        OrchestratorStarted(START),
        SubOrchestrationCreated(START, 0, "Child", "c"),
        SubOrchestrationFailed(later, 0, BOOM),
        SubOrchestrationCreated(later, 1, "Child", "d"),
    )
    assert [entry["EventType"] for entry in entries] == [
        "SubOrchestrationInstanceFailed",
        "SubOrchestrationInstanceCreated",
    ]


def test_after_a_rewind_an_answer_belongs_to_what_has_its_id_by_then():
    found = shown(
        OrchestratorStarted(START),
        TaskScheduled(START, 0, "pay"),
        TaskFailed(START, 0, BOOM),
        TaskScheduled(START, 1, "undo"),
        TaskCompleted(START, 1, "1"),
        ExecutionCompleted(START, "Failed", None, BOOM),
        OrchestratorStarted(START),
        ExecutionRewound(START, "mended", 1, 2),
        OrchestratorStarted(START),
        TaskCompleted(START, 0, "2"),
        TaskScheduled(START, 1, "ship"),
        TaskCompleted(START, 1, "3"),
        TaskScheduled(START, 2, "open"),
    )
    assert [(entry["EventType"], entry.get("FunctionName"), entry.get("Result")) for entry in found] == [
        ("TaskFailed", "pay", None),
        ("TaskCompleted", "undo", 1),
        ("ExecutionCompleted", None, None),
        ("ExecutionRewound", None, None),
        ("TaskCompleted", "pay", 2),
        ("TaskCompleted", "ship", 3),
        ("TaskScheduled", "open", None),
    ]
    assert (found[3]["Reason"], found[3]["Attempt"]) == ("mended", 1)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        (
            '{"method":"POST","uri":"https://a.test/b?code=sesame","headers":{"Authorization":"Basic x"}}',
            '{"method": "POST", "uri": "https://a.test/b?..."}',
        ),
        ("[]", None),
        ("{", None),
        ('{"method":"GET","uri":7}', None),
        (None, None),
    ],
)
def test_what_an_http_call_sends_is_not_for_whoever_may_see_a_status(stored: str | None, told: str | None):
    (entry,) = shown(TaskScheduled(START, 0, HTTP_ACTIVITY, stored))
    assert (entry["FunctionName"], entry["Input"]) == ("BuiltIn::HttpActivity", told)
