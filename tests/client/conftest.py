"""A hub in memory, a client on it, and somebody who plays the worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from tests.client.playing import Playing, Wall, make_hub


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
async def hub(wall: Wall) -> AsyncIterator[TaskHub]:
    hub = make_hub(wall)
    await hub.open()
    yield hub
    await hub.close()


@pytest.fixture
def settings() -> Settings:
    return Settings(hub_name="ClientHub")


@pytest.fixture
def client(hub: TaskHub, settings: Settings) -> DurableOrchestrationClient:
    return DurableOrchestrationClient(hub, settings)


@pytest.fixture
def worker(hub: TaskHub) -> Playing:
    return Playing(hub)
