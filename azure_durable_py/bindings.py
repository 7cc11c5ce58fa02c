"""The bindings of the durable programming model, and how a durable client reaches its parameter.

Owns the three triggers, the client binding, and the wrapper that fills a bound parameter in
this process instead of through the Functions host.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from azure.functions.decorators.core import InputBinding, Trigger

from azure_durable_py.constants import ACTIVITY_TRIGGER, DURABLE_CLIENT, ENTITY_TRIGGER, ORCHESTRATION_TRIGGER
from azure_durable_py.signatures import signature_of


class OrchestrationTrigger(Trigger):
    """Runs a function as orchestrator `orchestration` (None: the function's name)."""

    @staticmethod
    def get_binding_name() -> str:
        """The binding's type in function.json."""
        return ORCHESTRATION_TRIGGER

    def __init__(self, name: str, orchestration: str | None = None) -> None:
        self.orchestration = orchestration
        super().__init__(name=name)


class ActivityTrigger(Trigger):
    """Runs a function as activity `activity` (None: the function's name)."""

    @staticmethod
    def get_binding_name() -> str:
        """The binding's type in function.json."""
        return ACTIVITY_TRIGGER

    def __init__(self, name: str, activity: str | None = None) -> None:
        self.activity = activity
        super().__init__(name=name)


class EntityTrigger(Trigger):
    """Runs a function or class as entity `entity_name` (None: the function's name)."""

    @staticmethod
    def get_binding_name() -> str:
        """The binding's type in function.json."""
        return ENTITY_TRIGGER

    def __init__(self, name: str, entity_name: str | None = None) -> None:
        self.entity_name = entity_name
        super().__init__(name=name)


class DurableClient(InputBinding):
    """Passes a durable client to a function.

    `task_hub` and `connection_name` name another hub than the app's own; either may hold `%SETTING%`.
    """

    @staticmethod
    def get_binding_name() -> str:
        """The binding's type in function.json."""
        return DURABLE_CLIENT

    def __init__(self, name: str, task_hub: str | None = None, connection_name: str | None = None) -> None:
        self.task_hub = task_hub
        self.connection_name = connection_name
        super().__init__(name=name)


def bind_client(function: Callable[..., Any], client_name: str, client: Callable[[], Any]) -> Callable[..., Any]:
    """A function of the same kind (sync or async) and signature, without the parameter `client_name`.

    `client` is asked for the parameter's value at every call, so that a function can be bound
    before there is a hub. The signature and annotations of the result do not show the
    parameter: the Functions worker refuses functions with parameters that are no bindings.
    """
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **{**kwargs, client_name: client()})

        wrapper = call_async
    else:

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **{**kwargs, client_name: client()})

        wrapper = call
    _prune(wrapper, function, client_name)
    return wrapper


def _prune(wrapper: Callable[..., Any], function: Callable[..., Any], name: str) -> None:
    signature = signature_of(function)
    left = [parameter for parameter in signature.parameters.values() if parameter.name != name]
    annotations = {parameter.name: parameter.annotation for parameter in left}
    annotations["return"] = signature.return_annotation
    # On 3.14 the lazy annotations that `wraps` copied would bring the parameter back: setting
    # `__annotations__` replaces them.
    wrapper.__annotations__ = {key: value for key, value in annotations.items() if value is not inspect.Signature.empty}
    wrapper.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
