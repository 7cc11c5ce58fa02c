"""Clients outside a function app: they open a hub, and close it again."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.connect import open_hub
from azure_durable_py.errors import HubFormatError, SettingsError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.azure import StorageConnection


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


# --- SQLite ------------------------------------------------------------------------------------------


async def test_clients_of_one_sqlite_file_see_the_same_instances(tmp_path: Path):
    path = tmp_path / "hub.db"
    async with DurableOrchestrationClient.from_sqlite(path, "MyHub") as one:
        await one.start_new("Hello", "one", 5)
        async with DurableOrchestrationClient.from_sqlite(str(path), "MyHub") as other:
            assert (await other.get_status("one", show_input=True)).input_ == 5
            assert other.task_hub_name == "MyHub"


async def test_a_file_whose_directory_is_missing_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"nowhere.* does not exist"):
        async with DurableOrchestrationClient.from_sqlite(tmp_path / "nowhere" / "hub.db", "MyHub"):
            pass


def test_nothing_is_opened_before_the_context_is_entered(tmp_path: Path):
    DurableOrchestrationClient.from_sqlite(tmp_path / "hub.db", "MyHub")
    assert list(tmp_path.iterdir()) == []


# --- the settings of an app --------------------------------------------------------------------------


@pytest.fixture
def app_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    host_json = {"version": "2.0", "extensions": {"durableTask": {"hubName": "%HUB%", "defaultVersion": "1.5"}}}
    (tmp_path / "host.json").write_text(json.dumps(host_json), encoding="utf-8")
    values = {"IsEncrypted": False, "Values": {"HUB": "FromFile"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values), encoding="utf-8")
    return tmp_path


async def test_the_hub_of_an_app_is_found_as_the_local_host_finds_it(app_dir: Path):
    async with DurableOrchestrationClient.from_app_settings(app_dir) as client:
        assert client.task_hub_name == "FromFile"
        assert str(app_dir / ".azure-durable" / "FromFile.db") in client.hub.store.description
        await client.start_new("Hello", "one")
        assert (await client.get_status("one")).version == "1.5"
    async with open_hub(app_dir, None, {}) as hub:
        assert await hub.store.load_header("one")


async def test_the_environment_wins_over_the_files_of_an_app(app_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HUB", "FromEnvironment")
    monkeypatch.chdir(app_dir)
    async with DurableOrchestrationClient.from_app_settings(storage="sqlite:other.db") as client:
        assert client.task_hub_name == "FromEnvironment"
        assert "other.db" in client.hub.store.description
    assert (app_dir / "other.db").exists()


async def test_settings_that_were_read_before_may_be_of_any_storage(app_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(app_dir)
    settings = Settings(hub_name="MyHub")
    async with DurableOrchestrationClient.from_settings(settings, {}, storage="sqlite:hub.db") as client:
        assert await client.start_new("Hello")
    assert (app_dir / "hub.db").exists()


async def test_storage_of_one_process_is_refused(app_dir: Path):
    with pytest.raises(SettingsError, match="memory"):
        async with DurableOrchestrationClient.from_app_settings(app_dir, storage="memory"):
            pass


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"no directory .*nowhere"):
        async with DurableOrchestrationClient.from_app_settings(tmp_path / "nowhere"):
            pass


# --- what cannot be used -----------------------------------------------------------------------------


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


class SyncCredential:
    """As `azure.identity` has them: it blocks, so it must not be asked on the event loop."""

    def __init__(self) -> None:
        self.asked_in: list[str] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked_in.append(threading.current_thread().name)
        return AccessToken(" ".join(scopes), 1)


async def test_a_credential_that_waits_is_asked_in_a_thread():
    uris = {"table_uri": "https://a.table.core.windows.net", "queue_uri": "https://a.queue.core.windows.net"}
    waiting = SyncCredential()
    async with StorageConnection.from_credential(waiting, **uris).credential() as used:
        assert (await used.get_token("scope")).token == "scope"
        await used.close()
    assert waiting.asked_in != [threading.current_thread().name]


async def test_a_credential_that_does_not_wait_is_used_as_it_is():
    class AsyncCredential:
        async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            return AccessToken("", 1)

    given: Any = AsyncCredential()
    uris = {"table_uri": "https://a.table.core.windows.net", "queue_uri": "https://a.queue.core.windows.net"}
    assert StorageConnection.from_credential(given, **uris).credential() is given
