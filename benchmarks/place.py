"""A task hub on either store, with a worker on it and every storage operation counted."""

from __future__ import annotations

import asyncio
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Commit, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.worker.worker import Worker
from tests.azurite import Azurite, find
from tests.counting import CountingStore


async def chain(context: df.DurableOrchestrationContext) -> None:
    """As many activities in sequence as the input says."""
    for number in range(context.get_input()):
        await context.call_activity("work", number)


async def fan_out(context: df.DurableOrchestrationContext) -> None:
    """As many activities at once as the input says."""
    await context.task_all([context.call_activity("work", number) for number in range(context.get_input())])


class BenchStore(CountingStore):
    """Tells when an instance has ended, without asking storage."""

    def __init__(self, inner: TaskHubStore) -> None:
        super().__init__(inner)
        self._ends: defaultdict[str, asyncio.Future[str]] = defaultdict(asyncio.Future)

    def ended(self, instance_id: str) -> asyncio.Future[str]:
        """The runtime status that an instance ends with."""
        return self._ends[instance_id]

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, counted; a commit that ends an instance is told of."""
        counted = super().around(name, call)
        if name != "commit":
            return counted

        async def commit(change: Commit) -> str:
            etag = await counted(change)
            header = change.header
            if header is not None and header.columns.completed_time and not self.ended(header.instance_id).done():
                self.ended(header.instance_id).set_result(header.columns.runtime_status)
            return etag

        return commit


@dataclass
class Bench:
    """A hub at work. `moments` holds, for each activity that began, the time and the operations so far."""

    store: BenchStore
    client: DurableOrchestrationClient
    registry: Registry
    moments: list[tuple[float, int]] = field(default_factory=list)

    @property
    def operations(self) -> int:
        """Storage operations so far."""
        return self.store.queue_operations + self.store.table_operations

    async def run(self, name: str, size: int) -> str:
        """Start an orchestration and wait for its end; returns its id."""
        instance_id = await self.client.start_new(name, client_input=size)
        await self.finish(instance_id)
        return instance_id

    async def finish(self, instance_id: str) -> None:
        """Wait for the end of an instance."""
        status = await self.store.ended(instance_id)
        if status != "Completed":
            raise RuntimeError(f"{instance_id} ended as {status}.")


@dataclass(frozen=True)
class Stores:
    """Where the hubs of this run may be."""

    directory: Path
    azurite: Azurite | None

    @property
    def kinds(self) -> list[str]:
        """The stores that there are."""
        return ["sqlite", "azurite"] if self.azurite else ["sqlite"]

    def make(self, kind: str, hub_name: str) -> TaskHubStore:
        """A store of a kind, not open yet."""
        if kind == "azurite" and self.azurite is not None:
            connection = StorageConnection.from_connection_string(self.azurite.connection_string)
            return AzureStore(connection, hub_name=hub_name)
        return SqliteStore(str(self.directory / f"{hub_name}.db"), hub_name=hub_name)

    @asynccontextmanager
    async def bench(self, kind: str, *, slots: int = 100) -> AsyncIterator[Bench]:
        """A new hub with a worker that has so many activity slots."""
        settings = Settings(hub_name=f"Bench{uuid.uuid4().hex[:12]}", max_concurrent_activities=slots)
        store = BenchStore(self.make(kind, settings.hub_name))
        registry = Registry()
        hub = TaskHub(store)
        bench = Bench(store, DurableOrchestrationClient(hub, settings, registry=registry), registry)

        async def work(number: int) -> int:
            bench.moments.append((time.perf_counter(), bench.operations))
            return number

        for function in (chain, fan_out):
            registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
        registry.activities.add(ActivityDefinition("work", work, "number"))
        await hub.open()
        worker = Worker(hub, registry, settings, repair=False)
        await worker.start()
        try:
            yield bench
        finally:
            await worker.stop()
            await store.delete_hub()
            await hub.close()


@contextmanager
def stores() -> Iterator[Stores]:
    """A directory for files, and an Azurite process if Azurite is installed; both are gone afterwards."""
    with tempfile.TemporaryDirectory() as text:
        directory = Path(text)
        command = find()
        azurite = None if command is None else Azurite(command, directory)
        try:
            yield Stores(directory, azurite)
        finally:
            if azurite is not None:
                azurite.stop()
