"""Toolsets other than an agent's own tools: those made when they are needed, MCP servers, and what runs bring along."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import durable_operation
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import DynamicToolset, FunctionToolset

from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, asking, call, environment, returned

needs_mcp = pytest.mark.skipif(find_spec("fastmcp") is None, reason="the client of MCP servers is not installed")


def test_a_toolset_that_is_made_when_it_is_needed_is_made_in_activities():
    made: list[Any] = []

    def make(ctx: RunContext[str]) -> FunctionToolset[str]:
        made.append(ctx.deps)
        toolset = FunctionToolset[str](id="inner")
        toolset.add_function(lambda what: f"{what} of {ctx.deps}", name="find", takes_ctx=False, description="Finds.")
        return toolset

    agent = Agent(
        ScriptedModel(call("find", what="news"), returned),
        name="agent",
        deps_type=str,
        toolsets=[DynamicToolset(make, id="dynamic")],
        capabilities=[AzureDurability()],
    )
    with environment(asking(agent, deps="today")) as env:
        run = env.start("ask", "Find")
        assert run.result() == "['news of today']"
        assert run.calls().names == [
            "agent__dynamic_toolset__dynamic.get_tools",
            "agent__model.request",
            "agent__dynamic_toolset__dynamic.call_tool",
            "agent__dynamic_toolset__dynamic.get_tools",
            "agent__model.request",
        ]


@needs_mcp
def test_a_server_of_tools_is_asked_in_activities():
    from mcp.server import MCPServer
    from pydantic_ai.mcp import MCPToolset

    server = MCPServer("weather", instructions="Ask me of the weather.")

    @server.tool()
    async def weather(city: str) -> str:
        return f"sun in {city}"

    agent = Agent(
        ScriptedModel(call("weather", city="Rome"), returned),
        name="agent",
        toolsets=[MCPToolset(server, id="weather")],
        capabilities=[AzureDurability()],
    )
    with environment(asking(agent)) as env:
        run = env.start("ask", "How is it?")
        assert "sun in Rome" in run.result()
        assert set(run.calls().names) == {
            "agent__mcp_server__weather.get_tools",
            "agent__model.request",
            "agent__mcp_server__weather.call_tool",
        }


class Audit(AbstractCapability[Any]):
    """A capability whose method is a step."""

    id = "audit"

    def __init__(self, kept: list[str]) -> None:
        self.kept = kept

    @durable_operation(name="record")
    async def record(self, ctx: RunContext[Any], message: str) -> int:
        self.kept.append(message)
        return len(self.kept)

    async def before_run(self, ctx: RunContext[Any]) -> None:
        await self.record(ctx, f"run {ctx.run_id is not None}")


def test_an_operation_of_a_capability_is_a_step_that_is_made_once():
    kept: list[str] = []
    agent = Agent(ScriptedModel("done"), name="agent", capabilities=[AzureDurability(), Audit(kept)])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Work")
        assert run.result() == "done"
        assert run.calls().names == ["agent__capability__audit.record", "agent__model.request"]
    assert kept == ["run True"]


def test_a_toolset_that_a_run_brings_along_is_refused_by_name():
    agent = Agent(ScriptedModel("done"), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent, toolsets=[FunctionToolset([lambda: "x"], id="late")])) as env:
        failure = env.start("ask", "Work").wait().failure
        assert failure is not None
        assert failure.is_caused_by(UserError)
        assert "cannot be added at runtime" in failure.message
