"""An instance in flight that meets code which decides otherwise fails, whatever it waits for, and can be rewound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.history.events import TaskCompleted
from azure_durable_py.testing import VirtualHub, play

Context = df.DurableOrchestrationContext


def app_of(function: Callable[[Context], Any]) -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="value")
    def work(value: Any) -> Any:
        return value

    @app.orchestration_trigger(context_name="context")
    async def child(context: Context) -> str:
        await context.create_timer(timedelta(hours=1))
        return "child"

    @app.entity_trigger(context_name="context")
    def counter(context: df.DurableEntityContext) -> None:
        context.set_result("counter")

    app.function_name("order")(app.orchestration_trigger(context_name="context")(function))
    return app


COUNTER = df.EntityId("counter", "one")
WAITS: dict[str, Callable[[Context], Any]] = {
    "activity": lambda context: context.call_activity("work", "activity"),
    "sub-orchestration": lambda context: context.call_sub_orchestrator("child"),
    "entity": lambda context: context.call_entity(COUNTER, "get"),
    "timer": lambda context: context.create_timer(timedelta(hours=1)),
    "event": lambda context: context.wait_for_external_event("Go"),
}


async def changed(context: Context) -> Any:
    return await context.call_activity("other")


@pytest.mark.parametrize("what", WAITS)
def test_it_fails_as_soon_as_what_it_waits_for_comes_and_goes_on_with_the_old_code(what: str) -> None:
    async def order(context: Context) -> Any:
        first = await context.call_activity("work", "first")
        return [first, await WAITS[what](context)]

    async def scenario(hub: VirtualHub) -> list[DurableOrchestrationStatus]:
        await hub.client.start_new("order", "x")
        while not any(isinstance(event, TaskCompleted) for event in await hub.client.get_history("x")):
            await asyncio.sleep(0)
        hub.workers[0].kill()
        other = await hub.start_worker(app=app_of(changed))
        if what == "event":
            await hub.client.raise_event("x", "Go", "event")
        failed = await hub.client.wait_for_completion("x")
        await other.stop()
        await hub.start_worker()
        await hub.client.rewind("x", "the old code is back")
        return [failed, await hub.client.wait_for_completion("x")]

    failed, mended = play(app_of(order), scenario)
    assert failed.failure is not None
    assert failed.failure.error_type == "azure_durable_py.errors.NonDeterminismError"
    result = {"activity": "activity", "sub-orchestration": "child", "entity": "counter", "event": "event"}
    assert mended.output == ["first", result.get(what)]
