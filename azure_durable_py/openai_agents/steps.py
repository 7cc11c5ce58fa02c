"""How the steps of agents are taken in one app: which activities there are for them, and how they are tried again.

Owns finding that out for the orchestration whose code runs now. It knows no model and calls nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from azure_durable_py.agents.model_errors import MODEL_RETRY
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.registry import Registry
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.context import DurableOrchestrationContext

MODEL_ACTIVITY = "openai_agents_model"
"""The activity by which the plug-in calls models."""
MCP_ACTIVITY = "openai_agents_mcp"
"""The activity by which it calls MCP servers."""


@dataclass(frozen=True, slots=True)
class AgentSteps:
    """How the steps of agents are taken.

    :param model_activity: the activity that calls models.
    :param model_retry: how a call of a model is tried again; None: it is not.
    :param mcp_retry: the same for MCP servers.
    :param approvals: whether calls of tools that need an approval wait for it; else they end the run as they do
        without an orchestrator.
    :param approval_timeout: after this time such a call counts as denied; None: it is waited for ever.
    :param usage_in_status: whether the custom status tells what models were used for.
    :param default_model: whether models come from the SDK's own providers, which take the SDK's default for an agent
        without a model; what others take, only they know.
    :param mcp_credentials: for hosted MCP servers, by label. They are for the activity that calls models.
    """

    model_activity: str = MODEL_ACTIVITY
    model_retry: RetryPolicy | None = MODEL_RETRY
    mcp_retry: RetryPolicy | None = None
    approvals: bool = True
    approval_timeout: timedelta | None = None
    usage_in_status: bool = False
    default_model: bool = True
    mcp_credentials: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {}, repr=False)


_of_activity: WeakKeyDictionary[Callable[..., Any], AgentSteps] = WeakKeyDictionary()
_of_orchestration: ContextVar[AgentSteps | None] = ContextVar("azure_durable_py_agent_steps", default=None)


def declare_steps(activity: Callable[..., Any], steps: AgentSteps) -> None:
    """Have the steps of agents be these in each app that has this activity under the name of the plug-in."""
    _of_activity[activity] = steps


def declared_steps(registry: Registry) -> AgentSteps | None:
    """How the steps of agents are taken in an app; None: it was not given the plug-in."""
    # There may be another function in its place, as in tests: the rest is as it was declared.
    declared = registry.activities.declared(MODEL_ACTIVITY)
    return None if declared is None else _of_activity.get(declared.function) or AgentSteps()


def use_models(
    context: DurableOrchestrationContext, activity: str, retry: RetryPolicy | None, *, default: bool
) -> None:
    """Have models be called by another activity than that of the plug-in, in the orchestration whose code runs now.

    All other steps are as the plug-in of its app has them, if there is one.

    :param default: `default_model` of the steps.
    """
    declared = declared_steps(_registry_of(context)) or AgentSteps()
    _of_orchestration.set(replace(declared, model_activity=activity, model_retry=retry, default_model=default))


def steps_of(context: DurableOrchestrationContext) -> AgentSteps:
    """How the steps of agents are taken in this orchestration.

    :raises OrchestratorError: its app was not given the plug-in.
    """
    found = _of_orchestration.get()
    if found is not None:
        return found
    declared = declared_steps(_registry_of(context))
    if declared is None:
        raise OrchestratorError(
            f"Orchestrator {context.name!r} runs an agent, and its app cannot call models. Give it the plug-in: "
            "app.register_functions(OpenAIAgents()), with OpenAIAgents from azure_durable_py.openai_agents."
        )
    return declared


def _registry_of(context: DurableOrchestrationContext) -> Registry:
    return context._generation.registry  # pyright: ignore[reportPrivateUsage]
