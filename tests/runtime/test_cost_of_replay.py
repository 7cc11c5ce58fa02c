"""What replay costs, counted in calls of Python functions: few for each activity, and as many in a long history."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import pytest

from azure_durable_py.history.codec import decode_events, encode_event
from azure_durable_py.history.events import Event, TaskCompleted, TaskScheduled
from azure_durable_py.runtime.context import DurableOrchestrationContext
from tests.runtime.harness import Run, registry_of

SHORT, LONG = 100, 1_000


@dataclass
class Receipt:
    number: int
    paid: bool


def chain(context: DurableOrchestrationContext) -> Generator[Any, Any, None]:
    for number in range(context.get_input()):
        yield context.call_activity("work", number)


def typed_chain(context: DurableOrchestrationContext) -> Generator[Any, Any, None]:
    for number in range(context.get_input()):
        yield context.call_activity("work", number, expected_type=Receipt)


async def async_chain(context: DurableOrchestrationContext) -> None:
    for number in range(context.get_input()):
        await context.call_activity("work", number)


def fan_out(context: DurableOrchestrationContext) -> Generator[Any, Any, None]:
    yield context.task_all([context.call_activity("work", number) for number in range(context.get_input())])


async def gathered(context: DurableOrchestrationContext) -> None:
    await asyncio.gather(*[context.call_activity("work", number) for number in range(context.get_input())])


def recorded(function: Callable[..., Any], size: int) -> Run:
    """A run over so many activities; its history is what is replayed."""
    run = Run(registry_of(function), check_cold=False)
    run.start(function.__name__, size)
    while not run.live.is_finished:
        called = [event for event in run.turn.events if isinstance(event, TaskScheduled)]
        run.advance(*(TaskCompleted(run.now, event.id, '{"number":5,"paid":true}') for event in called))
    return run


def calls_of(code: Callable[[], object]) -> int:
    """How many Python functions and generators are entered."""
    count = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        code()
    finally:
        sys.setprofile(None)
    return count


def calls_of_replay(function: Callable[..., Any], size: int) -> int:
    run = recorded(function, size)
    return calls_of(lambda: run.load(run.history))


# Counted with Python 3.10 to 3.13, which differ by one; and a tenth more.
@pytest.mark.parametrize(
    ("function", "most"), [(chain, 44), (typed_chain, 58), (async_chain, 47), (fan_out, 34), (gathered, 104)]
)
def test_an_activity_that_is_replayed_takes_few_calls_however_long_the_history_is(
    function: Callable[..., Any], most: int
):
    short, long = calls_of_replay(function, SHORT), calls_of_replay(function, LONG)
    each = (long - short) / (LONG - SHORT)
    assert each <= most
    assert long / LONG <= short / SHORT


def history(size: int) -> Sequence[Event]:
    return recorded(chain, size).history


def test_an_event_is_written_and_read_in_a_few_calls():
    events = history(LONG)
    texts = [encode_event(event) for event in events]
    assert calls_of(lambda: [encode_event(event) for event in events]) <= 4 * len(events)
    assert calls_of(lambda: decode_events(texts)) <= 6 * len(events)
    assert decode_events(texts) == events
