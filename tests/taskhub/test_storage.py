"""What `--storage` accepts, and what is used when nothing is asked for."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.finding import own_hub
from azure_durable_py.taskhub.storage import default_storage, open_store

SETTINGS = Settings(hub_name="MyHub")
DEVELOPMENT = "UseDevelopmentStorage=true"


def test_sqlite_is_a_file_of_the_hub_below_the_app(tmp_path: Path) -> None:
    store = open_store("sqlite", SETTINGS, {}, tmp_path)
    assert str(tmp_path / ".azure-durable" / "MyHub.db") in store.description
    assert (tmp_path / ".azure-durable" / ".gitignore").read_text() == "*\n"


def test_sqlite_may_name_a_file(tmp_path: Path) -> None:
    assert str(tmp_path / "hub.db") in open_store("sqlite:hub.db", SETTINGS, {}, tmp_path).description
    absolute = tmp_path / "other.db"
    assert str(absolute) in open_store(f"sqlite:{absolute}", SETTINGS, {}, Path("/")).description


def test_memory_leaves_no_file(tmp_path: Path) -> None:
    assert "memory" in open_store("memory", SETTINGS, {}, tmp_path).description
    assert list(tmp_path.iterdir()) == []


def test_azurite_and_connections_are_azure_storage(tmp_path: Path) -> None:
    assert "127.0.0.1:10002" in open_store("azurite", SETTINGS, {}, tmp_path).description
    key = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"
    description = open_store("MyStorage", SETTINGS, {"MyStorage": key}, tmp_path).description
    assert "acc.table.core.windows.net" in description
    assert "c2VjcmV0" not in description
    identity = {"Id__accountName": "acc", "Id__credential": "managedidentity"}
    assert "acc.table.core.windows.net" in open_store("Id", SETTINGS, identity, tmp_path).description


@pytest.mark.parametrize("spec", ["", "sqlite:", "SomeSetting", "memory:x", "postgres"])
def test_anything_else_is_refused_with_what_is_accepted(spec: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Accepted: sqlite, sqlite:PATH, memory, azurite, or the name"):
        open_store(spec, SETTINGS, {"Other": "x"}, tmp_path)


def test_a_missing_directory_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist; create it first"):
        open_store("sqlite:no/such/hub.db", SETTINGS, {}, tmp_path)


def test_a_connection_that_cannot_be_used_is_refused_without_repeating_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        open_store("MyStorage", SETTINGS, {"MyStorage": "AccountName=acc;Key=c2VjcmV0"}, tmp_path)
    assert "MyStorage" in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


@pytest.mark.parametrize(
    ("app_settings", "expected"),
    [
        ({}, "sqlite"),
        ({"AzureWebJobsStorage": ""}, "sqlite"),
        ({"AzureWebJobsStorage": DEVELOPMENT}, "AzureWebJobsStorage"),
        ({"AzureWebJobsStorage__accountName": "acc"}, "AzureWebJobsStorage"),
        ({"ConnectionStrings__AzureWebJobsStorage": DEVELOPMENT}, "AzureWebJobsStorage"),
    ],
)
def test_the_default_is_the_apps_storage_if_it_is_set(app_settings: dict[str, str], expected: str) -> None:
    assert default_storage(SETTINGS, app_settings) == expected


def test_a_connection_named_in_host_json_is_never_replaced_by_sqlite(tmp_path: Path) -> None:
    settings = Settings(connection_name="Other")
    assert default_storage(settings, {}) == "Other"
    with pytest.raises(SettingsError, match=r"host.json asks for the connection 'Other'"):
        open_store("Other", settings, {}, tmp_path)


def test_a_connection_string_that_is_given_in_place_of_its_name_is_not_shown(tmp_path: Path) -> None:
    given = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=c2VjcmV0"
    for look in (lambda: open_store(given, SETTINGS, {}, tmp_path), lambda: asyncio.run(_own(given, tmp_path))):
        with pytest.raises(SettingsError, match="There is no storage") as raised:
            look()
        assert "c2VjcmV0" not in str(raised.value)


async def _own(given: str, directory: Path) -> None:
    await own_hub(given, SETTINGS, {}, directory)
