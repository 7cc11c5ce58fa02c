"""What agents are at, in the custom status."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic_ai import Agent, CallDeferred

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned


def test_the_custom_status_says_what_each_run_waits_for_beside_the_users_own():
    agent = Agent(
        ScriptedModel([call("slow"), call("slower")], returned),
        name="agent",
        capabilities=[AzureDurability(report_progress=True)],
    )

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(3600)
        return "slow"

    @agent.tool_plain
    async def slower() -> str:
        await asyncio.sleep(2 * 3600)
        return "slower"

    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        context.set_custom_status({"mine": 1})
        return (await agent.run("Work")).output

    def waits(run: Any) -> Any:
        return run.status().custom_status

    with environment(app) as env:
        run = env.start(ask)
        env.skip(timedelta(minutes=1))
        assert waits(run) == {"mine": 1, "agents": [{"agent": "agent", "step": 1, "waitsFor": ["slow", "slower"]}]}
        env.skip(timedelta(hours=1))
        assert waits(run)["agents"] == [{"agent": "agent", "step": 1, "waitsFor": ["slower"]}]
        run.result()
        assert waits(run) == {"mine": 1}


def test_a_request_of_a_model_is_waited_for_as_such():
    class Slow(ScriptedModel):
        async def request(self, *args: Any, **options: Any) -> Any:
            await asyncio.sleep(3600)
            return await super().request(*args, **options)

    agent = Agent(Slow("done"), name="agent", capabilities=[AzureDurability(report_progress=True)])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Work")
        env.skip(timedelta(minutes=1))
        (entry,) = run.status().custom_status["agents"]
        assert entry == {"agent": "agent", "step": 1, "waitsFor": ["model"]}


@pytest.mark.parametrize("taken", [0, 12_000, 14_500, 15_900])
def test_a_status_is_never_what_an_agent_fails_of(taken: int):
    agents = [
        Agent(
            ScriptedModel([call("\N{SNOWMAN}" * 50, number) for number in range(30)], returned, name="m"),
            name="\N{SNOWMAN}" * 99 + str(number),
            capabilities=[AzureDurability(report_progress=True, wait_for_results=True)],
        )
        for number in range(30)
    ]
    app = app_of(*agents)

    def tool() -> str:
        raise CallDeferred

    for agent in agents:
        agent.tool_plain(tool, name="\N{SNOWMAN}" * 50)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        context.set_status_part("other", "x" * taken)
        await asyncio.gather(*(agent.run("Work") for agent in agents))

    with DurableTestSyncEnvironment(app) as env:
        run = env.start(ask)
        env.at_rest()
        status = run.status()
        assert status.failure is None
        assert len(json.dumps(status.custom_status, ensure_ascii=False).encode()) < 7_000 + taken
        assert ("agents" in status.custom_status) is (taken < 15_900)


def test_an_agent_inside_a_tool_that_is_an_activity_is_told_once(caplog: pytest.LogCaptureFixture):
    inner = Agent(ScriptedModel("found", name="inner"), name="forgetful", capabilities=[AzureDurability()])
    outer = Agent(
        ScriptedModel([call("ask_inner", 1), call("ask_inner", 2)], returned),
        name="outer",
        capabilities=[AzureDurability()],
    )

    @outer.tool_plain
    async def ask_inner() -> str:
        return (await inner.run("Find")).output

    with environment(asking(outer, inner)) as env:
        run = env.start("ask", "Work")
        assert run.result() == "['found', 'found']"
        assert "forgetful__model.request" not in run.calls().names
    told = [record for record in caplog.records if "its steps are not recorded" in record.getMessage()]
    assert len(told) == 1
