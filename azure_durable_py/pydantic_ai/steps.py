"""Operations of agents as steps of an orchestration.

Owns what both ends do: the orchestrator calls an activity, with its retry policy and the budgets; the activity carries
the operation out, and says of an error whether another attempt is worth it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from pydantic.errors import PydanticUserError
from pydantic_ai.agent.abstract import AbstractAgent
from pydantic_ai.durable_exec import (
    BoundDurableOperation,
    DurableOperation,
    DurableOperationConfig,
    DurableOperationId,
    JournalOperationNamer,
    ModelCompactMessagesId,
    ModelRequestId,
    OperationConfigRole,
    RegisteredOperationBackend,
    ToolsetGetInstructionsId,
    ToolsetGetToolsId,
    durable_unit_scope,
)
from pydantic_ai.exceptions import (
    FallbackExceptionGroup,
    ModelAPIError,
    RetryModelRequest,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)
from pydantic_ai.messages import ModelResponse

from azure_durable_py.agents.budgets import after_call, before_call, in_time
from azure_durable_py.agents.model_errors import provider_error
from azure_durable_py.agents.step_calls import call_step
from azure_durable_py.errors import ActivityError, OrchestratorError, TaskFailedError
from azure_durable_py.pydantic_ai.model_errors import group_error, model_error, rebuilt, retry_request
from azure_durable_py.pydantic_ai.threads import ToolThreads
from azure_durable_py.pydantic_ai.timestamps import RunTimes
from azure_durable_py.pydantic_ai.transports import AgentTransports
from azure_durable_py.pydantic_ai.wire import AgentStep
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.current import current_context
from azure_durable_py.runtime.tasks import Task

P = TypeVar("P")
W = TypeVar("W")
R = TypeVar("R")
ForTool = Callable[[DurableOperationId, object | None, str], "StepOptions | Literal[False]"]

_HOPELESS = (UserError, PydanticUserError, UnexpectedModelBehavior, UsageLimitExceeded)
"""Errors of code and configuration: another attempt ends like the first."""
_THREADS = ToolThreads()


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How one kind of step is called.

    :param retry: when it is tried again; None: never.
    """

    retry: RetryPolicy | None = None


class StepConfig(DurableOperationConfig[StepOptions]):
    """The options by the role of an operation.

    :param model: of what only reads: requests of models, and asking toolsets what they have.
    :param tool: of what may have effects: tools, event handlers, operations of capabilities.
    :param for_tool: those of one tool; False: it runs in the orchestrator.
    """

    def __init__(self, *, model: StepOptions, tool: StepOptions, for_tool: ForTool) -> None:
        self._model = model
        self._tool = tool
        self._for_tool = for_tool

    def base(self, role: OperationConfigRole, *, operation_id: DurableOperationId) -> StepOptions:
        """The options of an operation."""
        reads = role == "model" or isinstance(operation_id, ToolsetGetToolsId | ToolsetGetInstructionsId)
        return self._model if reads else self._tool

    def for_tool(
        self,
        role: OperationConfigRole,  # noqa: ARG002 - part of the contract
        *,
        operation_id: DurableOperationId,
        tool: object | None,
        tool_name: str,
    ) -> StepOptions | Literal[False]:
        """The options of a call of one tool."""
        return self._for_tool(operation_id, tool, tool_name)


class BoundStep(BoundDurableOperation[P, W, R], Generic[P, W, R]):
    """An operation, as orchestrators call it."""

    def __init__(self, operation: DurableOperation[P, W, R], name: str, options: StepOptions) -> None:
        self._operation = operation
        self._name = name
        self._options = options

    @property
    def operation(self) -> DurableOperation[P, W, R]:
        """What is carried out."""
        return self._operation

    async def __call__(self, params: P, *, config: object | None = None) -> R:
        """Call the activity, and give what it came to.

        :raises TaskFailedError: it failed, and no further attempt was due. An error of a model is one of the framework.
        :raises BudgetExceededError: a budget is used up.
        """
        context = current_context()
        if context is None:
            raise OrchestratorError(f"{self._name} is a step of an agent: it is called inside an orchestrator only.")
        if context._generation.registry.activities.declared(self._name) is None:  # pyright: ignore[reportPrivateUsage]
            raise OrchestratorError(
                f"Orchestrator {context.name!r} runs an agent whose step {self._name!r} is no activity of its app. "
                "Register the agent: app.register_functions(PydanticAIAgents(agent, ...))."
            )
        options = config if isinstance(config, StepOptions) else self._options
        step = cast("Any", self._operation.parameter_transport).dump(params)
        try:
            payload = await self._paid(lambda: call_step(context, self._name, step, options.retry))
        except TaskFailedError as error:
            raise rebuilt(error) from error
        result = self._operation.result_codec.load(payload)
        if isinstance(result, ModelResponse):
            context.extension(RunTimes).know(result)
        return result

    async def _paid(self, call: Callable[[], Task[Any]]) -> Any:
        if not isinstance(self._operation.operation_id, ModelRequestId | ModelCompactMessagesId):
            return await call()
        before_call()
        payload = await in_time(call())
        response = cast("ModelResponse", self._operation.result_codec.load(payload))
        # What was rejected on the way to the answer was paid for as well.
        for paid in (response, *(response.failed_attempts or ())):
            if paid.usage is not None:
                after_call(paid.model_name or "", paid.usage.input_tokens, paid.usage.output_tokens)
        return payload


class StepBackend(RegisteredOperationBackend[StepOptions]):
    """Binds the operations of one agent to activities, which `registrations()` has.

    :param agent_name: their names begin with it. They are kept in histories: an agent under way needs its name.
    :param deps_type: what dependencies are built as in activities. :param runtime: handed to the transports.
    """

    def __init__(
        self, *, agent_name: str, deps_type: Any, config: StepConfig, transports: AgentTransports, runtime: object
    ) -> None:
        super().__init__(namer=JournalOperationNamer(agent_name), config=config, parameter_transports=transports)
        self._deps_type = deps_type
        self._runtime = runtime

    def register(
        self, operation: DurableOperation[P, W, R], *, name: str, config: StepOptions
    ) -> tuple[BoundDurableOperation[P, W, R], Sequence[Callable[..., object]]]:
        """An operation as orchestrators call it, and the function that is its activity."""
        return BoundStep(operation, name, config), (_activity(operation, name, self._deps_type, self._runtime),)


def _activity(
    operation: DurableOperation[Any, Any, Any], name: str, deps_type: Any, runtime: object
) -> Callable[[AgentStep[Any]], Awaitable[object]]:
    is_model = operation.config_role == "model"

    async def run_step(step: AgentStep[Any]) -> object:
        # As a unit of its own it is not to make others: what it calls in turn is a part of it.
        with durable_unit_scope(), AbstractAgent.using_thread_executor(_THREADS):
            try:
                params = operation.parameter_transport.load(step, runtime=runtime)
                return operation.result_codec.dump(await operation.handler(params))
            except RetryModelRequest as error:
                failure = retry_request(error)
            except ModelAPIError as error:
                failure = model_error(error)
            except FallbackExceptionGroup as error:
                failure = group_error(error)
            except _HOPELESS as error:
                if not is_model:
                    raise ActivityError(f"{type(error).__name__}: {error}", retryable=False) from error
                failure = provider_error(error, is_hopeless=True)
            except Exception as error:
                # A tool is the user's own: what of its errors may be tried again is for its retry policy to say.
                if not is_model or isinstance(error, ActivityError):
                    raise
                failure = provider_error(error)
        # Out here nothing is kept of the error that it stands for, which may hold secrets.
        raise failure

    # The worker builds the input as this says.
    run_step.__annotations__ = {"step": AgentStep[deps_type], "return": Any}
    run_step.__name__ = name
    return run_step
