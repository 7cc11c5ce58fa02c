"""What a model is told of the tools and handoffs of an agent, as JSON.

Owns both ways: from the tools in an orchestrator to what is recorded with a model call, and from that to tools that an
activity hands to a model. What a tool does never leaves the orchestrator: the tools of an activity can be told of, and
not called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from agents import (
    CodeInterpreterTool,
    CustomTool,
    FileSearchTool,
    FunctionTool,
    Handoff,
    HostedMCPTool,
    ImageGenerationTool,
    ShellTool,
    Tool,
    ToolSearchTool,
    WebSearchTool,
)
from agents.tool import ProgrammaticToolCallingTool
from pydantic import BaseModel, TypeAdapter

from azure_durable_py.errors import OrchestratorError

HOSTED: dict[str, type[Any]] = {
    "code_interpreter": CodeInterpreterTool,
    "file_search": FileSearchTool,
    "image_generation": ImageGenerationTool,
    "programmatic_tool_calling": ProgrammaticToolCallingTool,
    "tool_search": ToolSearchTool,
    "web_search": WebSearchTool,
}
"""Tools that the provider of the model runs itself: all that they are is what the model is told."""
_ADAPTERS = {kind: TypeAdapter[Any](tool) for kind, tool in HOSTED.items()}
_CREDENTIALS = ("authorization", "headers")


class ToolDeclaration(BaseModel):
    """A tool. `kind` says which fields there are."""

    kind: Literal[
        "function",
        "custom",
        "hosted_mcp",
        "shell",
        "code_interpreter",
        "file_search",
        "image_generation",
        "programmatic_tool_calling",
        "tool_search",
        "web_search",
    ]
    name: str = ""
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool = True
    deferred: bool = False
    callers: list[Any] | None = None
    output: dict[str, Any] | None = None
    namespace: str | None = None
    namespace_description: str | None = None
    settings: dict[str, Any] = {}


class HandoffDeclaration(BaseModel):
    """A handoff to another agent."""

    name: str
    description: str
    parameters: dict[str, Any]
    strict: bool
    agent: str


def declare_tool(tool: Tool) -> ToolDeclaration:
    """What a model is told of a tool.

    :raises OrchestratorError: an orchestrator cannot have such a tool.
    """
    match tool:
        case FunctionTool():
            return _declare_function(tool)
        case CustomTool():
            return ToolDeclaration(
                kind="custom",
                name=tool.name,
                description=tool.description,
                deferred=tool.defer_loading,
                callers=cast("list[Any] | None", tool.allowed_callers),
                settings={} if tool.format is None else {"format": tool.format},
            )
        case HostedMCPTool(tool_config=config):
            return ToolDeclaration(kind="hosted_mcp", settings=_without_credentials(dict(config)))
        case ShellTool(executor=None):
            return ToolDeclaration(
                kind="shell",
                name=tool.name,
                callers=cast("list[Any] | None", tool.allowed_callers),
                settings={"environment": tool.environment},
            )
        case _:
            for kind, hosted in HOSTED.items():
                if isinstance(tool, hosted):
                    settings = _ADAPTERS[kind].dump_python(tool, mode="json", exclude_none=True)
                    return ToolDeclaration(kind=cast("Any", kind), settings=settings)
    raise OrchestratorError(
        f"A {type(tool).__name__} does its work on this machine, which an orchestrator must not: it is replayed. Let "
        "an activity do that, and give the agent activity_tool(that_activity)."
    )


def _declare_function(tool: FunctionTool) -> ToolDeclaration:
    return ToolDeclaration(
        kind="function",
        name=tool.name,
        description=tool.description,
        parameters=tool.params_json_schema,
        strict=tool.strict_json_schema,
        deferred=tool.defer_loading,
        callers=cast("list[Any] | None", tool.allowed_callers),
        output=tool.output_json_schema,
        # There is no public way to ask for it, and models are told of it.
        namespace=tool._tool_namespace,  # pyright: ignore[reportPrivateUsage]
        namespace_description=tool._tool_namespace_description,  # pyright: ignore[reportPrivateUsage]
    )


def _without_credentials(config: dict[str, Any]) -> dict[str, Any]:
    label = config.get("server_label")
    for name in _CREDENTIALS:
        if config.get(name):
            raise OrchestratorError(
                f"The hosted MCP server {label!r} has {name!r} in its tool_config, which would be recorded in the "
                f"history with each model call. Take it out there, and give it to the plug-in: "
                f"OpenAIAgents(mcp_credentials={{{label!r}: {{{name!r}: ...}}}})."
            )
    return config


def declare_handoff(handoff: Handoff[Any, Any]) -> HandoffDeclaration:
    """What a model is told of a handoff."""
    return HandoffDeclaration(
        name=handoff.tool_name,
        description=handoff.tool_description,
        parameters=handoff.input_json_schema,
        strict=handoff.strict_json_schema,
        agent=handoff.agent_name,
    )


def declared_tool(declaration: ToolDeclaration, credentials: Mapping[str, Mapping[str, Any]]) -> Tool:
    """The tool that a model is told of.

    :param credentials: what is put to the settings of hosted MCP servers, by label.
    """
    settings = declaration.settings
    match declaration.kind:
        case "function":
            return FunctionTool(
                name=declaration.name,
                description=declaration.description,
                params_json_schema=declaration.parameters,
                on_invoke_tool=_not_here,
                strict_json_schema=declaration.strict,
                defer_loading=declaration.deferred,
                allowed_callers=declaration.callers,
                output_json_schema=declaration.output,
                _tool_namespace=declaration.namespace,
                _tool_namespace_description=declaration.namespace_description,
            )
        case "custom":
            return CustomTool(
                declaration.name,
                declaration.description,
                _not_here,
                format=settings.get("format"),
                defer_loading=declaration.deferred,
                allowed_callers=declaration.callers,
            )
        case "hosted_mcp":
            more = credentials.get(str(settings.get("server_label")), {})
            return HostedMCPTool(tool_config=cast("Any", {**settings, **more}))
        case "shell":
            return ShellTool(
                name=declaration.name, environment=settings.get("environment"), allowed_callers=declaration.callers
            )
        case kind:
            return _ADAPTERS[kind].validate_python(settings)


def declared_handoff(declaration: HandoffDeclaration) -> Handoff[Any, Any]:
    """The handoff that a model is told of."""
    return Handoff(
        tool_name=declaration.name,
        tool_description=declaration.description,
        input_json_schema=declaration.parameters,
        on_invoke_handoff=_not_here,
        agent_name=declaration.agent,
        strict_json_schema=declaration.strict,
    )


async def _not_here(*given: Any) -> Any:
    del given
    raise NotImplementedError("Tools are called in the orchestrator: the activity only tells a model of them.")
