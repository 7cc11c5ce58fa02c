"""The sample app as `azure-durable start` serves it, on both kinds of task hub."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from tests.azurite import Azurite, clear
from tests.e2e.host import Host, copy_sample

KINDS = ["sqlite", pytest.param("azurite", marks=pytest.mark.azurite)]


@dataclass
class Place:
    """Where hosts of one hub run: the app's folder, its storage, its settings."""

    app_dir: Path
    storage: str
    environ: dict[str, str]

    def host(self) -> Host:
        """A host there, not started."""
        return Host(self.app_dir, self.storage, self.environ)


def _place(request: pytest.FixtureRequest, directory: Path) -> Iterator[Place]:
    hub_name = f"E2e{uuid.uuid4().hex[:12]}"
    app_dir = copy_sample(directory, hub_name)
    if request.param == "sqlite":
        yield Place(app_dir, f"sqlite:{directory / 'hub.db'}", {})
        return
    azurite: Azurite = request.getfixturevalue("azurite_process")
    yield Place(app_dir, "AzureWebJobsStorage", {"AzureWebJobsStorage": azurite.connection_string})
    asyncio.run(_delete_hub(azurite.connection_string, hub_name))


async def _delete_hub(connection_string: str, hub_name: str) -> None:
    store = AzureStore(StorageConnection.from_connection_string(connection_string), hub_name=hub_name)
    await clear(store)


@pytest.fixture(scope="module", params=KINDS)
def shared_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place for all tests of a module."""
    yield from _place(request, tmp_path_factory.mktemp("app"))


@pytest.fixture(scope="module")
def host(shared_place: Place) -> Iterator[Host]:
    """One running host for all tests of a module."""
    host = shared_place.host()
    host.start()
    yield host
    host.kill()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A place for one test."""
    yield from _place(request, tmp_path)


@pytest.fixture
def hosts(place: Place) -> Iterator[list[Host]]:
    """Two hosts on one hub, not started; they are gone after the test."""
    made = [place.host(), place.host()]
    yield made
    for host in made:
        host.kill()
