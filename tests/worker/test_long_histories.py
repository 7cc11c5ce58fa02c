"""What a long history takes of memory, when an instance is loaded that is in memory no longer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Generator, Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import Event, OrchestratorStarted, TaskCompleted, TaskScheduled
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.naming import page_key
from azure_durable_py.taskhub.payloads import to_blobs
from azure_durable_py.taskhub.state import InstanceState, PageRef
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.orchestration_draft import SEAL_CHARS
from azure_durable_py.worker.instance.orchestration_reader import OrchestrationReader
from azure_durable_py.worker.watchdog import Watchdog
from tests.runtime.harness import CONVERTER, START, Run, registry_of


def chain(context: DurableOrchestrationContext) -> Generator[Any, Any, None]:
    """One activity after the other, without an end."""
    while True:
        yield context.call_activity("work", "what it is to work on")


def recorded(activities: int) -> list[Event]:
    """The history of a chain that has called so many activities."""
    run = Run(registry_of(chain), check_cold=False)
    run.start("chain")
    history = run.history
    for number in range(activities - 1):
        now = START + timedelta(seconds=number)
        history += [
            OrchestratorStarted(now),
            TaskCompleted(now, number, '"what came of it"'),
            TaskScheduled(now, number + 1, "work", '"what it is to work on"'),
        ]
    return history


class Pages:
    """A store with nothing but the pages of a history."""

    def __init__(self, history: Sequence[Event]) -> None:
        self.refs: list[PageRef] = []
        self._bodies: dict[str, bytes] = {}
        tail: list[str] = []
        for event in history:
            if isinstance(event, OrchestratorStarted) and sum(map(len, tail)) > SEAL_CHARS:
                self._seal(tail)
                tail = []
            tail.append(encode_event(event))
        self._seal(tail)

    def _seal(self, tail: Sequence[str]) -> None:
        ref, rows = to_blobs(page_key(0, "turn", len(self.refs)), "\n".join(tail))
        self.refs.append(PageRef(ref.key, ref.chunks, len(tail)))
        self._bodies.update((row.key, row.body) for row in rows)

    async def get_blobs(self, _instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Bodies that are in storage's memory, not in the worker's."""
        return {key: self._bodies[key] for key in keys}


def reader_of(pages: Pages) -> OrchestrationReader:
    """Reads a chain from its pages."""
    context = SimpleNamespace(
        hub=SimpleNamespace(store=pages),
        registry=registry_of(chain),
        settings=Settings(),
        converter=CONVERTER,
        watchdog=Watchdog(0),
        replay="when-needed",
    )
    return OrchestrationReader(cast("WorkerContext", context), "instance")


async def peak_of_load(activities: int) -> int:
    """The most bytes that are in use at once while a history is loaded, beyond those in use before."""
    pages = Pages(recorded(activities))
    reader, state = reader_of(pages), InstanceState("execution", START, pages=pages.refs)
    tracemalloc.start()
    try:
        await reader.load(state)
        assert reader.replayed == 3 * activities
        assert reader.is_open(activities - 1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_long_history_takes_no_more_memory_than_a_short_one():
    short = await peak_of_load(1_000)
    assert await peak_of_load(10_000) < 1.3 * short


async def test_code_gets_its_history_from_parts_that_are_in_memory_no_longer_as_events():
    history = recorded(1_000)
    pages = Pages(history)
    assert len(pages.refs) > 2
    reader = reader_of(pages)
    await reader.load(InstanceState("execution", START, pages=pages.refs))
    assert reader.decision(5) == TaskScheduled(START + timedelta(seconds=4), 5, "work", '"what it is to work on"')
