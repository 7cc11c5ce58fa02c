"""Agents in simulated worlds: workers that crash, storage that fails and answers late. One seed, one world."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from agents import Agent, Runner, function_tool

import azure_durable_py as df
from azure_durable_py.openai_agents import OpenAIAgents, activity_tool
from tests.openai_agents.scripts import AnsweringModel, Models, calls
from tests.simulation.agent_worlds import (
    AGENTS,
    AgentRun,
    check_answers,
    check_deaths_cost_one_step,
    check_nothing_begun_again,
    play_agents,
)
from tests.simulation.marks import tells_ends
from tests.simulation.weather import CRASHES, FAIR, Weather

pytestmark = tells_ends
STEPS = ("Rome?", "weather", "c2", "c3", "book", "c4")
"""The model calls, by what they are asked, and the activities that are tools."""
ANSWER = "Booked in Rome, 3."


class SlowModel(AnsweringModel):
    """Takes its time, so that much can happen meanwhile, and counts what it has answered."""

    def __init__(self, answers: dict[str, Any], done: Counter[str]) -> None:
        super().__init__(answers)
        self._done = done

    async def get_response(self, system_instructions: str | None, input: Any, *given: Any, **options: Any) -> Any:
        await asyncio.sleep(7.0)
        answer = await super().get_response(system_instructions, input, *given, **options)
        self._done[self.question(input)] += 1
        return answer


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def build(done: Counter[str], style: str) -> df.DFApp:
    """An agent with two tools and a handoff, in an `async def` or in a `def` below the decorator."""
    provider = Models(
        planner=SlowModel(
            {
                "Rome?": calls(("add", {"a": 1, "b": 2}, "c1"), ("weather", {"city": "Rome"}, "c2")),
                "c2": calls(("transfer_to_booker", {}, "c3")),
            },
            done,
        ),
        booker=SlowModel({"c3": calls(("book", {"city": "Rome"}, "c4")), "c4": ANSWER}, done),
    )
    app = df.DFApp()

    @app.activity_trigger(input_name="city")
    async def weather(city: str) -> str:
        """What the weather is like."""
        await asyncio.sleep(5.0)
        done["weather"] += 1
        return f"sunny in {city}"

    @app.activity_trigger(input_name="city")
    async def book(city: str) -> str:
        """Book a journey."""
        await asyncio.sleep(5.0)
        done["book"] += 1
        return f"booked {city}"

    def planner() -> Agent:
        booker = Agent("booker", model="booker", tools=[activity_tool(book)])
        return Agent("planner", model="planner", tools=[add, activity_tool(weather)], handoffs=[booker])

    async def awaited(context: df.DurableOrchestrationContext) -> str:
        return (await Runner.run(planner(), "Rome?")).final_output

    def waiting(context: df.DurableOrchestrationContext) -> str:
        return Runner.run_sync(planner(), "Rome?").final_output

    declare = app.orchestration_trigger(context_name="context", orchestration="trip")
    if style == "def":
        declare(app.durable_openai_agent_orchestrator(model_provider=provider)(waiting))
    else:
        app.register_functions(OpenAIAgents(provider))
        declare(awaited)
    return app


def book_trips(seed: int, style: str, weather: Weather | None = None) -> tuple[AgentRun, Counter[str]]:
    done: Counter[str] = Counter()
    run = play_agents("openai", seed, build(done, style).registry, "trip", weather)
    check_answers(run, ANSWER, len(STEPS))
    assert set(done) == set(STEPS)
    return run, done


in_both_styles = pytest.mark.parametrize("style", ["async def", "def"])


@in_both_styles
@pytest.mark.parametrize("seed", range(12))
def test_agents_come_to_the_same_answer_whatever_happens_to_their_workers(seed: int, style: str):
    book_trips(seed, style)


@in_both_styles
@pytest.mark.parametrize("seed", range(8))
def test_a_worker_that_dies_costs_each_agent_one_step_at_most(seed: int, style: str):
    run, _ = book_trips(seed, style, CRASHES)
    check_deaths_cost_one_step(run)


@in_both_styles
@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_goes_wrong_each_step_is_done_once(seed: int, style: str):
    run, done = book_trips(seed, style, FAIR)
    check_nothing_begun_again(run)
    assert done == dict.fromkeys(STEPS, AGENTS)
