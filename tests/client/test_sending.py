"""How events reach instances, also when storage loses answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from azure_durable_py.client import messenger
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import (
    InstanceCompletedError,
    InstanceNotFoundError,
    InvalidRequestError,
    PayloadTooLargeError,
    SerializationError,
    StorageUnavailableError,
)
from azure_durable_py.history.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    PayloadRef,
)
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from tests.client.playing import Playing, Wall, make_hub


@pytest.fixture(autouse=True)
async def one(client: DurableOrchestrationClient, worker: Playing) -> str:
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Running")
    await worker.take_doorbells()
    return "one"


async def test_an_event_arrives_and_rings(client: DurableOrchestrationClient, worker: Playing):
    await client.raise_event("one", "Go", {"a": 1})
    (message,) = await worker.inbox("one")
    assert isinstance(message.event, EventRaised)
    assert (message.event.name, message.event.data) == ("Go", '{"a":1}')
    assert not message.control
    assert [doorbell.instance_id for doorbell in await worker.take_doorbells()] == ["one"]


@pytest.mark.parametrize("value", [0, "", False, []])
async def test_falsy_data_is_data(client: DurableOrchestrationClient, worker: Playing, value: object):
    await client.raise_event("one", "Go", value)
    (message,) = await worker.inbox("one")
    assert isinstance(message.event, EventRaised)
    assert message.event.data is not None


async def test_large_data_goes_to_payload_rows(client: DurableOrchestrationClient, worker: Playing):
    await client.raise_event("one", "Go", "x" * 1_000_000)
    (message,) = await worker.inbox("one")
    assert isinstance(message.event, EventRaised)
    assert isinstance(message.event.data, PayloadRef)


async def test_events_to_one_instance_are_numbered_without_gaps(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "two")
    for _ in range(3):
        await client.raise_event("one", "Go")
        await client.raise_event("two", "Go")
    for instance_id in ("one", "two"):
        messages = await worker.inbox(instance_id)
        assert [message.sequence for message in messages] == [0, 1, 2]
        assert len({message.sender for message in messages}) == 1
        assert messages[0].sender.startswith("client:")


async def test_a_forgotten_counter_does_not_begin_again_under_its_name(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(messenger, "MAX_TARGETS", 1)
    await client.start_new("Hello", "two")
    for instance_id in ("one", "two", "one"):
        await client.raise_event(instance_id, "Go")
    messages = await worker.inbox("one")
    assert [message.sequence for message in messages] == [0, 0]
    assert len({message.key for message in messages}) == 2


async def test_two_clients_do_not_share_numbers(
    client: DurableOrchestrationClient, settings: Settings, worker: Playing
):
    other = DurableOrchestrationClient(client.hub, settings)
    await client.raise_event("one", "Go")
    await other.raise_event("one", "Go")
    assert len(await worker.inbox("one")) == 2


async def test_a_lost_answer_does_not_send_twice(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    store = client.hub.store
    insert = store.insert_inbox
    calls = 0

    async def lose_the_first_answer(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        result = await insert(*args)
        if calls == 1:
            raise StorageUnavailableError("the answer was lost")
        return result

    monkeypatch.setattr(store, "insert_inbox", lose_the_first_answer)
    monkeypatch.setattr(client.hub.ids, "jitter", lambda seconds: 0.0)
    await client.raise_event("one", "Go")
    assert calls == 2
    assert len(await worker.inbox("one")) == 1
    assert len(await worker.take_doorbells()) == 1


async def test_sending_gives_up_in_the_end(client: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch):
    async def never(*args: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(client.hub.store, "insert_inbox", never)
    monkeypatch.setattr(messenger, "GIVE_UP_SECONDS", 0.01)
    with pytest.raises(StorageUnavailableError, match="whether EventRaised reached instance 'one' is unknown"):
        await client.raise_event("one", "Go")


async def test_control_events_name_the_execution_and_sort_first(client: DurableOrchestrationClient, worker: Playing):
    await client.raise_event("one", "Go")
    assert await client.suspend("one", "wait")
    assert await client.resume("one", "on")
    assert await client.terminate("one", "stop", recurse=True)
    execution_id = (await client.get_status("one")).execution_id
    messages = await worker.inbox("one")
    assert [type(message.event) for message in messages] == [
        ExecutionSuspended,
        ExecutionResumed,
        ExecutionTerminated,
        EventRaised,
    ]
    assert all(message.target.execution_id == execution_id for message in messages if message.control)
    ended = messages[2].event
    assert isinstance(ended, ExecutionTerminated)
    assert (ended.reason, ended.recurse) == ("stop", True)


async def test_asking_twice_is_harmless(client: DurableOrchestrationClient, worker: Playing):
    assert await client.terminate("one", "a")
    assert await client.terminate("one", "b")
    assert len(await worker.inbox("one")) == 2


async def test_a_finished_instance_is_left_in_peace(client: DurableOrchestrationClient, worker: Playing):
    await worker.set_status("one", "Completed")
    assert not await client.terminate("one", "late")
    assert not await client.suspend("one", "late")
    assert not await client.resume("one", "late")
    with pytest.raises(InstanceCompletedError, match="Completed"):
        await client.raise_event("one", "Go")
    assert await worker.inbox("one") == []


async def test_what_is_not_there_is_an_error(client: DurableOrchestrationClient):
    for call in (client.raise_event, client.terminate, client.suspend, client.resume):
        with pytest.raises(InstanceNotFoundError, match="'nobody'"):
            await call("nobody", "x")


async def test_bad_input_is_refused_before_anything_is_sent(client: DurableOrchestrationClient, worker: Playing):
    for name in ("", "n" * 513):
        with pytest.raises(InvalidRequestError, match="name of an event"):
            await client.raise_event("one", name)
    with pytest.raises(SerializationError):
        await client.raise_event("one", "Go", object())
    with pytest.raises(PayloadTooLargeError, match="reason"):
        await client.terminate("one", "r" * 20_000)
    assert await worker.inbox("one") == []


async def test_an_event_for_another_hub_goes_to_its_client(
    client: DurableOrchestrationClient, settings: Settings, hub: TaskHub, wall: Wall
):
    elsewhere = make_hub(wall)
    await elsewhere.open()
    other = DurableOrchestrationClient(elsewhere, replace(settings, hub_name="Other"))
    await other.start_new("Hello", "there")
    asked: list[tuple[str | None, str | None]] = []

    def find(hub_name: str | None, connection_name: str | None) -> DurableOrchestrationClient:
        asked.append((hub_name, connection_name))
        return other

    mine = DurableOrchestrationClient(hub, settings, elsewhere=find)
    await mine.raise_event("there", "Go", task_hub_name="Other")
    await mine.raise_event("one", "Go", None, "clienthub", "azurewebjobsstorage")
    assert asked == [("Other", None)]
    assert len(await Playing(elsewhere).inbox("there")) == 1
    await elsewhere.close()


async def test_another_hub_that_cannot_be_reached_is_named(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="'Other'"):
        await client.raise_event("one", "Go", None, "Other")
