"""Runs an app on a task hub in memory, at virtual time: a month of waiting takes no time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

import azure_durable_py as df
from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual_time import run_virtual
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.worker import Worker

T = TypeVar("T")
START = datetime(2026, 5, 1, tzinfo=timezone.utc)
SETTINGS = df.Settings(hub_name="UnitTests")


def play(app: df.DFApp, scenario: Callable[[df.DurableOrchestrationClient], Awaitable[T]]) -> T:
    """Run a scenario on a hub of its own, with a worker that runs the app's functions."""

    async def main() -> T:
        clock = loop_clock(START)
        ids = Ids()
        hub = TaskHub(SqliteStore(None, hub_name=SETTINGS.hub_name, now=clock.now, ids=ids), clock, ids)
        await hub.open()
        client = df.DurableOrchestrationClient(hub, SETTINGS, registry=app.registry)
        app.use_clients(lambda _: client)
        worker = Worker(hub, app.registry, SETTINGS, run_sync=run_inline)
        await worker.start()
        try:
            return await scenario(client)
        finally:
            await worker.stop()
            await hub.close()

    return run_virtual(main())


def run(app: df.DFApp, name: str, input_: Any = None) -> Any:
    """The output of an orchestration."""

    async def scenario(client: df.DurableOrchestrationClient) -> Any:
        instance_id = await client.start_new(name, client_input=input_)
        status = await client.wait_for_completion(instance_id, timedelta(days=365), raise_if_failed=True)
        return status.output

    return play(app, scenario)
