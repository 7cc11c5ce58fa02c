"""Many starts, events and signals in one call."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from azure_durable_py.client import batches
from azure_durable_py.client.batches import EntitySignal, InstanceEvent, NewInstance
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import BatchError, InstanceAlreadyExistsError, InstanceNotFoundError, PayloadTooLargeError
from azure_durable_py.history.events import EventRaised, OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from tests.client.playing import Playing, Wall, make_hub
from tests.counting import CountingStore


@pytest.fixture
async def counted(wall: Wall, settings: Settings) -> Any:
    """A client whose calls of storage are counted."""
    plain = make_hub(wall)
    hub = TaskHub(CountingStore(plain.store.inner), plain.clock)
    await hub.open()
    yield DurableOrchestrationClient(hub, settings)
    await hub.close()


def calls(client: DurableOrchestrationClient) -> dict[str, int]:
    return dict(cast("CountingStore", client.hub.store.inner).calls)


async def test_signals_are_one_insert_and_one_ring_for_each_entity(counted: DurableOrchestrationClient):
    await counted.signal_entities(EntitySignal(EntityId("counter", str(n % 3)), "add", n) for n in range(90))
    assert calls(counted) == {"insert_inbox": 3, "put_message": 3}
    for key in range(3):
        messages = await Playing(counted.hub).inbox(str(EntityId("counter", str(key))))
        inputs = [cast("OperationArrived", message.event).input for message in messages]
        assert inputs == [str(number) for number in range(key, 90, 3)]
        assert [message.sequence for message in messages] == list(range(30))


async def test_events_are_one_look_one_insert_and_one_ring_for_each_instance(counted: DurableOrchestrationClient):
    await counted.start_many(NewInstance("Hello", instance_id=name) for name in "ab")
    before = calls(counted)
    await counted.raise_events(InstanceEvent(name, "Go", number) for number in range(20) for name in "ab")
    spent = {name: count - before.get(name, 0) for name, count in calls(counted).items()}
    assert spent == {"commit": 0, "put_message": 2, "load_header": 2, "insert_inbox": 2}
    messages = await Playing(counted.hub).inbox("b")
    assert [cast("EventRaised", message.event).data for message in messages] == [str(n) for n in range(20)]


async def test_calls_of_one_step_go_together_as_well(counted: DurableOrchestrationClient):
    await asyncio.gather(*(counted.signal_entity(EntityId("counter", "x"), "add", n) for n in range(50)))
    assert calls(counted) == {"insert_inbox": 1, "put_message": 1}


async def test_a_lone_signal_is_an_insert_and_a_ring(counted: DurableOrchestrationClient):
    await counted.signal_entity(EntityId("counter", "x"), "add", 1)
    assert calls(counted) == {"insert_inbox": 1, "put_message": 1}


async def test_starts_give_their_ids_in_order_and_only_so_many_are_under_way(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    begun = most = 0
    start = client.start_new

    async def start_new(*args: Any, **kwargs: Any) -> str:
        nonlocal begun, most
        begun += 1
        most = max(most, begun)
        await asyncio.sleep(0)
        made = await start(*args, **kwargs)
        begun -= 1
        return made

    monkeypatch.setattr(client, "start_new", start_new)
    ids = await client.start_many(NewInstance("Hello", number, f"i-{number}") for number in range(100))
    assert ids == [f"i-{number}" for number in range(100)]
    assert most == batches.AT_ONCE
    assert len(await worker.take_doorbells()) == 100
    assert (await client.get_status("i-7", show_input=True)).input_ == 7


async def test_what_is_started_stays_started_and_each_failure_is_told(client: DurableOrchestrationClient):
    await client.start_new("Hello", "taken")
    with pytest.raises(BatchError, match=r"1 of 3 have failed.*InstanceAlreadyExistsError: Instance 'taken'") as raised:
        await client.start_many([NewInstance("Hello", instance_id=name) for name in ("one", "taken", "two")])
    one, taken, two = raised.value.outcomes
    assert (one, two) == ("one", "two")
    assert isinstance(taken, InstanceAlreadyExistsError)
    assert raised.value.__cause__ is taken
    assert await client.get_status("two")


async def test_a_signal_that_cannot_be_stored_takes_none_along(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("azure_durable_py.taskhub.payloads.MAX_PAYLOAD_BYTES", 100_000)
    entity = EntityId("counter", "x")
    with pytest.raises(BatchError) as raised:
        await client.signal_entities(EntitySignal(entity, "add", value) for value in (1, "x" * 200_000, 3))
    assert [type(outcome) for outcome in raised.value.outcomes] == [type(None), PayloadTooLargeError, type(None)]
    assert len(await worker.inbox(str(entity))) == 2


async def test_an_event_for_nobody_takes_none_along(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    with pytest.raises(BatchError) as raised:
        await client.raise_events([InstanceEvent("nobody", "Go"), InstanceEvent("one", "Go")])
    assert [type(outcome) for outcome in raised.value.outcomes] == [InstanceNotFoundError, type(None)]
    assert len(await worker.inbox("one")) == 1


async def test_nothing_is_nothing(client: DurableOrchestrationClient):
    assert await client.start_many([]) == []
    await client.signal_entities([])
    await client.raise_events([])
