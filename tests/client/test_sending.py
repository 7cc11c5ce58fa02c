"""How events reach instances, also when storage loses answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from azure_durable_py.client import messenger
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.clock import loop_clock
from azure_durable_py.errors import (
    InstanceCompletedError,
    InstanceNotFoundError,
    InvalidRequestError,
    PayloadTooLargeError,
    SerializationError,
    StorageRejectedError,
    StorageUnavailableError,
)
from azure_durable_py.history.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    PayloadRef,
)
from azure_durable_py.ids import EntityId
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing import run_virtual
from tests.client.playing import START, Playing, Wall, make_hub


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


class Gate:
    """Counts inserts and rings, and lets the first insert wait until it is opened."""

    def __init__(self, client: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch) -> None:
        self.inserted: list[int] = []
        self.opened = asyncio.Event()
        self.error: Exception | None = None
        self._insert = client.hub.store.insert_inbox
        monkeypatch.setattr(client.hub.store, "insert_inbox", self._inserting)

    async def _inserting(self, instance_id: str, rows: Any) -> Any:
        self.inserted.append(len(rows))
        if len(self.inserted) == 1:
            await self.opened.wait()
        elif self.error is not None:
            raise self.error
        return await self._insert(instance_id, rows)


def raising(client: DurableOrchestrationClient, values: Sequence[object]) -> list[asyncio.Task[None]]:
    return [asyncio.ensure_future(client.raise_event("one", "Go", value)) for value in values]


async def steps() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_comes_while_an_event_is_on_its_way_goes_in_one_insert_with_one_ring(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate(client, monkeypatch)
    calls = raising(client, [0])
    await steps()
    calls += raising(client, range(1, 250))
    await steps()
    gate.opened.set()
    await asyncio.gather(*calls)
    assert gate.inserted == [1, 99, 99, 51]
    assert len(await worker.take_doorbells()) == 4
    messages = await worker.inbox("one")
    assert [message.sequence for message in messages] == list(range(250))
    assert [cast("EventRaised", message.event).data for message in messages] == [str(n) for n in range(250)]


async def test_events_that_go_together_stay_below_the_bytes_of_a_transaction(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate(client, monkeypatch)
    calls = raising(client, [0])
    await steps()
    # Each compresses to about 1.5 MB of rows.
    calls += raising(client, [random.Random(number).randbytes(1_000_000).hex() for number in range(3)])
    await steps()
    gate.opened.set()
    await asyncio.gather(*calls)
    assert sum(gate.inserted) == 4
    assert max(gate.inserted) <= 2
    assert [message.sequence for message in await worker.inbox("one")] == [0, 1, 2, 3]


async def test_what_can_never_be_stored_fails_alone_and_has_no_number(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate(client, monkeypatch)
    monkeypatch.setattr("azure_durable_py.taskhub.payloads.MAX_PAYLOAD_BYTES", 100_000)
    calls = raising(client, [0])
    await steps()
    calls += raising(client, [1, "x" * 200_000, 3])
    await steps()
    gate.opened.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), type(None), PayloadTooLargeError, type(None)]
    assert [message.sequence for message in await worker.inbox("one")] == [0, 1, 2]


async def test_a_refusal_is_everybodys_who_went_together(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate(client, monkeypatch)
    gate.error = StorageRejectedError("no access")
    calls = raising(client, [0])
    await steps()
    calls += raising(client, [1, 2])
    await steps()
    gate.opened.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), StorageRejectedError, StorageRejectedError]
    gate.error = None
    await client.raise_event("one", "Go", 3)
    assert len(await worker.inbox("one")) == 2


async def test_who_stops_waiting_takes_nobody_along(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    gate = Gate(client, monkeypatch)
    calls = raising(client, [0])
    await steps()
    calls += raising(client, [1, 2, 3])
    await steps()
    calls[2].cancel()
    gate.opened.set()
    await asyncio.gather(*calls, return_exceptions=True)
    messages = await worker.inbox("one")
    assert [cast("EventRaised", message.event).data for message in messages] == ["0", "1", "3"]
    assert [message.sequence for message in messages] == [0, 1, 2]


def test_each_event_is_tried_for_its_own_five_minutes():
    async def main() -> None:
        hub = TaskHub(SqliteStore(None, hub_name="ClientHub"), loop_clock(START))
        await hub.open()
        client = DurableOrchestrationClient(hub, Settings(hub_name="ClientHub"))
        began = hub.clock.monotonic()
        works = False
        store: Any = hub.store
        insert = store.insert_inbox

        async def insert_inbox(*args: Any) -> Any:
            if not works:
                await asyncio.Event().wait()
            return await insert(*args)

        store.insert_inbox = insert_inbox
        entity = EntityId("counter", "x")
        calls = [asyncio.ensure_future(client.signal_entity(entity, "add", 0))]
        for number in (1, 2):
            await asyncio.sleep(100.0)
            calls.append(asyncio.ensure_future(client.signal_entity(entity, "add", number)))
        for number, call in enumerate(calls[:2]):
            with pytest.raises(StorageUnavailableError, match="whether OperationArrived reached"):
                await call
            assert round(hub.clock.monotonic() - began) == 300 + 100 * number
        works = True
        with pytest.raises(StorageUnavailableError):
            await calls[2]
        assert round(hub.clock.monotonic() - began) == 500
        await client.signal_entity(entity, "add", 3)
        await hub.close()

    run_virtual(main())


async def test_looks_at_one_instance_are_shared_by_who_asks_meanwhile(
    client: DurableOrchestrationClient, monkeypatch: pytest.MonkeyPatch
):
    look: Any = client.hub.reliable.load_header
    looks = 0

    async def load_header(instance_id: str) -> Any:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return await look(instance_id)

    monkeypatch.setattr(client.hub.reliable, "load_header", load_header)
    first = raising(client, range(10))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert looks == 1
    await asyncio.gather(*first, *raising(client, range(40)))
    assert looks == 2


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
