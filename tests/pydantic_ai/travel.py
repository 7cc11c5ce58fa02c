"""An agent with two tools that calls another agent, whose every step is noted where other processes see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from pydantic_ai import Agent

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, call, returned

STEPS = [
    "planner 0",
    "flight",
    "planner 1",
    "hotel",
    "planner 2",
    "guide 0",
    "sights",
    "guide 1",
    "planner 3",
]
"""All steps of a run, in this order."""
RETURNED = "the run has returned"
"""What code of the orchestrator comes to once the last step is recorded."""
ANSWER = "['Rome: the forum']"


async def nothing(step: str) -> None:
    """What is done before a step, if nothing is."""


def build(end: Callable[[str], None], begin: Callable[[str], Awaitable[None]] = nothing) -> df.DFApp:
    """The app, with an orchestrator `plan`.

    :param end: is told the name of each step that was done. :param begin: before it does anything, and what comes after
        the run.
    """

    class NotedModel(ScriptedModel):
        async def request(self, messages: Any, *args: Any, **options: Any) -> Any:
            step = f"{self.model_name} {sum(message.kind == 'response' for message in messages)}"
            await begin(step)
            answer = await super().request(messages, *args, **options)
            end(step)
            return answer

    guide = Agent(
        NotedModel(call("sights", city="Rome"), lambda messages: messages[-1].parts[0].content, name="guide"),
        name="guide",
        capabilities=[AzureDurability()],
    )

    @guide.tool_plain
    async def sights(city: str) -> str:
        await begin("sights")
        end("sights")
        return f"{city}: the forum"

    planner = Agent(
        NotedModel(
            call("flight", to="Rome"), call("hotel", nights=3), call("ask_guide", city="Rome"), returned, name="planner"
        ),
        name="planner",
        capabilities=[AzureDurability()],
    )

    @planner.tool_plain
    async def flight(to: str) -> str:
        await begin("flight")
        end("flight")
        return f"to {to}"

    @planner.tool_plain
    async def hotel(nights: int) -> str:
        await begin("hotel")
        end("hotel")
        return f"{nights} nights"

    @planner.tool_plain(metadata={"azure_durable": False})
    async def ask_guide(city: str) -> str:
        return (await guide.run(f"What is there in {city}?")).output

    app = app_of(planner, guide)

    @app.orchestration_trigger(context_name="context")
    async def plan(context: df.DurableOrchestrationContext) -> str:
        result = await planner.run("Three nights in Rome")
        # The turn that takes an answer records it when it ends.
        await context.create_timer(timedelta(milliseconds=1))
        await begin(RETURNED)
        return result.output

    return app
