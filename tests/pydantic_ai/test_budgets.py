"""Budgets: requests of a model count, and one that is used up ends the run with the reason."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models.fallback import FallbackModel

import azure_durable_py as df
from azure_durable_py.agents import Budget, Price, Spent
from azure_durable_py.errors import BudgetExceededError
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, call, environment


def looking(model: ScriptedModel, **options: Any) -> Agent[None, Any]:
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain(**options)
    async def look() -> str:
        return "nothing"

    return agent


def within(agent: Any, **limits: Any) -> df.DFApp:
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        with Budget(**limits) as budget:
            try:
                await agent.run("Look")
            except BudgetExceededError as error:
                return [str(error), budget.spent]
        return ["done", budget.spent]

    return app


def test_requests_and_tokens_are_counted():
    with environment(within(looking(ScriptedModel(call("look"), "done")), tokens=1000)) as env:
        text, spent = env.start("ask").result()
        assert text == "done"
        assert Spent(**{**spent, "seconds": 0.0}) == Spent(calls=2, input_tokens=200, output_tokens=20)


def test_a_budget_of_tokens_ends_the_run_before_the_next_request():
    model = ScriptedModel(*(call("look", n) for n in range(9)))
    with environment(within(looking(model), tokens=300)) as env:
        text, spent = env.start("ask").result()
        assert "300 tokens" in text
        assert (spent["calls"], spent["input_tokens"]) == (3, 300)
    assert model.asked == [0, 1, 2]


def test_a_budget_of_money_knows_the_prices_of_models():
    model = ScriptedModel(*(call("look", n) for n in range(9)), name="dear")
    limits = {"cost": 0.02, "prices": {"dear": Price(input=50, output=500)}}
    with environment(within(looking(model), **limits)) as env:
        text, spent = env.start("ask").result()
        assert "cost" in text
        assert spent["calls"] == 2


def test_an_answer_that_was_rejected_on_the_way_is_paid_for_as_well():
    def is_poor(response: ModelResponse) -> bool:
        return response.text == "poor"

    model = FallbackModel(
        ScriptedModel("poor", name="first"), ScriptedModel("good", name="second"), fallback_on=[is_poor]
    )
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    with environment(within(agent, tokens=1000)) as env:
        text, spent = env.start("ask").result()
        assert (text, spent["calls"], spent["input_tokens"]) == ("done", 1, 200)


def test_a_budget_of_time_gives_up_the_request_that_is_under_way():
    class Slow(ScriptedModel):
        async def request(self, *args: Any, **options: Any) -> Any:
            await asyncio.sleep(365 * 86400)

    with environment(within(looking(Slow("never")), time=timedelta(hours=1))) as env:
        run = env.start("ask")
        text, spent = run.result()
        assert "time" in text
        assert 3600 <= spent["seconds"] < 3601
        status = run.status()
        assert (status.completed_time - status.created_time) < timedelta(hours=2)


def test_what_was_spent_is_handed_to_the_next_generation():
    model = ScriptedModel("done")
    agent = looking(model)
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        spent = Spent(**(context.get_input() or {}))
        with Budget(calls=3, spent=spent) as budget:
            try:
                await agent.run("Look")
            except BudgetExceededError:
                return budget.spent.calls
        context.continue_as_new(budget.spent)
        return None

    with environment(app) as env:
        assert env.start(ask).result() == 3
    assert len(model.asked) == 3
