"""Families: parents up to the root, and sub-orchestrations down to the last."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.inspection.family import Family, Relative, read_family
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.testing import VirtualHub, play
from tests.taskhub.spoiling import spoil_body, spoil_columns

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def tree(context: df.DurableOrchestrationContext) -> None:
    """Has as many children as each level of its input says."""
    widths = context.get_input()
    if widths:
        tasks = [
            context.call_sub_orchestrator("tree", widths[1:], f"{context.instance_id}.{number}")
            for number in range(widths[0])
        ]
        await context.task_all(tasks)
    else:
        await context.wait_for_external_event("Go")


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


async def look(hub: VirtualHub, instance_id: str, **options: Any) -> Family:
    found = await read_family(hub.task_hub, instance_id, **options)
    assert found is not None
    return found


def told(relative: Relative) -> Any:
    name = (
        relative.instance_id
        if relative.runtime_status == "Running"
        else (f"{relative.instance_id} {relative.runtime_status}")
    )
    return [name, *map(told, relative.children)] if relative.children else name


async def grow(hub: VirtualHub, *widths: int) -> None:
    await hub.client.start_new("tree", "r", list(widths))
    await asyncio.sleep(5)


def test_everybody_above_and_below_is_found():
    async def scene(hub: VirtualHub) -> None:
        await grow(hub, 2, 1, 2)
        found = await look(hub, "r")
        assert told(found.me) == [
            "r",
            ["r.0", ["r.0.0", "r.0.0.0", "r.0.0.1"]],
            ["r.1", ["r.1.0", "r.1.0.0", "r.1.0.1"]],
        ]
        assert (found.ancestors, found.left_out) == ((), 0)
        assert {found.me.name} == {"tree"}
        low = await look(hub, "r.1.0")
        assert [each.instance_id for each in low.ancestors] == ["r", "r.1"]
        assert told(low.me) == ["r.1.0", "r.1.0.0", "r.1.0.1"]

    play(app, scene)


def test_a_limit_leaves_out_the_farthest():
    async def scene(hub: VirtualHub) -> None:
        await grow(hub, 3, 2)
        found = await look(hub, "r", limit=4)
        assert told(found.me) == ["r", ["r.0", "r.0.0"], "r.1", "r.2"]
        assert found.left_out == 5

    play(app, scene)


def test_who_is_not_there_or_damaged_is_named():
    async def scene(hub: VirtualHub) -> None:
        await grow(hub, 3, 1)
        await spoil_columns(hub.store, "r.0", runtime_status="Weird")
        await spoil_body(hub.store, "r.1", b"garbage")
        third = await hub.store.load_header("r.2")
        assert third is not None
        await hub.store.commit(Commit("r.2", None, third.etag))
        found = await look(hub, "r")
        assert told(found.me) == ["r", "r.0 Damaged", "r.1", "r.2 None"]
        orphan = await look(hub, "r.2.0")
        assert [(each.instance_id, each.name, each.runtime_status) for each in orphan.ancestors] == [
            ("r.2", "tree", None)
        ]

    play(app, scene)


def test_none_is_none():
    async def scene(hub: VirtualHub) -> None:
        assert await read_family(hub.task_hub, "nobody") is None

    play(app, scene)
