"""What of an agent is recorded with a model call, and what the model is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents import (
    Agent,
    AgentOutputSchema,
    CodeInterpreterTool,
    CustomTool,
    FileSearchTool,
    FunctionTool,
    HostedMCPTool,
    ImageGenerationTool,
    LocalShellTool,
    ModelResponse,
    ModelSettings,
    ShellTool,
    ToolSearchTool,
    WebSearchTool,
    function_tool,
    handoff,
)
from agents.model_settings import MCPToolChoice
from agents.testing import assistant_message, function_call
from agents.tool import ProgrammaticToolCallingTool
from agents.usage import Usage
from openai import Omit
from openai.types.shared import Reasoning
from pydantic import BaseModel

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.openai_agents.model_requests import (
    DeclaredOutput,
    ModelRequest,
    decode_response,
    encode_response,
    model_request,
)
from azure_durable_py.openai_agents.tool_declarations import declare_tool, declared_handoff, declared_tool


class Forecast(BaseModel):
    city: str


@function_tool(defer_loading=True)
def add(a: int, b: int = 3) -> int:
    """Add two numbers."""
    return a + b


def through_json(request: ModelRequest) -> ModelRequest:
    return ModelRequest.model_validate(json.loads(json.dumps(request.to_json())))


def request(**given: Any) -> ModelRequest:
    options: dict[str, Any] = {
        "model": "m",
        "instructions": None,
        "input_": "hello",
        "settings": ModelSettings(),
        "tools": [],
        "output": None,
        "handoffs": [],
        **given,
    }
    return model_request(**options)


async def unused(*given: Any) -> Any:
    raise AssertionError("nobody calls it here")


TOOLS = [
    WebSearchTool(search_context_size="low", filters={"allowed_domains": ["example.org"]}),
    FileSearchTool(vector_store_ids=["a"], filters={"type": "eq", "key": "a", "value": 1}),
    CodeInterpreterTool({"type": "code_interpreter", "container": {"type": "auto"}}),
    ImageGenerationTool({"type": "image_generation", "quality": "high"}),
    HostedMCPTool({"type": "mcp", "server_label": "x", "server_url": "https://x"}),
    ToolSearchTool(),
    ProgrammaticToolCallingTool(),
    ShellTool(environment={"type": "container_auto"}),
]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: type(tool).__name__)
def test_tools_of_the_provider_come_out_as_they_are(tool: Any):
    [declared] = through_json(request(tools=[tool])).tools
    assert declared_tool(declared, {}) == tool


def test_a_function_is_told_of_without_what_it_does():
    [declared] = through_json(request(tools=[add])).tools
    told = declared_tool(declared, {})
    assert isinstance(told, FunctionTool)
    assert (told.name, told.description, told.defer_loading) == ("add", "Add two numbers.", True)
    assert told.params_json_schema == add.params_json_schema


async def test_what_was_told_of_cannot_be_called():
    custom = CustomTool("grep", "Finds.", unused, format={"type": "text"})
    [declared] = through_json(request(tools=[custom])).tools
    told: Any = declared_tool(declared, {})
    assert told.tool_config == custom.tool_config
    with pytest.raises(NotImplementedError, match="Tools are called in the orchestrator"):
        await told.on_invoke_tool(None, "")


@pytest.mark.parametrize("tool", [LocalShellTool(unused), ShellTool(executor=unused)], ids=["local", "shell"])
def test_tools_of_this_machine_are_refused_with_the_mend(tool: Any):
    with pytest.raises(OrchestratorError, match="give the agent activity_tool"):
        declare_tool(tool)


def test_handoffs_and_outputs_are_told_of():
    made = through_json(
        request(handoffs=[handoff(Agent("B", handoff_description="bills"))], output=AgentOutputSchema(Forecast))
    )
    told = declared_handoff(made.handoffs[0])
    assert (told.tool_name, told.agent_name) == ("transfer_to_b", "B")
    assert "bills" in told.tool_description
    assert made.output is not None
    output = DeclaredOutput(made.output)
    assert (output.name(), output.is_strict_json_schema(), output.is_plain_text()) == ("Forecast", True, False)
    assert output.json_schema() == AgentOutputSchema(Forecast).json_schema()
    assert output.validate_json('{"city": "Rome"}') == {"city": "Rome"}
    assert request(output=AgentOutputSchema(str)).output is None


def test_settings_come_out_as_they_are():
    settings = ModelSettings(
        temperature=0.5,
        reasoning=Reasoning(effort="low"),
        tool_choice=MCPToolChoice("x", "read"),
        extra_args={"a": None, "b": [1]},
        extra_headers={"x-team": "17"},
        parallel_tool_calls=False,
        timeout=3,
    )
    made = through_json(request(settings=settings)).model_settings
    assert made == settings
    assert made.reasoning is not None
    assert made.reasoning.model_fields_set == {"effort"}
    omitting = through_json(request(settings=ModelSettings(extra_headers={"x": Omit()}))).model_settings
    assert isinstance((omitting.extra_headers or {})["x"], Omit)


def test_what_is_no_json_is_refused():
    with pytest.raises(OrchestratorError, match="of model 'm' cannot be recorded"):
        request(input_=[{"role": "user", "content": object()}])


def test_little_is_recorded_where_little_is_said():
    assert request().to_json() == {"model": "m", "input": "hello"}


def test_answers_come_out_as_they_are():
    usage = Usage(requests=1, input_tokens=3, output_tokens=4, total_tokens=7)
    output = [assistant_message("hi"), function_call("add", {"a": 1}, call_id="c1")]
    response = ModelResponse(output=output, usage=usage, response_id="r1", request_id="q1")
    made = decode_response(json.loads(json.dumps(encode_response(response))))
    assert made == response
    assert [type(item) for item in made.output] == [type(item) for item in output]
    assert made.to_input_items() == response.to_input_items()
