"""The activity that calls models.

Owns the call of a real model for a recorded request, and what is said of one that failed. It runs outside of any
orchestration: here, clocks, networks and credentials are what they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from agents import AgentsException, ModelProvider, ModelTracing, MultiProvider
from openai import APIError, OpenAIError

from azure_durable_py.agents.model_errors import provider_error
from azure_durable_py.errors import ActivityError
from azure_durable_py.openai_agents.model_requests import DeclaredOutput, ModelRequest, encode_response
from azure_durable_py.openai_agents.tool_declarations import declared_handoff, declared_tool
from azure_durable_py.openai_agents.tracing import within_place

Credentials: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What is put to the settings of hosted MCP servers, by label."""


def model_caller(
    provider: ModelProvider | None,
) -> Callable[[dict[str, Any], Credentials], Coroutine[Any, Any, dict[str, Any]]]:
    """What an activity does that calls models, with its input and the credentials of the app.

    :param provider: gives models by name; None: what the SDK takes by default, made when it is first needed.
    """
    made = provider

    async def call_model(request: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
        nonlocal made
        made = made or MultiProvider()
        try:
            asked = ModelRequest.model_validate(request)
            with within_place(asked.trace):
                return await _answer(asked, made, credentials)
        except Exception as error:  # noqa: BLE001 - which errors there are is up to the provider
            raise _told(error) from None

    return call_model


async def _answer(request: ModelRequest, provider: ModelProvider, credentials: Credentials) -> dict[str, Any]:
    settings = request.model_settings
    asked = provider.get_model(request.model).get_response(
        request.instructions,
        request.input,
        settings,
        [declared_tool(tool, credentials) for tool in request.tools],
        None if request.output is None else DeclaredOutput(request.output),
        [declared_handoff(handoff) for handoff in request.handoffs],
        ModelTracing(request.tracing),
        previous_response_id=request.previous_response_id,
        conversation_id=request.conversation_id,
        prompt=request.prompt,
    )
    return encode_response(await asyncio.wait_for(asked, settings.timeout))


def _told(error: Exception) -> ActivityError:
    """The error that says whether the call is to be made again."""
    # Of the SDK and its client, what is no answer of a provider is wrong in itself.
    is_wrong = isinstance(error, OpenAIError) and not isinstance(error, APIError)
    return provider_error(error, is_hopeless=is_wrong or isinstance(error, AgentsException))
