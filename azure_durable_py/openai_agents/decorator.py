"""`durable_openai_agent_orchestrator`: the decorator of azure-functions-durable 1.7.

Owns what it makes of a function. The orchestrators that it decorates may be `def`, also with `yield`, and then wait for
agents by `Runner.run_sync`; an `async def` awaits `Runner.run`.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from agents import ModelProvider
from pydantic_core import to_json

from azure_durable_py.app import Blueprint
from azure_durable_py.app.invocation import InvocationContext
from azure_durable_py.errors import RegistrationError
from azure_durable_py.openai_agents.context import DurableAIAgentContext
from azure_durable_py.openai_agents.model_activity import model_caller
from azure_durable_py.openai_agents.plugin import checked_provider, takes_default_model
from azure_durable_py.openai_agents.runner import install_runner
from azure_durable_py.openai_agents.steps import declared_steps, use_models
from azure_durable_py.openai_agents.sync_code import run_sync_code
from azure_durable_py.retry_policy import RetryPolicy

RUN_MODEL = "run_model"
"""The activity by which these orchestrators call models, as 1.7 names it."""


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the first decorator of a blueprint has declared."""

    provider: ModelProvider | None


_declared: WeakKeyDictionary[Blueprint, _Declared] = WeakKeyDictionary()


def orchestrator_decorator(
    blueprint: Blueprint, model_provider: ModelProvider | None, model_retry_options: RetryPolicy | None
) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """What `durable_openai_agent_orchestrator` of a blueprint does to a function.

    :raises TypeError: `model_provider` is none.
    :raises RegistrationError: another one was given before.
    """
    checked_provider(model_provider)
    _declare(blueprint, model_provider)
    install_runner()
    default = takes_default_model(_declared[blueprint].provider)

    def decorate(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def orchestrate(context: Any) -> Any:
                use_models(context, RUN_MODEL, model_retry_options, default=default)
                return await function(DurableAIAgentContext(context))

            return orchestrate
        if not inspect.isfunction(function):
            raise RegistrationError(
                f"durable_openai_agent_orchestrator decorates a function, not {function!r}. Put it below "
                "@app.orchestration_trigger, closest to the function."
            )

        @functools.wraps(function)
        async def orchestrate_sync(context: Any) -> str:
            use_models(context, RUN_MODEL, model_retry_options, default=default)
            return _text(await run_sync_code(function, DurableAIAgentContext(context)))

        return orchestrate_sync

    return decorate


def _declare(blueprint: Blueprint, provider: ModelProvider | None) -> None:
    known = _declared.get(blueprint)
    if known is None:
        _declared[blueprint] = _Declared(provider)
        caller = model_caller(provider)

        async def run_model(request: dict[str, Any], context: InvocationContext) -> dict[str, Any]:
            """Call a model."""
            declared = None if context.registry is None else declared_steps(context.registry)
            return await caller(request, {} if declared is None else declared.mcp_credentials)

        blueprint.activity_trigger("request", RUN_MODEL, cancellable=True)(run_model)
    elif provider is not None and provider is not known.provider:
        raise RegistrationError(
            "durable_openai_agent_orchestrator was given one model_provider before, and another now. Models of one app "
            "come from one provider: give the same to each, or one that knows them all."
        )


def _text(value: Any) -> str:
    """The output of a `def`, which 1.7 has as text: a string as it is, all else as the JSON of it."""
    if type(value) is str:
        return value
    for name in ("to_json", "model_dump_json"):
        encode = getattr(value, name, None)
        if callable(encode):
            return encode()  # type: ignore[no-any-return]
    try:
        return json.dumps(value)
    except TypeError:
        return to_json(value).decode()
