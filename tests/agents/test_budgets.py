"""Budgets of agents: what is counted, when they end what runs in them, and what a replay comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.agents import Budget, Price, Spent, after_call, before_call, time_left
from azure_durable_py.testing import DurableTestSyncEnvironment

Context = df.DurableOrchestrationContext
PRICES = {"big": Price(input=10.0, output=30.0), "big-mini": Price(input=1.0, output=2.0)}


async def call(context: Context, model: str = "big", tokens: tuple[int, int] = (100, 10)) -> None:
    """What an integration does."""
    before_call()
    used = await context.call_activity("model", list(tokens))
    after_call(model, *used)


def ran(code: Callable[[Context], Awaitable[Any]], input_: Any = None) -> Any:
    """What comes of an orchestrator that is run again from its history at each turn."""
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await code(context)

    @app.activity_trigger(input_name="used")
    def model(used: list[int]) -> list[int]:
        return used

    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        return env.start(agent, input_).result()


def refused_by(code: Callable[[Context], Awaitable[Any]]) -> dict[str, Any]:
    """What the error says that ended the code."""

    async def told(context: Context) -> dict[str, Any]:
        try:
            await code(context)
        except df.BudgetExceededError as error:
            return {"message": str(error), "limit": error.limit, "allowed": error.allowed, "used": error.used}
        raise AssertionError("no budget was exceeded")

    return ran(told)


def test_calls_and_tokens_are_counted():
    async def agent(context: Context) -> Spent:
        with Budget(tokens=1000) as budget:
            await call(context)
            await call(context, tokens=(50, 5))
        return budget.spent

    spent = Spent(**ran(agent))
    assert (spent.calls, spent.input_tokens, spent.output_tokens, spent.tokens) == (2, 150, 15, 165)


def test_tokens_that_are_used_up_end_the_agent_before_its_next_call():
    async def agent(context: Context) -> None:
        with Budget(tokens=200):
            while True:
                await call(context)

    found = refused_by(agent)
    assert (found["limit"], found["allowed"], found["used"]) == ("tokens", 200, 220)
    assert found["message"] == (
        "The budget of 200 tokens is used up: 2 calls, 200 tokens in and 20 out, cost 0, 0 ms. Give more with "
        "Budget(tokens=...), and spent= if it is to count what was spent."
    )


def test_as_many_calls_are_made_as_are_allowed():
    async def agent(context: Context) -> None:
        with Budget(calls=3):
            while True:
                await call(context)

    assert refused_by(agent)["used"] == 3


def test_calls_at_once_do_not_pass_the_limit_together():
    async def agent(context: Context) -> list[bool]:
        with Budget(calls=3) as budget:
            came = await asyncio.gather(*(call(context) for _ in range(5)), return_exceptions=True)
            return [budget.spent.calls == 3, *(isinstance(each, df.BudgetExceededError) for each in came)]

    assert ran(agent) == [True, False, False, False, True, True]


def test_a_call_costs_what_its_model_does():
    async def agent(context: Context) -> Spent:
        with Budget(cost=100, prices=PRICES) as budget:
            await call(context, "big", (1_000_000, 100_000))
            await call(context, "big-mini", (1_000_000, 0))
        return budget.spent

    assert ran(agent)["cost"] == pytest.approx(14.0)


@pytest.mark.parametrize(
    ("model", "cost"), [("big-2026-05-01", 10.0), ("big@20260501", 10.0), ("big-latest", 10.0), ("big-mini-v1:0", 1.0)]
)
def test_a_dated_model_has_the_price_of_its_name(model: str, cost: float):
    async def agent(context: Context) -> Spent:
        with Budget(cost=100, prices=PRICES) as budget:
            await call(context, model, (1_000_000, 0))
        return budget.spent

    assert ran(agent)["cost"] == pytest.approx(cost)


def test_money_that_is_used_up_ends_the_agent():
    async def agent(context: Context) -> None:
        with Budget(cost=0.001, prices=PRICES):
            await call(context)
            await call(context)

    assert refused_by(agent)["limit"] == "cost"


@pytest.mark.parametrize("model", ["other", "big-max", "bigger"])
def test_a_model_without_a_price_is_named_where_money_is_limited(model: str):
    async def agent(context: Context) -> str:
        with Budget(cost=1, prices=PRICES):
            try:
                await call(context, model)
            except df.OrchestratorError as error:
                return str(error)
        return "nothing"

    assert ran(agent) == (
        f"The budget of cost has no price for model {model!r}: add it to prices, which are for big, big-mini."
    )


def test_a_model_without_a_price_is_named_before_it_is_called_where_its_name_is_known():
    async def agent(context: Context) -> list[Any]:
        with Budget(cost=1, prices=PRICES) as budget, Budget(calls=5):
            before_call("big-2026-01-01")
            before_call()
            try:
                before_call("other")
            except df.OrchestratorError as error:
                return [str(error), budget.spent.calls]
        raise AssertionError("it has a price")

    assert ran(agent) == [
        "The budget of cost has no price for model 'other': add it to prices, which are for big, big-mini.",
        2,
    ]


def test_prices_alone_do_not_ask_for_more_of_them():
    async def agent(context: Context) -> Spent:
        with Budget(calls=5, prices=PRICES) as budget:
            before_call("other")
            await call(context, "other")
        return budget.spent

    assert ran(agent)["cost"] == 0.0


def test_waiting_uses_up_time():
    async def agent(context: Context) -> list[Any]:
        with Budget(time=timedelta(minutes=10)):
            await context.create_timer(timedelta(minutes=4))
            left = time_left()
            await context.create_timer(timedelta(minutes=7))
            try:
                before_call()
            except df.BudgetExceededError as error:
                return [left and round(left.total_seconds()), error.limit, error.used >= 660]
        return []

    assert ran(agent) == [360, "time", True]


def test_the_budget_with_the_least_time_says_how_long_to_wait():
    async def agent(context: Context) -> list[float | None]:
        del context
        found = [time_left()]
        with Budget(time=timedelta(hours=1)):
            with Budget(time=timedelta(minutes=5)), Budget(tokens=1):
                found.append(time_left())
            found.append(time_left())
        return [None if left is None else left.total_seconds() for left in [*found, time_left()]]

    assert ran(agent) == [None, 300.0, 3600.0, None]


def test_nested_budgets_all_count_and_the_first_used_up_ends_what_is_in_it():
    async def agent(context: Context) -> list[Any]:
        with Budget(calls=5) as outer:
            inner = Budget(calls=2)
            try:
                with inner:
                    while True:
                        await call(context)
            except df.BudgetExceededError as error:
                await call(context)
                return [error.allowed, inner.spent.calls, outer.spent.calls]

    assert ran(agent) == [2, 2, 3]


def test_a_budget_counts_the_tasks_that_begin_in_it_and_no_others():
    async def agent(context: Context) -> list[int]:
        async def limited() -> int:
            with Budget(calls=10) as budget:
                await asyncio.gather(call(context), call(context))
                return budget.spent.calls

        async def other() -> int:
            await call(context)
            return -1

        return list(await asyncio.gather(limited(), other(), limited()))

    assert ran(agent) == [2, -1, 2]


def test_a_budget_goes_on_over_generations():
    async def agent(context: Context) -> Any:
        spent = Spent(**(context.get_input() or {}))
        with Budget(calls=3, spent=spent) as budget:
            await call(context)
            await context.create_timer(timedelta(minutes=1))
            context.continue_as_new(budget.spent)

    assert refused_by_generations(agent) == ("calls", 3, 180)


def refused_by_generations(agent: Callable[[Context], Awaitable[Any]]) -> tuple[str, float, int]:
    async def told(context: Context) -> Any:
        try:
            return await agent(context)
        except df.BudgetExceededError as error:
            return [error.limit, error.used, round((context.get_input() or {"seconds": 0})["seconds"])]

    return tuple(ran(told))


def test_a_budget_works_in_a_generator():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def agent(context: df.DurableOrchestrationContext) -> Any:
        with Budget(calls=2) as budget:
            before_call()
            yield context.create_timer(timedelta(minutes=1))
            before_call()
            after_call("any", 1, 2)
            return budget.spent

    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        assert env.start(agent).result()["calls"] == 2


def test_code_that_is_dropped_in_a_budget_leaves_no_budget_to_others():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def forever(context: df.DurableOrchestrationContext) -> None:
        with Budget(calls=1):
            before_call()
            await context.wait_for_external_event("never")

    @app.orchestration_trigger(context_name="context")
    async def free(context: df.DurableOrchestrationContext) -> str:
        del context
        before_call()
        return "free"

    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(forever)
        handle.terminate("enough")
        assert env.start(free).result() == "free"


def test_code_that_is_dropped_takes_no_budget_from_others():
    async def agent(context: Context) -> str:
        del context
        dropped = Budget(calls=5)
        with Budget(calls=1):
            dropped.__exit__(None, None, None)
            before_call()
            try:
                before_call()
            except df.BudgetExceededError as error:
                return error.limit
        return "nothing"

    assert ran(agent) == "calls"


def test_time_counts_over_generations():
    async def agent(context: Context) -> Any:
        spent = Spent(**(context.get_input() or {}))
        with Budget(time=timedelta(minutes=3), spent=spent) as budget:
            before_call()
            await context.create_timer(timedelta(minutes=1))
            context.continue_as_new(budget.spent)

    assert refused_by_generations(agent)[0] == "time"


def test_a_budget_without_a_limit_is_refused():
    with pytest.raises(df.OrchestratorError, match="needs a limit"):
        Budget()


@pytest.mark.parametrize("limit", [{"tokens": 0}, {"calls": -1}, {"time": timedelta(0)}])
def test_a_limit_of_nothing_is_refused(limit: dict[str, Any]):
    with pytest.raises(df.OrchestratorError, match=f"{next(iter(limit))} is"):
        Budget(**limit)


def test_money_without_prices_is_refused():
    with pytest.raises(df.OrchestratorError, match="needs prices"):
        Budget(cost=1.0)


def test_what_was_spent_has_to_be_that():
    with pytest.raises(df.OrchestratorError, match=r"Spent\(\*\*values\)"):
        Budget(calls=1, spent={"calls": 1})  # pyright: ignore[reportArgumentType]


def test_outside_of_an_orchestrator_a_budget_is_refused():
    with pytest.raises(df.OrchestratorError, match="inside an orchestrator"), Budget(calls=1):
        pass


def test_a_budget_is_used_by_one_block_at_a_time():
    async def agent(context: Context) -> str:
        del context
        with Budget(calls=1) as budget:
            try:
                with budget:
                    return "twice"
            except df.OrchestratorError as error:
                return str(error)

    assert "in use already" in ran(agent)
