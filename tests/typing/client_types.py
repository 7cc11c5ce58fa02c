"""What a type checker knows of the client's results. Read by pyright, never run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from typing_extensions import assert_type

import azure_durable_py as df
from azure_durable_py.client.batches import NewInstance
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.entities import EntityMetadata
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.schedules import ScheduleDescription
from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient


@dataclass
class Order:
    """A value of the user's."""

    number: int


async def results(client: DurableOrchestrationClient) -> None:
    """Every call gives a definite type."""
    assert_type(await client.start_new("Hello", client_input=Order(1)), str)
    status = await client.get_status("one")
    assert_type(status, DurableOrchestrationStatus)
    assert_type(status.get_output(Order), Order)
    assert_type(status.get_output(list[Order]), list[Order])
    assert_type(await client.start_many([NewInstance("Hello", Order(1))]), list[str])
    await client.signal_entities([NewInstance("Hello")])  # pyright: ignore[reportArgumentType]
    assert_type(await client.get_status_all(), list[DurableOrchestrationStatus])
    assert_type(await client.query_instances(page_size=5), StatusPage)
    assert_type(await client.terminate("one", "because"), bool)
    assert_type(client.create_http_management_payload("one"), dict[str, str])
    assert_type(client.create_http_management_payload(instance_id="one"), dict[str, str])
    assert_type(client.create_http_management_payload(None, "one"), dict[str, str])
    client.create_http_management_payload()  # pyright: ignore[reportCallIssue]
    assert_type((await client.purge_instance_history("one")).instances_deleted, int)


async def schedules(client: DurableOrchestrationClient) -> None:
    """What a schedule is made of is checked, and so is what is told of it."""
    minute = timedelta(minutes=1)
    made = await client.schedules.create("s", "Hello", Order(1), every=minute, overlap="buffer_one", catch_up="all")
    assert_type(made, ScheduleDescription)
    assert_type(made.get_input(Order), Order)
    assert_type(made.definition.every, timedelta | None)
    assert_type(await client.schedules.get("s"), ScheduleDescription | None)
    assert_type(await client.schedules.list(), tuple[ScheduleDescription, ...])
    assert_type(await client.schedules.run_now("s"), str | None)
    await client.schedules.update("s", overlap="queue")  # pyright: ignore[reportArgumentType] - there is no such rule


async def outside_a_function() -> None:
    """A client that owns its hub is itself what the context gives."""
    async with DurableOrchestrationClient.from_connection_string("UseDevelopmentStorage=true", "MyHub") as client:
        assert_type(client, DurableOrchestrationClient)


def made_by_hand() -> None:
    """Statuses are made by the names of the management API."""
    status = DurableOrchestrationStatus(name="Chain", instanceId="one", runtimeStatus="Running")
    assert_type(status.historyEvents, list[dict[str, Any]] | None)
    assert_type(DurableOrchestrationStatus.from_json({"name": "Chain"}), DurableOrchestrationStatus)
    alias: type[DurableOrchestrationClient] = df.DurableFunctionsClient
    assert_type(alias, type[DurableOrchestrationClient])


def results_that_are_waited_for(client: DurableOrchestrationSyncClient) -> None:
    """The sync client gives what the async one gives, without `await`."""
    assert_type(client.start_new("Hello", client_input=Order(1)), str)
    status = client.wait_for_completion("one", 5)
    assert_type(status, DurableOrchestrationStatus)
    assert_type(status.get_output(Order), Order)
    assert_type(client.get_status_by(names=["Hello"], tags={"a": "b"}), list[DurableOrchestrationStatus])
    assert_type(client.query_instances(page_size=5), StatusPage)
    assert_type(client.terminate("one", "because"), bool)
    for entity in client.list_entities("Counter"):
        assert_type(entity, EntityMetadata)
    for instance in client.export_history():
        assert_type(instance, ExportedInstance)
    assert_type(client.raise_event("one", "Go"), None)
    assert_type(client.schedules.list(), tuple[ScheduleDescription, ...])
    client.start_new("Hello", 5)  # pyright: ignore[reportArgumentType]
    client.start_new("Hello", no_such_parameter=5)  # pyright: ignore[reportCallIssue]


def outside_a_function_without_await() -> None:
    """What opens it gives it, and so does `with`."""
    opened = DurableOrchestrationSyncClient.from_sqlite("hub.db", "MyHub")
    assert_type(opened, DurableOrchestrationSyncClient)
    with opened as client:
        assert_type(client, DurableOrchestrationSyncClient)
