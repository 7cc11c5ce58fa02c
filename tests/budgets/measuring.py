"""Runs one orchestration on one worker and counts what it costs in storage operations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.clock import Clock
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import QueueMessage, TaskHubStore
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.worker import Worker
from tests.counting import CountingStore


async def chain(context: df.DurableOrchestrationContext) -> str:
    for number in range(context.get_input()):
        await context.call_activity("work", number)
    return "done"


async def fan_out(context: df.DurableOrchestrationContext) -> int:
    results = await context.task_all([context.call_activity("work", number) for number in range(context.get_input())])
    return sum(results)


def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())


class BudgetStore(CountingStore):
    """Counts as budgets do: without polls that find nothing. Keeps the largest header seen, and all polls."""

    largest_body = 0

    def __init__(self, inner: TaskHubStore) -> None:
        self.polls = 0
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if name != "receive_messages":
            return super().around(name, call)

        async def receive(*args: Any) -> list[QueueMessage]:
            self.polls += 1
            messages = await call(*args)
            if messages:
                self.count(name, args)
            return messages

        return receive

    def count(self, name: str, args: tuple[Any, ...]) -> None:
        super().count(name, args)
        if name == "commit" and args[0].header is not None:
            self.largest_body = max(self.largest_body, len(args[0].header.body))


@dataclass
class Cost:
    """What happened: operations from the client's start to the last message deleted, and the output."""

    queue: int
    table: int
    output: Any
    calls: dict[str, int]
    operations_at: list[int]
    """All operations counted so far at the beginning of each activity, in order."""


class Measured:
    """A worker on a hub whose operations are counted.

    :param work_seconds: how long an activity takes.
    :param cancellable: whether it may be cancelled.
    """

    def __init__(
        self,
        store: TaskHubStore,
        settings: Settings,
        clock: Clock,
        work_seconds: float = 0.0,
        *,
        cancellable: bool = False,
    ) -> None:
        self.store = BudgetStore(store)
        self._hub = TaskHub(self.store, clock)
        self._operations_at: list[int] = []
        self._work_seconds = work_seconds
        registry = Registry()
        for function in (chain, fan_out):
            registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
        registry.entities.add(EntityDefinition("counter", counter))
        registry.activities.add(ActivityDefinition("work", self._work, "number", cancellable=cancellable))
        self._client = DurableOrchestrationClient(self._hub, settings, registry=registry)
        # The repair scan of the start is no part of any budget.
        self._worker = Worker(self._hub, registry, settings, run_sync=run_inline, repair=False)

    async def _work(self, number: int) -> int:
        self._operations_at.append(self.store.queue_operations + self.store.table_operations)
        if self._work_seconds:
            await asyncio.sleep(self._work_seconds)
        return number

    @asynccontextmanager
    async def working(self) -> AsyncIterator[Measured]:
        """With the worker running."""
        await self._hub.open()
        await self._worker.start()
        try:
            yield self
        finally:
            await self._worker.stop()

    async def cost(self, name: str, size: int) -> Cost:
        """Start an orchestration, see it through, and tell what it cost."""
        self.store.reset()
        self._operations_at.clear()
        instance_id = await self._client.start_new(name, client_input=size)
        await _until(lambda: self.is_at_rest(instance_id))
        header = await self.store.inner.load_header(instance_id)
        assert header is not None
        assert header.columns.runtime_status == "Completed", header.columns
        return Cost(
            self.store.queue_operations,
            self.store.table_operations,
            json.loads(header.columns.output or "null"),
            dict(self.store.calls),
            list(self._operations_at),
        )

    async def cost_of_signals(self, count: int, at_once: int) -> Cost:
        """Signal one entity so often, from one client, and tell what that cost until all have taken effect."""
        self.store.reset()
        room = asyncio.Semaphore(at_once)
        entity = df.EntityId("counter", "x")

        async def signal() -> None:
            async with room:
                await self._client.signal_entity(entity, "add", 1)

        await asyncio.gather(*(signal() for _ in range(count)))

        async def has_counted() -> bool:
            header = await self.store.inner.load_header(str(entity))
            counted = header is not None and header.columns.output == str(count)
            return counted and not any((await self.store.inner.message_counts()).values())

        await _until(has_counted)
        return Cost(self.store.queue_operations, self.store.table_operations, count, dict(self.store.calls), [])

    async def is_at_rest(self, instance_id: str) -> bool:
        """Whether an instance has ended, and left no message. Looking at the inner store costs nothing."""
        header = await self.store.inner.load_header(instance_id)
        if header is None or not header.columns.completed_time:
            return False
        return not any((await self.store.inner.message_counts()).values())


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(100_000):
        if await holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came to rest")
