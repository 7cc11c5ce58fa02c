"""Sync operations run in threads: one way there and back for all that need nothing but to be run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.observer import UNOBSERVED, Observation, Observer, OperationRun
from azure_durable_py.registry import EntityDefinition, Registry
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.worker.activities.runner import run_in_thread
from azure_durable_py.worker.worker import Worker

SETTINGS = Settings(hub_name="Threads")
KEPT: contextvars.ContextVar[int] = contextvars.ContextVar("KEPT", default=0)
LOG = EntityId("log", "x")


class Place:
    """A worker whose sync code is run in threads."""

    def __init__(self, hub: TaskHub) -> None:
        self.hub = hub
        self.client = DurableOrchestrationClient(hub, SETTINGS)
        self.hops = 0

    async def run_sync(self, call: Callable[[], Any], name: str) -> Any:
        self.hops += 1
        return await run_in_thread(call, name)

    async def signal(self, *inputs: tuple[str, str | None]) -> None:
        """Send operations to the log, to be taken in one turn."""
        now = self.hub.clock.now()
        await self.hub.deliver(
            str(LOG),
            [
                InboxEvent(OperationArrived(now, name, text), "client:test", number, now)
                for number, (name, text) in enumerate(inputs)
            ],
            "test",
        )

    async def state(self, length: int) -> list[Any]:
        """The state of the log, once it has so many entries."""
        while True:
            found = (await self.client.read_entity_state(LOG)).entity_state or []
            if len(found) >= length:
                return found
            await asyncio.sleep(0.005)


@asynccontextmanager
async def at_work(function: Any, observer: Observer | None = None) -> AsyncIterator[Place]:
    registry = Registry()
    registry.entities.add(EntityDefinition("log", function))
    hub = TaskHub(SqliteStore(None, hub_name="Threads"), observer=observer or Observer())
    await hub.open()
    place = Place(hub)
    worker = Worker(hub, registry, SETTINGS, repair=False, run_sync=place.run_sync)
    await worker.start()
    try:
        yield place
    finally:
        await worker.stop()
        await hub.close()


def log(context: DurableEntityContext) -> None:
    """Keeps where it was called, and what it found in its context."""
    KEPT.set(KEPT.get() + 1)
    context.set_state([*context.get_state(list), [threading.current_thread().name, KEPT.get()]])
    if context.operation_name == "fail":
        raise ValueError("kept for nothing")


async def test_the_operations_of_a_turn_take_one_way_to_a_thread_and_each_a_context_of_its_own():
    async with at_work(log) as place:
        await place.signal(*[("tell", None), ("fail", None), ("tell", None)] * 20)
        found = await place.state(40)
        assert found == [[f"entity {LOG}", 1]] * 40
        assert place.hops == 1


async def test_what_needs_more_than_to_be_run_keeps_its_place():
    class Log:
        state: list[str]

        def __init__(self) -> None:
            self.state = []

        def tell(self, text: str) -> None:
            self.state.append(text[:3])

        async def tell_async(self, text: str) -> None:
            await asyncio.sleep(0)
            self.state.append(f"async {text}")

    async with at_work(Log) as place:
        large = f'"big{"x" * 20_000}"'
        await place.signal(
            ("tell", '"1"'), ("tell_async", '"2"'), ("tell", '"3"'), ("tell", large), ("tell", '"5"'), ("tell", '"6"')
        )
        assert await place.state(6) == ["1", "async 2", "3", "big", "5", "6"]
        assert place.hops == 4


async def test_operations_that_are_observed_are_told_one_by_one():
    class Watching(Observer):
        told = 0

        def operation(self, run: OperationRun) -> Observation:
            del run
            self.told += 1
            return UNOBSERVED

    watching = Watching()
    async with at_work(log, watching) as place:
        await place.signal(*[("tell", None)] * 5)
        await place.state(5)
        assert (watching.told, place.hops) == (5, 5)
