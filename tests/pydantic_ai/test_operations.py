"""The rarer operations of agents as steps: workspaces, compaction, responses that a provider still works on, hooks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import LocalWorkspace, ModelFallback, durable_operation
from pydantic_ai.capabilities.abstract import AbstractCapability
from pydantic_ai.exceptions import ModelHTTPError, ModelServerError, RetryModelRequest
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.usage import RequestUsage

import azure_durable_py as df
from azure_durable_py.agents import Budget
from azure_durable_py.pydantic_ai import AzureDurability
from azure_durable_py.pydantic_ai.steps import BoundStep
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned

INLINE = {"azure_durable": False}


def test_a_workspace_is_reached_from_tools_directly_and_from_the_orchestrator_by_steps(tmp_path: Path):
    agent = Agent(
        ScriptedModel(call("write"), call("read"), returned),
        name="agent",
        capabilities=[AzureDurability(), LocalWorkspace(tmp_path)],
    )

    @agent.tool
    async def write(ctx: RunContext[Any]) -> str:
        await ctx.workspace.write_text("note.txt", "by a tool")
        return "written"

    @agent.tool(metadata=INLINE)
    async def read(ctx: RunContext[Any]) -> str:
        return await ctx.workspace.read_text("note.txt")

    with environment(asking(agent)) as env:
        run = env.start("ask", "Write")
        assert run.result() == "['by a tool']"
        assert run.calls().names.count("agent__capability__workspace.call") == 2
    assert (tmp_path / "note.txt").read_text() == "by a tool"


class CompactingModel(ScriptedModel):
    """Makes a history shorter, and calls off what is suspended."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(*answers)
        self.cancelled: list[str | None] = []

    async def compact_messages(
        self, request_context: ModelRequestContext, *, instructions: str | None = None
    ) -> ModelResponse:
        text = f"{len(request_context.messages)} messages, {instructions}, {request_context.streaming}"
        return ModelResponse([TextPart(text)], usage=RequestUsage(input_tokens=7))

    async def cancel_suspended_response(self, response: ModelResponse) -> None:
        self.cancelled.append(response.provider_response_id)


class Compacting(AbstractCapability[Any]):
    """Has the model compact the history before each request."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def prepare_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        response = await request_context.model.compact_messages(request_context, instructions="short")
        self.made.append(str(response.text))
        await request_context.model.cancel_suspended_response(
            ModelResponse(
                [], provider_response_id="job-7", state="suspended", timestamp=datetime(2026, 1, 1, tzinfo=UTC)
            )
        )
        return request_context


def test_compaction_and_calling_off_are_steps_and_compaction_is_paid_for():
    compacting, model = Compacting(), CompactingModel("done")
    agent = Agent(model, name="agent", capabilities=[AzureDurability(), compacting])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        with Budget(calls=9) as budget:
            await agent.run("Hello?")
        return [budget.spent.calls, budget.spent.input_tokens]

    with environment(app) as env:
        run = env.start(ask)
        assert run.result() == [2, 107]
        assert run.calls().names == [
            "agent__model.compact_messages",
            "agent__model.cancel_suspended_response",
            "agent__model.request",
        ]
    assert set(compacting.made) == {"1 messages, short, False"}
    assert model.cancelled == ["job-7"]


class Picky(AbstractCapability[Any]):
    """A hook that is a step, and asks for an attempt with another model."""

    id = "picky"

    @durable_operation(name="prepare")
    async def prepare_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        if request_context.attempt == 1:
            raise RetryModelRequest("better")
        return request_context


def test_a_hook_that_is_a_step_may_ask_for_another_attempt():
    better = ScriptedModel("good", name="better")
    agent = Agent(
        ScriptedModel("poor"), name="agent", capabilities=[AzureDurability(models={"better": better}), Picky()]
    )
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.result() == "good"
        assert run.calls().names == ["agent__capability__picky.prepare"] * 2 + ["agent__model.request"]


def test_the_framework_falls_back_in_the_orchestrator_when_a_model_has_failed_for_good():
    def fail(messages: Any) -> str:
        raise ModelHTTPError.for_category(ModelServerError, status_code=500, model_name="first")

    second = ScriptedModel("second", name="second")
    agent = Agent(
        ScriptedModel(fail, name="first"),
        name="agent",
        capabilities=[AzureDurability(models={"second": second}, model_retry_options=None), ModelFallback("second")],
    )
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        assert run.result() == "second"
        assert [step.outcome for step in run.calls()] == ["failed", "completed"]


def test_attempts_that_failed_have_the_times_of_the_orchestration():
    class Slow(ScriptedModel):
        async def request(self, *args: Any, **options: Any) -> Any:
            await asyncio.sleep(60)
            raise ModelHTTPError.for_category(ModelServerError, status_code=500, model_name="first")

    second = ScriptedModel("second", name="second")
    durability = AzureDurability(models={"second": second}, model_retry_options=None)
    agent = Agent(Slow(), name="agent", capabilities=[durability, ModelFallback("second")])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        begun = context.current_utc_datetime
        result = await agent.run("Hello?")
        await context.create_timer(timedelta(days=1))
        (attempt,) = result.all_messages()[-1].failed_attempts or []
        return [attempt.error, (attempt.timestamp - begun).total_seconds(), round(attempt.duration.total_seconds())]

    with environment(app) as env:
        error, began, took = env.start(ask).result()
        assert "ModelServerError" in error
        assert (began, took) == (0, 60)


async def test_a_step_is_called_inside_an_orchestrator_only():
    agent = Agent(ScriptedModel("done"), name="agent", capabilities=[AzureDurability()])
    durability = AzureDurability.from_agent(agent)
    assert durability is not None
    operations = durability._bound_model_operations  # pyright: ignore[reportPrivateUsage]
    assert operations is not None
    step: Any = operations.request
    assert isinstance(step, BoundStep)
    with pytest.raises(df.OrchestratorError, match=r"agent__model\.request is a step of an agent"):
        await step(None)
