"""An MCP server as agents in orchestrators have it: each call of it is an activity.

Owns the stand-in; the connection is made by the activity of the plug-in.
"""

from __future__ import annotations

from typing import Any, TypeVar

from agents import AgentBase, RunContextWrapper
from agents.mcp import MCPServer
from mcp.types import (
    CallToolResult,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Tool,
)
from pydantic import BaseModel

from azure_durable_py.agents.step_calls import call_step
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.openai_agents.mcp_activity import MCPRequest
from azure_durable_py.openai_agents.steps import MCP_ACTIVITY, steps_of
from azure_durable_py.runtime.current import current_context

Answer = TypeVar("Answer", bound=BaseModel)


class _ListedTools:
    """The tools of servers that an orchestration has listed."""

    def __init__(self) -> None:
        self.by_server: dict[str, list[Tool]] = {}


class ActivityMCPServer(MCPServer):
    """An MCP server for agents in orchestrators: `Agent(mcp_servers=[mcp_server("files")])`.

    Its tools are listed once in each generation of an orchestration.

    :param name: the name of the server in `OpenAIAgents(mcp_servers=...)`.
    :param options: those of `agents.mcp.MCPServer`, as `require_approval`.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(**options)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    async def connect(self) -> None:
        """Nothing: each call connects."""

    async def cleanup(self) -> None:
        """Nothing: each call leaves."""

    async def list_tools(
        self, run_context: RunContextWrapper[Any] | None = None, agent: AgentBase | None = None
    ) -> list[Tool]:
        del run_context, agent
        listed = _context().extension(_ListedTools).by_server
        if self._name not in listed:
            listed[self._name] = [Tool.model_validate(tool) for tool in await self._ask("list_tools")]
        return list(listed[self._name])

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        given: dict[str, Any] = {"tool_name": tool_name, "arguments": arguments}
        return await self._get(CallToolResult, "call_tool", **given, **({} if meta is None else {"meta": meta}))

    async def list_prompts(self) -> ListPromptsResult:
        return await self._get(ListPromptsResult, "list_prompts")

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        return await self._get(GetPromptResult, "get_prompt", name=name, arguments=arguments)

    async def list_resources(self, cursor: str | None = None) -> ListResourcesResult:
        return await self._get(ListResourcesResult, "list_resources", cursor=cursor)

    async def list_resource_templates(self, cursor: str | None = None) -> ListResourceTemplatesResult:
        return await self._get(ListResourceTemplatesResult, "list_resource_templates", cursor=cursor)

    async def read_resource(self, uri: str) -> ReadResourceResult:
        return await self._get(ReadResourceResult, "read_resource", uri=uri)

    async def _get(self, kind: type[Answer], operation: Any, **arguments: Any) -> Answer:
        return kind.model_validate(await self._ask(operation, **arguments))

    async def _ask(self, operation: Any, **arguments: Any) -> Any:
        context = _context()
        request = MCPRequest(server=self._name, operation=operation, arguments=arguments).model_dump(mode="json")
        return await call_step(context, MCP_ACTIVITY, request, steps_of(context).mcp_retry)


def _context() -> Any:
    context = current_context()
    if context is None:
        raise OrchestratorError(
            "mcp_server(...) is for agents in orchestrators. Elsewhere give the agent the server itself, as "
            "agents.mcp.MCPServerStdio(...)."
        )
    return context


def mcp_server(name: str, **options: Any) -> ActivityMCPServer:
    """An MCP server of the plug-in, for agents in orchestrators. Each call of it is an activity, which connects anew.

    :param name: the name of the server in `OpenAIAgents(mcp_servers=...)`.
    :param options: those of `agents.mcp.MCPServer`, as `require_approval="always"`.
    """
    return ActivityMCPServer(name, **options)
