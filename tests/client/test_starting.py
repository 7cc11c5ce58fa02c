"""What starting and restarting instances does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from azure_durable_py.client import starter
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import (
    FunctionNotFoundError,
    InstanceAlreadyExistsError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    PayloadTooLargeError,
    SerializationError,
)
from azure_durable_py.history.events import ExecutionTerminated
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub import payloads
from azure_durable_py.taskhub.hub import TaskHub
from tests.client.playing import START, Playing, Wall


async def test_a_start_inserts_a_pending_instance_and_rings_it_once(
    client: DurableOrchestrationClient, worker: Playing
):
    instance_id = await client.start_new("Hello", client_input={"name": "Tokyo"})
    status = await client.get_status(instance_id, show_input=True)
    assert (status.name, status.runtime_status, status.input_) == (
        "Hello",
        status.runtime_status.Pending,
        {"name": "Tokyo"},
    )
    assert status.created_time == START
    assert [doorbell.instance_id for doorbell in await worker.take_doorbells()] == [instance_id]


async def test_a_generated_id_is_32_hex_digits(client: DurableOrchestrationClient):
    instance_id = await client.start_new("Hello")
    assert len(instance_id) == 32
    assert int(instance_id, 16)


@pytest.mark.parametrize("value", [0, "", False, [], {}])
async def test_a_falsy_input_is_an_input(client: DurableOrchestrationClient, worker: Playing, value: object):
    instance_id = await client.start_new("Hello", "one", value)
    assert (await worker.started(instance_id)).input is not None
    assert (await client.get_status(instance_id, show_input=True)).input_ == value


async def test_no_input_is_no_input(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    assert (await worker.started("one")).input is None


async def test_the_input_is_not_encoded_twice(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one", "text")
    assert (await worker.started("one")).input == '"text"'


async def test_a_large_input_comes_back_whole(client: DurableOrchestrationClient):
    large = "x" * 3_000_000
    await client.start_new("Hello", "one", large)
    assert (await client.get_status("one", show_input=True)).input_ == large


async def test_an_input_over_the_limit_is_refused(client: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(payloads, "MAX_PAYLOAD_BYTES", 100_000)
    with pytest.raises(PayloadTooLargeError, match="limit"):
        await client.start_new("Hello", "one", "x" * 200_000)
    assert not await client.get_status("one")


async def test_an_input_that_is_no_json_is_refused(client: DurableOrchestrationClient):
    with pytest.raises(SerializationError):
        await client.start_new("Hello", "one", object())


@pytest.mark.parametrize("bad", ["", "@entity", "a/b", "a\\b", "a#b", "a?b", "a\nb", "x" * 257])
async def test_ids_that_break_the_rules_are_refused(client: DurableOrchestrationClient, bad: str):
    with pytest.raises(InvalidInstanceIdError):
        await client.start_new("Hello", bad)


@pytest.mark.parametrize("bad", ["", "n" * 513])
async def test_names_that_cannot_be_are_refused(client: DurableOrchestrationClient, bad: str):
    with pytest.raises(InvalidRequestError, match="name of an orchestrator"):
        await client.start_new(bad)


async def test_a_version_that_is_too_long_is_refused(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="version"):
        await client.start_new("Hello", version="1" * 513)


async def test_an_unknown_orchestrator_is_refused_where_the_app_is_known(hub: TaskHub, settings: Settings):
    registry = Registry()
    registry.orchestrators.add(OrchestratorDefinition("Hello", lambda context: None))
    client = DurableOrchestrationClient(hub, settings, registry=registry)
    with pytest.raises(FunctionNotFoundError, match="Did you mean 'Hello'"):
        await client.start_new("Helo")
    assert (await client.get_status(await client.start_new("hello"))).name == "Hello"


async def test_an_app_without_orchestrators_may_start_those_of_others(hub: TaskHub, settings: Settings):
    client = DurableOrchestrationClient(hub, settings, registry=Registry())
    assert await client.start_new("Elsewhere")


async def test_a_decorated_function_is_a_name(client: DurableOrchestrationClient):
    class Decorated:
        durable_name = "Hello"
        durable_kind = "orchestrator"

        def __call__(self) -> None: ...

    assert (await client.get_status(await client.start_new(Decorated()))).name == "Hello"


async def test_what_is_no_orchestrator_is_refused(client: DurableOrchestrationClient):
    class Activity:
        durable_name = "Hello"
        durable_kind = "activity"

        def __call__(self) -> None: ...

    with pytest.raises(InvalidRequestError, match="not an orchestrator"):
        await client.start_new(Activity())
    with pytest.raises(InvalidRequestError, match="orchestration_trigger"):
        await client.start_new(print)


async def test_the_default_version_is_the_setting(hub: TaskHub, settings: Settings):
    client = DurableOrchestrationClient(hub, replace(settings, default_version="2.1"))
    assert (await client.get_status(await client.start_new("Hello"))).version == "2.1"
    assert (await client.get_status(await client.start_new("Hello", version="3"))).version == "3"


async def test_tags_are_kept(client: DurableOrchestrationClient):
    instance_id = await client.start_new("Hello", tags={"tenant": "a"})
    assert (await client.get_status(instance_id)).tags == {"tenant": "a"}


async def test_tags_that_cannot_be_kept_are_refused(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="tenant"):
        await client.start_new("Hello", tags={"tenant": 1})  # type: ignore[dict-item]
    with pytest.raises(PayloadTooLargeError, match="tags"):
        await client.start_new("Hello", tags={"tenant": "x" * 20_000})


async def test_a_delayed_start_is_rung_when_it_is_due(client: DurableOrchestrationClient, worker: Playing, wall: Wall):
    await client.start_new("Hello", "later", start_at=START + timedelta(minutes=10))
    assert await worker.take_doorbells() == []
    wall.forward(601)
    assert [doorbell.instance_id for doorbell in await worker.take_doorbells()] == ["later"]


async def test_a_naive_start_time_is_utc(client: DurableOrchestrationClient, hub: TaskHub):
    await client.start_new("Hello", "later", start_at=datetime(2026, 3, 1, 13, 0))
    header = await hub.store.load_header("later")
    assert header is not None
    assert header.columns.wake_time == START + timedelta(hours=1)


async def test_an_id_in_use_is_refused(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    with pytest.raises(InstanceAlreadyExistsError, match="AnyState"):
        await client.start_new("Hello", "one")
    await worker.set_status("one", "Suspended")
    with pytest.raises(InstanceAlreadyExistsError, match="Suspended"):
        await client.start_new("Hello", "one")


async def test_of_many_starts_of_one_id_one_wins(client: DurableOrchestrationClient, worker: Playing):
    outcomes = await asyncio.gather(*(client.start_new("Hello", "one") for _ in range(5)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InstanceAlreadyExistsError"] * 4 + ["str"]


@pytest.mark.parametrize("status", ["Completed", "Failed", "Terminated"])
async def test_a_finished_instance_is_replaced(client: DurableOrchestrationClient, worker: Playing, status: str):
    await client.start_new("Hello", "one", "x" * 100_000)
    await worker.set_status("one", status, output='"old"')
    await client.start_new("Other", "one", "new")
    found = await client.get_status("one", show_input=True)
    assert (found.name, found.runtime_status, found.input_, found.output) == (
        "Other",
        found.runtime_status.Pending,
        "new",
        None,
    )
    assert await client.hub.store.list_blobs("one", "30-") == ()


async def test_with_any_state_a_running_instance_is_terminated_and_replaced(
    hub: TaskHub, settings: Settings, worker: Playing
):
    client = DurableOrchestrationClient(hub, replace(settings, overridable_existing_instance_states="AnyState"))
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Running")
    second = asyncio.create_task(client.start_new("Other", "one"))
    asked = await worker.next_event("one")
    assert isinstance(asked.event, ExecutionTerminated)
    await worker.set_status("one", "Terminated")
    await second
    assert (await client.get_status("one")).name == "Other"
    assert await worker.inbox("one") == []


async def test_a_running_instance_that_does_not_stop_is_not_replaced(
    hub: TaskHub, settings: Settings, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(starter, "TERMINATE_SECONDS", 0.01)
    client = DurableOrchestrationClient(hub, replace(settings, overridable_existing_instance_states="AnyState"))
    await client.start_new("Hello", "one")
    with pytest.raises(InstanceAlreadyExistsError, match="Is a worker running"):
        await client.start_new("Other", "one")
    assert (await client.get_status("one")).name == "Hello"


async def test_an_instance_pending_for_long_is_rung_again_but_not_at_every_look(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall
):
    await client.start_new("Hello", "one")
    await worker.take_doorbells()
    wall.forward(29)
    await client.get_status("one")
    assert await worker.take_doorbells() == []
    wall.forward(2)
    await client.get_status("one")
    await client.get_status("one")
    with pytest.raises(InstanceAlreadyExistsError):
        await client.start_new("Hello", "one")
    assert len(await worker.take_doorbells()) == 1


async def test_starting_on_an_instance_pending_for_long_rings_it(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall
):
    await client.start_new("Hello", "one")
    await worker.take_doorbells()
    wall.forward(31)
    with pytest.raises(InstanceAlreadyExistsError):
        await client.start_new("Hello", "one")
    assert len(await worker.take_doorbells()) == 1


async def test_a_delayed_start_is_not_overdue_before_its_time(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall
):
    await client.start_new("Hello", "one", start_at=START + timedelta(hours=1))
    wall.forward(1800)
    await client.get_status("one")
    assert await worker.take_doorbells() == []


async def test_a_restart_keeps_name_input_version_and_tags(client: DurableOrchestrationClient, worker: Playing):
    large = "x" * 50_000
    await client.start_new("Hello", "one", large, "1.5", tags={"a": "b"})
    await worker.set_status("one", "Completed")
    copy = await client.restart("one")
    assert copy != "one"
    assert await client.restart("one", restart_with_new_instance_id=False) == "one"
    for instance_id in (copy, "one"):
        status = await client.get_status(instance_id, show_input=True)
        assert (status.name, status.input_, status.version, status.tags) == ("Hello", large, "1.5", {"a": "b"})
        assert status.runtime_status is status.runtime_status.Pending


async def test_restarting_a_running_instance_under_its_own_id_is_refused(client: DurableOrchestrationClient):
    await client.start_new("Hello", "one")
    with pytest.raises(InstanceAlreadyExistsError):
        await client.restart("one", restart_with_new_instance_id=False)


async def test_restarting_a_running_instance_under_another_id_leaves_it_alone(
    client: DurableOrchestrationClient, worker: Playing
):
    await client.start_new("Hello", "one", 5)
    await worker.set_status("one", "Running")
    copy = await client.restart("one")
    assert (await client.get_status(copy, show_input=True)).input_ == 5
    assert (await client.get_status("one")).runtime_status is OrchestrationRuntimeStatus.Running


async def test_a_restart_waits_for_the_new_run_when_asked_to(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output='"first"')
    again = asyncio.create_task(client.restart("one", False, wait_timeout=timedelta(seconds=30)))
    await worker.wait_for_header("one")
    while (await client.get_status("one")).is_finished:
        await asyncio.sleep(0)
    assert not again.done()
    await worker.set_status("one", "Completed", output='"second"')
    assert await again == "one"
    assert (await client.get_status("one")).output == "second"


async def test_a_restart_waits_no_longer_than_it_is_to(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed")
    with pytest.raises(TimeoutError, match="'one' is still Pending"):
        await client.restart("one", restart_with_new_instance_id=False, wait_timeout=0)


async def test_restarting_what_is_not_there_is_refused(client: DurableOrchestrationClient):
    with pytest.raises(InstanceNotFoundError, match="'one'"):
        await client.restart("one")
