"""`OpenAIAgents`: what an app is given so that agents run durably in its orchestrators.

Owns the activities of the plug-in and its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agents import ModelProvider, MultiProvider, OpenAIProvider

from azure_durable_py.agents.model_errors import MODEL_RETRY
from azure_durable_py.app import Blueprint
from azure_durable_py.openai_agents.mcp_activity import MCP_RETRY, MCPServerFactory, mcp_activity
from azure_durable_py.openai_agents.model_activity import model_caller
from azure_durable_py.openai_agents.runner import install_runner
from azure_durable_py.openai_agents.steps import MCP_ACTIVITY, MODEL_ACTIVITY, AgentSteps, declare_steps
from azure_durable_py.retry_policy import RetryPolicy


class OpenAIAgents(Blueprint):
    """Agents of the OpenAI Agents SDK in orchestrators: `app.register_functions(OpenAIAgents())`.

    After that, `await Runner.run(agent, input)` in any `async def` orchestrator of the app is durable: each call of a
    model is an activity, and so is each call of an MCP server; tools run in the orchestrator, unless they are made of
    activities. Elsewhere, `Runner.run` does what it always does.

    :param model_provider: gives models by name, in activities; None: what the SDK takes by default.
    :param model_retry_options: how a call of a model is tried again; None: it is not. Requests that are refused, and
        answers that make no sense, are never tried again.
    :param mcp_servers: what makes a connection to an MCP server, by a name of yours. `mcp_server(name)` is that server
        for an agent.
    :param mcp_retry_options: how a call of an MCP server is tried again; None: it is not.
    :param mcp_credentials: for hosted MCP servers, by `server_label`: what is put to their `tool_config` when a model
        is called, as `{"authorization": ...}`; so it is in no history.
    :param approvals: whether a call of a tool that needs an approval waits until a person has decided. If not, the run
        ends with its interruptions, as elsewhere.
    :param approval_timeout: after this time such a call counts as denied; None: it is waited for ever.
    :param usage_in_status: whether the custom status tells while the instance runs, under `usage`, how often models
        were called and how many tokens they read and wrote in this generation.
    """

    def __init__(
        self,
        model_provider: ModelProvider | None = None,
        model_retry_options: RetryPolicy | None = MODEL_RETRY,
        *,
        mcp_servers: Mapping[str, MCPServerFactory] | None = None,
        mcp_retry_options: RetryPolicy | None = MCP_RETRY,
        mcp_credentials: Mapping[str, Mapping[str, Any]] | None = None,
        approvals: bool = True,
        approval_timeout: timedelta | None = None,
        usage_in_status: bool = False,
    ) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - azure.functions has no type for it
        checked_provider(model_provider)
        caller, credentials = model_caller(model_provider), dict(mcp_credentials or {})

        async def call_model(request: dict[str, Any]) -> dict[str, Any]:
            """Call a model."""
            return await caller(request, credentials)

        self.activity_trigger("request", MODEL_ACTIVITY, cancellable=True)(call_model)
        if mcp_servers:
            self.activity_trigger("request", MCP_ACTIVITY, cancellable=True)(mcp_activity(mcp_servers))
        steps = AgentSteps(
            MODEL_ACTIVITY,
            model_retry_options,
            mcp_retry_options,
            approvals,
            approval_timeout,
            usage_in_status,
            takes_default_model(model_provider),
            credentials,
        )
        declare_steps(call_model, steps)
        install_runner()


def takes_default_model(provider: ModelProvider | None) -> bool:
    """Whether an agent without a model gets the one that the SDK takes by default."""
    return provider is None or type(provider) in (MultiProvider, OpenAIProvider)


def checked_provider(provider: object) -> None:
    """See that models come from what can give them.

    :raises TypeError: it is no model provider.
    """
    if provider is not None and not isinstance(provider, ModelProvider):
        raise TypeError(
            f"model_provider must be a ModelProvider of the agents SDK, as OpenAIProvider(), not {provider!r}."
        )
