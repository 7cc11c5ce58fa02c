"""What a step costs the processor, in calls of Python functions: the same on every machine, and more if work is added.

A little room is left above what was measured, as versions of Python differ in what they call. Who makes a step
cheaper lowers the number.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.testing import run

app, HOUR = df.DFApp(), timedelta(hours=1)


@app.activity_trigger(input_name="number")
async def work(number: int) -> int:
    return number


@app.orchestration_trigger(context_name="context")
async def chain(context: df.DurableOrchestrationContext) -> None:
    for number in range(context.get_input()):
        await context.call_activity(work, number)


@app.orchestration_trigger(context_name="context")
async def bare(context: df.DurableOrchestrationContext) -> None:
    left: int = context.get_input()
    if left > 1:
        context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
async def sleeping(context: df.DurableOrchestrationContext) -> None:
    left: int = context.get_input()
    await context.create_timer(HOUR)
    if left > 1:
        context.continue_as_new(left - 1)


def calls(what: Callable[[], object]) -> int:
    """How many Python functions something calls in this thread."""
    count = 0

    def called(frame: FrameType, event: str, given: Any) -> None:
        nonlocal count
        del frame, given
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        what()
    finally:
        sys.setprofile(before)
    return count


def per_event(name: str, size: int) -> float:
    """The calls that each event beyond the first `size` takes, up to twice as many."""
    run(app, name, 5, within=1_000 * HOUR)
    fewer, more = (calls(lambda size=size: run(app, name, size, within=1_000 * HOUR)) for size in (size, 2 * size))
    return (more - fewer) / size


@pytest.mark.parametrize(("name", "most"), [("chain", 620), ("bare", 480), ("sleeping", 1_900)])
def test_an_event_takes_so_many_calls_at_most(name: str, most: int):
    assert per_event(name, 100) <= most


def test_a_step_late_in_a_history_takes_as_many_calls_as_an_early_one():
    early, late = per_event("chain", 20), per_event("chain", 150)
    assert late <= 1.05 * early
