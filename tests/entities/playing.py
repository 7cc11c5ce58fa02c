"""A hub in memory with one worker on virtual time, for tests of entities."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.testing.virtual_time import run_virtual
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.worker import Worker
from tests.counting import CountingStore

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
SOON = timedelta(minutes=10)


class Game:
    """One hub, one worker, one client."""

    def __init__(self, settings: Settings | None = None) -> None:
        clock = loop_clock(EPOCH)
        self.settings = settings or Settings(hub_name="Entities", max_concurrent_activities=4)
        self.store = CountingStore(SqliteStore(None, hub_name="Entities", now=clock.now, ids=Ids(random.Random(1))))
        self.hub = TaskHub(self.store, clock, Ids(random.Random(2)))
        self.registry = Registry()
        self.client = DurableOrchestrationClient(self.hub, self.settings, registry=self.registry)
        self._worker: Worker | None = None

    # --- the app -----------------------------------------------------------------------------------

    def entity(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.registry.entities.add(EntityDefinition((name or function.__name__).lower(), function))

    def orchestrator(self, function: Callable[..., Any]) -> None:
        self.registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))

    def activity(self, function: Callable[..., Any], input_name: str) -> None:
        self.registry.activities.add(ActivityDefinition(function.__name__, function, input_name))

    # --- the worker --------------------------------------------------------------------------------

    async def start(self) -> None:
        await self.hub.open()
        self._worker = Worker(self.hub, self.registry, self.settings, run_sync=run_inline, repair=False)
        await self._worker.start()

    async def stop(self) -> None:
        assert self._worker is not None
        await self._worker.stop()

    async def restart(self) -> None:
        """Another worker takes over: nothing is in memory any more."""
        await self.stop()
        await self.start()

    async def at_rest(self) -> None:
        """Wait until every queue is empty."""
        while any((await self.store.inner.message_counts()).values()):
            await asyncio.sleep(0.5)

    async def at_rest_of(self, instance_id: str) -> None:
        """Wait until nothing is left in an inbox."""
        await asyncio.sleep(5.0)
        while (await self.store.inner.load(instance_id)).inbox:
            await asyncio.sleep(0.5)

    # --- what is there -----------------------------------------------------------------------------

    async def run(self, name: str, value: Any = None, instance_id: str | None = None) -> Any:
        """The output of an orchestration, which must complete."""
        instance_id = await self.client.start_new(name, instance_id, value)
        status = await self.client.wait_for_completion(instance_id, SOON, raise_if_failed=True)
        return status.output

    async def state(self, name: str, key: str) -> Any:
        """The state of an entity; None if it does not exist."""
        header = await self.store.inner.load_header(str(EntityId(name, key)))
        if header is None or header.columns.output is None:
            return None
        return json.loads(header.columns.output)

    async def memory(self, name: str, key: str) -> EntityState:
        """What the header of an entity remembers."""
        header = await self.store.inner.load_header(str(EntityId(name, key)))
        assert header is not None
        return EntityState.of(InstanceState.decode(header.body))


def play(script: Callable[[Game], Awaitable[None]], **settings: Any) -> None:
    """Run a script against a new game, then look that nothing is left behind."""

    async def main() -> None:
        game = Game(replace(Settings(hub_name="Entities", max_concurrent_activities=4), **settings))
        try:
            await script(game)
            await game.at_rest()
        finally:
            await game.stop()
            await game.hub.close()

    run_virtual(main())
