"""What a look costs, on either store: requests to storage, and no more work for what is large."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import (
    Event,
    EventRaised,
    ExecutionStarted,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
)
from azure_durable_py.inspection.family import read_family
from azure_durable_py.inspection.hub import read_overview
from azure_durable_py.inspection.instance import inspect_instance
from azure_durable_py.inspection.timeline import read_timeline
from azure_durable_py.taskhub.damage import quarantine
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder, new_entity_header
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.naming import page_key
from azure_durable_py.taskhub.payloads import encode_ref, to_blobs
from azure_durable_py.taskhub.protocol import Commit, TaskHubStore
from azure_durable_py.taskhub.state import ActivityGroup, InstanceState, PageRef
from azure_durable_py.taskhub.tail import Tail
from tests.counting import CountingStore
from tests.taskhub.spoiling import insert_row, spoil_columns


class Site:
    """A hub whose requests are counted, and instances put there as a worker would have left them."""

    def __init__(self, store: TaskHubStore) -> None:
        self.counting = CountingStore(store)
        self.hub = TaskHub(self.counting)

    async def put(self, instance_id: str, events: list[Event], *, each: int = 500, **state: object) -> None:
        """A running instance with this history, sealed into pages of so many events."""
        now = self.hub.clock.now()
        await self.hub.start(StartRequest(instance_id, f"e-{instance_id}", "Order", now))
        header = await self.hub.store.load_header(instance_id)
        assert header is not None
        found = replace(InstanceState.decode(header.body), pending=[], **state)  # pyright: ignore[reportArgumentType]
        for number in range(0, len(events) - each, each):
            lines = [encode_event(event) for event in events[number : number + each]]
            ref, rows = to_blobs(page_key(0, "turn", number), "\n".join(lines))
            found.pages.append(PageRef(ref.key, ref.chunks, len(lines)))
            await self.hub.store.put_blobs(instance_id, rows)
        rest = events[len(found.pages) * each :]
        found.tail = Tail(map(encode_event, rest))
        columns = replace(header.columns, runtime_status="Running", last_updated_time=now)
        await self.hub.store.commit(
            Commit(instance_id, replace(header, columns=columns, body=found.encode()), header.etag)
        )

    def counted(self) -> int:
        """The requests since this was asked last."""
        count = self.counting.table_operations + self.counting.queue_operations
        self.counting.reset()
        return count


@pytest.fixture
async def site(store: TaskHubStore) -> Site:
    made = Site(store)
    await made.hub.open()
    return made


def history(site: Site, calls: int, *, open_calls: int = 0) -> list[Event]:
    now = site.hub.clock.now()
    events: list[Event] = [OrchestratorStarted(now), ExecutionStarted(now, "Order", "1")]
    events += [TaskScheduled(now, number, "charge", json.dumps(number)) for number in range(calls + open_calls)]
    events.append(OrchestratorStarted(now))
    events += [TaskCompleted(now, number, json.dumps(number)) for number in range(calls)]
    return events


async def test_a_look_at_an_instance_is_a_load_and_its_quarantine(site: Site):
    await site.put("x", history(site, 2))
    site.counted()
    found = await inspect_instance(site.hub, "x")
    assert found is not None
    assert site.counted() == 2
    assert await read_timeline(site.hub, "x") is not None
    assert site.counted() == 1
    assert await read_family(site.hub, "x") is not None
    assert site.counted() == 1
    await read_overview(site.hub, "Hub")
    # Two counts of two queues each, two listings, and the inboxes.
    assert site.counted() == 7
    assert await inspect_instance(site.hub, "nobody") is None
    assert site.counted() == 1


async def test_a_long_history_is_read_once_and_takes_no_longer_than_it_should(site: Site):
    await site.put("x", history(site, 9_990, open_calls=10))
    pages = 1 + (2 * 9_990 + 13) // 500
    site.counted()
    begun = time.process_time()
    timeline = await read_timeline(site.hub, "x", skip=9_000, limit=100)
    assert timeline is not None
    assert (timeline.events, len(timeline.steps), timeline.left_out) == (19_993, 100, 9_900)
    assert site.counted() <= pages + 1
    inspection = await inspect_instance(site.hub, "x")
    assert inspection is not None
    assert [wait.task_id for wait in inspection.waits] == list(range(9_990, 10_000))
    assert site.counted() <= pages + 2
    # Each takes a fraction of a second; what is squared would take minutes.
    assert time.process_time() - begun < 20


async def test_an_inbox_of_thousands_is_shown_in_part(site: Site):
    await site.put("x", history(site, 1))
    now = site.hub.clock.now()
    for first in range(0, 2_000, 50):
        events = [
            InboxEvent(EventRaised(now, f"item{number}"), "client:1", number, now + timedelta(microseconds=number))
            for number in range(first, first + 50)
        ]
        await site.hub.insert("x", events)
    site.counted()
    found = await inspect_instance(site.hub, "x")
    assert found is not None
    assert site.counted() == 2
    assert (len(found.inbox), found.inbox_goes_on) == (100, True)
    assert 100 < found.inbox_size < 2_000
    assert (found.inbox[0].what, found.inbox[0].name) == ("event", "item0")


async def test_a_large_fan_out_is_told_in_part(site: Site):
    now = site.hub.clock.now()
    ids = IdSet()
    for number in range(3_000):
        ids.add(number)
    groups = [ActivityGroup("doorbell", now, ids)]
    await site.put("x", history(site, 0, open_calls=3_000), activities=groups)
    found = await inspect_instance(site.hub, "x")
    assert found is not None
    assert (len(found.waits), found.waits_left_out) == (100, 2_900)
    assert (len(found.outbox), found.outbox_left_out) == (100, 2_900)
    assert found.outbox[0].what == "activity"
    assert found.outbox[0].name == "charge"


async def test_the_large_state_of_an_entity_is_not_read(site: Site):
    header, state = new_entity_header("@counter@a", "e1", site.hub.clock.now())
    ref, rows = to_blobs("30-payload-turn-0000", json.dumps("x" * 5_000_000))
    await site.hub.store.put_blobs("@counter@a", rows)
    holder = LockHolder("x:e1:1", "x", "e1", site.hub.clock.now())
    state.entity = EntityState(holder=holder, tail=[encode_event(TaskFailed(site.hub.clock.now(), 1, _NO))]).to_json()
    columns = replace(header.columns, runtime_status="Running", output_payload=encode_ref(ref))
    await site.hub.store.commit(Commit("@counter@a", replace(header, columns=columns, body=state.encode()), None))
    site.counted()
    found = await inspect_instance(site.hub, "@counter@a")
    assert found is not None
    # With a look at who holds the lock.
    assert site.counted() == 3
    assert (found.large, found.output, found.lock, found.backlog_size) == (("output",), None, "x", 1)


_NO = FailureDetails("no", "ValueError")


async def test_damage_of_every_kind_is_told_at_once(site: Site):
    await site.put("x", history(site, 600))
    await insert_row(site.hub.store, "x", "1-20260101T000000000000-aaaa-00000000000000000000", b"garbage")
    await site.hub.store.put_blobs("x", quarantine("x", "1-old", b"bad", "not JSON"))
    keys = [key for key in await site.hub.store.blob_keys("x") if key.startswith("20-history-")]
    await site.hub.store.delete_blobs("x", keys[:1])
    found = await inspect_instance(site.hub, "x")
    assert found is not None
    assert [row.key for row in found.damaged] == [
        "history",
        "10-inbox-1-20260101T000000000000-aaaa-00000000000000000000",
        "40-quarantine-1-old",
    ]
    assert found.damaged[-1].reason == "not JSON"
    timeline = await read_timeline(site.hub, "x")
    assert timeline is not None
    assert timeline.steps == ()
    assert "history" in (timeline.problem or "")
    await spoil_columns(site.hub.store, "x", runtime_status="Weird")
    found = await inspect_instance(site.hub, "x")
    assert found is not None
    assert [row.key for row in found.damaged] == ["00-instance", "40-quarantine-1-old"]
    assert (await read_overview(site.hub, "Hub")).counts == {"Damaged": 1}
