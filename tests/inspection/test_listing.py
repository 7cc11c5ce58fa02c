"""The listings on either store: every instance once, the newest first or by id, however they are spread."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from azure_durable_py.inspection.listing import Accepts, list_by_id, list_newest
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery, TaskHubStore
from tests.counting import CountingStore

QUERY = InstanceQuery(with_values=False, with_custom_status=True)


async def walk(hub: TaskHub, order: str, top: int, accepts: Accepts | None = None) -> list[str]:
    listing = list_newest if order == "newest" else list_by_id
    found: list[str] = []
    token: str | None = None
    while True:
        page = await listing(hub, QUERY, accepts, top, token)
        assert len(page.items) <= top
        found += [item.instance_id for item in page.items]
        token = page.token
        if token is None:
            return found


@pytest.mark.parametrize("spread", ["even", "bursts", "one moment"])
async def test_every_instance_is_listed_once_in_order(
    store: TaskHubStore, monkeypatch: pytest.MonkeyPatch, spread: str
):
    monkeypatch.setattr("azure_durable_py.inspection.listing.MOST_SORTED", 6)
    monkeypatch.setattr("azure_durable_py.inspection.listing._PAGE", 3)
    hub, rng = TaskHub(store), random.Random(7)
    await hub.open()
    now = hub.clock.now().replace(microsecond=0)
    ages = {
        "even": [timedelta(hours=7 * number) for number in range(24)],
        "bursts": [timedelta(days=30 * (number % 3), milliseconds=number) for number in range(24)],
        "one moment": [timedelta()] * 24,
    }[spread]
    made: list[tuple[timedelta, str]] = []
    for age in ages:
        instance_id = f"{rng.getrandbits(32):08x}"
        made.append((age, instance_id))
        await hub.start(StartRequest(instance_id, f"e{instance_id}", "Order", now - age))
    expected = [instance_id for _, instance_id in sorted(made)]
    assert await walk(hub, "newest", 5) == expected
    assert await walk(hub, "id", 5) == sorted(expected)
    even = {instance_id for instance_id in expected if int(instance_id, 16) % 2 == 0}
    for order in ("newest", "id"):
        wanted = expected if order == "newest" else sorted(expected)
        found = await walk(hub, order, 2, lambda item: item.instance_id in even)
        assert found == [instance_id for instance_id in wanted if instance_id in even]


async def test_who_asks_again_is_not_made_to_search_for_the_time_anew(
    store: TaskHubStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("azure_durable_py.inspection.listing.MOST_SORTED", 6)
    monkeypatch.setattr("azure_durable_py.inspection.listing._PAGE", 3)
    counting = CountingStore(store)
    hub = TaskHub(counting)
    await hub.open()
    for number in range(40):
        await hub.start(
            StartRequest(f"x{number:02d}", f"e{number}", "Order", hub.clock.now() - timedelta(hours=number))
        )
    counting.reset()
    first = await list_newest(hub, QUERY, None, 3, None)
    searched = counting.calls["query"]
    counting.reset()
    again = await list_newest(hub, QUERY, None, 3, None, first.window)
    assert counting.calls["query"] < searched
    assert [item.instance_id for item in again.items] == ["x00", "x01", "x02"]
