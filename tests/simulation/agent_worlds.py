"""Agents in simulated worlds: the course of such a run, and what must be true of the steps in it.

A step is a run of an activity: a call of a model, or of a tool that touches the world.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

from azure_durable_py.observer import UNOBSERVED, ActivityRun, Observation, Observer
from azure_durable_py.registry import Registry
from azure_durable_py.taskhub.state import InstanceState
from tests.simulation.playing import Report, play_world
from tests.simulation.weather import Weather
from tests.simulation.world import World, draw_plan

AGENTS = 3
"""How many agents run in a world."""


class Steps(Observer):
    """Counts how often each step is begun, and notes those that are begun when their result is committed already."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.begun: Counter[tuple[str, int]] = Counter()
        """By instance and task id."""
        self.needless: list[str] = []

    def activity(self, run: ActivityRun) -> Observation:
        self.begun[run.instance_id, run.task_id] += 1
        header = self._world.store.partitions[run.instance_id].header
        assert header is not None
        state = InstanceState.decode(header.body)
        if header.is_terminal or not any(run.task_id in group.ids for group in state.activities):
            self.needless.append(f"{run.name} of {run.instance_id}, task {run.task_id}, at {self._world.now:.1f} s")
        return UNOBSERVED


@dataclass(frozen=True)
class AgentRun:
    """What became of the agents of one world."""

    report: Report
    steps: Steps
    outputs: list[object]

    def begun_again(self) -> int:
        """How many steps were begun once more."""
        return sum(self.steps.begun.values()) - len(self.steps.begun)


def play_agents(
    name: str, seed: int, registry: Registry, orchestrator: str, weather: Weather | None = None
) -> AgentRun:
    """Run some agents in a world, until all is at rest.

    :param name: of what is played; it and the seed make the world.
    :param weather: in place of one that is drawn; no worker is stopped then, either.
    """
    plan = draw_plan(random.Random(f"{name} {seed} plan"))
    if weather is not None:
        plan = replace(plan, weather=weather, redeploys=0.0)
    world = World(f"{name} {seed}", registry, plan)
    world.observer = steps = Steps(world)
    outputs: list[object] = []

    async def course(world: World) -> None:
        ids = [f"{orchestrator}{number}" for number in range(AGENTS)]
        for instance_id in ids:
            await world.start(orchestrator, instance_id)
        outputs.extend([await world.value_of(header) for header in await world.finished(*ids)])

    return AgentRun(play_world(world, course, Report(name, seed)), steps, outputs)


def check_answers(run: AgentRun, answer: object, steps: int) -> None:
    """See that agents came to their answer by all of their steps, and that nothing happened that nobody foresaw."""
    assert run.report.violation is None
    assert run.outputs == [answer] * AGENTS
    assert len(run.steps.begun) == steps * AGENTS


def check_nothing_begun_again(run: AgentRun) -> None:
    """See that each step was begun once: nothing went wrong."""
    assert {step: times for step, times in run.steps.begun.items() if times > 1} == {}


def check_deaths_cost_one_step(run: AgentRun) -> None:
    """See that a worker that died had each agent begin at most one step again, and none whose result was committed.

    So it is where nothing else goes wrong. Storage that gives no answer may have taken a result, or deliver a message
    twice: a step runs at least once, and its first result counts.
    """
    assert run.steps.needless == []
    assert run.begun_again() <= run.report.crashes * AGENTS
