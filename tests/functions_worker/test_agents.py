"""The apps of the page about agents on the production worker, which dies while they wait for a person."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from tests.functions_worker.conftest import MakeApp, StartHost, finished
from tests.functions_worker.emulated_host import EmulatedHost
from tests.showing import blocks, section

PAGE = (Path(__file__).parent.parent.parent / "docs" / "agents.md").read_text(encoding="utf-8")
STARTER = """
import azure.functions as func

@app.route(route="start", methods=["POST"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: str) -> func.HttpResponse:
    client = df.DurableOrchestrationClient(client)
    instance_id = await client.start_new("plan", client_input="Two days in Oslo, please.")
    return client.create_check_status_response(req, instance_id)
"""


async def asked(host: EmulatedHost, answer: dict[str, Any]) -> dict[str, Any]:
    """The call of a tool that an instance waits with."""
    url = json.loads(answer["body"])["statusQueryGetUri"]
    async with asyncio.timeout(90):
        while True:
            status = json.loads((await host.request("GET", url))["body"])
            if approvals := (status["customStatus"] or {}).get("approvals"):
                return approvals[0]
            await asyncio.sleep(0.1)


@pytest.mark.azurite
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("title", "framework", "output"),
    [
        ("OpenAI Agents SDK", "agents", "Booked. Take an umbrella."),
        ("pydantic-ai", "pydantic_ai", '{"weather":"rain in a","price":0,"book":"booked Oslo"}'),
    ],
)
async def test_an_agent_waits_for_a_person_while_its_worker_dies(
    make_app: MakeApp, start_host: StartHost, title: str, framework: str, output: str
):
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: `make test-agents` has it")
    app, _ = blocks(section(PAGE, f"A durable agent in five minutes: {title}"), "python")
    host = await start_host(make_app(app + STARTER), {"OPENAI_AGENTS_DISABLE_TRACING": "1"})
    trip = await host.request("POST", "start")
    approval = await asked(host, trip)
    await host.kill_worker()
    await host.restart_worker(host.worker)
    url = json.loads(trip["body"])["sendEventPostUri"].format(eventName=approval["event"])
    decision = {"approved": True, **({} if title == "OpenAI Agents SDK" else {"arguments": {"city": "Oslo"}})}
    assert (await host.request("POST", url, decision))["status"] == 202
    status = await finished(host, trip)
    assert (status["runtimeStatus"], status["output"]) == ("Completed", output)
