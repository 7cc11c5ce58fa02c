"""Approvals as they are shown: by an inspection, on the command line, and by the host that the monitor page asks."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import azure_durable_py as df
from azure_durable_py.agents import request_approval
from azure_durable_py.cli.commands import cli
from azure_durable_py.cli.shapes import as_json
from azure_durable_py.cli.views import from_json
from azure_durable_py.client.connect import open_hub
from azure_durable_py.inspection.instance import Inspection, inspect_instance
from azure_durable_py.inspection.json_form import as_json as record_as_json
from azure_durable_py.pending_approvals import APPROVALS, PendingApproval
from azure_durable_py.taskhub.hub import StartRequest, new_header
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.testing import VirtualHub, play

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
ASKED = PendingApproval(
    "r7", "refund", '{"order":7,"big":12345678901234567890}', "approval:r7", AT, AT + timedelta(days=3)
)
app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def agent(context: df.DurableOrchestrationContext) -> Any:
    del context
    return await request_approval("refund", {"order": 7}, approval_id="r7", timeout=timedelta(days=3))


def looking(scene: Callable[[VirtualHub], Coroutine[Any, Any, None]]) -> None:
    async def begun(hub: VirtualHub) -> None:
        await hub.client.start_new("agent", "x")
        await asyncio.sleep(60)
        await scene(hub)

    play(app, begun)


async def look(hub: VirtualHub) -> Inspection:
    found = await inspect_instance(hub.task_hub, "x")
    assert found is not None
    return found


def test_an_inspection_tells_what_a_person_has_to_decide_on():
    async def scene(hub: VirtualHub) -> None:
        found = await look(hub)
        (approval,) = found.approvals
        assert (approval.tool, approval.arguments, approval.event) == ("refund", '{"order":7}', "approval:r7")
        (finding,) = [finding for finding in found.findings if "person" in finding.text]
        assert finding.level == "info"
        assert finding.text.startswith("A person has to decide on a call of tool 'refund', since 2026-01-01T00:00:0")
        assert finding.text.endswith(" At 2026-01-04T00:00:00Z it counts as denied.")
        assert "raise event 'approval:r7'" in (finding.mend or "")

    looking(scene)


def test_one_that_was_answered_is_told_no_more():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.raise_event("x", "approval:r7", {"approved": True})
        await hub.client.wait_for_completion("x")
        found = await look(hub)
        assert (found.approvals, found.custom_status) == ((), None)

    looking(scene)


def test_a_host_tells_arguments_as_their_text_and_the_command_line_reads_them_back():
    async def scene(hub: VirtualHub) -> None:
        found = await look(hub)
        told = json.loads(json.dumps(record_as_json(found)))
        assert told["approvals"][0]["arguments"] == '{"order":7}'
        assert from_json(Inspection, told).approvals == found.approvals
        assert as_json(found)["approvals"][0]["arguments"] == {"order": 7}

    looking(scene)


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub with an instance that waits for a person."""
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)

    async def put() -> None:
        async with open_hub(tmp_path, "sqlite", os.environ) as hub:
            header, _, _ = new_header(StartRequest("agent 7", "e1", "agent", AT), "t1")
            status = json.dumps({"step": 2, APPROVALS: [ASKED.to_json()]})
            columns = replace(header.columns, custom_status=status, runtime_status="Running")
            await hub.store.commit(Commit("agent 7", replace(header, columns=columns), None))

    asyncio.run(put())
    return tmp_path


def test_show_names_the_tool_and_the_commands_that_answer(asking: Path):
    result = CliRunner().invoke(cli, ["show", "agent 7", str(asking)])
    assert result.exit_code == 0, result.output
    lines = dict(line.split("\t", 1) for line in result.output.splitlines() if "\t" in line)
    assert (lines["Tool"], lines["Arguments"]) == ("refund", ASKED.arguments)
    for name, answer in (("Approve", {"approved": True}), ("Deny", {"approved": False, "reason": "..."})):
        command = shlex.split(lines[name])
        assert command[:4] == ["azure-durable", "raise-event", "agent 7", "approval:r7"]
        assert json.loads(command[-1]) == answer


def test_the_command_that_is_shown_sends_the_answer(asking: Path):
    shown = CliRunner().invoke(cli, ["show", "agent 7", str(asking)]).output
    line = next(line for line in shown.splitlines() if line.startswith("Approve"))
    arguments = shlex.split(line.split("\t", 1)[1])[1:]
    result = CliRunner().invoke(cli, [*arguments, str(asking)])
    assert result.output == "Sent event 'approval:r7' to instance 'agent 7'.\n"


def test_show_as_json_has_the_approvals(asking: Path):
    result = CliRunner().invoke(cli, ["show", "agent 7", str(asking), "--json"])
    (found,) = json.loads(result.output)["approvals"]
    assert found["arguments"] == {"order": 7, "big": 12345678901234567890}
    assert found["expiresAt"] == "2026-01-04T00:00:00.000000Z"
