"""Virtual time: what tests of months and of thousands of generations take, and whether longer ones take more per event.

What is to cost is what happens, not the time that passes in between. Each is run at a tenth of its size, and whole.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, play, run
from benchmarks.scenario import ENGINE, Lab, Sample, Sizes, lower

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
class Kind:
    """An orchestrator, and how much of it: so many events, and what each is."""

    name: str
    orchestrator: str | None
    events: int
    each: str


KINDS = (
    Kind("set-up and tear-down", None, 100, "hub"),
    Kind("approval, 30 days", "approval", 10, "time-out"),
    Kind("a year, daily", "daily", 365, "poll"),
    Kind("a year, hourly", "hourly", 8760, "poll"),
    Kind("eternal", "bare", 10_000, "generation"),
    Kind("eternal, hourly", "sleeping", 10_000, "generation"),
    Kind("fan-out", "fan_out", 1000, "activity"),
)


@dataclass(frozen=True)
class VirtualTime:
    """A scenario that a thread runs, as a test does: where no event loop runs."""

    name: str
    title: str
    sizes: Mapping[str, Sizes]
    smoke: int
    what: Kind

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """One round."""
        del lab, kind
        seconds = await asyncio.to_thread(_run, self.what, size)
        return [lower(f"us CPU/{self.what.each}", seconds / size * 1e6)]


VIRTUAL_TIME = tuple(
    VirtualTime(
        "virtual-time",
        f"virtual time: {kind.name}",
        {ENGINE: Sizes((), (max(1, kind.events // 10), kind.events))},
        2,
        kind,
    )
    for kind in KINDS
)


def _run(kind: Kind, size: int) -> float:
    """Seconds of the processor."""
    play(app, _nothing)  # What is imported and made once is no part of it.
    gc.collect()
    cpu = time.process_time()
    if kind.orchestrator is None:
        for _ in range(size):
            play(app, _nothing)
    else:
        status = run(app, kind.orchestrator, size, within=WITHIN)
        if status.runtime_status is not df.OrchestrationRuntimeStatus.Completed:
            raise RuntimeError(f"{kind.name} ended as {status.runtime_status}.")
    return time.process_time() - cpu


async def _nothing(hub: VirtualHub) -> None:
    del hub
