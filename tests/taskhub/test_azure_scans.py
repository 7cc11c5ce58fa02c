"""What starts, runs and is purged reads one partition at a time, however large the table; what lists scans it."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import InstanceQuery, Kind
from azure_durable_py.times import UTC
from azure_durable_py.worker.lifeless import ring_lifeless
from azure_durable_py.worker.worker import Worker
from tests.azurite import ACCOUNT, KEY, Azurite
from tests.chaos.proxy import Proxy, Sky

pytestmark = pytest.mark.azurite

app = df.DFApp()
COUNTER = df.EntityId("counter", "one")
_POINT = re.compile(r"\(PartitionKey='[^']+',\s*RowKey='[^']+'\)")


@app.activity_trigger(input_name="text")
async def echo(text: str) -> str:
    return text


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity(echo, "x" * 100_000)


@app.orchestration_trigger(context_name="context")
async def everything(context: df.DurableOrchestrationContext) -> None:
    await context.task_all([context.call_activity(echo, f"{number}") for number in range(10)])
    await context.call_sub_orchestrator(child)
    await context.call_entity(COUNTER, "add")
    await context.create_timer(timedelta(seconds=1))
    await context.wait_for_external_event("go")


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + 1)


class Listening(Proxy):
    """Notes what the table is read for."""

    def __init__(self, target: int) -> None:
        super().__init__(target, Sky(random.Random(1)))
        self.reads: list[str] = []

    async def _pass_on(self, request: bytes, writer: Any, storage: Any) -> bool:
        if request.startswith(b"GET "):
            self.reads.append(unquote(request.split(b" ", 2)[1].decode()).replace("+", " "))
        return await super()._pass_on(request, writer, storage)

    def take_scans(self) -> list[str]:
        """The reads since the last time that are not of one partition."""
        reads, self.reads = self.reads, []
        return [read for read in reads if not _POINT.search(read) and "PartitionKey eq '" not in read]


@asynccontextmanager
async def listened_to(azurite: Azurite, hub_name: str) -> AsyncIterator[tuple[TaskHub, Listening]]:
    port = urlsplit(azurite.table_uri).port
    assert port is not None
    proxy = Listening(port)
    uri = f"http://127.0.0.1:{await proxy.open()}/{ACCOUNT}"
    text = f"AccountName={ACCOUNT};AccountKey={KEY};TableEndpoint={uri};QueueEndpoint={azurite.queue_uri};"
    hub = TaskHub(AzureStore(StorageConnection.from_connection_string(text), hub_name=hub_name))
    await hub.open()
    try:
        yield hub, proxy
    finally:
        await hub.store.delete_hub()
        await hub.close()
        await proxy.close()


async def test_what_starts_runs_and_ends_reads_one_partition_at_a_time(azurite_process: Azurite, hub_name: str):
    async with listened_to(azurite_process, hub_name) as (hub, proxy):
        settings = Settings(hub_name=hub_name, max_concurrent_activities=4, max_queue_polling_interval=0.2)
        client = DurableOrchestrationClient(hub, settings)
        worker = Worker(hub, app.registry, settings, repair=False)
        await worker.start()
        try:
            instance_id = await client.start_new("everything")
            await client.signal_entity(COUNTER, "add")
            await client.raise_event(instance_id, "go")
            await client.wait_for_completion(instance_id, raise_if_failed=True)
            await client.get_status(instance_id, show_history=True)
            await client.read_entity_state(COUNTER)
            await client.restart(instance_id)
            await client.terminate(instance_id, "enough")
            await client.wait_for_completion(instance_id)
            await client.purge_instance_history(instance_id, recursive=True)
        finally:
            await worker.stop()
        assert len(proxy.reads) > 10
        assert proxy.take_scans() == []


async def test_a_scan_for_life_goes_through_the_table_three_times_and_through_the_entities_once(
    azurite_process: Azurite, hub_name: str
):
    async with listened_to(azurite_process, hub_name) as (hub, proxy):
        proxy.take_scans()
        await ring_lifeless(hub)
        scans = proxy.take_scans()
        assert len([scan for scan in scans if "PartitionKey ge '@'" in scan]) == 1
        assert len(scans) == 4


async def test_a_prefix_of_ids_and_entities_are_ranges_of_partitions(azurite_process: Azurite, hub_name: str):
    async with listened_to(azurite_process, hub_name) as (hub, proxy):
        for query in (
            InstanceQuery(instance_id_prefix="order-2026"),
            InstanceQuery(kind=Kind.entity),
            InstanceQuery(kind=Kind.entity, instance_id_prefix="@counter@"),
        ):
            proxy.take_scans()
            await hub.store.query(query)
            [scan] = proxy.take_scans()
            assert "PartitionKey ge '" in scan
            assert "PartitionKey lt '" in scan


async def test_a_listing_by_time_goes_through_the_whole_table(azurite_process: Azurite, hub_name: str):
    async with listened_to(azurite_process, hub_name) as (hub, proxy):
        proxy.take_scans()
        await hub.store.query(InstanceQuery(created_from=datetime(2026, 1, 1, tzinfo=UTC)))
        [scan] = proxy.take_scans()
        assert "PartitionKey" not in scan.partition("$filter=")[2].partition("&")[0]
