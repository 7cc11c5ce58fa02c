"""What a type checker knows of test runs. Read by pyright, never run."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import azure.functions as func
from typing_extensions import assert_type

import azure_durable_py as df
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient
from azure_durable_py.testing import (
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    EntityHandle,
    InstanceHandle,
    InstanceSyncHandle,
    OrchestratorPlayer,
    PendingList,
    PlayedOperation,
    VirtualHub,
    VirtualWorker,
    orchestrator_generator_wrapper,
    play,
    play_entity,
    run,
    run_virtual,
)

app = df.DFApp()
blueprint = df.Blueprint()


@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext) -> str:
    """An orchestrator."""
    return context.instance_id


async def environment() -> None:
    """A test has an environment and handles."""
    async with DurableTestEnvironment(app, seed=1, within=timedelta(days=1)) as env:
        assert_type(env, DurableTestEnvironment)
        assert_type(env.client, df.DurableOrchestrationClient)
        assert_type(env.now, datetime)
        handle = await env.start(hello, 5, instance_id="a")
        assert_type(handle, InstanceHandle)
        assert_type(await handle.result(), Any)
        assert_type(await handle.result(5, expected_type=str), str)
        assert_type(await handle.wait_for_custom_status("x"), df.DurableOrchestrationStatus)
        assert_type(await handle.restart(), InstanceHandle)
        assert_type(env.entity("counter", "a"), EntityHandle)
        assert_type(await env.entity("counter", "a").state(int), int | None)
        assert_type(await env.request("GET", "/api/hello"), func.HttpResponse)
        assert_type(env.crash_before("pay", times=2), None)
        env.crash_after(5)  # pyright: ignore[reportArgumentType] - a name or a function
        await env.skip(5)  # pyright: ignore[reportArgumentType] - a duration, not a number
        await env.start(5)  # pyright: ignore[reportArgumentType] - a name or a function
        env.start(hello)  # pyright: ignore[reportUnusedCoroutine] - it is awaited
    DurableTestEnvironment("app")  # pyright: ignore[reportArgumentType] - an app, not its name


def environment_that_waits() -> None:
    """The sync one gives the same without `await`."""
    with DurableTestSyncEnvironment(blueprint) as env:
        assert_type(env, DurableTestSyncEnvironment)
        assert_type(env.client, DurableOrchestrationSyncClient)
        handle = env.start("hello")
        assert_type(handle, InstanceSyncHandle)
        assert_type(handle.result(expected_type=int), int)
        assert_type(handle.status(), df.DurableOrchestrationStatus)
        assert_type(env.skip(timedelta(days=1)), None)


async def scenario(hub: VirtualHub) -> list[int]:
    """A scenario has a client, a clock and workers."""
    assert_type(hub.client.task_hub_name, str)
    assert_type(hub.now, datetime)
    assert_type(await hub.start_worker(app=blueprint), VirtualWorker)
    assert_type([worker.is_running for worker in hub.workers], list[bool])
    return [1]


def results() -> None:
    """A run gives a status, and a scenario what it returns."""
    assert_type(run(app, "hello", 5), df.DurableOrchestrationStatus)
    assert_type(run(blueprint, hello, within=timedelta(days=1)).get_output(str), str)
    assert_type(play(app, scenario), list[int])
    assert_type(run_virtual(made()), str)
    run(app, 5)  # pyright: ignore[reportArgumentType] - a name or a function
    play(app, results)  # pyright: ignore[reportArgumentType] - a scenario takes the hub, and is async
    run("app", "hello")  # pyright: ignore[reportArgumentType] - an app, not its name


async def made() -> str:
    """A hub may be made by hand."""
    async with VirtualHub(app, seed=1, workers=0) as hub:
        assert_type(hub, VirtualHub)
        return hub.client.task_hub_name


def plain_apps_and_generators(plain: func.FunctionApp, steps: Generator[df.Task, Any, int]) -> None:
    """A plain app is an app; a wrapped generator yields tasks and a result."""
    assert_type(play(plain, scenario), list[int])
    assert_type(orchestrator_generator_wrapper(steps), Generator[Any, None, None])


def unit_tests() -> None:
    """An orchestrator is played by its function, an entity as well; what is pending is typed."""
    step = OrchestratorPlayer(hello, 5)
    assert_type(step.pending, PendingList)
    assert_type(step.pending[0].scheduled_at, datetime)
    assert_type(step.get_output(str), str)
    assert_type(step.next_generation(), OrchestratorPlayer)
    step.complete(hello, "result")
    step.complete(step.pending[0], 5)
    step.fail("book", ValueError())
    step.fail("book", "error")  # pyright: ignore[reportArgumentType] - an exception
    step.skip(5)  # pyright: ignore[reportArgumentType] - a duration
    OrchestratorPlayer(5)  # pyright: ignore[reportArgumentType] - a function or a name
    done = play_entity("counter", "add", 5, state=1, app=app)
    assert_type(done, PlayedOperation)
    assert_type([signal.entity_id for signal in done.signals], list[df.EntityId])
