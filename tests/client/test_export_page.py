"""The code of `docs/export.md` runs, and the page names what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.cli.export import export
from azure_durable_py.cli.show import show
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.history.codec import event_from_json, event_to_json
from tests.client.playing import Playing
from tests.showing import blocks

PAGE = (Path(__file__).parent.parent.parent / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture
def shown() -> dict[str, Any]:
    """The functions of the page."""
    names: dict[str, Any] = {}
    for block in blocks(PAGE, "python"):
        exec(block, names)
    return names


async def test_the_code_of_the_page_writes_and_reads_an_archive(
    shown: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    monkeypatch.chdir(tmp_path)
    async with DurableOrchestrationClient.from_app_settings(".") as client:
        for instance_id, output in (("one", '"Hello"'), ("two", "[1]")):
            await client.start_new("Hello", instance_id)
            await Playing(client.hub).set_status(instance_id, "Completed", output=output)
    assert await shown["archive"]("archive.jsonl") == 2
    assert shown["outputs"]("archive.jsonl") == {"one": "Hello", "two": [1]}


def test_the_event_that_is_shown_is_one() -> None:
    [text] = blocks(PAGE, "json")
    event = json.loads(text)
    assert event_to_json(event_from_json(event)) == event


def test_the_options_of_the_page_are_those_that_the_command_has_of_its_own() -> None:
    shown = set(re.findall(r"`(--[a-z-]+)`", PAGE))
    of_any_command = {option for parameter in show.params for option in parameter.opts} - {"--storage"}
    there = {option for parameter in export.params for option in parameter.opts if option.startswith("--")}
    assert shown == there - of_any_command
