"""A management API on a hub in memory, and a caller that speaks to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.urls import SignedUrls
from azure_durable_py.http.wire import Request
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import KeyName
from tests.client.playing import Playing, Wall, make_hub

BASE = "http://localhost:7071/runtime/webhooks/durabletask"


@dataclass
class Caller:
    """Calls the API as a host would hand requests in."""

    api: ManagementApi
    signer: UrlSigner
    client: DurableOrchestrationClient

    @property
    def system_key(self) -> str:
        return self.key("system/durabletask_extension")

    def key(self, name: str) -> str:
        return self.client.hub.keys.known.key(KeyName.parse(name)).value

    async def __call__(
        self,
        method: str,
        url: str,
        body: bytes | Any = b"",
        *,
        headers: dict[str, str] | None = None,
        trusted: bool = True,
    ) -> HttpAnswer:
        parts = urlsplit(url.removeprefix(BASE))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(method, parts.path, BASE, query, headers or {}, content)
        return await self.api.handle(request, trusted=trusted)


def content(response: HttpAnswer) -> Any:
    """The JSON body of a response."""
    return json.loads(response.body)


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
async def call(hub: TaskHub, settings: Settings, wall: Wall) -> Caller:
    await hub.keys.current()
    registry = Registry()
    registry.orchestrators.add(OrchestratorDefinition("Hello", lambda context: None))
    signer = UrlSigner(lambda: hub.keys.known, settings.hub_name, now=wall.now, lifetime=settings.url_lifetime)
    urls = SignedUrls(signer, path="/runtime/webhooks/durabletask", origin=lambda: "http://localhost:7071")
    client = DurableOrchestrationClient(hub, settings, registry=registry, urls=urls)
    return Caller(ManagementApi(client, signer), signer, client)


@pytest.fixture
def worker(hub: TaskHub) -> Playing:
    return Playing(hub)
