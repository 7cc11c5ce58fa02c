"""What every test may ask for: an Azurite, and a task hub store of either kind."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.wrapping import Checked
from tests.azurite import Azurite, clear, find
from tests.offline import forget_providers

# The sample and pages of the documentation ask a real model where there is a key for it.
forget_providers()


@pytest.fixture(scope="session")
def azurite_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """One Azurite for the whole run."""
    command = find()
    if command is None:
        pytest.skip("Azurite is not installed: run `npm install`, or set AZURITE to its command")
    process = Azurite(command, tmp_path_factory.mktemp("azurite"))
    yield process
    process.stop()


@pytest.fixture
def azurite(azurite_process: Azurite) -> str:
    """A connection string for the run's Azurite. Use a hub name of your own (`hub_name`)."""
    return azurite_process.connection_string


@pytest.fixture
def hub_name() -> str:
    """A hub name that no other test has."""
    return f"Hub{uuid.uuid4().hex[:16]}"


class StoreFactory(Protocol):
    """Makes stores on the test's hub, checked and opened; they are closed and the hub deleted afterwards."""

    async def __call__(self, *, opened: bool = True, **options: Any) -> TaskHubStore: ...


@pytest.fixture(params=["sqlite", pytest.param("azurite", marks=pytest.mark.azurite)])
def store_kind(request: pytest.FixtureRequest) -> str:
    """Which store to test."""
    return request.param


@pytest.fixture
async def store_factory(
    store_kind: str, hub_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[StoreFactory]:
    """Makes stores of the parameter's kind, all in one place and by default on one hub."""
    made: list[TaskHubStore] = []
    connection = request.getfixturevalue("azurite") if store_kind == "azurite" else None

    async def make(*, opened: bool = True, **options: Any) -> TaskHubStore:
        options.setdefault("hub_name", hub_name)
        inner: TaskHubStore
        match store_kind:
            case "sqlite":
                inner = SqliteStore(str(tmp_path / "hub.db"), **options)
            case "azurite":
                assert connection is not None
                inner = AzureStore(StorageConnection.from_connection_string(connection), **options)
            case _:
                raise ValueError(f"nobody says how to make a store of kind {store_kind!r}")
        store = Checked(inner)
        made.append(store)
        if opened:
            await store.open()
        return store

    yield make
    for store in made:
        await store.close()
    if made:
        await clear(made[0])


@pytest.fixture
async def store(store_factory: StoreFactory) -> TaskHubStore:
    """An open store, once for each kind."""
    return await store_factory()
