"""`azure-durable repair` on the hub of an app."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from click.testing import CliRunner

from azure_durable_py.cli.commands import cli
from azure_durable_py.client.connect import open_hub
from azure_durable_py.taskhub.hub import StartRequest, new_header
from azure_durable_py.taskhub.protocol import Commit


async def insert_without_ring(app_dir: Path, instance_id: str, age: timedelta) -> None:
    """What a client leaves behind that died between insert and ring."""
    async with open_hub(app_dir, "sqlite", os.environ) as hub:
        created = datetime.now(timezone.utc) - age
        header, _, _ = new_header(StartRequest(instance_id, hub.ids.new(), "hello", created), "turn")
        await hub.store.commit(Commit(instance_id, header, None))


async def doorbells(app_dir: Path) -> list[str]:
    async with open_hub(app_dir, "sqlite", os.environ) as hub:
        return [m.body for m in await hub.store.receive_messages(hub.store.instance_queues[0], 32, 30)]


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


def test_an_instance_that_was_never_rung_is_rung(tmp_path: Path) -> None:
    asyncio.run(insert_without_ring(tmp_path, "forgotten", timedelta(hours=1)))
    asyncio.run(insert_without_ring(tmp_path, "fresh", timedelta(seconds=1)))
    result = CliRunner().invoke(cli, ["repair", str(tmp_path)])
    assert (result.exit_code, result.output) == (0, "Rang 1 instance.\n")
    [body] = asyncio.run(doorbells(tmp_path))
    assert '"forgotten"' in body


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["repair", str(tmp_path / "typo")])
    assert result.exit_code == 1
    assert f"There is no directory {tmp_path / 'typo'}" in result.output
    assert not (tmp_path / "typo").exists()


def test_storage_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["repair", str(tmp_path), "--storage", "Nowhere"])
    assert result.exit_code == 1
    assert "There is no storage 'Nowhere'" in result.output
