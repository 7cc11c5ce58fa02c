"""What a type checker knows of the client's results. Read by pyright, never run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import assert_type

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.schedules import ScheduleDescription
from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage


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
    assert_type(await client.get_status_all(), list[DurableOrchestrationStatus])
    assert_type(await client.query_instances(page_size=5), StatusPage)
    assert_type(await client.terminate("one", "because"), bool)
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
