"""Runs of agents inside orchestrators: what becomes a step, and what of a run is the same on every replay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext, UsageLimits
from pydantic_ai.exceptions import UnexpectedModelBehavior, UsageLimitExceeded

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability, PydanticAIAgents
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned


def test_each_request_of_the_model_and_each_call_of_a_tool_is_a_step_that_is_made_once():
    model = ScriptedModel([call("weather", 1, city="Rome"), call("weather", 2, city="Oslo")], returned)
    agent = Agent(model, name="forecaster", capabilities=[AzureDurability()])
    told: list[str] = []

    @agent.tool_plain
    def weather(city: str) -> str:
        told.append(city)
        return f"sun in {city}"

    with environment(asking(agent)) as env:
        run = env.start("ask", "How is it?")
        assert run.result() == "['sun in Rome', 'sun in Oslo']"
        assert run.calls().names == [
            "forecaster__model.request",
            "forecaster__function_toolset__<agent>.call_tool",
            "forecaster__function_toolset__<agent>.call_tool",
            "forecaster__model.request",
        ]
    assert model.asked == [0, 1]
    assert sorted(told) == ["Oslo", "Rome"]


async def test_outside_of_orchestrators_the_agent_runs_as_ever():
    model = ScriptedModel([call("weather", city="Rome")], returned)
    agent = Agent(model, name="forecaster", capabilities=[AzureDurability()])

    @agent.tool_plain
    def weather(city: str) -> str:
        return f"sun in {city}"

    assert (await agent.run("How is it?")).output == "['sun in Rome']"


@dataclass
class Account:
    """What a run depends on."""

    owner: str
    since: date


def test_dependencies_and_arguments_reach_tools_as_what_they_are():
    model = ScriptedModel([call("greet", day="2026-05-01")], returned)
    agent = Agent(model, name="clerk", deps_type=Account, capabilities=[AzureDurability()])

    @agent.tool
    def greet(ctx: RunContext[Account], day: date) -> str:
        return f"{ctx.deps.owner} for {(day - ctx.deps.since).days} days, in {ctx.tool_call_id}"

    with environment(asking(agent, deps=Account("Ada", date(2026, 4, 1)))) as env:
        run = env.start("ask", "Greet")
        assert run.result() == "['Ada for 30 days, in greet-1']"


class Trip(BaseModel):
    """Structured output."""

    city: str
    days: int


def test_output_that_does_not_validate_is_asked_for_again_by_another_step():
    model = ScriptedModel(
        call("final_result", 1, city="Rome", days="many"), call("final_result", 2, city="Rome", days=3)
    )
    agent = Agent(model, name="planner", output_type=Trip, capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Plan")
        assert run.result(expected_type=Trip) == Trip(city="Rome", days=3)
        assert run.calls().names == ["planner__model.request"] * 2


def test_output_that_never_validates_ends_the_run_with_the_reason():
    model = ScriptedModel(*(call("final_result", n, city="Rome", days="many") for n in range(4)))
    agent = Agent(model, name="planner", output_type=Trip, capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        failure = env.start("ask", "Plan").wait().failure
        assert failure is not None
        assert failure.is_caused_by(UnexpectedModelBehavior)


def test_a_tool_that_asks_the_model_to_try_again_is_a_step_that_succeeded():
    model = ScriptedModel(call("book", 1, seat=0), call("book", 2, seat=7), returned)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def book(seat: int) -> str:
        if seat < 1:
            raise ModelRetry("Seats count from 1.")
        return f"seat {seat}"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Book")
        assert run.result() == "['seat 7']"
        assert [step.attempts for step in run.calls()] == [1] * 5


def test_arguments_are_validated_in_a_step_of_their_own():
    def check(ctx: RunContext[Any], seat: int) -> None:
        if seat < 1:
            raise ModelRetry("Seats count from 1.")

    model = ScriptedModel(call("book", 1, seat=0), call("book", 2, seat=7), returned)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain(args_validator=check)
    def book(seat: int) -> str:
        return f"seat {seat}"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Book")
        assert run.result() == "['seat 7']"
        steps = [name.rpartition(".")[2] for name in run.calls().names]
        assert steps == ["request", "validate_args", "request", "validate_args", "call_tool", "request"]


def test_a_tool_that_takes_too_long_is_given_up_in_its_activity():
    agent = Agent(ScriptedModel(call("slow"), returned), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain(timeout=5)
    async def slow() -> str:
        await asyncio.sleep(365 * 86400)
        return "slow"

    with environment(asking(agent)) as env:
        assert "Timed out after 5" in env.start("ask", "Work").result()


def test_a_function_that_takes_the_output_may_await_what_is_durable():
    async def save(trip: Trip) -> str:
        context = df.current_context()
        assert context is not None
        return await context.call_activity("keep", trip.city)

    model = ScriptedModel(call("final_result", city="Rome", days=3))
    app = asking(Agent(model, name="planner", output_type=save, capabilities=[AzureDurability()]))

    @app.activity_trigger(input_name="city")
    def keep(city: str) -> str:
        return f"kept {city}"

    with environment(app) as env:
        assert env.start("ask", "Plan").result() == "kept Rome"


def test_a_tool_that_raises_fails_the_run_and_a_rewind_goes_on_from_there():
    model = ScriptedModel(call("charge"), returned)
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    outcomes: list[Any] = [OSError("the bank is closed"), "charged"]

    @agent.tool_plain
    def charge() -> str:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with environment(asking(agent)) as env:
        run = env.start("ask", "Pay")
        failure = run.wait().failure
        assert failure is not None
        assert failure.is_caused_by(OSError)
        run.rewind("the bank is open")
        assert run.result() == "['charged']"
    assert model.asked == [0, 1]


def test_a_tool_is_tried_again_only_as_its_policy_says():
    model = ScriptedModel([call("flaky"), call("once")], returned)
    policy = df.RetryPolicy(timedelta(seconds=10), 3)
    agent = Agent(model, name="agent", capabilities=[AzureDurability(retry_options_of_tools={"flaky": policy})])
    tries: list[str] = []

    @agent.tool_plain
    def flaky() -> str:
        tries.append("flaky")
        if len(tries) < 3:
            raise OSError("not yet")
        return "done"

    @agent.tool_plain
    def once() -> str:
        return "done"

    with environment(asking(agent)) as env:
        run = env.start("ask", "Work")
        assert run.result() == "['done', 'done']"
        assert [step.attempts for step in run.calls()] == [1, 3, 1, 1]


def test_a_limit_of_the_framework_ends_the_run():
    model = ScriptedModel(*(call("look", n) for n in range(9)))
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    with environment(asking(agent, usage_limits=UsageLimits(request_limit=3))) as env:
        run = env.start("ask", "Search")
        failure = run.wait().failure
        assert failure is not None
        assert failure.is_caused_by(UsageLimitExceeded)
    assert model.asked == [0, 1, 2]


def test_ids_and_times_of_a_run_are_the_same_on_every_replay():
    model = ScriptedModel(call("look"), "done", "done")
    agent = Agent(model, name="agent", capabilities=[AzureDurability()], instructions=lambda: "Be brief.")

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def search(context: df.DurableOrchestrationContext) -> Any:
        begun = context.current_utc_datetime
        first = await agent.run("Search")
        await context.create_timer(timedelta(days=1))
        second = await agent.run("Again", message_history=first.all_messages())
        # Taken up again a day later, the code says anew when everything was.
        await context.create_timer(timedelta(days=1))
        own: list[Any] = [message for message in second.all_messages() if message.kind == "request"]
        times = [(message.timestamp - begun).days for message in own]
        parts = [(part.timestamp - begun).days for message in own for part in message.parts]
        return [first.run_id, second.run_id, first.conversation_id == second.conversation_id, times, parts]

    with environment(app) as env:
        first_id, second_id, same_conversation, times, parts = env.start(search).result()
        assert first_id != second_id
        assert same_conversation
        assert times == [0, 0, 1]
        assert parts == [0, 0, 1]


def test_the_last_messages_of_a_run_have_its_times():
    model = ScriptedModel(call("final_result", city="Rome", days=3))
    agent = Agent(model, name="planner", output_type=Trip, capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def plan(context: df.DurableOrchestrationContext) -> Any:
        begun = context.current_utc_datetime
        result = await agent.run("Plan")
        await context.create_timer(timedelta(days=1))
        last: Any = result.all_messages()[-1]
        return [last.kind, (last.timestamp - begun).days, [(part.timestamp - begun).days for part in last.parts]]

    with environment(app) as env:
        assert env.start(plan).result() == ["request", 0, [0]]


def test_an_agent_needs_a_name():
    with pytest.raises(Exception, match="unique `name`"):
        Agent(ScriptedModel(), capabilities=[AzureDurability()])


def test_only_durable_agents_have_steps():
    with pytest.raises(df.RegistrationError, match=r"AzureDurability\(\)"):
        PydanticAIAgents(Agent(ScriptedModel(), name="agent"))
