"""What a unit test plays: an orchestrator or entity as its decorated function, a plain function, or a name in an app.

Owns how it is found. It plays nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from azure_durable_py.app import DurableFunction
from azure_durable_py.app.entry_points import EntryPoint
from azure_durable_py.app.registration import build_registry
from azure_durable_py.registry import EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.names import Kind, durable_name
from azure_durable_py.testing.apps import App, registry_of


class StepError(Exception):
    """A step of a unit test that cannot be taken: nothing waits for it, or what is played has ended."""


def orchestrator_of(given: str | Callable[..., Any], app: App | None) -> tuple[Registry, OrchestratorDefinition]:
    """An orchestrator, and what is declared beside it.

    :raises StepError: a name without an app. :raises FunctionNotFoundError: the app has none of this name.
    :raises OrchestratorError: it is no orchestrator. :raises RegistrationError: it is declared wrongly.
    """
    registry, name = _found(given, app, "orchestrator")
    if name is None:
        function = _plain(given)
        registry.orchestrators.add(OrchestratorDefinition(_name_of(function), function))
        name = _name_of(function)
    return registry, registry.orchestrators.get(name)


def entity_of(given: str | Callable[..., Any], app: App | None) -> tuple[Registry, EntityDefinition]:
    """An entity, and what is declared beside it.

    :raises StepError: a name without an app. :raises FunctionNotFoundError: the app has none of this name.
    :raises OrchestratorError: it is no entity. :raises RegistrationError: it is declared wrongly.
    """
    registry, name = _found(given, app, "entity")
    if name is None:
        function = _plain(given)
        registry.entities.add(EntityDefinition(_name_of(function), function))
        name = _name_of(function)
    return registry, registry.entities.get(name)


def _found(given: str | Callable[..., Any], app: App | None, kind: Kind) -> tuple[Registry, str | None]:
    """Where it is declared, and its name; a plain function has none, and no place."""
    if app is not None:
        return registry_of(app), durable_name(given, kind)
    if isinstance(given, str):
        raise StepError(f"{given!r} is the name of an {kind}: say in which app, with app=..., or give the function.")
    if isinstance(given, DurableFunction):
        durable = cast("DurableFunction[..., Any]", given)
        return build_registry([durable], _no_client), durable_name(durable, kind)
    return Registry(), None


def _plain(given: Any) -> Callable[..., Any]:
    return given.function if isinstance(given, EntryPoint) else given


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _no_client(*_: object) -> Callable[[], Any]:
    return lambda: None
