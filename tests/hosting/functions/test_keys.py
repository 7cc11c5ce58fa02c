"""Links that functions of a Functions host hand out are signed with the keys of today, however long the app idled."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import azure.functions as func
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.hosting.functions import host as functions_host
from azure_durable_py.hosting.functions.host import FunctionsHost
from azure_durable_py.taskhub import keys

STORAGE = {"hubName": "KeyHub", "storageProvider": {"connectionName": "sqlite:hub.db"}}
ORIGIN = {"WEBSITE_HOSTNAME": "shop.example"}


async def kid_of_links(host: FunctionsHost, *, sync: bool) -> str:
    """Which key signs what a function hands out that was just called, in a thread if it is sync."""
    engine = await (asyncio.to_thread(host.engine_from_thread) if sync else host.engine())
    url = engine.client.create_http_management_payload("one")["statusQueryGetUri"]
    assert url.startswith("https://shop.example/")
    return url.partition("kid=")[2].partition("&")[0]


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_links_are_signed_with_the_keys_of_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sync: bool
) -> None:
    for module in (keys, functions_host):
        monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    app = DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    host = FunctionsHost(app, tmp_path, {"extensions": {"durableTask": STORAGE}}, ORIGIN)
    try:
        assert await kid_of_links(host, sync=False) == "hub"
        async with DurableOrchestrationClient.from_sqlite(tmp_path / "hub.db", "KeyHub") as operator:
            name = await operator.keys.rotate("signing", overlap=timedelta(days=7))
        assert f"signing/{await kid_of_links(host, sync=sync)}" == name
    finally:
        await (await host.engine()).stop(1.0)
