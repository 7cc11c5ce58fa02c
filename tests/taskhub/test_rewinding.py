"""Rewinding on every store: a family that failed, with values that leave the header."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.worker.worker import Worker
from tests.conftest import StoreFactory

LARGE = "x" * 40_000
FAMILY = ("one", "holds", "breaks")
ran: Counter[str] = Counter()


async def work(name: str) -> str:
    ran[name] += 1
    if name == "breaks" and ran[name] == 1:
        raise ValueError(LARGE)
    return name + LARGE


def parent(context: Any) -> Any:
    children = [context.call_sub_orchestrator("child", name, name) for name in ("holds", "breaks")]
    return (yield context.task_all(children))


def child(context: Any) -> Any:
    yield context.call_activity("work", "first of " + context.get_input())
    return (yield context.call_activity("work", context.get_input()))


async def _has_outbox(hub: TaskHub, instance_id: str) -> bool:
    header = await hub.store.load_header(instance_id)
    assert header is not None
    return header.columns.has_outbox


async def test_a_family_is_rewound_and_purged(store_factory: StoreFactory):
    ran.clear()
    registry = Registry()
    registry.activities.add(ActivityDefinition("work", work, "name"))
    for function in (parent, child):
        registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
    hub = TaskHub(await store_factory())
    await hub.open()
    settings = Settings(max_queue_polling_interval=0.1)
    worker = Worker(hub, registry, settings)
    client = DurableOrchestrationClient(hub, settings)
    await worker.start()
    try:
        await client.start_new("parent", "one", LARGE)
        assert (await client.wait_for_completion("one", 60)).runtime_status is Status.Failed
        await client.wait_for_completion("holds", 60)
        await client.rewind("one", "mended")
        status = await client.wait_for_completion("one", 60)
        assert (status.output, status.attempt, status.input_) == (["holds" + LARGE, "breaks" + LARGE], 1, LARGE)
        assert ran == {"first of holds": 1, "first of breaks": 1, "holds": 1, "breaks": 2}
        assert [entry["EventType"] for entry in (await client.get_status("one", True)).history or ()].count(
            "ExecutionRewound"
        ) == 1
        while any([await _has_outbox(hub, name) for name in FAMILY]):
            await asyncio.sleep(0.05)
    finally:
        await worker.stop(10.0)
    assert (await client.purge_instance_history("one", recursive=True)).instances_deleted == 3
    for name in FAMILY:
        assert not await hub.store.blob_keys(name)
