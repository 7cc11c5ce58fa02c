"""Rewinding by a client: what it writes, when it rings, whom it asks."""

from __future__ import annotations

import asyncio

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import (
    InstanceNotFailedError,
    InvalidInstanceIdError,
    InvalidRequestError,
    RewindNotPossibleError,
)
from azure_durable_py.history.events import (
    EntityLockReleased,
    EntityLockRequested,
    OrchestratorStarted,
    TaskScheduled,
)
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.state import InstanceState
from tests.client.playing import START, Playing, Wall


@pytest.fixture
async def one(client: DurableOrchestrationClient, worker: Playing) -> str:
    """An instance that has failed, with nothing in the queues."""
    await client.start_new("Hello", "one", "Tokyo")
    await worker.fail("one", "no luck")
    await worker.take_doorbells()
    return "one"


async def test_it_is_pending_again_rung_and_has_no_output(
    client: DurableOrchestrationClient, worker: Playing, one: str
):
    await client.rewind(one, "mended")
    status = await client.get_status(one, show_input=True)
    assert (status.runtime_status, status.attempt, status.input_) == (Status.Pending, 1, "Tokyo")
    assert (status.output, status.failure, status.completed_time) == (None, None, None)
    assert [doorbell.instance_id for doorbell in await worker.take_doorbells()] == [one]


async def test_a_list_does_not_tell_attempts(client: DurableOrchestrationClient, one: str):
    await client.rewind(one, "mended")
    [status] = await client.get_status_all()
    assert (status.runtime_status, status.attempt) == (Status.Pending, 0)


async def test_a_large_output_goes(client: DurableOrchestrationClient, worker: Playing, hub: TaskHub, one: str):
    await client.start_new("Hello", "large")
    await worker.fail("large", "no" * 20_000)
    [row] = await hub.store.list_blobs("large", "30-")
    await client.rewind("large", "mended")
    header = await hub.store.load_header("large")
    assert header is not None
    assert InstanceState.decode(header.body).garbage == [row.key]


async def test_again_it_is_only_rung(client: DurableOrchestrationClient, worker: Playing, one: str):
    await client.rewind(one, "mended")
    before = await client.get_history(one)
    await client.rewind(one, "mended, I said")
    assert await client.get_history(one) == before
    assert len(await worker.take_doorbells()) == 2


async def test_several_at_once_are_one(client: DurableOrchestrationClient, hub: TaskHub, one: str):
    others = [DurableOrchestrationClient(hub, client.settings) for _ in range(4)]
    await asyncio.gather(*(other.rewind(one, "mended") for other in others))
    assert (await client.get_status(one)).attempt == 1


async def test_one_that_nobody_takes_up_is_rung_by_who_asks_for_its_status(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall, one: str
):
    wall.forward(3600)
    await client.rewind(one, "mended")
    await worker.take_doorbells()
    await client.get_status(one)
    assert await worker.take_doorbells() == []
    wall.forward(31)
    await client.get_status(one)
    assert len(await worker.take_doorbells()) == 1


@pytest.mark.parametrize("status", ["Running", "Suspended", "Completed", "Terminated"])
async def test_what_has_not_failed_is_left_as_it_is(
    client: DurableOrchestrationClient, worker: Playing, hub: TaskHub, one: str, status: str
):
    await worker.set_status(one, status)
    before = await hub.store.load_header(one)
    with pytest.raises(InstanceNotFailedError, match=f"'one' is {status}: only one that has Failed"):
        await client.rewind(one, "mended")
    assert await hub.store.load_header(one) == before
    assert await worker.take_doorbells() == []


@pytest.mark.parametrize("seal", [False, True])
async def test_what_was_locked_at_the_time_keeps_it_from_going_on(
    client: DurableOrchestrationClient, worker: Playing, seal: bool
):
    await client.start_new("Hello", "left")
    locked = EntityLockRequested(START, 0, "@stock@tea", "s")
    await worker.set_status(
        "left",
        "Running",
        events=(locked, EntityLockReleased(START, 1, "@stock@tea", "s"), TaskScheduled(START, 2, "a")),
    )
    await worker.set_status("left", "Failed", events=(OrchestratorStarted(START),), seal=seal)
    await client.rewind("left", "mended")
    await client.start_new("Hello", "inside")
    await worker.set_status("inside", "Running", events=(locked,))
    await worker.set_status("inside", "Failed", events=(OrchestratorStarted(START),), seal=seal)
    with pytest.raises(RewindNotPossibleError, match=r"\(@stock@tea\) were released then"):
        await client.rewind("inside", "mended")


async def test_an_entity_is_no_orchestration(client: DurableOrchestrationClient):
    with pytest.raises(InvalidInstanceIdError):
        await client.rewind("@stock@tea", "mended")


async def test_it_may_be_asked_for_in_another_hub(client: DurableOrchestrationClient, hub: TaskHub, one: str):
    with pytest.raises(InvalidRequestError, match="works on task hub 'ClientHub' only"):
        await client.rewind(one, "mended", "Elsewhere")
    asked: list[tuple[str | None, str | None]] = []

    def elsewhere(hub_name: str | None, connection_name: str | None) -> DurableOrchestrationClient:
        asked.append((hub_name, connection_name))
        return client

    other = DurableOrchestrationClient(hub, Settings(hub_name="Other"), elsewhere=elsewhere)
    await other.rewind(one, "mended", task_hub_name="ClientHub", connection_name="Storage")
    assert asked == [("ClientHub", "Storage")]
    assert (await client.get_status(one)).attempt == 1
