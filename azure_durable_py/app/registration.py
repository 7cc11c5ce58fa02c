"""Turns the durable functions of an app into a registry, and refuses what could never run.

Owns the rules for declarations. Every refusal names the function, its file and line, and the mend.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from azure.functions.decorators.core import Binding

from azure_durable_py.app.builders import DurableFunction
from azure_durable_py.app.clients import takes_sync_client
from azure_durable_py.app.invocation import InvocationContext
from azure_durable_py.bindings import DurableClient, bind_client
from azure_durable_py.errors import RegistrationError
from azure_durable_py.registry import (
    ActivityDefinition,
    EntityDefinition,
    OrchestratorDefinition,
    Registry,
    place_of,
)
from azure_durable_py.schedules.functions import add_schedules, see_to_run
from azure_durable_py.signatures import resolve_annotation, signature_of

Fill = Callable[[DurableClient, Callable[..., Any]], Callable[[], Any]]
_CONTEXT = "context"


def build_registry(
    functions: Iterable[DurableFunction[..., Any]], fill: Fill, *, strict_types: bool = False
) -> Registry:
    """Register every durable function, and those that the engine adds.

    :param fill: gives for a binding and an activity what is asked for the client whenever the activity runs.
    :param strict_types: annotations of plain JSON types are checked, too.
    :raises RegistrationError: a declaration could never run, or a name is taken.
    """
    registry = Registry(strict_types=strict_types)
    for function in functions:
        match function.durable_kind:
            case "orchestrator":
                orchestrator = _orchestrator(function)
                orchestrator = replace(orchestrator, input_type=registry.expected(orchestrator.input_type))
                registry.orchestrators.add(orchestrator)
            case "activity":
                activity = _activity(function, fill, registry)
                registry.activities.add(replace(activity, input_type=registry.expected(activity.input_type)))
            case "entity":
                registry.entities.add(_entity(function))
    add_schedules(registry, fill(DurableClient("instances"), see_to_run))
    return registry


def check_called(parameter: object, usage: str) -> None:
    """See whether a decorator was given the name of a parameter, and not the function itself.

    :param usage: the decorator as it should be.
    :raises RegistrationError: it stands without parentheses.
    """
    if callable(parameter):
        raise RegistrationError(
            f"The decorator of {place_of(parameter)} stands without parentheses, so it declares nothing. "
            f"Write: @app.{usage}"
        )


def check_parameter(function: Callable[..., Any], name: str, source: str) -> None:
    """Refuse a function without the parameter that its decorator names.

    :param source: what names the parameter, for the message: `activity_trigger(input_name=...)`.
    """
    parameters = signature_of(function).parameters
    if name in parameters and parameters[name].kind is not inspect.Parameter.POSITIONAL_ONLY:
        return
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    has = ", ".join(parameters) or "none"
    raise RegistrationError(
        f"{place_of(function)} has no parameter {name!r}, which {source} names. Its parameters: {has}. "
        "Rename one of the two (a positional-only parameter does not count)."
    )


def _orchestrator(durable: DurableFunction[..., Any]) -> OrchestratorDefinition:
    function = durable.function
    _refuse_bindings(durable, "An orchestrator may only use its context: move the binding to an activity.")
    if inspect.isasyncgenfunction(function):
        raise RegistrationError(
            f"Orchestrator {place_of(function)} is an async generator: use `async def` with `await`, "
            "or a plain `def` with `yield`."
        )
    _check_context(durable)
    return OrchestratorDefinition(durable.durable_name, function, durable.input_type)


def _activity(durable: DurableFunction[..., Any], fill: Fill, registry: Registry) -> ActivityDefinition:
    function: Callable[..., Any] = durable.function
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(
            f"Activity {place_of(function)} is a generator function: an activity returns one value. "
            "Return a list, or declare it with orchestration_trigger if it is an orchestrator."
        )
    if durable.cancellable and not inspect.iscoroutinefunction(function):
        raise RegistrationError(
            f"Activity {place_of(function)} is declared with cancellable=True and is no `async def` function: a thread "
            "cannot be cancelled. Make it `async def`, or leave cancellable out."
        )
    source = f"activity_trigger(input_name={durable.parameter!r})"
    check_parameter(function, durable.parameter, source)
    client_bindings = [binding for binding in durable.other_bindings if isinstance(binding, DurableClient)]
    _refuse_bindings(
        durable, "An activity runs in this process: use the service's SDK in its place.", allowed=client_bindings
    )
    filled = {durable.parameter, _CONTEXT, *(binding.name for binding in client_bindings)}
    _refuse_unfilled(function, filled)
    parameter = signature_of(function).parameters.get(durable.parameter)
    input_type = resolve_annotation(function, parameter.annotation) if parameter is not None else None
    for binding in client_bindings:
        check_parameter(function, binding.name, f"durable_client_input(client_name={binding.name!r})")
        function = bind_client(function, binding.name, fill(binding, function))
    if durable.parameter != _CONTEXT and _CONTEXT in signature_of(function).parameters:
        name, directory = durable.durable_name, str(_directory(durable.function))
        function = bind_client(function, _CONTEXT, lambda: InvocationContext(name, directory, registry=registry))
    waits = any(takes_sync_client(durable.function, binding.name) for binding in client_bindings)
    return ActivityDefinition(
        durable.durable_name, function, durable.parameter, input_type, waits, cancellable=durable.cancellable
    )


def _entity(durable: DurableFunction[..., Any]) -> EntityDefinition:
    function: Callable[..., Any] = durable.function
    _refuse_bindings(durable, "An entity may only use its context: let an activity do the rest.")
    if isinstance(function, type):
        return EntityDefinition(durable.durable_name, function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(
            f"Entity {place_of(function)} is a generator function: an operation runs to its end at once. "
            "Remove `yield`; call orchestrations and activities from an orchestrator."
        )
    _check_context(durable)
    return EntityDefinition(durable.durable_name, function)


def _check_context(durable: DurableFunction[..., Any]) -> None:
    # It is passed by position, so that the parameter may have another name than the decorator says.
    function, name = durable.function, durable.parameter
    parameters = signature_of(function).parameters
    first = next(iter(parameters.values()), None)
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    if first is None or first.kind in by_name or (name in parameters and name != first.name):
        raise RegistrationError(
            f"{place_of(function)} must take the context ({name!r}) as its first parameter: it is passed by position."
        )
    _refuse_unfilled(function, {first.name})


def _refuse_bindings(durable: DurableFunction[..., Any], mend: str, allowed: Iterable[Binding] = ()) -> None:
    for binding in durable.other_bindings:
        if binding not in allowed:
            raise RegistrationError(
                f"{durable.durable_kind.capitalize()} {place_of(durable.function)} has a binding "
                f"{binding.type} ({binding.name!r}) beside its trigger, which nothing would fill. {mend}"
            )


def _refuse_unfilled(function: Callable[..., Any], filled: set[str]) -> None:
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    for parameter in signature_of(function).parameters.values():
        if parameter.name in filled or parameter.kind in variadic:
            continue
        if parameter.default is inspect.Parameter.empty:
            raise RegistrationError(
                f"{place_of(function)} has a parameter {parameter.name!r} that nothing fills. "
                "Give it a default, or pass several values as one input (a dict, list or dataclass)."
            )


def _directory(function: Callable[..., Any]) -> Path:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Path(code.co_filename).parent if code is not None else Path.cwd()
