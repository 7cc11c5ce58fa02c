"""`azure-durable show` on the hub of an app."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from azure_durable_py.cli.commands import cli
from azure_durable_py.client.connect import open_hub
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import EventRaised, TaskScheduled
from azure_durable_py.taskhub.hub import StartRequest, TaskHub, new_header
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.protocol import Commit, InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.tail import Tail

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


async def put(app_dir: Path, body: bytes | None = None, rows: list[InboxRow] | None = None) -> None:
    """An instance that scheduled a task, and what was sent to it."""
    async with open_hub(app_dir, "sqlite", os.environ) as hub:
        header, _, _ = new_header(
            StartRequest("order-17", "e1", "Order", AT, '{"item":"tea"}', tags={"shop": "north"}), "t1"
        )
        state = InstanceState.decode(header.body)
        state.tail = Tail([encode_event(TaskScheduled(AT, 0, "charge", "17.5"))])
        header = replace(header, body=state.encode() if body is None else body)
        await hub.store.commit(Commit("order-17", header, None))
        await hub.store.insert_inbox("order-17", rows or [])


def shown(app_dir: Path, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["show", "order-17", "--raw", str(app_dir), *arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_an_instance_is_shown_with_its_columns_header_history_and_inbox(tmp_path: Path) -> None:
    event = InboxEvent(EventRaised(AT, "approved", "true"), "client:1", 3, AT)
    asyncio.run(put(tmp_path, rows=[event.row()]))
    found = shown(tmp_path)
    assert found["columns"]["name"] == "Order"
    assert found["columns"]["created_time"] == "2026-01-01T00:00:00.000000Z"
    assert found["header"]["executionId"] == "e1"
    assert found["history"] == [
        {
            "type": "TaskScheduled",
            "timestamp": "2026-01-01T00:00:00.000000Z",
            "id": 0,
            "name": "charge",
            "input": "17.5",
        }
    ]
    [row] = found["inbox"]
    assert (row["key"], row["sender"], row["sequence"]) == (event.key, "client:1", 3)
    assert row["event"]["name"] == "approved"


def test_what_cannot_be_read_is_shown_with_the_reason(tmp_path: Path) -> None:
    asyncio.run(put(tmp_path, body=b"junk", rows=[InboxRow("1-x", b"{}")]))
    found = shown(tmp_path)
    assert found["header"].startswith("cannot be read: ")
    assert found["history"].startswith("cannot be read: ")
    assert found["inbox"][0]["event"].startswith("cannot be read: ")


def test_showing_changes_nothing(tmp_path: Path) -> None:
    asyncio.run(put(tmp_path))
    before = shown(tmp_path)

    async def etag() -> str:
        async with open_hub(tmp_path, "sqlite", os.environ) as hub:
            return await _etag(hub)

    first = asyncio.run(etag())
    assert shown(tmp_path) == before
    assert asyncio.run(etag()) == first


async def _etag(hub: TaskHub) -> str:
    header = await hub.store.load_header("order-17")
    assert header is not None
    return header.etag


def test_an_instance_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    asyncio.run(put(tmp_path))
    result = CliRunner().invoke(cli, ["show", "order-18", str(tmp_path)])
    assert result.exit_code == 3
    assert result.output == f"Error: There is no instance 'order-18' in the task hub of {tmp_path}.\n"


def test_looking_makes_no_hub(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["show", "order-17", str(tmp_path)])
    assert result.exit_code == 3
    assert f"There is no task hub TestHubName in {tmp_path}" in result.output
    assert list(tmp_path.iterdir()) == []
