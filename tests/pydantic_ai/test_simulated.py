"""Agents in simulated worlds: workers that crash, storage that fails and answers late. One seed, one world."""

from __future__ import annotations

import asyncio

import pytest

from tests.pydantic_ai import travel
from tests.simulation.agent_worlds import (
    AgentRun,
    check_answers,
    check_deaths_cost_one_step,
    check_nothing_begun_again,
    play_agents,
)
from tests.simulation.weather import CRASHES, FAIR, Weather


async def take_a_while(step: str) -> None:
    """As models and tools do, so that much can happen meanwhile."""
    await asyncio.sleep(5.0 + len(step))


def plan_trips(seed: int, weather: Weather | None = None) -> AgentRun:
    done: list[str] = []
    run = play_agents("agents", seed, travel.build(done.append, take_a_while).registry, "plan", weather)
    check_answers(run, travel.ANSWER, len(travel.STEPS))
    assert set(done) == set(travel.STEPS)
    return run


@pytest.mark.parametrize("seed", range(12))
def test_agents_come_to_the_same_answer_whatever_happens_to_their_workers(seed: int):
    plan_trips(seed)


@pytest.mark.parametrize("seed", range(8))
def test_a_worker_that_dies_costs_each_agent_one_step_at_most(seed: int):
    check_deaths_cost_one_step(plan_trips(seed, CRASHES))


@pytest.mark.parametrize("seed", range(4))
def test_where_nothing_goes_wrong_each_step_is_done_once(seed: int):
    check_nothing_begun_again(plan_trips(seed, FAIR))
