"""What is counted and measured, by name, unit and attributes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

import azure_durable_py as df
from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.telemetry.metrics import SAMPLE_SECONDS, MetricsObserver
from azure_durable_py.testing import VirtualHub, run_virtual

Context = df.DurableOrchestrationContext
app = df.DFApp()
Attributes = frozenset[tuple[str, Any]]


@app.orchestration_trigger(context_name="context")
def order(context: Context):
    yield context.call_activity("pay", context.get_input())
    yield context.call_entity(df.EntityId("counter", "c"), "add", 2)


@app.orchestration_trigger(context_name="context")
def waits(context: Context):
    yield context.wait_for_external_event("go")


@app.activity_trigger(input_name="value")
def pay(value: str) -> str:
    if value == "nothing":
        raise ValueError("no money")
    return value


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())


class Measured:
    """The metrics of a scenario."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        data = reader.get_metrics_data()
        self.units: dict[str, str] = {}
        self.points: dict[str, dict[Attributes, Any]] = {}
        for resource in data.resource_metrics if data else ():
            for scope in resource.scope_metrics:
                assert scope.scope.name == "azure_durable_py"
                for metric in scope.metrics:
                    self.units[metric.name] = metric.unit
                    self.points[metric.name] = {
                        frozenset((point.attributes or {}).items()): point for point in metric.data.data_points
                    }

    def values(self, name: str) -> dict[Attributes, Any]:
        return {attributes: point.value for attributes, point in self.points[name].items()}

    def counts(self, name: str) -> dict[Attributes, int]:
        """Of a histogram: how many were measured."""
        return {attributes: point.count for attributes, point in self.points[name].items()}


def of(**attributes: Any) -> Attributes:
    names = {"name": "durabletask.task.name", "status": "durabletask.task.status", "error": "error.type"}
    names |= {"operation": "durabletask.task.operation", "replayed": "durabletask.turn.replayed"}
    return frozenset((names[key], value) for key, value in attributes.items())


def measure(scenario: Any, **options: Any) -> Measured:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)

    async def run() -> None:
        async with VirtualHub(app, observer=MetricsObserver(provider), **options) as hub:
            await scenario(hub)
            measured.append(Measured(reader))

    measured: list[Measured] = []
    run_virtual(run())
    provider.shutdown()
    return measured[0]


async def _orders(hub: VirtualHub) -> None:
    for money in ("much", "nothing", "much"):
        await hub.client.wait_for_completion(await hub.client.start_new("order", client_input=money))
    await hub.client.start_new("waits", "it")
    await asyncio.sleep(60)
    await hub.client.terminate("it", "enough")
    await hub.client.wait_for_completion("it")


def test_orchestrations_are_counted_by_name_and_by_how_they_ended():
    measured = measure(_orders)
    assert measured.values("durabletask.orchestration.started") == {of(name="order"): 3, of(name="waits"): 1}
    assert measured.values("durabletask.orchestration.completed") == {
        of(name="order", status="Completed"): 2,
        of(name="order", status="Failed"): 1,
        of(name="waits", status="Terminated"): 1,
    }
    assert measured.units["durabletask.orchestration.started"] == "{orchestration}"


def test_turns_activities_and_operations_are_measured_in_seconds():
    measured = measure(_orders)
    turns = measured.counts("durabletask.orchestration.turn.duration")
    assert turns[of(name="order", replayed=False)] == 8
    assert turns[of(name="waits", replayed=False)] + turns.get(of(name="waits", replayed=True), 0) == 2
    assert measured.counts("durabletask.orchestration.turn.delay") == {of(name="order"): 8, of(name="waits"): 2}
    assert measured.counts("durabletask.activity.duration") == {
        of(name="pay"): 2,
        of(name="pay", error="ValueError"): 1,
    }
    assert measured.counts("durabletask.activity.delay") == {of(name="pay"): 3}
    assert measured.counts("durabletask.entity.operation.duration") == {of(name="counter", operation="add"): 2}
    for name in ("orchestration.turn.duration", "orchestration.turn.delay", "activity.duration", "activity.delay"):
        assert measured.units[f"durabletask.{name}"] == "s"


def test_the_time_from_ready_to_running_is_that_of_waiting():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("waits", "it")
        await asyncio.sleep(90)
        await hub.start_worker()
        await hub.client.wait_for_start("it")

    [point] = measure(scenario, workers=0).points["durabletask.orchestration.turn.delay"].values()
    assert 90 <= point.sum < 91


class _Weak(StoreWrapper):
    """A store that gives no answer to its first put of a message."""

    def __init__(self, inner: TaskHubStore) -> None:
        self._failed = False
        super().__init__(inner)

    def around(self, name: str, call: Any) -> Any:
        if name != "put_message":
            return call

        async def put(*args: Any, **kwargs: Any) -> Any:
            if not self._failed:
                self._failed = True
                raise StorageUnavailableError("no answer")
            return await call(*args, **kwargs)

        return put


def test_calls_of_storage_are_measured_by_call_and_outcome_and_retries_are_counted():
    measured = measure(_orders, wrap=_Weak)
    calls = measured.counts("durabletask.storage.call.duration")
    call = "durabletask.storage.call"
    assert calls[frozenset({(call, "commit")})] > 8
    assert calls[frozenset({(call, "put_message"), ("error.type", "StorageUnavailableError")})] == 1
    assert measured.values("durabletask.storage.retries") == {of(error="StorageUnavailableError"): 1}


def test_messages_in_queues_and_instances_in_memory_are_sampled():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("waits", "it")
        await asyncio.sleep(1)
        await hub.client.start_new("waits", "late", start_at=hub.now + (hub.now - hub.now.replace(year=2025)))
        await asyncio.sleep(SAMPLE_SECONDS)

    measured = measure(scenario)
    queues = measured.values("durabletask.queue.messages")
    assert {dict(attributes)["durabletask.queue"] for attributes in queues} == {
        "testhub-instances",
        "testhub-activities",
    }
    assert queues[frozenset({("durabletask.queue", "testhub-instances")})] >= 1
    assert measured.values("durabletask.worker.instances") == {frozenset(): 1}


def test_who_has_set_up_no_metrics_has_no_queue_counted():
    assert MetricsObserver().samples_every is None
    assert MetricsObserver(NoOpMeterProvider()).samples_every is None
    assert MetricsObserver(MeterProvider(shutdown_on_exit=False)).samples_every == SAMPLE_SECONDS


@pytest.mark.parametrize("name", ["durabletask.activity.duration", "durabletask.storage.call.duration"])
def test_buckets_are_for_seconds(name: str):
    point = next(iter(measure(_orders).points[name].values()))
    assert point.explicit_bounds[0] < 0.01
