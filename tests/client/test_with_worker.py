"""The client against the real worker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Generator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client import waiter
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.wakeup import Wakeup
from azure_durable_py.worker.worker import Worker

Routine = Generator[Any, Any, Any]


def greet(context: DurableOrchestrationContext) -> Routine:
    first = yield context.call_activity("say", context.get_input())
    second = yield context.call_activity("say", first)
    return [first, second]


def say(name: str) -> str:
    return f"Hello {name}"


def approve(context: DurableOrchestrationContext) -> Routine:
    context.set_custom_status("waiting")
    return (yield context.wait_for_external_event("Approval"))


def collect(context: DurableOrchestrationContext) -> Routine:
    found: list[Any] = []
    while len(found) < 20:
        item = yield context.wait_for_external_event("Item")
        found.append(item)
    return found


def fail(context: DurableOrchestrationContext) -> Routine:
    yield context.call_activity("say", "x")
    raise ValueError("boom")


def parent(context: DurableOrchestrationContext) -> Routine:
    return (yield context.call_sub_orchestrator("approve", instance_id="the-child"))


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    for function in (greet, approve, collect, fail, parent):
        registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
    registry.activities.add(ActivityDefinition("say", say, "name"))
    return registry


@pytest.fixture
async def live(registry: Registry) -> AsyncIterator[DurableOrchestrationClient]:
    """A client of a hub on which a worker works."""
    settings = Settings(hub_name="LiveHub")
    hub = TaskHub(SqliteStore(None, hub_name="LiveHub"))
    await hub.open()
    worker = Worker(hub, registry, settings)
    await worker.start()
    yield DurableOrchestrationClient(hub, settings, registry=registry)
    await worker.stop(5)
    await hub.close()


SOON = timedelta(seconds=20)


async def test_an_orchestration_runs_to_its_result(live: DurableOrchestrationClient):
    instance_id = await live.start_new(greet.__name__, client_input="Tokyo")
    status = await live.wait_for_completion(instance_id, SOON)
    assert status.runtime_status is Status.Completed
    assert status.output == ["Hello Tokyo", "Hello Hello Tokyo"]
    shown = await live.get_status(instance_id, show_history=True, show_history_output=True, show_input=True)
    assert [(entry["EventType"], entry.get("Result")) for entry in shown.history or []] == [
        ("ExecutionStarted", None),
        ("TaskCompleted", "Hello Tokyo"),
        ("TaskCompleted", "Hello Hello Tokyo"),
        ("ExecutionCompleted", ["Hello Tokyo", "Hello Hello Tokyo"]),
    ]
    assert shown.input_ == "Tokyo"


async def test_who_waits_beside_the_worker_need_not_look_again(
    live: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiter, "_FIRST_POLL", 3600.0)
    monkeypatch.setattr(waiter, "_LONGEST_POLL", 3600.0)
    waiting = await live.start_new("approve")
    await live.wait_for_start(waiting, 60)
    await live.raise_event(waiting, "Approval", "yes")
    status = await live.wait_for_completion(waiting, 60)
    assert status.output == "yes"


async def test_the_more_wait_the_less_often_each_looks(
    live: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []

    async def wait(_: Wakeup, pause: float = math.inf) -> bool:
        pauses.append(pause)
        raise TimeoutError

    waiting = await live.start_new("approve")
    await live.wait_for_start(waiting, SOON)
    monkeypatch.setattr(Wakeup, "wait", wait)
    for others in (0, 999):
        for number in range(others):
            live.hub.watch(str(number), lambda _: None)
        with pytest.raises(TimeoutError):
            await live.wait_for_completion(waiting)
    monkeypatch.undo()
    assert _are_short_and_long(pauses)


async def test_who_waits_looks_less_often_as_soon_as_more_do(
    live: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []

    async def wait(_: Wakeup, pause: float = math.inf) -> bool:
        pauses.append(pause)
        for number in range(999):
            live.hub.watch(str(number), lambda _: None)
        if len(pauses) == 2:
            raise TimeoutError
        return False

    waiting = await live.start_new("approve")
    await live.wait_for_start(waiting, SOON)
    monkeypatch.setattr(Wakeup, "wait", wait)
    with pytest.raises(TimeoutError):
        await live.wait_for_completion(waiting)
    monkeypatch.undo()
    # It has not looked again when the second pause begins: that is the rest of a long one.
    assert _are_short_and_long(pauses)


def _are_short_and_long(pauses: Sequence[float]) -> bool:
    short, long = pauses
    return short < 1 < long <= 5.0


async def test_an_event_goes_through(live: DurableOrchestrationClient):
    instance_id = await live.start_new("approve")
    assert (await live.wait_for_start(instance_id, SOON)).custom_status == "waiting"
    await live.raise_event(instance_id, "approval", {"by": "me"})
    assert (await live.wait_for_completion(instance_id, SOON)).output == {"by": "me"}


async def test_events_arrive_in_the_order_of_sending(live: DurableOrchestrationClient):
    instance_id = await live.start_new("collect")
    for number in range(20):
        await live.raise_event(instance_id, "Item", number)
    assert (await live.wait_for_completion(instance_id, SOON)).output == list(range(20))


async def test_a_failure_is_told(live: DurableOrchestrationClient):
    instance_id = await live.start_new("fail")
    with pytest.raises(OrchestrationFailedError, match="boom") as caught:
        await live.wait_for_completion(instance_id, SOON, raise_if_failed=True)
    assert caught.value.details.is_caused_by(ValueError)


async def test_a_suspended_instance_keeps_events_until_it_is_resumed(live: DurableOrchestrationClient):
    instance_id = await live.start_new("approve")
    await live.wait_for_start(instance_id, SOON)
    await live.suspend(instance_id, "a while")
    await live.suspend(instance_id, "again")
    await _until(live, instance_id, Status.Suspended)
    await live.raise_event(instance_id, "Approval", 1)
    await live.resume(instance_id, "go on")
    assert (await live.wait_for_completion(instance_id, SOON)).output == 1


async def test_a_terminated_instance_tells_the_reason_and_can_be_replaced(live: DurableOrchestrationClient):
    await live.start_new("approve", "one")
    await live.terminate("one", "enough")
    status = await live.wait_for_completion("one", SOON)
    assert (status.runtime_status, status.output) == (Status.Terminated, "enough")
    await live.start_new("greet", "one", "Oslo")
    assert (await live.wait_for_completion("one", SOON)).output == ["Hello Oslo", "Hello Hello Oslo"]
    assert (await live.purge_instance_history("one")).instances_deleted == 1
    assert not await live.get_status("one")


async def test_a_running_instance_is_replaced_where_the_settings_say_so(
    live: DurableOrchestrationClient, registry: Registry
):
    settings = replace(live.settings, overridable_existing_instance_states="AnyState")
    client = DurableOrchestrationClient(live.hub, settings, registry=registry)
    await client.start_new("approve", "one")
    await client.wait_for_start("one", SOON)
    await client.start_new("greet", "one", "Oslo")
    assert (await client.wait_for_completion("one", SOON)).name == "greet"


async def test_a_running_instance_is_restarted_where_the_settings_say_so(
    live: DurableOrchestrationClient, registry: Registry
):
    settings = replace(live.settings, overridable_existing_instance_states="AnyState")
    client = DurableOrchestrationClient(live.hub, settings, registry=registry)
    await client.start_new("approve", "one")
    first = await client.wait_for_start("one", SOON)
    await client.restart("one", restart_with_new_instance_id=False)
    second = await client.wait_for_start("one", SOON)
    assert (second.name, second.runtime_status) == ("approve", Status.Running)
    assert second.execution_id != first.execution_id


async def test_terminate_and_purge_recurse_into_children(live: DurableOrchestrationClient):
    await live.start_new("parent", "the-parent")
    await _until(live, "the-child", Status.Running)
    await live.terminate("the-parent", "stop", recurse=True)
    for instance_id in ("the-parent", "the-child"):
        assert (await _until(live, instance_id, Status.Terminated)).output == "stop"
    assert (await live.purge_instance_history("the-parent", recursive=True)).instances_deleted == 2


async def test_a_restart_runs_again(live: DurableOrchestrationClient):
    instance_id = await live.start_new("greet", client_input="Rome")
    await live.wait_for_completion(instance_id, SOON)
    again = await live.restart(instance_id)
    same = await live.restart(instance_id, restart_with_new_instance_id=False)
    for started in (again, same):
        assert (await live.wait_for_completion(started, SOON)).output == ["Hello Rome", "Hello Hello Rome"]


async def _until(client: DurableOrchestrationClient, instance_id: str, wanted: Status) -> Any:
    for _ in range(2000):
        status = await client.get_status(instance_id)
        if status.runtime_status is wanted:
            return status
        await asyncio.sleep(0.01)
    raise AssertionError(f"{instance_id!r} did not become {wanted.value}")
