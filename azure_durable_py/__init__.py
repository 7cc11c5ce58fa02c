"""Durable Functions for Python, with the whole engine in Python.

`import azure_durable_py as df` gives the names below. Each is loaded when first used, so that
importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_durable_py.app import Blueprint, DFApp, DurableFunction, Entity, Orchestrator
    from azure_durable_py.client.client import DurableOrchestrationClient
    from azure_durable_py.client.entities import (
        CleanEntityStorageResult,
        EntityMetadata,
        EntityPage,
        EntityStateResponse,
    )
    from azure_durable_py.client.status import DurableOrchestrationStatus, PurgeHistoryResult, StatusPage
    from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse
    from azure_durable_py.errors import (
        DurableError,
        FunctionNotFoundError,
        HttpRefusedError,
        HttpRequestError,
        HttpStatusError,
        HttpTimeoutError,
        HubFormatError,
        InstanceAlreadyExistsError,
        InstanceCompletedError,
        InstanceNotFoundError,
        InvalidInstanceIdError,
        InvalidRequestError,
        NonDeterminismError,
        OrchestrationFailedError,
        OrchestratorError,
        PayloadTooLargeError,
        RegistrationError,
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
    from azure_durable_py.runtime.entities.context import DurableEntityContext, entity_context
    from azure_durable_py.runtime.entities.proxy import operation
    from azure_durable_py.runtime.tasks import Task
    from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
    from azure_durable_py.settings import Settings
    from azure_durable_py.status import OrchestrationRuntimeStatus
    from azure_durable_py.token_sources import ManagedIdentityTokenSource

_HOMES = {
    "app": (
        "Blueprint",
        "DFApp",
        "DurableFunction",
        "Entity",
        "Orchestrator",
    ),
    "client.client": ("DurableOrchestrationClient",),
    "client.entities": (
        "CleanEntityStorageResult",
        "EntityMetadata",
        "EntityPage",
        "EntityStateResponse",
    ),
    "client.status": (
        "DurableOrchestrationStatus",
        "PurgeHistoryResult",
        "StatusPage",
    ),
    "durable_http": (
        "DurableHttpRequest",
        "DurableHttpResponse",
    ),
    "errors": (
        "DurableError",
        "FunctionNotFoundError",
        "HttpRefusedError",
        "HttpRequestError",
        "HttpStatusError",
        "HttpTimeoutError",
        "HubFormatError",
        "InstanceAlreadyExistsError",
        "InstanceCompletedError",
        "InstanceNotFoundError",
        "InvalidInstanceIdError",
        "InvalidRequestError",
        "NonDeterminismError",
        "OrchestrationFailedError",
        "OrchestratorError",
        "PayloadTooLargeError",
        "RegistrationError",
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
    "runtime.entities.context": (
        "DurableEntityContext",
        "entity_context",
    ),
    "runtime.entities.proxy": ("operation",),
    "runtime.tasks": ("Task",),
    "serialization.converter": (
        "DataConverter",
        "JsonDataConverter",
    ),
    "settings": ("Settings",),
    "status": ("OrchestrationRuntimeStatus",),
    "token_sources": ("ManagedIdentityTokenSource",),
}
_HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "Blueprint",
    "CleanEntityStorageResult",
    "DFApp",
    "DataConverter",
    "DurableEntityContext",
    "DurableError",
    "DurableFunction",
    "DurableHttpRequest",
    "DurableHttpResponse",
    "DurableOrchestrationClient",
    "DurableOrchestrationContext",
    "DurableOrchestrationStatus",
    "Entity",
    "EntityId",
    "EntityMetadata",
    "EntityPage",
    "EntityStateResponse",
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
    "InstanceNotFoundError",
    "InvalidInstanceIdError",
    "InvalidRequestError",
    "JsonDataConverter",
    "ManagedIdentityTokenSource",
    "NonDeterminismError",
    "OrchestrationFailedError",
    "OrchestrationRuntimeStatus",
    "Orchestrator",
    "OrchestratorError",
    "PayloadTooLargeError",
    "PurgeHistoryResult",
    "RegistrationError",
    "RetryOptions",
    "RetryPolicy",
    "SerializationError",
    "Settings",
    "SettingsError",
    "StatusPage",
    "StorageError",
    "StorageUnavailableError",
    "Task",
    "TaskCanceledError",
    "TaskFailedError",
    "TurnTimeoutError",
    "WorkGivenUpError",
    "entity_context",
    "operation",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
