"""Tools that run in the orchestrator: those that only compute, and those that call what is durable."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import SetToolMetadata
from pydantic_ai.exceptions import UserError
from pydantic_ai.toolsets import DynamicToolset, FunctionToolset

import azure_durable_py as df
from azure_durable_py.agents import Budget
from azure_durable_py.errors import BudgetExceededError
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned

INLINE = {"azure_durable": False}


def test_a_tool_that_only_computes_takes_no_step():
    agent = Agent(
        ScriptedModel([call("add", a=1, b=2), call("later")], returned), name="agent", capabilities=[AzureDurability()]
    )

    @agent.tool_plain(metadata=INLINE)
    def add(a: int, b: int) -> int:
        return a + b

    @agent.tool_plain(metadata=INLINE)
    async def later() -> str:
        return "now"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Add")
        assert run.result() == "[3, 'now']"
        assert run.calls().names == ["agent__model.request"] * 2


def test_a_capability_may_say_which_tools_stay_in_the_orchestrator():
    agent = Agent(
        ScriptedModel([call("add", a=1, b=2), call("look")], returned),
        name="agent",
        capabilities=[AzureDurability(), SetToolMetadata(tools=["add"], azure_durable=False)],
    )

    @agent.tool_plain
    def add(a: int, b: int) -> int:
        return a + b

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Add")
        assert run.result() == "[3, 'nothing']"
        assert len(run.calls().names) == 3


def test_a_tool_in_the_orchestrator_may_await_what_is_durable():
    agent = Agent(
        ScriptedModel([call("remind"), call("ship")], returned), name="agent", capabilities=[AzureDurability()]
    )

    @agent.tool_plain(metadata=INLINE)
    async def remind() -> str:
        context = df.current_context()
        assert context is not None
        await context.create_timer(timedelta(days=2))
        return f"{context.current_utc_datetime:%d}"

    @agent.tool_plain(metadata=INLINE)
    async def ship() -> str:
        context = df.current_context()
        assert context is not None
        return await context.call_activity("shipped", "it")

    app = asking(agent)

    @app.activity_trigger(input_name="what")
    def shipped(what: str) -> str:
        return f"shipped {what}"

    with environment(app) as env:
        assert env.start("ask", "Remind me").result() == "['03', 'shipped it']"


def researcher(model: ScriptedModel) -> Agent[None, Any]:
    agent = Agent(model, name="researcher", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look(up: str) -> str:
        return f"{up}: found"

    return agent


def test_an_agent_that_another_calls_in_a_tool_has_steps_of_its_own_in_the_same_orchestration():
    inner = researcher(ScriptedModel(call("look", up="Rome"), returned))
    outer = Agent(
        ScriptedModel([call("research", 1), call("research", 2)], returned),
        name="writer",
        capabilities=[AzureDurability()],
    )

    @outer.tool(metadata=INLINE)
    async def research(ctx: RunContext[Any]) -> str:
        return (await inner.run("Rome", usage=ctx.usage)).output

    app = app_of(outer, inner)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        result = await outer.run("Write")
        return [result.output, result.usage.requests]

    with environment(app) as env:
        run = env.start(ask)
        assert run.result() == ["""["['Rome: found']", "['Rome: found']"]""", 6]
        assert sorted(run.calls().names) == sorted(
            ["writer__model.request"] * 2
            + ["researcher__model.request"] * 4
            + ["researcher__function_toolset__<agent>.call_tool"] * 2
        )


def test_an_agent_may_be_a_sub_orchestration():
    inner = researcher(ScriptedModel(call("look", up="Rome"), returned))
    outer = Agent(ScriptedModel(call("research"), returned), name="writer", capabilities=[AzureDurability()])

    @outer.tool_plain(metadata=INLINE)
    async def research() -> str:
        context = df.current_context()
        assert context is not None
        return await context.call_sub_orchestrator("find", "Rome")

    app = asking(outer, inner)

    @app.orchestration_trigger(context_name="context")
    async def find(context: df.DurableOrchestrationContext) -> str:
        return (await inner.run(context.get_input())).output

    with environment(app) as env:
        run = env.start("ask", "Write")
        assert run.result() == """["['Rome: found']"]"""
        assert run.calls().names == ["writer__model.request", "find", "writer__model.request"]


def test_budgets_count_what_called_agents_use():
    inner = researcher(ScriptedModel(*(call("look", n, up="Rome") for n in range(9))))
    outer = Agent(ScriptedModel(call("research"), returned), name="writer", capabilities=[AzureDurability()])

    @outer.tool_plain(metadata=INLINE)
    async def research() -> str:
        return (await inner.run("Rome")).output

    app = app_of(outer, inner)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        with Budget(calls=4) as budget, pytest.raises(BudgetExceededError):
            await outer.run("Write")
        return budget.spent.calls

    with environment(app) as env:
        assert env.start(ask).result() == 4


def test_a_tool_of_a_toolset_that_is_made_when_it_is_needed_cannot_stay_in_the_orchestrator():
    def make(ctx: RunContext[Any]) -> FunctionToolset[Any]:
        toolset = FunctionToolset[Any](id="inner")
        toolset.add_function(lambda: "done", name="work", metadata=INLINE)
        return toolset

    agent = Agent(
        ScriptedModel(call("work")),
        name="agent",
        toolsets=[DynamicToolset(make, id="dynamic")],
        capabilities=[AzureDurability()],
    )
    with environment(asking(agent)) as env:
        failure = env.start("ask", "Work").wait().failure
        assert failure is not None
        assert failure.is_caused_by(UserError)
        assert "FunctionToolset" in failure.message


def test_metadata_that_says_anything_else_is_refused_with_the_mend():
    agent = Agent(ScriptedModel(call("work")), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain(metadata={"azure_durable": {"retry": 3}})
    def work() -> str:
        return "done"

    with environment(asking(agent)) as env:
        failure = env.start("ask", "Work").wait().failure
        assert failure is not None
        assert "retry_options_of_tools" in failure.message
