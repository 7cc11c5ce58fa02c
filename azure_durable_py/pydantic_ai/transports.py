"""How the parameters of each operation of an agent cross from the orchestrator to an activity.

Owns for each what is written and how it is read again. Live things stay behind: a model crosses as its id, a tool as
its definition, a workspace as its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic_ai.durable_exec import (
    CapabilityMethodDeclaration,
    CapabilityOperationParams,
    DynamicToolsetCallToolParams,
    EventStreamHandlerParams,
    ModelCancelSuspendedResponseParams,
    ModelCompactMessagesParams,
    ModelRequestParams,
    ParameterTransport,
    ParameterTransports,
    ToolsetCallToolParams,
    ToolsetGetToolsParams,
    WorkspaceCall,
    WorkspaceCallParams,
    revalidate_function_call,
)
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import AgentStreamEvent, ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestContext, ModelRequestParameters
from pydantic_ai.native_tools import MCPServerTool
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset
from pydantic_ai.toolsets.function import FunctionToolsetTool
from pydantic_ai.workspaces import WorkspaceRef

from azure_durable_py.agents.request_secrets import refuse_secret_headers
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.pydantic_ai.engine import ENGINE
from azure_durable_py.pydantic_ai.wire import AgentStep, dump, dump_mapping, load

if TYPE_CHECKING:
    from pydantic_ai.agent.abstract import AbstractAgent
    from pydantic_ai.toolsets import DynamicToolset

    from azure_durable_py.pydantic_ai.run_context import ActivityRunContext

P = TypeVar("P")
Step = AgentStep[Any]
Context = RunContext[Any]
_MODEL_MESSAGES = list[ModelMessage]


class StepTransport(ParameterTransport[P, Step]):
    """Writes the parameters of one kind of operation, and reads them.

    :param write: their own part as plain JSON values. :param context_of: the run context among them.
    :param read: the parameters, of that and the run context.
    """

    def __init__(
        self,
        contexts: RunContexts,
        context_of: Callable[[P], Context | None],
        write: Callable[[P], dict[str, Any]],
        read: Callable[[dict[str, Any], Context], P],
    ) -> None:
        self._contexts = contexts
        self._context_of = context_of
        self._write = write
        self._read = read

    def dump(self, params: P) -> Step:
        """The input of the activity."""
        context = self._context_of(params)
        step: Step = AgentStep(self._write(params))
        if context is not None:
            step.context, step.deps = self._contexts.dump(context), context.deps
        return step

    def load(self, payload: Step, *, runtime: object) -> P:  # noqa: ARG002 - part of the contract
        """The parameters, in the activity."""
        return self._read(payload.call, self._contexts.load(payload))


class RunContexts:
    """The way of run contexts to activities.

    :param kind: the class that has them written and read. :param agent: gives the agent of this process.
    """

    def __init__(
        self, kind: type[ActivityRunContext[Any]], agent: Callable[[], AbstractAgent[Any, Any] | None]
    ) -> None:
        self._kind = kind
        self._agent = agent

    def dump(self, context: Context) -> dict[str, Any]:
        """The context as plain JSON values, without the dependencies."""
        return dump_mapping(self._kind.serialize_run_context(context), "the run context")

    def load(self, step: Step) -> Context:
        """The context that was written."""
        return self._kind.restore(step.context, deps=step.deps, agent=self._agent(), engine_spec=ENGINE)


class AgentTransports(ParameterTransports):
    """The transports of all operations of an agent.

    :param mcp_credentials: what is put to MCP servers that providers call, in activities, by the id of the tool.
    """

    def __init__(self, contexts: RunContexts, mcp_credentials: Mapping[str, Mapping[str, Any]]) -> None:
        self._contexts = contexts
        self._mcp_credentials = mcp_credentials

    # --- models --------------------------------------------------------------------------------------

    def model_request(
        self,
        result_type: object,  # noqa: ARG002 - part of the contract
    ) -> StepTransport[ModelRequestParams]:
        """A request, as a whole or as a stream."""

        def write(params: ModelRequestParams) -> dict[str, Any]:
            return {
                "model": params.model_id,
                "messages": dump(_MODEL_MESSAGES, params.messages, "A message"),
                "settings": _dump_settings(params.model_settings),
                "parameters": _dump_parameters(params.model_request_parameters),
            }

        def read(call: dict[str, Any], context: Context) -> ModelRequestParams:
            return ModelRequestParams(
                call.get("model"),
                messages=load(_MODEL_MESSAGES, call["messages"]),
                model_settings=call.get("settings"),
                model_request_parameters=_load_parameters(call["parameters"], self._mcp_credentials),
                run_context=context,
            )

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)

    def compact_messages(self) -> StepTransport[ModelCompactMessagesParams]:
        """Making a long history shorter."""

        def write(params: ModelCompactMessagesParams) -> dict[str, Any]:
            request = params.request_context
            return {
                "model": params.model_id,
                "messages": dump(_MODEL_MESSAGES, request.messages, "A message"),
                "settings": _dump_settings(request.model_settings),
                "parameters": _dump_parameters(request.model_request_parameters),
                "streaming": request.streaming,
                "instructions": params.instructions,
            }

        def read(call: dict[str, Any], context: Context) -> ModelCompactMessagesParams:
            # The operation puts the model in before anything looks at it.
            request = ModelRequestContext(
                model=cast("Model[Any]", None),
                messages=load(_MODEL_MESSAGES, call["messages"]),
                model_settings=call.get("settings"),
                model_request_parameters=_load_parameters(call["parameters"], self._mcp_credentials),
            )
            request.model_id, request.streaming = call.get("model"), call["streaming"]
            return ModelCompactMessagesParams(
                call.get("model"), request_context=request, instructions=call.get("instructions"), run_context=context
            )

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)

    def cancel_suspended_response(self) -> StepTransport[ModelCancelSuspendedResponseParams]:
        """Calling off what a provider still works on."""

        def write(params: ModelCancelSuspendedResponseParams) -> dict[str, Any]:
            return {"model": params.model_id, "response": dump(ModelResponse, params.response, "A response")}

        def read(call: dict[str, Any], context: Context) -> ModelCancelSuspendedResponseParams:
            return ModelCancelSuspendedResponseParams(
                call.get("model"), response=load(ModelResponse, call["response"]), run_context=context
            )

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)

    # --- tools -----------------------------------------------------------------------------------------

    def function_call(self, toolset: FunctionToolset[Any]) -> StepTransport[ToolsetCallToolParams]:
        """A call of a function tool, or a look at its arguments."""

        def read(call: dict[str, Any], context: Context) -> ToolsetCallToolParams:
            definition: ToolDefinition = load(ToolDefinition, call["definition"])
            try:
                tool = toolset.tool_for_tool_def(definition, ctx=context, original_name=call.get("original_name"))
            except KeyError:
                raise UserError(
                    f"The toolset {toolset.id!r} has no tool {call['name']!r}, which an agent calls. Keep the tools of "
                    "agents that are under way, or give these the code that they started with (versions)."
                ) from None
            return ToolsetCallToolParams(call["name"], tool_args=call["arguments"], ctx=context, tool=tool)

        return StepTransport(self._contexts, lambda params: params.ctx, _dump_call, read)

    async def prepare_function_call(
        self, toolset: FunctionToolset[Any], params: ToolsetCallToolParams
    ) -> ToolsetCallToolParams:
        """The call with its arguments as the types that the tool declares."""
        return await revalidate_function_call(toolset, params, engine_spec=ENGINE)

    def mcp_call(self, toolset: AbstractToolset[Any]) -> StepTransport[ToolsetCallToolParams]:
        """A call of a tool of an MCP server."""

        def read(call: dict[str, Any], context: Context) -> ToolsetCallToolParams:
            definition: ToolDefinition = load(ToolDefinition, call["definition"])
            tool = cast("Any", toolset).tool_for_tool_def(definition, ctx=context)
            return ToolsetCallToolParams(call["name"], tool_args=call["arguments"], ctx=context, tool=tool)

        return StepTransport(self._contexts, lambda params: params.ctx, _dump_call, read)

    def dynamic_call(
        self,
        toolset: DynamicToolset[Any],  # noqa: ARG002 - part of the contract
    ) -> StepTransport[DynamicToolsetCallToolParams]:
        """A call of a tool of a toolset that is made when it is needed."""

        def write(params: DynamicToolsetCallToolParams) -> dict[str, Any]:
            return _call(params.name, params.tool_args, params.tool_def)

        def read(call: dict[str, Any], context: Context) -> DynamicToolsetCallToolParams:
            definition = call.get("definition")
            return DynamicToolsetCallToolParams(
                call["name"],
                tool_args=call["arguments"],
                ctx=context,
                tool_def=None if definition is None else load(ToolDefinition, definition),
            )

        return StepTransport(self._contexts, lambda params: params.ctx, write, read)

    def get_tools(
        self,
        toolset: AbstractToolset[Any],  # noqa: ARG002 - part of the contract
    ) -> StepTransport[ToolsetGetToolsParams]:
        """Asking an MCP server for its tools."""
        return self._listing()

    def get_instructions(
        self,
        toolset: AbstractToolset[Any],  # noqa: ARG002 - part of the contract
    ) -> StepTransport[ToolsetGetToolsParams]:
        """Asking an MCP server for its instructions."""
        return self._listing()

    def dynamic_get_tools(
        self,
        toolset: DynamicToolset[Any],  # noqa: ARG002 - part of the contract
    ) -> StepTransport[ToolsetGetToolsParams]:
        """Asking a toolset that is made when it is needed for its tools."""
        return self._listing()

    def _listing(self) -> StepTransport[ToolsetGetToolsParams]:
        return StepTransport(
            self._contexts, lambda params: params.ctx, lambda _: {}, lambda _, context: ToolsetGetToolsParams(context)
        )

    # --- what else -----------------------------------------------------------------------------------------

    def event_stream_handler(self) -> StepTransport[EventStreamHandlerParams]:
        """Telling a handler of one event."""

        def write(params: EventStreamHandlerParams) -> dict[str, Any]:
            return {"event": dump(AgentStreamEvent, params.event, "An event")}

        def read(call: dict[str, Any], context: Context) -> EventStreamHandlerParams:
            return EventStreamHandlerParams(load(AgentStreamEvent, call["event"]), run_context=context)

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)

    def capability_operation(
        self, declaration: CapabilityMethodDeclaration
    ) -> StepTransport[CapabilityOperationParams]:
        """A method of a capability that is a durable operation."""

        def write(params: CapabilityOperationParams) -> dict[str, Any]:
            what = f"operation {declaration.name!r} of a capability"
            return {"model": params.model_id, "arguments": dump_mapping(params.arguments, what)}

        def read(call: dict[str, Any], context: Context) -> CapabilityOperationParams:
            return CapabilityOperationParams(context, arguments=call["arguments"], model_id=call.get("model"))

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)

    def workspace_call(self) -> StepTransport[WorkspaceCallParams]:
        """A call of a workspace."""

        def write(params: WorkspaceCallParams) -> dict[str, Any]:
            return {
                "call": dump(WorkspaceCall, params.call, "A call of the workspace"),
                "workspace": dump(WorkspaceRef | None, params.ref, "The reference of the workspace"),
            }

        def read(call: dict[str, Any], context: Context) -> WorkspaceCallParams:
            return WorkspaceCallParams(
                run_context=context,
                ref=load(WorkspaceRef | None, call.get("workspace")),
                call=load(WorkspaceCall, call["call"]),
            )

        return StepTransport(self._contexts, lambda params: params.run_context, write, read)


def _dump_call(params: ToolsetCallToolParams) -> dict[str, Any]:
    tool = params.tool
    found = _call(params.name, params.tool_args, None if tool is None else tool.tool_def)
    if isinstance(tool, FunctionToolsetTool) and tool.original_name is not None:
        found["original_name"] = tool.original_name
    return found


def _call(name: str, arguments: dict[str, Any], definition: ToolDefinition | None) -> dict[str, Any]:
    return {
        "name": name,
        "arguments": dump_mapping(arguments, f"the arguments of tool {name!r}"),
        "definition": None if definition is None else dump(ToolDefinition, definition, f"Tool {name!r}"),
    }


def _dump_settings(settings: Any) -> dict[str, Any] | None:
    if settings is None:
        return None
    given = cast("dict[str, Any]", settings)
    refuse_secret_headers(given.get("extra_headers"))
    # Not by their type: those of a provider have fields that the common ones have not.
    return dump_mapping(given, "the model settings")


# What the framework hides from telemetry, it leaves out of what it writes.
_HIDDEN = {
    "url_ids": "_telemetry_mcp_url_ids",
    "url_toolset_ids": "_telemetry_mcp_url_toolset_ids",
    "url_tool_names": "_telemetry_mcp_url_tool_names",
}


def _dump_parameters(parameters: ModelRequestParameters) -> dict[str, Any]:
    _refuse_credentials(parameters)
    found: dict[str, Any] = dump(ModelRequestParameters, parameters, "A tool or an output type")
    hidden = {name: getattr(parameters, attribute, None) for name, attribute in _HIDDEN.items()}
    return {**found, "telemetry": {name: sorted(value) for name, value in hidden.items() if value is not None}}


def _refuse_credentials(parameters: ModelRequestParameters) -> None:
    for tool in parameters.native_tools:
        for name in ("authorization_token", "headers"):
            if isinstance(tool, MCPServerTool) and getattr(tool, name):
                raise OrchestratorError(
                    f"The native MCP server tool {tool.id!r} has {name}, which would be recorded in the history with "
                    "each model request. Take it out there, and give it to the capability: "
                    f"AzureDurability(mcp_credentials={{{tool.id!r}: {{{name!r}: ...}}}})."
                )


def _load_parameters(value: dict[str, Any], mcp_credentials: Mapping[str, Mapping[str, Any]]) -> ModelRequestParameters:
    found = dict(value)
    hidden: dict[str, list[str]] = found.pop("telemetry", {})
    parameters: ModelRequestParameters = load(ModelRequestParameters, found)
    for name, attribute in _HIDDEN.items():
        if name in hidden:
            setattr(parameters, attribute, set(hidden[name]))
    parameters.native_tools = [
        replace(tool, **mcp_credentials.get(tool.id, {})) if isinstance(tool, MCPServerTool) else tool
        for tool in parameters.native_tools
    ]
    return parameters
