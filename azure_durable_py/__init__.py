"""Durable Functions for Python, with the whole engine in Python.

`import azure_durable_py as df` gives the names below. Each is loaded when first used, so that
importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_durable_py.app import Blueprint, DFApp, DurableFunction, Entity, Orchestrator
    from azure_durable_py.client.batches import EntitySignal, InstanceEvent, NewInstance
    from azure_durable_py.client.client import DurableOrchestrationClient
    from azure_durable_py.client.client import DurableOrchestrationClient as DurableFunctionsClient
    from azure_durable_py.client.entities import (
        CleanEntityStorageResult,
        EntityMetadata,
        EntityPage,
        EntityStateResponse,
    )
    from azure_durable_py.client.export import ExportedInstance
    from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy
    from azure_durable_py.client.keys import KeyClient, KeyDescription
    from azure_durable_py.client.schedules import ScheduleClient, ScheduleDescription
    from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult, StatusPage
    from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient, KeySyncClient, ScheduleSyncClient
    from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse
    from azure_durable_py.errors import (
        ActivityError,
        BatchError,
        BudgetExceededError,
        DurableError,
        DurableFunctionsCompatibilityWarning,
        FunctionNotFoundError,
        HttpRefusedError,
        HttpRequestError,
        HttpStatusError,
        HttpTimeoutError,
        HubFormatError,
        InstanceAlreadyExistsError,
        InstanceCompletedError,
        InstanceNotFailedError,
        InstanceNotFoundError,
        InvalidInstanceIdError,
        InvalidRequestError,
        KeyNotFoundError,
        NonDeterminismError,
        OrchestrationFailedError,
        OrchestratorError,
        PayloadTooLargeError,
        RegistrationError,
        RewindNotPossibleError,
        ScheduleAlreadyExistsError,
        ScheduleNotFoundError,
        SerializationError,
        SettingsError,
        StorageError,
        StorageUnavailableError,
        TaskCanceledError,
        TaskFailedError,
        TurnTimeoutError,
        WorkGivenUpError,
    )
    from azure_durable_py.failures import FailureDetails
    from azure_durable_py.ids import EntityId
    from azure_durable_py.retry_policy import HttpRetryOptions, RetryOptions, RetryPolicy
    from azure_durable_py.runtime.context import DurableOrchestrationContext
    from azure_durable_py.runtime.current import current_context
    from azure_durable_py.runtime.entities.context import DurableEntityContext, entity_context
    from azure_durable_py.runtime.entities.proxy import operation
    from azure_durable_py.runtime.tasks import Task, TaskState
    from azure_durable_py.schedules.definition import ScheduleDefinition, schedule_entity_id
    from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
    from azure_durable_py.settings import Settings
    from azure_durable_py.stand_in import install_as_durable_functions
    from azure_durable_py.status import OrchestrationRuntimeStatus
    from azure_durable_py.token_sources import ManagedIdentityTokenSource, TokenSource

_HOMES = {
    "app": (
        "Blueprint",
        "DFApp",
        "DurableFunction",
        "Entity",
        "Orchestrator",
    ),
    "client.batches": (
        "EntitySignal",
        "InstanceEvent",
        "NewInstance",
    ),
    "client.client": ("DurableOrchestrationClient",),
    "client.entities": (
        "CleanEntityStorageResult",
        "EntityMetadata",
        "EntityPage",
        "EntityStateResponse",
    ),
    "client.export": ("ExportedInstance",),
    "client.id_reuse": ("OrchestrationIdReusePolicy",),
    "client.keys": (
        "KeyClient",
        "KeyDescription",
    ),
    "client.schedules": (
        "ScheduleClient",
        "ScheduleDescription",
    ),
    "client.status": (
        "DurableOrchestrationStatus",
        "PurgeHistoryResult",
        "StatusPage",
    ),
    "client.sync_client": (
        "DurableOrchestrationSyncClient",
        "KeySyncClient",
        "ScheduleSyncClient",
    ),
    "durable_http": (
        "DurableHttpRequest",
        "DurableHttpResponse",
    ),
    "errors": (
        "ActivityError",
        "BatchError",
        "BudgetExceededError",
        "DurableError",
        "DurableFunctionsCompatibilityWarning",
        "FunctionNotFoundError",
        "HttpRefusedError",
        "HttpRequestError",
        "HttpStatusError",
        "HttpTimeoutError",
        "HubFormatError",
        "InstanceAlreadyExistsError",
        "InstanceCompletedError",
        "InstanceNotFailedError",
        "InstanceNotFoundError",
        "InvalidInstanceIdError",
        "InvalidRequestError",
        "KeyNotFoundError",
        "NonDeterminismError",
        "OrchestrationFailedError",
        "OrchestratorError",
        "PayloadTooLargeError",
        "RegistrationError",
        "RewindNotPossibleError",
        "ScheduleAlreadyExistsError",
        "ScheduleNotFoundError",
        "SerializationError",
        "SettingsError",
        "StorageError",
        "StorageUnavailableError",
        "TaskCanceledError",
        "TaskFailedError",
        "TurnTimeoutError",
        "WorkGivenUpError",
    ),
    "failures": ("FailureDetails",),
    "ids": ("EntityId",),
    "retry_policy": (
        "HttpRetryOptions",
        "RetryOptions",
        "RetryPolicy",
    ),
    "runtime.context": ("DurableOrchestrationContext",),
    "runtime.current": ("current_context",),
    "runtime.entities.context": (
        "DurableEntityContext",
        "entity_context",
    ),
    "runtime.entities.proxy": ("operation",),
    "runtime.tasks": (
        "Task",
        "TaskState",
    ),
    "schedules.definition": (
        "ScheduleDefinition",
        "schedule_entity_id",
    ),
    "serialization.converter": (
        "DataConverter",
        "JsonDataConverter",
    ),
    "settings": ("Settings",),
    "stand_in": ("install_as_durable_functions",),
    "status": ("OrchestrationRuntimeStatus",),
    "token_sources": (
        "ManagedIdentityTokenSource",
        "TokenSource",
    ),
}
# Other names of the same thing, for those who come from a package that calls it so.
_ALIASES = {"DurableFunctionsClient": "DurableOrchestrationClient"}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "ActivityError",
    "BatchError",
    "Blueprint",
    "BudgetExceededError",
    "CleanEntityStorageResult",
    "DFApp",
    "DataConverter",
    "DurableEntityContext",
    "DurableError",
    "DurableFunction",
    "DurableFunctionsClient",
    "DurableFunctionsCompatibilityWarning",
    "DurableHttpRequest",
    "DurableHttpResponse",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "DurableOrchestrationSyncClient",
    "Entity",
    "EntityId",
    "EntityMetadata",
    "EntityPage",
    "EntitySignal",
    "EntityStateResponse",
    "ExportedInstance",
    "FailureDetails",
    "FunctionNotFoundError",
    "HttpRefusedError",
    "HttpRequestError",
    "HttpRetryOptions",
    "HttpStatusError",
    "HttpTimeoutError",
    "HubFormatError",
    "InstanceAlreadyExistsError",
    "InstanceCompletedError",
    "InstanceEvent",
    "InstanceNotFailedError",
    "InstanceNotFoundError",
    "InvalidInstanceIdError",
    "InvalidRequestError",
    "JsonDataConverter",
    "KeyClient",
    "KeyDescription",
    "KeyNotFoundError",
    "KeySyncClient",
    "ManagedIdentityTokenSource",
    "NewInstance",
    "NonDeterminismError",
    "OrchestrationFailedError",
    "OrchestrationIdReusePolicy",
    "OrchestrationRuntimeStatus",
    "Orchestrator",
    "OrchestratorError",
    "PayloadTooLargeError",
    "PurgeHistoryResult",
    "RegistrationError",
    "RetryOptions",
    "RetryPolicy",
    "RewindNotPossibleError",
    "ScheduleAlreadyExistsError",
    "ScheduleClient",
    "ScheduleDefinition",
    "ScheduleDescription",
    "ScheduleNotFoundError",
    "ScheduleSyncClient",
    "SerializationError",
    "Settings",
    "SettingsError",
    "StatusPage",
    "StorageError",
    "StorageUnavailableError",
    "Task",
    "TaskCanceledError",
    "TaskFailedError",
    "TaskState",
    "TokenSource",
    "TurnTimeoutError",
    "WorkGivenUpError",
    "current_context",
    "entity_context",
    "install_as_durable_functions",
    "operation",
    "schedule_entity_id",
]


def __getattr__(name: str) -> Any:
    own = _ALIASES.get(name, name)
    home = _HOME_OF.get(own)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), own)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if "azure.functions" in sys.modules:
    # A function app is being loaded. Its plain FunctionApp is to find the durable decorators even where it uses
    # nothing else of the package.
    importlib.import_module(f"{__name__}.app")
