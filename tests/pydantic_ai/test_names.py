"""The names of steps stand in histories: an agent under way is lost without them, so none may ever change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, FunctionToolset, RunContext
from pydantic_ai.capabilities import LocalWorkspace, durable_operation
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.toolsets import DynamicToolset

from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of


class Audit(AbstractCapability[Any]):
    id = "audit"

    @durable_operation(name="record")
    async def record(self, ctx: RunContext[Any], message: str) -> bool:
        return bool(message)


async def handler(ctx: RunContext[Any], events: Any) -> None:
    async for _ in events:
        pass


def names_of(*agents: Any) -> list[str]:
    return sorted(function.durable_name for function in app_of(*agents).durable_functions())


def test_the_steps_of_an_agent_have_these_names():
    agent = Agent(
        ScriptedModel(),
        name="agent",
        toolsets=[
            FunctionToolset[Any](id="shop"),
            DynamicToolset[Any](lambda ctx: FunctionToolset[Any](id="inner"), id="dynamic"),
        ],
        capabilities=[AzureDurability(event_stream_handler=handler), Audit()],
    )
    assert names_of(agent) == [
        "agent__capability__audit.record",
        "agent__dynamic_toolset__dynamic.call_tool",
        "agent__dynamic_toolset__dynamic.get_tools",
        "agent__dynamic_toolset__dynamic.validate_args",
        "agent__event_stream_handler",
        "agent__function_toolset__<agent>.call_tool",
        "agent__function_toolset__<agent>.validate_args",
        "agent__function_toolset__shop.call_tool",
        "agent__function_toolset__shop.validate_args",
        "agent__model.cancel_suspended_response",
        "agent__model.compact_messages",
        "agent__model.request",
        "agent__model.request_stream",
    ]


def test_another_name_for_the_steps_than_the_agents_may_be_given():
    agent = Agent(ScriptedModel(), name="renamed", capabilities=[AzureDurability(name="as-before")])
    assert "as-before__model.request" in names_of(agent)


def test_the_steps_of_a_server_of_tools_have_these_names():
    server = pytest.importorskip("mcp.server")
    toolsets = pytest.importorskip("pydantic_ai.mcp")
    toolset = toolsets.MCPToolset(server.MCPServer("weather"), id="weather")
    agent = Agent(ScriptedModel(), name="agent", toolsets=[toolset], capabilities=[AzureDurability()])
    assert [name for name in names_of(agent) if "weather" in name] == [
        "agent__mcp_server__weather.call_tool",
        "agent__mcp_server__weather.get_instructions",
        "agent__mcp_server__weather.get_tools",
    ]


def test_the_steps_of_a_workspace_have_this_name(tmp_path: Path):
    workspace = LocalWorkspace[None](tmp_path)
    plain = Agent(ScriptedModel(), name="agent", capabilities=[AzureDurability()])
    agent = Agent(ScriptedModel(), name="agent", capabilities=[AzureDurability(), workspace])
    assert set(names_of(agent)) - set(names_of(plain)) == {"agent__capability__workspace.call"}
