"""Clients in a process of their own, while a host works on their hub."""

from __future__ import annotations

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from tests.e2e.conftest import Place
from tests.e2e.host import Host


@pytest.fixture
def client_settings(shared_place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    for name, value in shared_place.environ.items():
        monkeypatch.setenv(name, value)
    return shared_place


async def test_what_a_client_starts_and_sends_wakes_the_host_of_another_process(host: Host, client_settings: Place):
    place = client_settings
    async with DurableOrchestrationClient.from_app_settings(place.app_dir, storage=place.storage) as client:
        assert client.hub.store.description in host.log
        greeted = await client.start_new("hello_cities")
        status = await client.wait_for_completion(greeted, 30)
        assert status.output == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]

        order = await client.start_new("ship_order", client_input={"parcels": 1})
        await client.wait_for_start(order, 30)
        for name, data in (("Paid", 10), ("Address", "Oslo"), ("Packed", "first")):
            await client.raise_event(order, name, data)
        assert (await client.wait_for_completion(order, 30, raise_if_failed=True)).is_finished
