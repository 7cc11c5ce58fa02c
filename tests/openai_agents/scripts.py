"""Models that answer by what they are asked, and count how often. The same question has one answer, in any process.

A question is known by the last item that the model was given: by its call id, or by its text.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from agents import Model, ModelProvider, ModelResponse, ModelSettings
from agents.testing import assistant_message, function_call
from agents.usage import Usage

Answer = Any
"""A text, a list of output items, an error to raise, or a function of the settings that gives one of them."""


def calls(*called: tuple[str, Mapping[str, Any], str]) -> list[Any]:
    """Calls of tools: name, arguments and call id of each."""
    return [function_call(name, arguments, call_id=call_id) for name, arguments, call_id in called]


class AnsweringModel(Model):
    """Answers by what it was asked last. `asked` counts the questions, `requests` has them in order."""

    def __init__(
        self,
        answers: Mapping[str, Answer],
        usage: tuple[int, int] = (10, 5),
        question: Callable[[Any], str] | None = None,
    ) -> None:
        self.answers = dict(answers)
        self.question = question or question_of
        self.usage = usage
        self.asked: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: ModelSettings,
        tools: list[Any],
        output_schema: Any,
        handoffs: list[Any],
        tracing: Any,
        **options: Any,
    ) -> ModelResponse:
        question = self.question(input)
        self.asked[question] += 1
        self.requests.append(
            {
                "instructions": system_instructions,
                "input": input,
                "settings": model_settings,
                "tools": tools,
                "output": output_schema,
                "handoffs": handoffs,
                "tracing": tracing,
                **options,
            }
        )
        answer = self.answers[question]
        while callable(answer):
            answer = answer()
            if asyncio.iscoroutine(answer):
                answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        output = [assistant_message(answer)] if isinstance(answer, str) else answer
        read, written = self.usage
        usage = Usage(requests=1, input_tokens=read, output_tokens=written, total_tokens=read + written)
        return ModelResponse(output=output, usage=usage, response_id=None)

    def stream_response(self, *given: Any, **options: Any) -> Any:
        raise NotImplementedError


def question_of(given: str | list[Any]) -> str:
    if isinstance(given, str):
        return given
    last = given[-1]
    return str(last.get("call_id") or last["content"])


class Models(ModelProvider):
    """Models by name."""

    def __init__(self, **models: Model) -> None:
        self.models = models

    def get_model(self, model_name: str | None) -> Model:
        return self.models[model_name or "default"]


def failing(times: int, error: Callable[[], BaseException], then: Answer) -> Callable[[], Answer]:
    """An answer that is an error so many times."""
    left = [times]

    def answer() -> Answer:
        if left[0] > 0:
            left[0] -= 1
            return error()
        return then

    return answer


def late(ended: list[str]) -> Callable[[], Coroutine[Any, Any, Answer]]:
    """An answer that takes an hour, and notes how that ended."""

    async def answer() -> Answer:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append("answered")
        return "late"

    return answer
