"""The store of simulated runs keeps to the contract of every store."""

from __future__ import annotations

from typing import Any

import pytest

from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.wrapping import Checked
from azure_durable_py.testing.virtual.memory import MemoryStore, Place
from tests.conftest import StoreFactory
from tests.taskhub.test_store_contract import *  # noqa: F403


@pytest.fixture
def store_factory(hub_name: str) -> StoreFactory:
    """Makes stores in one place and by default on one hub."""
    place = Place()

    async def make(*, opened: bool = True, **options: Any) -> TaskHubStore:
        store = Checked(MemoryStore(**{"hub_name": hub_name, "place": place, **options}))
        if opened:
            await store.open()
        return store

    return make
