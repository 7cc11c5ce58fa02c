"""Handlers of event streams run as activities."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.exceptions import ModelHTTPError, ModelServerError
from pydantic_ai.messages import AgentStreamEvent

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment


def looking(model: ScriptedModel, **options: Any) -> Agent[None, Any]:
    agent = Agent(model, name="agent", capabilities=[AzureDurability(**options)])

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    return agent


def test_each_event_is_told_once_and_the_answers_are_recorded():
    told: list[tuple[str, str]] = []

    async def handle(ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        told.extend([(event.event_kind, type(ctx).__name__) async for event in events])

    agent = looking(ScriptedModel(call("look"), "all is well"), event_stream_handler=handle)
    with environment(asking(agent)) as env:
        run = env.start("ask", "How is it?")
        assert run.result() == "all is well"
        assert run.calls().names == [
            "agent__model.request_stream",
            "agent__event_stream_handler",
            "agent__function_toolset__<agent>.call_tool",
            "agent__event_stream_handler",
            "agent__model.request_stream",
        ]
    kinds = [kind for kind, _ in told]
    assert kinds.count("function_tool_call") == kinds.count("function_tool_result") == 1
    assert kinds.count("part_delta") == 1
    assert {name for _, name in told} == {"ActivityRunContext"}


def test_a_stream_that_cannot_be_opened_is_tried_again():
    async def handle(ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
        pass

    failures = [ModelHTTPError.for_category(ModelServerError, status_code=500, model_name="m")] * 2

    def answer(messages: Any) -> str:
        if failures:
            raise failures.pop()
        return "all is well"

    agent = looking(ScriptedModel(answer), event_stream_handler=handle)
    with environment(asking(agent)) as env:
        run = env.start("ask", "How is it?")
        assert run.result() == "all is well"
        assert run.calls()[0].attempts == 3


def test_code_of_the_orchestrator_may_walk_through_a_run():
    agent = looking(ScriptedModel(call("look"), "done"))
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        async with agent.iter("Look") as run:
            return [type(node).__name__ async for node in run]

    with environment(app) as env:
        assert env.start(ask).result() == [
            "UserPromptNode",
            "ModelRequestNode",
            "CallToolsNode",
            "ModelRequestNode",
            "CallToolsNode",
            "End",
        ]


def test_code_of_the_orchestrator_may_read_a_stream_which_comes_as_a_whole():
    agent = looking(ScriptedModel(call("look"), "all is well"))
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        async with agent.run_stream("Look") as result:
            # Debounced, it would go by the clock of the process.
            return [text async for text in result.stream_text(debounce_by=None)]

    with environment(app) as env:
        run = env.start(ask)
        assert run.result() == ["all is well"]
        assert run.calls().names[::2] == ["agent__model.request_stream"] * 2


def test_code_of_the_orchestrator_may_follow_the_events_of_a_run():
    agent = looking(ScriptedModel(call("look"), "all is well"))
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        async with agent.run_stream_events("Look") as events:
            return [event.event_kind async for event in events]

    with environment(app) as env:
        kinds = env.start(ask).result()
        assert kinds.count("function_tool_result") == 1
        assert kinds[-1] == "agent_run_result"
