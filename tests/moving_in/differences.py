"""What azure-functions-durable 1.7 has and this package has not, or has in another way: each with its reason.

Names are patterns. The page for those who move in says the same in words; `test_signatures.py` holds this list
against both packages.
"""

from __future__ import annotations

_PROTOCOL = "It is part of the protocol between the .NET extension and the worker, which there is not here."
_ENGINE = "The engine makes and settles tasks; an app only awaits them and looks at them."
_MADE_BY_ENGINE = "The engine makes it; a test gets a real one by azure_durable_py.testing."

ABSENT_MODULES = {
    "models.DurableHttpRequest": "call_http takes the parts of a request as arguments.",
    "models.DurableOrchestrationBindings": _PROTOCOL,
    "models.FunctionContext": _PROTOCOL,
    "models.OrchestratorState": _PROTOCOL,
    "models.ReplaySchema": _PROTOCOL,
    "models.RpcManagementOptions": _PROTOCOL,
    "models.TaskOrchestrationExecutor": _PROTOCOL,
    "models.actions*": _PROTOCOL,
    "models.entities*": _PROTOCOL,
    "models.history*": "context.histories and client.get_history have events of our own, told by their classes.",
    "models.utils.df_serialization": "Values are written and read by a DataConverter.",
    "models.utils.http_utils": _PROTOCOL,
    "models.utils.json_utils": _PROTOCOL,
    "models.utils.type_discovery": "Annotations are read by the engine.",
}

ABSENT_NAMES = {
    "validate_*": "They look for an extension bundle of version 1 and for function.json; neither matters here.",
    "InternalEntityException": _PROTOCOL,
    "TaskOrchestrationExecutor": _PROTOCOL,
    "*Action": _PROTOCOL,
    "DurableHttpRequest": "call_http takes the parts of a request as arguments.",
    "DurableOrchestrationBindings": _PROTOCOL,
    "EntityState": _PROTOCOL,
    "FunctionContext": _PROTOCOL,
    "HistoryEvent*": "context.histories and client.get_history have events of our own, told by their classes.",
    "OperationResult": _PROTOCOL,
    "OrchestratorState": _PROTOCOL,
    "ReplaySchema": _PROTOCOL,
    "RpcManagementOptions": _PROTOCOL,
    "*_async_request": _PROTOCOL,
    "*_output_type": "Annotations are read by the engine.",
    "add_*attrib": _PROTOCOL,
    "parse_timespan_attrib": _PROTOCOL,
    "from_json_util": "Values are written and read by a DataConverter.",
}

DIFFERENT = {
    # Tasks
    "*Task*.__init__*": _ENGINE,
    "*Task*.set_is_played": _ENGINE,
    "*Task*.is_played": _ENGINE,
    "*Task*.change_state": _ENGINE,
    "*Task*.set_value": _ENGINE,
    "*Task*.try_set_value": _ENGINE,
    "*Task*.propagate": _ENGINE,
    "*Task*.handle_completion": _ENGINE,
    "*Task*.parent": "A task may be part of several others.",
    "*Task*.action_repr": _PROTOCOL,
    "*Task*.id": "Only the task of a decision has a number: an activity, a timer, a call.",
    "*Task*.pending_tasks": "Look at `is_completed` of the tasks in `children`.",
    "*Task*.completed_tasks": "Look at `is_completed` of the tasks in `children`.",
    "LongTimerTask.*": "A timer of any length is one TimerTask; it has `is_cancelled`.",
    "RetryAbleTask.*": "What is tried again, and when, is the engine's business.",
    # Contexts
    "DurableOrchestrationContext.__init__*": _MADE_BY_ENGINE,
    "DurableOrchestrationContext.from_json": _PROTOCOL,
    "DurableOrchestrationContext.decision_started_event": _PROTOCOL,
    "DurableOrchestrationContext.open_tasks": _ENGINE,
    "DurableOrchestrationContext.deferred_tasks": _ENGINE,
    "DurableEntityContext.__init__*": _MADE_BY_ENGINE,
    "DurableEntityContext.from_json": _PROTOCOL,
    # The client
    "DurableOrchestrationClient.__init__*": "A client comes with durable_client_input, or by `from_...`.",
    "DurableOrchestrationClient.create_http_management_payload(instance_id)": (
        "The id alone may be the first argument, or the second after a request."
    ),
    # Apps
    "Blueprint.__init__(http_auth_level)": "The level of an HTTP function is said by its app, or by the function.",
    "*.durable_openai_agent_orchestrator(model_retry_options)": "Its default says the same: 5 times, 2 s apart.",
    "Orchestrator.__init__*": "Orchestrator.create makes one.",
    "Orchestrator.fn": "It is `function`.",
    "Orchestrator.handle": _PROTOCOL,
    "Orchestrator.task_orchestration_executor": _PROTOCOL,
    "Entity.__init__*": "Entity.create makes one.",
    "Entity.fn": "It is `function`.",
    "Entity.handle": _PROTOCOL,
}
