"""What small classes are made of and show, as expressions that are evaluated here and by azure-functions-durable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STATUS = {
    "name": "Chain",
    "instanceId": "one",
    "createdTime": "2026-01-02T12:00:00.25Z",
    "lastUpdatedTime": "2026-01-02T13:00:00Z",
    "input": {"n": 1},
    "output": ["a", 1.5, None],
    "runtimeStatus": "Completed",
    "customStatus": "done",
    "historyEvents": [{"EventType": "ExecutionStarted"}],
}

EXPRESSIONS = """
EntityId("Counter", "Key").name
EntityId("Counter", "Key").key
str(EntityId("Counter", "Key"))
EntityId.get_scheduler_id(EntityId("Counter", "Key"))
EntityId.get_entity_id("@counter@Key").name
EntityId.get_entity_id("@counter@Key").key
EntityId.get_entity_id_url_path(EntityId("Counter", "Key"))
EntityId("Counter", "Key") == EntityId("Counter", "Key")
EntityId("Counter", "Key") == EntityId("Counter", "key")
EntityId("Counter", "Key") == "@counter@Key"
EntityId("", "Key")
EntityId("Counter", "")
EntityId.get_entity_id("counter")
RetryOptions(5000, 3).to_json()
RetryOptions(first_retry_interval_in_milliseconds=5000, max_number_of_attempts=3).max_number_of_attempts
RetryOptions(5000, 3).first_retry_interval_in_milliseconds
RetryOptions(0, 3)
RetryOptions(-1, 3)
ManagedIdentityTokenSource("https://graph.microsoft.com/").to_json()
ManagedIdentityTokenSource(resource="https://graph.microsoft.com/").resource
isinstance(ManagedIdentityTokenSource("x"), TokenSource)
PurgeHistoryResult(3).instances_deleted
PurgeHistoryResult.from_json({"instancesDeleted": 3, "more": 1}).instances_deleted
PurgeHistoryResult(instancesDeleted=3, more=1).more
EntityStateResponse(True, {"n": 1}).entity_state
EntityStateResponse(False).entity_state
EntityStateResponse(entity_exists=False).entity_exists
[status.name for status in OrchestrationRuntimeStatus]
OrchestrationRuntimeStatus("Running") is OrchestrationRuntimeStatus.Running
[TaskState.RUNNING.value, TaskState.SUCCEEDED.value, TaskState.FAILED.value]
issubclass(DurableFunctionsCompatibilityWarning, UserWarning)
DurableOrchestrationStatus.from_json(STATUS).name
DurableOrchestrationStatus.from_json(STATUS).instance_id
DurableOrchestrationStatus.from_json(STATUS).created_time.isoformat()
DurableOrchestrationStatus.from_json(STATUS).last_updated_time.isoformat()
DurableOrchestrationStatus.from_json(STATUS).input_
DurableOrchestrationStatus.from_json(STATUS).output
DurableOrchestrationStatus.from_json(STATUS).custom_status
DurableOrchestrationStatus.from_json(STATUS).runtime_status.name
DurableOrchestrationStatus.from_json(STATUS).historyEvents
DurableOrchestrationStatus(history=[1]).history
{k: v for k, v in sorted(DurableOrchestrationStatus.from_json(STATUS).to_json().items()) if k != "history"}
bool(DurableOrchestrationStatus.from_json(STATUS))
bool(DurableOrchestrationStatus())
bool(DurableOrchestrationStatus.from_json("nothing"))
DurableOrchestrationStatus.from_json("nothing").message
DurableOrchestrationStatus(runtimeStatus="Done")
DurableOrchestrationStatus(more=5).more
""".strip().splitlines()


def evaluated(name: Callable[[str], Any]) -> dict[str, str]:
    """What each expression comes to: its repr, or that it is refused. `name` finds what the expressions name."""

    class Names(dict[str, Any]):
        def __missing__(self, key: str) -> Any:
            return name(key)

    return {expression: _shown(expression, Names(STATUS=STATUS)) for expression in EXPRESSIONS}


def _shown(expression: str, names: dict[str, Any]) -> str:
    try:
        return repr(eval(expression, {}, names))
    except ValueError:
        return "refused as ValueError"
