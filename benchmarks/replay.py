"""Replay: what one activity costs where a history is read and run through again, and where it is run first.

All in memory: no storage has a part in it. Each kind of orchestrator is run live, which makes its history, and then
cold from that.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import azure_durable_py as df
from azure_durable_py.history.codec import decode_events, encode_event
from azure_durable_py.history.events import Event, ExecutionStarted, TaskCompleted, TaskScheduled
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.serialization.converter import BoundedConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from benchmarks.scenario import ENGINE, Lab, Sample, Sizes, lower

RUNS = 3
SETTINGS = Settings()

app = df.DFApp()
Context = df.DurableOrchestrationContext


@dataclass
class Receipt:
    """What the activity returns, for orchestrators that want it as an object."""

    number: int
    paid: bool


@app.activity_trigger(input_name="number")
def work(number: int) -> Receipt:
    """What all of them call."""
    return Receipt(number, paid=True)


@app.orchestration_trigger(context_name="context")
def chain(context: Context) -> Generator[Any, Any, None]:
    """One after the other, by name."""
    for number in range(context.get_input()):
        yield context.call_activity("work", number)


@app.orchestration_trigger(context_name="context")
def chain_typed(context: Context) -> Generator[Any, Any, None]:
    """One after the other, each result an object."""
    for number in range(context.get_input()):
        yield context.call_activity("work", number, expected_type=Receipt)


@app.orchestration_trigger(context_name="context")
async def chain_async(context: Context) -> None:
    """One after the other, awaited."""
    for number in range(context.get_input()):
        await context.call_activity("work", number)


@app.orchestration_trigger(context_name="context")
async def chain_by_reference(context: Context) -> None:
    """One after the other, by the function, whose annotation makes each result an object."""
    for number in range(context.get_input()):
        await context.call_activity(work, number)


@app.orchestration_trigger(context_name="context")
def fan_out(context: Context) -> Generator[Any, Any, None]:
    """All at once."""
    yield context.task_all([context.call_activity("work", number) for number in range(context.get_input())])


@app.orchestration_trigger(context_name="context")
async def fan_out_by_reference(context: Context) -> None:
    """All at once, by the function."""
    await context.task_all([context.call_activity(work, number) for number in range(context.get_input())])


@app.orchestration_trigger(context_name="context")
async def fan_out_gather(context: Context) -> None:
    """All at once, as asyncio has it."""
    await asyncio.gather(*[context.call_activity("work", number) for number in range(context.get_input())])


@dataclass(frozen=True)
class Replay:
    """One kind of orchestrator: run live, which makes its history, and then cold from that."""

    name: str
    title: str
    sizes: Mapping[str, Sizes]
    smoke: int
    orchestrator: str

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """One round."""
        del lab, kind
        live, history = _live(self.orchestrator, size)
        texts = [encode_event(event) for event in history]
        decode = _seconds(lambda: decode_events(texts))
        replay = _seconds(lambda: _orchestration(history))
        return [
            lower(f"us CPU/activity, {what}", seconds * 1e6 / size)
            for what, seconds in (("replay", replay), ("decoding", decode), ("live", live))
        ]


REPLAY = tuple(
    Replay("replay", f"replay: {name}", {ENGINE: Sizes((1000, 10_000))}, 5, name)
    for name in app.registry.orchestrators.names()
)


def _seconds(code: Callable[[], object]) -> float:
    """The least CPU time of some runs, in seconds: a run is so short that whatever else goes on counts for much."""
    times: list[float] = []
    for _ in range(RUNS):
        gc.collect()
        began = time.process_time()
        code()
        times.append(time.process_time() - began)
    return min(times)


def _orchestration(history: Sequence[Event]) -> Orchestration:
    converter = BoundedConverter(JsonDataConverter(), MAX_PAYLOAD_BYTES)
    return Orchestration("instance", "execution", app.registry, SETTINGS, converter, history)


def _live(name: str, size: int) -> tuple[float, list[Event]]:
    """Run an orchestrator with a turn for each batch of answers. Returns the seconds that it took, and its history."""
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    orchestration = _orchestration(())
    history: list[Event] = []
    arrived: list[Event] = [ExecutionStarted(now, name, str(size))]
    gc.collect()
    began = time.process_time()
    while not orchestration.is_finished:
        now += timedelta(milliseconds=1)
        turn = orchestration.advance(arrived, now)
        history += turn.events
        arrived = [
            TaskCompleted(now, event.id, f'{{"number":{event.input},"paid":true}}')
            for event in turn.events
            if isinstance(event, TaskScheduled)
        ]
    return time.process_time() - began, history
