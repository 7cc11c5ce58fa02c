"""`Runner.run` in an orchestrator: the agent loop of the SDK, with durable steps.

Owns what is different there from elsewhere. The loop itself, with tools, handoffs, guardrails and sessions, is the
SDK's: it runs as a part of the orchestrator, on its event loop, and is replayed like any other code.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import replace
from typing import Any, cast

import agents.memory.sqlite_session
import agents.tool
from agents import (
    Agent,
    Model,
    MultiProvider,
    RunConfig,
    RunContextWrapper,
    RunResult,
    RunResultStreaming,
    SQLiteSession,
)
from agents.model_settings import ModelSettings
from agents.retry import ModelRetrySettings
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from azure_durable_py.agents.budgets import check_budgets
from azure_durable_py.errors import BudgetExceededError, OrchestratorError
from azure_durable_py.openai_agents.approvals import ApprovedCalls, answer_interruptions
from azure_durable_py.openai_agents.model import ActivityModelProvider
from azure_durable_py.openai_agents.steps import AgentSteps, steps_of
from azure_durable_py.openai_agents.sync_code import current_sync_code
from azure_durable_py.openai_agents.tracing import install_tracing
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.current import current_context
from azure_durable_py.runtime.event_loop import CALLED_INLINE

_NO_RETRY = ModelRetrySettings(max_retries=0)
_stopped: ContextVar[list[BudgetExceededError] | None] = ContextVar("azure_durable_py_stopped_agents", default=None)
"""Why agents were ended that tools of the run have called."""


class DurableRunner(AgentRunner):
    """Runs agents durably in orchestrators, and elsewhere as the runner beneath it does.

    :param beneath: the runner of before.
    """

    def __init__(self, beneath: AgentRunner) -> None:
        self._beneath = beneath

    async def run(self, starting_agent: Agent[Any], input: Any, **kwargs: Any) -> RunResult:
        context = current_context()
        if context is None:
            return await self._beneath.run(starting_agent, input, **kwargs)
        steps = steps_of(context)
        options: Any = {**kwargs, "run_config": _run_config(kwargs.get("run_config"), context, steps)}
        _refuse_models(starting_agent)
        _refuse_session(kwargs.get("session"))
        approved, outer, inner = ApprovedCalls(), _stopped.get(), list[BudgetExceededError]()
        _stopped.set(inner)
        # An agent as a tool has the context of the run that it is a part of, which is the one to wait.
        is_part = isinstance(kwargs.get("context"), RunContextWrapper)
        try:
            result = await super().run(starting_agent, input, **options)
            while result.interruptions and steps.approvals and not is_part:
                state = await answer_interruptions(approved, result, steps.approval_timeout)
                result = await super().run(starting_agent, state, **options)
            if inner:
                # The SDK tells of errors of tools as if they were results, which may even be the output of the run.
                check_budgets()
        except BudgetExceededError as error:
            if outer is not None:
                outer.append(error)
            raise
        finally:
            _stopped.set(outer)
        return result

    def run_sync(self, starting_agent: Agent[Any], input: Any, **kwargs: Any) -> RunResult:
        if current_context() is None:
            return self._beneath.run_sync(starting_agent, input, **kwargs)
        code = current_sync_code()
        if code is not None:
            return code.wait_for(lambda: self.run(starting_agent, input, **kwargs))
        raise OrchestratorError(
            "Runner.run_sync cannot be used here: make the orchestrator `async def`, and `await Runner.run(...)`. A "
            "`def` has it under the decorator durable_openai_agent_orchestrator."
        )

    def run_streamed(self, starting_agent: Agent[Any], input: Any, **kwargs: Any) -> RunResultStreaming:
        if current_context() is None:
            return self._beneath.run_streamed(starting_agent, input, **kwargs)
        raise OrchestratorError(
            "An orchestrator cannot stream what a model answers, as nobody is there to watch: `await Runner.run(...)`."
        )


def install_runner() -> None:
    """Have `Runner.run` be durable in orchestrators. To do so twice does no harm."""
    runner = get_default_agent_runner()
    if not isinstance(runner, DurableRunner):
        set_default_agent_runner(DurableRunner(runner))
    install_tracing()
    # What a sync function of a tool does is a part of the orchestrator, and so is a session that is in memory alone.
    CALLED_INLINE.update((agents.tool.__file__, agents.memory.sqlite_session.__file__))


def _run_config(given: Any, context: DurableOrchestrationContext, steps: AgentSteps) -> RunConfig:
    """What a run was asked for, with models that are called by activities.

    :raises OrchestratorError: it brings a model or a provider of its own.
    """
    config: RunConfig = RunConfig(**cast("dict[str, Any]", given)) if isinstance(given, dict) else given or RunConfig()
    if isinstance(config.model, Model):
        raise _model_refused("The run_config", config.model)
    if type(config.model_provider) not in (MultiProvider, ActivityModelProvider):
        raise OrchestratorError(
            f"The run_config has a model provider, a {type(config.model_provider).__name__}, which would call models "
            "in the orchestrator. Give it to the plug-in: OpenAIAgents(model_provider=...)."
        )
    # The step itself is tried again, by the policy of the plug-in.
    settings = replace(config.model_settings or ModelSettings(), retry=_NO_RETRY)
    return replace(
        config,
        model_provider=ActivityModelProvider(context, steps),
        model_settings=settings,
        group_id=config.group_id or context.instance_id,
    )


def _refuse_models(agent: Agent[Any]) -> None:
    """See that no agent that can be reached brings a model of its own, which would be called in the orchestrator.

    :raises OrchestratorError: one does.
    """
    seen: set[int] = set()
    ahead: list[Any] = [agent]
    while ahead:
        found = ahead.pop()
        if not isinstance(found, Agent) or id(cast("object", found)) in seen:
            continue
        reached = cast("Agent[Any]", found)
        seen.add(id(reached))
        if isinstance(reached.model, Model):
            raise _model_refused(f"Agent {reached.name!r}", reached.model)
        ahead += [_agent_behind(handoff) for handoff in cast("list[Any]", reached.handoffs)]


def _refuse_session(session: Any) -> None:
    """See that the memory of a run is durable, or in the memory of the orchestrator alone.

    :raises OrchestratorError: it is a file.
    """
    if isinstance(session, SQLiteSession) and str(session.db_path) != ":memory:":
        raise OrchestratorError(
            f"The session {session.session_id!r} is kept in a file, which an orchestrator must not touch: it is "
            "replayed. Have an entity keep it: DurableSession(id) of azure_durable_py.openai_agents."
        )


def _agent_behind(handoff: Any) -> Any:
    reference = getattr(handoff, "_agent_ref", None)
    return handoff if reference is None else reference()


def _model_refused(owner: str, model: Model) -> OrchestratorError:
    return OrchestratorError(
        f"{owner} has a model object, a {type(model).__name__}, which would be called in the orchestrator. Give its "
        'name (model="..."), and to the plug-in a provider that knows it: OpenAIAgents(model_provider=...).'
    )
