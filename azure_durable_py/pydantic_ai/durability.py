"""`AzureDurability`: what makes an agent durable.

Owns the options, and how the hooks of the framework are answered inside an orchestrator. Outside of orchestrators it
does nothing: the agent runs as ever.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from pydantic_ai._utils import disable_threads
from pydantic_ai.agent import EventStreamHandler
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.capabilities.abstract import (
    AbstractCapability,
    WrapModelRequestHandler,
    WrapRunHandler,
    WrapToolExecuteHandler,
)
from pydantic_ai.durable_exec import (
    BaseDurabilityCapability,
    DurableOperationId,
    ToolsetCallToolId,
    ToolsetValidateToolArgumentsId,
    conversation_id_from_run_id,
    external_event_scope,
)
from pydantic_ai.durable_exec._operation_backend import in_durable_unit
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import AgentStreamEvent, ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import AgentDepsT, DeferredToolRequests, DeferredToolResults, RunContext, ToolDefinition
from pydantic_ai.toolsets import ToolsetTool

from azure_durable_py.agents.model_errors import MODEL_RETRY
from azure_durable_py.pydantic_ai.deferred import NoWaiter, Waits, answers
from azure_durable_py.pydantic_ai.engine import ENGINE, INLINE_KEY
from azure_durable_py.pydantic_ai.progress import MODEL, AgentProgress
from azure_durable_py.pydantic_ai.run_context import ActivityRunContext
from azure_durable_py.pydantic_ai.silence import SilentReplays
from azure_durable_py.pydantic_ai.steps import StepBackend, StepConfig, StepOptions
from azure_durable_py.pydantic_ai.timestamps import RunTimes
from azure_durable_py.pydantic_ai.transports import AgentTransports, RunContexts
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.current import current_context

logger = logging.getLogger("azure_durable_py.agents")


class AzureDurability(BaseDurabilityCapability[AgentDepsT]):
    """Makes the runs of an agent inside orchestrators durable: `Agent(..., name="x",
    capabilities=[AzureDurability()])`.

    Every request of a model and every call of a tool is then an activity, so it is made once, tried again if it fails,
    and never made again when the orchestration goes on elsewhere. `app.register_functions(PydanticAIAgents(agent))`
    gives an app these activities. Outside of orchestrators the agent runs as if it were not there.

    A tool with `metadata={"azure_durable": False}` runs in the orchestrator. It may await all that is durable -
    activities, sub-orchestrations, timers, events, another agent - and must be deterministic.

    Code of the orchestrator may walk through a run (`agent.iter`) and read streams, which come as a whole there: with
    `debounce_by=None`, for a pause between pieces goes by the clock of the process.

    A tool that needs an approval waits for the event `approval:<id>`; see `request_approval`. A call that is carried
    out elsewhere (`CallDeferred`, `ExternalToolset`) ends the run with the requests as its output, or, with
    `wait_for_results`, waits for the event `result:<tool call id>`, which is `{"result": ...}` or `{"error": "why"}`;
    meanwhile it stands in the custom status under `toolCalls`.

    :param models: other models that runs may use, by key: `agent.run(..., model="key")`.
    :param event_stream_handler: is told the events of a run, in activities: those of a model while they come.
    :param name: names the activities; by default the agent's name. It is kept in histories.
    :param deps_type: what dependencies are built as in activities; by default the agent's own.
    :param model_retry_options: when a request of a model is tried again. Answers that no attempt can change are not.
    :param tool_retry_options: when a call of a tool is tried again; None: never. A call that has failed may have done
        its work, so give this to tools that may be called twice.
    :param retry_options_of_tools: the same for single tools, by name; None: never.
    :param wait_for_approvals: False: the run ends with the requests as its output, as it does without durability.
    :param approval_timeout: after this time a tool that nobody approved counts as denied; None: it is waited for ever.
    :param wait_for_results: whether calls that are carried out elsewhere are waited for.
    :param result_timeout: after this time such a call counts as failed; None: it is waited for ever.
    :param report_progress: whether the custom status says, under `agents`, what each run waits for.
    :param mcp_credentials: for MCP servers that providers call (`MCPServerTool`), by the id of the tool: what is put to
        it when a model is asked, as `{"authorization_token": ...}`; so it is in no history.
    :param run_context_type: carries more of the run context to activities.
    """

    engine_spec = ENGINE

    def __init__(
        self,
        *,
        models: Mapping[str, Model] | None = None,
        event_stream_handler: EventStreamHandler[AgentDepsT] | None = None,
        name: str | None = None,
        deps_type: Any = None,
        model_retry_options: RetryPolicy | None = MODEL_RETRY,
        tool_retry_options: RetryPolicy | None = None,
        retry_options_of_tools: Mapping[str, RetryPolicy | None] | None = None,
        wait_for_approvals: bool = True,
        approval_timeout: timedelta | None = None,
        wait_for_results: bool = False,
        result_timeout: timedelta | None = None,
        report_progress: bool = False,
        mcp_credentials: Mapping[str, Mapping[str, Any]] | None = None,
        run_context_type: type[ActivityRunContext[Any]] = ActivityRunContext,
    ) -> None:
        super().__init__(models=models, event_stream_handler=event_stream_handler, name=name)
        self._deps_type = deps_type
        self._model_options = StepOptions(model_retry_options)
        self._tool_options = StepOptions(tool_retry_options)
        self._options_of_tools = {tool: StepOptions(policy) for tool, policy in (retry_options_of_tools or {}).items()}
        self._waits = Waits(wait_for_approvals, wait_for_results, approval_timeout, result_timeout)
        self._report_progress = report_progress
        self._mcp_credentials = dict(mcp_credentials or {})
        self._run_context_type = run_context_type
        self._backend: StepBackend | None = None

    # --- binding to an agent ----------------------------------------------------------------------

    def _check_bindable(self) -> None:
        if self.in_durable_context:
            raise UserError(
                "An agent with AzureDurability was made inside an orchestrator. Make it where the app is defined, so "
                "that its activities are there before an orchestration runs."
            )

    def _bind_to_agent(self, agent: AbstractAgent[AgentDepsT, Any]) -> None:
        deps_type: Any = agent.deps_type if self._deps_type is None else self._deps_type
        self._backend = StepBackend(
            agent_name=self.name,
            # An agent that says nothing of its dependencies gets them as plain JSON values.
            deps_type=Any if deps_type is type(None) else deps_type,
            config=StepConfig(
                model=self._model_options,
                tool=self._tool_options,
                for_tool=self._options_for,
            ),
            transports=AgentTransports(RunContexts(self._run_context_type, lambda: self._agent), self._mcp_credentials),
            runtime=self,
        )
        if self._event_stream_handler is not None:
            self._bound_event_operation = self._bind_event_operation(self._backend)
        super()._bind_to_agent(agent)

    def get_durable_operation_backend(self) -> StepBackend:
        """What binds the operations of the agent to activities.

        :raises UserError: the capability belongs to no agent.
        """
        if self._backend is None:
            raise UserError("This AzureDurability belongs to no agent: give it to Agent(capabilities=[...]).")
        return self._backend

    def _companion_capabilities(self) -> list[AbstractCapability[AgentDepsT]]:
        return [SilentReplays(), *super()._companion_capabilities()]

    def _options_for(
        self, operation: DurableOperationId, tool: object | None, tool_name: str
    ) -> StepOptions | Literal[False]:
        metadata = cast("ToolsetTool[Any]", tool).tool_def.metadata if tool is not None else None
        given: object = (metadata or {}).get(INLINE_KEY)
        if given is False:
            if isinstance(operation, ToolsetCallToolId | ToolsetValidateToolArgumentsId):
                if operation.toolset_kind == "dynamic":
                    raise UserError(
                        f"Tool {tool_name!r} has the metadata {INLINE_KEY}=False, but it is of a toolset that is made "
                        "when it is needed, which is I/O. Take the metadata away, or move the tool to a "
                        "FunctionToolset."
                    )
                return False
        elif given is not None:
            raise UserError(
                f"Tool {tool_name!r} has the metadata {INLINE_KEY}={given!r}; it can only be False, which has the tool "
                "run in the orchestrator. Retries are AzureDurability(retry_options_of_tools=...)."
            )
        return self._options_of_tools.get(tool_name, self._tool_options)

    # --- runs -----------------------------------------------------------------------------------------

    @property
    def in_durable_context(self) -> bool:
        """Whether this is the code of an orchestrator."""
        return current_context() is not None

    def get_default_run_id(self) -> str | None:
        """An id that is the same on every replay."""
        context = current_context()
        return None if context is None else context.new_uuid()

    def get_default_conversation_id(self, run_id: str) -> str | None:
        """An id that is the same on every replay."""
        return None if current_context() is None else conversation_id_from_run_id(run_id)

    def get_run_clock(self) -> Callable[[], datetime] | None:
        """The time of the orchestration."""
        context = current_context()
        return None if context is None else lambda: context.current_utc_datetime

    async def wrap_run(self, ctx: RunContext[AgentDepsT], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Have a run stay in its orchestrator: without threads, and by its time."""
        context = current_context()
        if context is None:
            if in_durable_unit():
                _tell_of_run_in_activity(self.name)
            return await handler()
        progress = self._progress(context)
        with (
            disable_threads(),
            external_event_scope(NoWaiter()),
            nullcontext() if progress is None else progress.run(context, ctx, self.name),
        ):
            return await super().wrap_run(ctx, handler=handler)

    async def after_run(self, ctx: RunContext[AgentDepsT], *, result: AgentRunResult[Any]) -> AgentRunResult[Any]:
        """Give the last messages of a run the time of the orchestration."""
        context = current_context()
        if context is not None:
            context.extension(RunTimes).stamp(result.all_messages(), ctx.run_id, context.current_utc_datetime)
        return await super().after_run(ctx, result=result)

    def _progress(self, context: DurableOrchestrationContext | None) -> AgentProgress | None:
        return None if context is None or not self._report_progress else context.extension(AgentProgress)

    async def wrap_model_request(
        self, ctx: RunContext[AgentDepsT], *, request_context: ModelRequestContext, handler: WrapModelRequestHandler
    ) -> ModelResponse:
        """Have a request made by an activity."""
        context = current_context()
        progress = self._progress(context)
        if context is None or progress is None:
            return await super().wrap_model_request(ctx, request_context=request_context, handler=handler)
        with progress.waiting(context, ctx, MODEL):
            return await super().wrap_model_request(ctx, request_context=request_context, handler=handler)

    async def wrap_tool_execute(
        self,
        ctx: RunContext[AgentDepsT],
        *,
        call: ToolCallPart,
        tool_def: ToolDefinition,  # noqa: ARG002 - as the hook is called
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Tell that a tool is waited for."""
        context = current_context()
        progress = self._progress(context)
        if context is None or progress is None:
            return await handler(args)
        with progress.waiting(context, ctx, call.tool_name):
            return await handler(args)

    async def before_model_request(
        self, ctx: RunContext[AgentDepsT], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Give what is sent the time of the orchestration."""
        context = current_context()
        if context is not None:
            for messages in (ctx.messages, request_context.messages):
                context.extension(RunTimes).stamp(messages, ctx.run_id, context.current_utc_datetime)
        return await super().before_model_request(ctx, request_context)

    async def prepare_model_request(
        self, ctx: RunContext[AgentDepsT], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Note when an attempt begins, by the time of the orchestration."""
        context = current_context()
        if context is not None:
            times = context.extension(RunTimes)
            times.begin_attempt(ctx.run_id, request_context.attempt, context.current_utc_datetime)
        return await super().prepare_model_request(ctx, request_context)

    async def _dispatch_event_stream_event(self, ctx: RunContext[AgentDepsT], event: AgentStreamEvent) -> None:
        context = current_context()
        if context is not None:
            context.extension(RunTimes).stamp_event(event, ctx.run_id, context.current_utc_datetime)
        await super()._dispatch_event_stream_event(ctx, event)

    async def handle_deferred_tool_calls(
        self,
        ctx: RunContext[AgentDepsT],  # noqa: ARG002 - as the hook is called
        *,
        requests: DeferredToolRequests,
    ) -> DeferredToolResults | None:
        """Wait for the answers that are to be waited for."""
        context = current_context()
        return None if context is None else await answers(context, requests, self._waits)


@functools.cache
def _tell_of_run_in_activity(agent_name: str) -> None:
    """Once for each agent and process."""
    logger.warning(
        "Agent %r runs inside a tool that is an activity: its steps are not recorded, and begin anew if that is run "
        'again. Give the tool metadata={"azure_durable": False}, and have it await the agent in the orchestrator.',
        agent_name,
    )
