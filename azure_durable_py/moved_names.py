"""Where the names of azure-functions-durable 1.x are in this package.

Owns the table for code that was written for that package: by module below `azure.durable_functions`
and name, the module and name here. It holds texts only and imports nothing; what is not in it is part of
the protocol with the .NET extension, and has no counterpart.
"""

from __future__ import annotations

from collections.abc import Mapping

_PACKAGE = {
    "Blueprint": "app:Blueprint",
    "DFApp": "app:DFApp",
    "DurableEntityContext": "runtime.entities.context:DurableEntityContext",
    "DurableFunctionsCompatibilityWarning": "errors:DurableFunctionsCompatibilityWarning",
    "DurableOrchestrationClient": "client.client:DurableOrchestrationClient",
    "DurableOrchestrationContext": "runtime.context:DurableOrchestrationContext",
    "Entity": "app:Entity",
    "EntityId": "ids:EntityId",
    "ManagedIdentityTokenSource": "token_sources:ManagedIdentityTokenSource",
    "OrchestrationRuntimeStatus": "status:OrchestrationRuntimeStatus",
    "Orchestrator": "app:Orchestrator",
    "RetryOptions": "retry_policy:RetryOptions",
}
_MODELS = {
    "DurableOrchestrationStatus": "client.status:DurableOrchestrationStatus",
    "EntityStateResponse": "client.entities:EntityStateResponse",
    "PurgeHistoryResult": "client.status:PurgeHistoryResult",
    "TokenSource": "token_sources:TokenSource",
}
_TASKS = {
    "AtomicTask": "runtime.tasks:AtomicTask",
    "CompoundTask": "runtime.tasks:CompositeTask",
    "LongTimerTask": "runtime.tasks:TimerTask",
    "RetryAbleTask": "runtime.retry:RetryTask",
    "TaskBase": "runtime.tasks:Task",
    "TaskState": "runtime.tasks:TaskState",
    "TimerTask": "runtime.tasks:TimerTask",
    "WhenAllTask": "runtime.tasks:AllTask",
    "WhenAnyTask": "runtime.tasks:AnyTask",
}
_CONSTANTS = {
    name: f"constants:{name}"
    for name in (
        "ACTIVITY_TRIGGER",
        "DATETIME_STRING_FORMAT",
        "DEFAULT_LOCAL_HOST",
        "DEFAULT_LOCAL_ORIGIN",
        "DURABLE_CLIENT",
        "ENTITY_TRIGGER",
        "HTTP_ACTION_NAME",
        "ORCHESTRATION_TRIGGER",
    )
}
_TRIGGERS = {
    "ActivityTrigger": "bindings:ActivityTrigger",
    "DurableClient": "bindings:DurableClient",
    "EntityTrigger": "bindings:EntityTrigger",
    "OrchestrationTrigger": "bindings:OrchestrationTrigger",
}
# Needs the extra `openai-agents`, when it is first asked for.
_AGENTS = {"DurableAIAgentContext": "openai_agents:DurableAIAgentContext"}
_TESTING = {"orchestrator_generator_wrapper": "testing:orchestrator_generator_wrapper"}
_ALL = _PACKAGE | _MODELS | _TASKS | _CONSTANTS | _TRIGGERS


def _of(*names: str) -> dict[str, str]:
    return {name: _ALL[name] for name in names}


# Also what a module of 1.x merely imported: much code takes names from there.
MOVED_NAMES: Mapping[str, Mapping[str, str]] = {
    "": _PACKAGE,
    "constants": _CONSTANTS,
    "decorators": {},
    "decorators.durable_app": _of(
        "ActivityTrigger",
        "Blueprint",
        "DFApp",
        "DurableClient",
        "DurableOrchestrationClient",
        "Entity",
        "EntityTrigger",
        "OrchestrationTrigger",
        "Orchestrator",
        "RetryOptions",
    ),
    "decorators.metadata": _TRIGGERS
    | _of("ACTIVITY_TRIGGER", "DURABLE_CLIENT", "ENTITY_TRIGGER", "ORCHESTRATION_TRIGGER"),
    "entity": _of("DurableEntityContext", "Entity"),
    "models": _of(
        "DurableEntityContext",
        "DurableOrchestrationClient",
        "DurableOrchestrationContext",
        "ManagedIdentityTokenSource",
        "OrchestrationRuntimeStatus",
        "PurgeHistoryResult",
        "RetryOptions",
        "TaskBase",
    ),
    "models.DurableEntityContext": _of("DurableEntityContext"),
    "models.DurableOrchestrationClient": _of(
        "DurableOrchestrationClient",
        "DurableOrchestrationStatus",
        "EntityId",
        "EntityStateResponse",
        "OrchestrationRuntimeStatus",
        "PurgeHistoryResult",
    ),
    "models.DurableOrchestrationContext": _of(
        "ActivityTrigger",
        "AtomicTask",
        "DATETIME_STRING_FORMAT",
        "DurableOrchestrationContext",
        "EntityId",
        "LongTimerTask",
        "OrchestrationTrigger",
        "RetryAbleTask",
        "RetryOptions",
        "TaskBase",
        "TimerTask",
        "TokenSource",
        "WhenAllTask",
        "WhenAnyTask",
    ),
    "models.DurableOrchestrationStatus": _of("DurableOrchestrationStatus", "OrchestrationRuntimeStatus"),
    "models.EntityStateResponse": _of("EntityStateResponse"),
    "models.OrchestrationRuntimeStatus": _of("OrchestrationRuntimeStatus"),
    "models.PurgeHistoryResult": _of("PurgeHistoryResult"),
    "models.RetryOptions": _of("RetryOptions"),
    "models.Task": _TASKS | _of("RetryOptions"),
    "models.TokenSource": _of("ManagedIdentityTokenSource", "TokenSource"),
    "models.utils": {},
    "models.utils.entity_utils": _of("EntityId"),
    "openai_agents": _AGENTS,
    "openai_agents.context": _AGENTS,
    "orchestrator": _of("DurableOrchestrationContext", "Orchestrator"),
    "testing": _TESTING,
    "testing.OrchestratorGeneratorWrapper": _TESTING | _of("TaskBase"),
}
