"""Clients outside a function app: they open a hub, and close it again."""

from __future__ import annotations

from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import HubFormatError, SettingsError
from azure_durable_py.settings import Settings


@pytest.mark.azurite
async def test_a_client_of_a_connection_string_works(azurite: str, hub_name: str):
    async with DurableOrchestrationClient.from_connection_string(azurite, hub_name) as client:
        instance_id = await client.start_new("Hello", client_input=5)
        assert client.task_hub_name == hub_name
        settings = Settings(hub_name=hub_name, connection_name="Storage")
        async with DurableOrchestrationClient.from_settings(settings, {"Storage": azurite}) as other:
            assert (await other.get_status(instance_id, show_input=True)).input_ == 5
            await other.raise_event(instance_id, "Go")
        await client.hub.store.delete_hub()


@pytest.mark.azurite
async def test_a_hub_that_does_not_fit_is_refused(azurite: str, hub_name: str):
    async with DurableOrchestrationClient.from_connection_string(azurite, hub_name) as client:
        with pytest.raises(HubFormatError):
            async with DurableOrchestrationClient.from_connection_string(azurite, hub_name, instance_queue_count=2):
                pass
        await client.hub.store.delete_hub()


async def test_a_connection_string_that_cannot_be_used_is_refused():
    with pytest.raises(SettingsError):
        async with DurableOrchestrationClient.from_connection_string("nonsense", "MyHub"):
            pass


async def test_a_missing_connection_is_named():
    with pytest.raises(SettingsError, match="AzureWebJobsStorage"):
        async with DurableOrchestrationClient.from_settings(Settings(), {}):
            pass


async def test_a_credential_is_sent_over_https_only():
    credential: Any = object()
    uris = ("http://account.table.core.windows.net", "http://account.queue.core.windows.net")
    with pytest.raises(SettingsError, match="https"):
        async with DurableOrchestrationClient.from_credential(*uris, credential, "MyHub"):
            pass
