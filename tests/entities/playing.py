"""A hub in memory with one worker on virtual time, for tests of entities."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.testing import VirtualHub, run_virtual
from tests.counting import CountingStore

SETTINGS = Settings(hub_name="Entities", max_concurrent_activities=4)
SOON = timedelta(minutes=10)


class Game:
    """One hub, one worker, one client."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.registry = Registry()
        self.virtual = VirtualHub(self.registry, settings, workers=0, wrap=CountingStore)
        self.settings = self.virtual.settings
        self.store: Any = self.virtual.store
        self.hub = self.virtual.task_hub
        self.client = self.virtual.client

    # --- the app -----------------------------------------------------------------------------------

    def entity(self, function: Callable[..., Any], name: str | None = None) -> None:
        self.registry.entities.add(EntityDefinition((name or function.__name__).lower(), function))

    def orchestrator(self, function: Callable[..., Any]) -> None:
        self.registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))

    def activity(self, function: Callable[..., Any], input_name: str) -> None:
        self.registry.activities.add(ActivityDefinition(function.__name__, function, input_name))

    # --- the worker --------------------------------------------------------------------------------

    async def start(self) -> None:
        await self.virtual.start_worker()

    async def stop(self) -> None:
        await self.virtual.workers[-1].stop()

    async def restart(self) -> None:
        """Another worker takes over: nothing is in memory any more."""
        await self.stop()
        await self.start()

    async def at_rest(self) -> None:
        """Wait until every queue is empty."""
        await self.virtual.at_rest()

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
        game = Game(replace(SETTINGS, **settings))
        async with game.virtual:
            await script(game)
            await game.at_rest()

    run_virtual(main())
