"""Ours: an app on the engine that every host has, with its worker and its client in one process."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import azure_durable_py as df
from azure_durable_py.hosting.engine import Engine
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from benchmarks.peers.measuring import CITIES, Acts, at_once, greeting, main
from tests.azurite import Azurite, find

COUNTER = df.EntityId("counter", "the")


def orchestrators(app: df.DFApp) -> None:
    """Register everything but the activity."""

    @app.orchestration_trigger(context_name="context")
    async def hello_cities(context: df.DurableOrchestrationContext) -> list[str]:
        return [await context.call_activity("say_hello", city) for city in CITIES]

    @app.orchestration_trigger(context_name="context")
    async def chain(context: df.DurableOrchestrationContext) -> int:
        got = [await context.call_activity("say_hello", CITIES[0]) for _ in range(context.get_input())]
        return len(got)

    @app.orchestration_trigger(context_name="context")
    async def fan_out(context: df.DurableOrchestrationContext) -> int:
        calls = [context.call_activity("say_hello", str(number)) for number in range(context.get_input())]
        return len(await context.task_all(calls))

    @app.orchestration_trigger(context_name="context")
    async def child(context: df.DurableOrchestrationContext) -> str:
        return await context.call_activity("say_hello", context.get_input())

    @app.orchestration_trigger(context_name="context")
    async def parent(context: df.DurableOrchestrationContext) -> int:
        calls = [context.call_sub_orchestrator("child", str(number)) for number in range(context.get_input())]
        return len(await context.task_all(calls))

    @app.orchestration_trigger(context_name="context")
    async def waiting(context: df.DurableOrchestrationContext) -> str:
        return await context.wait_for_external_event("Go")

    @app.entity_trigger(context_name="context")
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    del hello_cities, chain, fan_out, child, parent, waiting, counter


def with_coroutines() -> df.DFApp:
    """The app with an activity that is an `async def`."""
    app = df.DFApp()
    orchestrators(app)

    @app.activity_trigger(input_name="name")
    async def say_hello(name: str) -> str:
        return greeting(name)

    del say_hello
    return app


def with_functions() -> df.DFApp:
    """The app with an activity that is a `def`: it runs in a thread."""
    app = df.DFApp()
    orchestrators(app)

    @app.activity_trigger(input_name="name")
    def say_hello(name: str) -> str:
        return greeting(name)

    del say_hello
    return app


class Ours(Acts):
    """A client of the app, in the process of its worker."""

    def __init__(self, app: df.DFApp, client: df.DurableOrchestrationClient) -> None:
        self.app = app
        self.client = client

    async def _run(self, name: str, given: object = None) -> Any:
        instance_id = await self.client.start_new(name, client_input=given)
        return (await self.client.wait_for_completion(instance_id, raise_if_failed=True)).output

    async def hello_cities(self) -> Sequence[str]:
        return await self._run("hello_cities")

    async def chain(self, length: int) -> int:
        return await self._run("chain", length)

    async def fan_out(self, width: int) -> int:
        return await self._run("fan_out", width)

    async def children(self, count: int) -> int:
        return await self._run("parent", count)

    async def signal(self, count: int) -> None:
        await at_once(count, lambda: self.client.signal_entity(COUNTER, "add", 1))

    async def total(self, expected: int) -> int:
        while (total := (await self.client.read_entity_state(COUNTER)).entity_state) != expected:
            await asyncio.sleep(0.01)
        return total

    async def wait_for_event(self) -> str:
        return await self.client.start_new("waiting")

    async def send_event(self, instance_id: str) -> str:
        await self.client.raise_event(instance_id, "Go", greeting("event"))
        return (await self.client.wait_for_completion(instance_id, raise_if_failed=True)).output

    async def replay(self, *, fan_out: bool, size: int) -> Callable[[], object]:
        instance_id = await self.client.start_new("fan_out" if fan_out else "chain", client_input=size)
        await self.client.wait_for_completion(instance_id, raise_if_failed=True)
        history = await self.client.get_history(instance_id)
        settings, converter = Settings(), df.JsonDataConverter()

        def run() -> object:
            again = Orchestration(instance_id, "again", self.app.registry, settings, converter, history)
            return size if again.is_finished else None

        return run


@asynccontextmanager
async def at_work(
    make_app: Callable[[], df.DFApp], make_store: Callable[[Settings], TaskHubStore]
) -> AsyncIterator[Ours]:
    """An app at work on a fresh hub."""
    app = make_app()
    settings = Settings(hub_name=f"Peers{uuid.uuid4().hex[:12]}")
    engine = Engine(
        app,
        make_store(settings),
        settings,
        {},
        lambda _, settings: make_store(settings),
        management_path="/runtime/webhooks/durabletask",
        origin=lambda: None,
    )
    await engine.open()
    await engine.start()
    try:
        yield Ours(app, engine.client)
    finally:
        await engine.stop(1.0)


def on_sqlite(settings: Settings) -> TaskHubStore:
    """The embedded hub, in a file of the current directory."""
    return SqliteStore(str(Path("hub.db").absolute()), hub_name=settings.hub_name)


@asynccontextmanager
async def on_azurite() -> AsyncIterator[Ours]:
    """The app on an Azurite of its own, whose data is in the current directory."""
    command = find()
    if command is None:
        raise RuntimeError("Azurite is not installed: npm ci.")
    azurite = Azurite(command, Path.cwd())
    connection = StorageConnection.from_connection_string(azurite.connection_string)
    try:
        async with at_work(
            with_coroutines, lambda settings: AzureStore(connection, hub_name=settings.hub_name)
        ) as acts:
            yield acts
    finally:
        azurite.stop()


if __name__ == "__main__":
    main(
        {
            "sqlite": partial(at_work, with_coroutines, on_sqlite),
            "sqlite-def": partial(at_work, with_functions, on_sqlite),
            "azurite": on_azurite,
        }
    )
