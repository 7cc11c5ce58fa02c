"""A model in an orchestrator: each call of it is an activity.

Owns the step: what is recorded of it, what of budgets is asked and counted around it. Models themselves are called by
the activity of the plug-in.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from agents import (
    AgentOutputSchemaBase,
    Handoff,
    Model,
    ModelProvider,
    ModelResponse,
    ModelSettings,
    ModelTracing,
    Tool,
)
from agents.items import TResponseStreamEvent
from agents.models import get_default_model
from agents.usage import Usage
from openai.types.responses.response_prompt_param import ResponsePromptParam
from pydantic_core import to_jsonable_python

from azure_durable_py.agents.budgets import after_call, before_call, in_time, money_is_limited
from azure_durable_py.agents.step_calls import call_step
from azure_durable_py.errors import OrchestratorError, PayloadTooLargeError
from azure_durable_py.openai_agents.model_requests import ModelRequest, decode_response, model_request
from azure_durable_py.openai_agents.steps import AgentSteps
from azure_durable_py.openai_agents.tracing import model_call
from azure_durable_py.runtime.context import DurableOrchestrationContext


class _ShownUsage:
    """What models were used for, in the custom status of an orchestration."""

    def __init__(self) -> None:
        self._calls = self._input_tokens = self._output_tokens = 0

    def add(self, context: DurableOrchestrationContext, usage: Usage) -> None:
        """A model was called."""
        self._calls += 1
        self._input_tokens += usage.input_tokens
        self._output_tokens += usage.output_tokens
        shown = {"calls": self._calls, "inputTokens": self._input_tokens, "outputTokens": self._output_tokens}
        # Where others leave no room for it, an agent does not fail for that.
        with contextlib.suppress(PayloadTooLargeError):
            context.set_status_part("usage", shown)


class ActivityModelProvider(ModelProvider):
    """Gives models that are called by activities; which they are is up to the provider that the plug-in was given."""

    def __init__(self, context: DurableOrchestrationContext, steps: AgentSteps) -> None:
        self._context = context
        self._steps = steps

    def get_model(self, model_name: str | None) -> Model:
        return ActivityModel(model_name, self._context, self._steps)


class ActivityModel(Model):
    """A model that is called by activities.

    :param name: its name; None: the default of the provider.
    """

    def __init__(self, name: str | None, context: DurableOrchestrationContext, steps: AgentSteps) -> None:
        self._name = name
        self._context = context
        self._steps = steps

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        request = model_request(self._name, system_instructions, input, model_settings, tools, output_schema, handoffs)
        request.previous_response_id, request.conversation_id = previous_response_id, conversation_id
        request.prompt = to_jsonable_python(prompt)
        request.tracing = tracing.value
        paid = self._paid(request)
        before_call(paid)
        with model_call(self._context, self._name, tracing) as request.trace:
            response = decode_response(await self._call(request))
        usage = response.usage
        if self._steps.usage_in_status:
            self._context.extension(_ShownUsage).add(self._context, usage)
        after_call(paid or "", usage.input_tokens, usage.output_tokens)
        return response

    def _paid(self, request: ModelRequest) -> str | None:
        """The model that the call will cost the price of; None: the provider will choose it.

        :raises OrchestratorError: it will, and money is limited.
        """
        if self._name is not None:
            return self._name
        if self._steps.default_model and request.prompt is None:
            return get_default_model()
        if money_is_limited():
            raise OrchestratorError(
                "A budget of cost has to know which model an agent calls, and this one leaves it to the provider. Give "
                'its name, which is also in the prices: Agent(model="..."), or RunConfig(model="...").'
            )
        return None

    async def _call(self, request: ModelRequest) -> Any:
        """The answer, unless the time that budgets allow runs out."""
        steps = self._steps
        return await in_time(call_step(self._context, steps.model_activity, request.to_json(), steps.model_retry))

    def stream_response(self, *given: Any, **options: Any) -> AsyncIterator[TResponseStreamEvent]:
        del given, options
        raise OrchestratorError("An orchestrator cannot stream what a model answers: use `await Runner.run(...)`.")
