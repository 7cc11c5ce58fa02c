"""The activity that calls MCP servers.

Owns one call: connecting, asking, and leaving again. No connection outlives it, so it may run in any process, and a
server must not expect to be asked twice by the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from agents.mcp import MCPServer
from agents.mcp._compat import MCPError
from pydantic import BaseModel

from azure_durable_py.agents.model_errors import without_secrets
from azure_durable_py.errors import ActivityError
from azure_durable_py.retry_policy import RetryPolicy

MCPServerFactory: TypeAlias = Callable[[], MCPServer]
"""Makes the connection to a server, which is then opened and closed by whoever asked for it."""

MCP_RETRY = RetryPolicy(timedelta(seconds=2), max_number_of_attempts=3, backoff_coefficient=2.0)
"""How an MCP server is called again by default: after 2 s and after 4 s, unless it said what is wrong."""


class MCPRequest(BaseModel):
    """What a server is asked."""

    server: str
    operation: Literal[
        "list_tools",
        "call_tool",
        "list_prompts",
        "get_prompt",
        "list_resources",
        "list_resource_templates",
        "read_resource",
    ]
    arguments: dict[str, Any] = {}


def mcp_activity(
    servers: Mapping[str, MCPServerFactory],
) -> Callable[[dict[str, Any]], Coroutine[Any, Any, Any]]:
    """The function of the activity.

    :param servers: what makes a connection, by the name of the server.
    """

    async def call_mcp_server(request: dict[str, Any]) -> Any:
        """Call an MCP server."""
        asked = MCPRequest.model_validate(request)
        make = servers.get(asked.server)
        if make is None:
            known = ", ".join(sorted(servers)) or "none"
            raise ActivityError(
                f"OpenAIAgents(mcp_servers=...) has no server {asked.server!r}; it has: {known}.", retryable=False
            )
        try:
            return await _ask(make(), asked)
        except MCPError as error:
            raise ActivityError(without_secrets(str(error)), retryable=False) from None
        except Exception as error:  # noqa: BLE001 - which errors there are is up to the transport
            cause = _innermost(error)
            raise ActivityError(without_secrets(f"{type(cause).__name__}: {cause}")) from None

    return call_mcp_server


def _innermost(error: Exception) -> Exception:
    """What went wrong, where a transport tells of it by groups."""
    found: Any = error
    while inner := getattr(found, "exceptions", ()):
        found = inner[0]
    return found


async def _ask(server: MCPServer, asked: MCPRequest) -> Any:
    try:
        await server.connect()
        answer: Any = await getattr(server, asked.operation)(**asked.arguments)
    finally:
        await server.cleanup()
    if isinstance(answer, BaseModel):
        return _as_json(answer)
    return [_as_json(each) for each in answer]


def _as_json(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)
