"""Models without a provider, which say what a script has them say, and count what they are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel
from pydantic_ai.usage import RequestUsage

import azure_durable_py as df
from azure_durable_py.pydantic_ai import PydanticAIAgents
from azure_durable_py.testing import DurableTestSyncEnvironment


class ScriptedModel(FunctionModel):
    """Gives the n-th answer of a script to the n-th request of a run, whichever process asks, and however often.

    :param answers: a text, parts, or a function of the messages that gives either or raises.
    """

    def __init__(self, *answers: Any, name: str = "scripted") -> None:
        super().__init__(self._answer, stream_function=self._stream, model_name=name)
        self.answers = answers
        self.asked: list[int] = []
        """The number of each answer that was asked for, in this order."""

    async def _stream(self, messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        for index, part in enumerate((await self._answer(messages, info)).parts):
            match part:
                case TextPart(content=text):
                    # In two pieces, as far as there are two.
                    for piece in filter(None, (text[:1], text[1:])):
                        yield piece
                case ToolCallPart(tool_name=tool, tool_call_id=call_id):
                    yield {index: DeltaToolCall(tool, part.args_as_json_str(), tool_call_id=call_id)}

    async def _answer(self, messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        number = sum(isinstance(message, ModelResponse) for message in messages)
        self.asked.append(number)
        answer: Any = self.answers[number]
        if callable(answer):
            answer = answer(messages)
        parts: list[Any] = [answer] if isinstance(answer, str) or not isinstance(answer, Sequence) else list(answer)
        return ModelResponse(
            [TextPart(part) if isinstance(part, str) else part for part in parts],
            usage=RequestUsage(input_tokens=100, output_tokens=10),
        )


def call(tool: str, number: int = 1, **arguments: Any) -> ToolCallPart:
    """A call of a tool, with an id that a test can know."""
    return ToolCallPart(tool, arguments, tool_call_id=f"{tool}-{number}")


def returned(messages: list[ModelMessage]) -> str:
    """What the tools gave that were called last."""
    return str([getattr(part, "content", None) for part in messages[-1].parts])


def app_of(*agents: Any) -> df.DFApp:
    """An app with the steps of agents."""
    app = df.DFApp()
    app.register_functions(PydanticAIAgents(*agents))
    return app


def environment(app: df.DFApp) -> DurableTestSyncEnvironment:
    """Each turn is taken again from its history at once, and has to decide the very same."""
    return DurableTestSyncEnvironment(app, replay="every-turn")


def asking(agent: Any, *others: Any, **options: Any) -> df.DFApp:
    """An app whose orchestrator `ask` runs an agent on its input, and gives the output.

    :param others: agents that this one calls. :param options: of the run.
    """
    app = app_of(agent, *others)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        return (await agent.run(context.get_input(), **options)).output

    return app
