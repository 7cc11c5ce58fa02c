"""Virtual time: what tests of months and of thousands of generations take, and whether longer ones take more per event.

What is to cost is what happens, not the time that passes in between. Each scenario runs at a tenth of its size, and
whole.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, play, run
from benchmarks.place import Stores
from benchmarks.table import Table

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WITHIN = 50 * 365 * DAY

app = df.DFApp()


@app.activity_trigger(input_name="number")
def work(number: int) -> int:
    """Nothing."""
    return number


@app.orchestration_trigger(context_name="context")
async def approval(context: df.DurableOrchestrationContext) -> None:
    """Wait for approvals that never come, one after the other, for 30 days each."""
    for _ in range(context.get_input()):
        timeout = context.create_timer(30 * DAY)
        await context.task_any([context.wait_for_external_event("Approval"), timeout])


@app.orchestration_trigger(context_name="context")
async def hourly(context: df.DurableOrchestrationContext) -> None:
    """Look once an hour."""
    for number in range(context.get_input()):
        await context.call_activity(work, number)
        await context.create_timer(HOUR)


@app.orchestration_trigger(context_name="context")
async def daily(context: df.DurableOrchestrationContext) -> None:
    """Look once a day."""
    for number in range(context.get_input()):
        await context.call_activity(work, number)
        await context.create_timer(DAY)


@app.orchestration_trigger(context_name="context")
async def bare(context: df.DurableOrchestrationContext) -> None:
    """Generations that do nothing."""
    left: int = context.get_input()
    if left > 1:
        context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
async def sleeping(context: df.DurableOrchestrationContext) -> None:
    """Generations that sleep for an hour."""
    left: int = context.get_input()
    await context.create_timer(HOUR)
    if left > 1:
        context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
async def fan_out(context: df.DurableOrchestrationContext) -> None:
    """As many activities at once as the input says."""
    await context.task_all([context.call_activity(work, number) for number in range(context.get_input())])


@dataclass(frozen=True)
class Scenario:
    """An orchestrator, and how much of it: so many events of a kind."""

    name: str
    orchestrator: str | None
    events: int
    event: str


SCENARIOS = (
    Scenario("set-up and tear-down", None, 100, "hub"),
    Scenario("approval, 30 days", "approval", 10, "time-out"),
    Scenario("a year, daily", "daily", 365, "poll"),
    Scenario("a year, hourly", "hourly", 8760, "poll"),
    Scenario("eternal", "bare", 10_000, "generation"),
    Scenario("eternal, hourly", "sleeping", 10_000, "generation"),
    Scenario("fan-out", "fan_out", 1000, "activity"),
)
LARGEST = 1_000_000
"""No scenario has more events than this: for those who only want to see that the benchmark runs."""


async def main(stores: Stores) -> Table:
    """Run each scenario in a thread, as a test runs it: where no event loop runs."""
    del stores
    return await asyncio.to_thread(_measure)


def _measure() -> Table:
    table = Table("Virtual time (milliseconds of the wall and of the processor)")
    play(app, _nothing)  # What is imported and made once is no part of it.
    for scenario in SCENARIOS:
        size = min(scenario.events, LARGEST)
        small = max(1, size // 10)
        _, cpu = _run(scenario, small)
        each_of_small = cpu / small
        wall, cpu = _run(scenario, size)
        table.add(
            scenario=scenario.name,
            events=size,
            each=scenario.event,
            ms=wall * 1000,
            cpu_ms=cpu * 1000,
            us_per_event=cpu / size * 1e6,
            ratio_to_a_tenth=cpu / size / each_of_small,
        )
    return table


def _run(scenario: Scenario, size: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    if scenario.orchestrator is None:
        for _ in range(size):
            play(app, _nothing)
    else:
        status = run(app, scenario.orchestrator, size, within=WITHIN)
        if status.runtime_status is not df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{scenario.name} ended as {status.runtime_status}.")
    return time.perf_counter() - wall, time.process_time() - cpu


async def _nothing(hub: VirtualHub) -> None:
    del hub
