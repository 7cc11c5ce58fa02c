"""One call of a model as JSON: what the activity is given, and what it gives back.

Owns both encodings and no call. The request is recorded in the history of the orchestration, so what it holds must be
no secret; credentials belong to the client of the model provider.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from agents import AgentOutputSchemaBase, Handoff, ModelResponse, ModelSettings, Tool
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_jsonable_python

from azure_durable_py.agents.request_secrets import refuse_secret_headers
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.openai_agents.tool_declarations import (
    HandoffDeclaration,
    ToolDeclaration,
    declare_handoff,
    declare_tool,
)
from azure_durable_py.openai_agents.tracing import TracePlace

_RESPONSE = TypeAdapter(ModelResponse)
_SETTINGS = TypeAdapter(ModelSettings)


class OutputDeclaration(BaseModel):
    """What a model is told of the structured output that it is to give."""

    name: str
    form: dict[str, Any]
    strict: bool


class ModelRequest(BaseModel):
    """What a model is asked."""

    model: str | None = None
    instructions: str | None = None
    # Not typed any further: what pydantic makes of the types of the SDK are iterators that can be read once.
    input: str | list[Any]
    settings: dict[str, Any] = {}
    tools: list[ToolDeclaration] = []
    handoffs: list[HandoffDeclaration] = []
    output: OutputDeclaration | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    prompt: Any = None
    tracing: int = 0
    trace: TracePlace | None = None

    def to_json(self) -> dict[str, Any]:
        """As JSON, without what is as it is by default."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @property
    def model_settings(self) -> ModelSettings:
        """The settings of the call."""
        return _SETTINGS.validate_python(self.settings)


def model_request(
    model: str | None,
    instructions: str | None,
    input_: str | list[Any],
    settings: ModelSettings,
    tools: list[Tool],
    output: AgentOutputSchemaBase | None,
    handoffs: list[Handoff[Any, Any]],
) -> ModelRequest:
    """The request that a model is to answer.

    :raises OrchestratorError: a tool cannot be had in an orchestrator, or something is no JSON or a secret.
    """
    try:
        return ModelRequest(
            model=model,
            instructions=instructions,
            input=to_jsonable_python(input_),
            settings=_encode_settings(settings),
            tools=[declare_tool(tool) for tool in tools],
            handoffs=[declare_handoff(handoff) for handoff in handoffs],
            output=_declare_output(output),
        )
    except (TypeError, ValueError) as error:
        raise OrchestratorError(
            f"A call of model {model or 'of the provider'!r} cannot be recorded, as something of it is no JSON: {error}"
        ) from error


def _encode_settings(settings: ModelSettings) -> dict[str, Any]:
    refuse_secret_headers(cast("Mapping[str, object] | None", settings.extra_headers))
    # What is unset in the settings of reasoning must not become null on the way.
    encoded = _SETTINGS.dump_python(settings, mode="json", exclude_unset=True)
    # The step is tried again by the policy of the plug-in, so nothing else is to do so.
    return {name: value for name, value in encoded.items() if value is not None and name != "retry"}


def _declare_output(output: AgentOutputSchemaBase | None) -> OutputDeclaration | None:
    if output is None or output.is_plain_text():
        return None
    return OutputDeclaration(name=output.name(), form=output.json_schema(), strict=output.is_strict_json_schema())


class DeclaredOutput(AgentOutputSchemaBase):
    """The structured output that a model is told of. What it gives is validated in the orchestrator."""

    def __init__(self, declaration: OutputDeclaration) -> None:
        self._declaration = declaration

    def is_plain_text(self) -> bool:
        return False

    def name(self) -> str:
        return self._declaration.name

    def json_schema(self) -> dict[str, Any]:
        return self._declaration.form

    def is_strict_json_schema(self) -> bool:
        return self._declaration.strict

    def validate_json(self, json_str: str) -> Any:
        return json.loads(json_str)


def encode_response(response: ModelResponse) -> dict[str, Any]:
    """An answer as JSON."""
    return _RESPONSE.dump_python(response, mode="json", exclude_unset=True, warnings="none")


def decode_response(encoded: Mapping[str, Any]) -> ModelResponse:
    """The answer that `encode_response` wrote."""
    return _RESPONSE.validate_python(encoded)
