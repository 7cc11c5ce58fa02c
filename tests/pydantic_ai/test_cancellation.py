"""Runs that are given up: by the code of the orchestrator, by their own time, by whoever terminates the instance."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from pydantic_ai import Agent, CancellationToken
from pydantic_ai.exceptions import RunCancelled

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment

YEAR = 365 * 86400


class SlowModel(ScriptedModel):
    """Takes a year for an answer, or so many seconds."""

    def __init__(self, *answers: Any, seconds: float = YEAR) -> None:
        super().__init__(*answers)
        self.seconds = seconds
        self.cancelled = 0

    async def request(self, *args: Any, **options: Any) -> Any:
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await super().request(*args, **options)


def test_a_run_may_be_waited_for_so_long_and_no_longer():
    model = SlowModel("at last")
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        try:
            return (await asyncio.wait_for(agent.run("Hello?"), 3600)).output
        except asyncio.TimeoutError:
            return f"gave up at {context.current_utc_datetime:%H:%M}"

    with environment(app) as env:
        assert env.start(ask).result() == "gave up at 01:00"


def test_the_time_that_a_run_has_is_that_of_the_orchestration():
    agent = Agent(SlowModel("at last"), name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        try:
            return (await agent.run("Hello?", timeout=3600)).output
        except TimeoutError:
            return f"gave up at {context.current_utc_datetime:%H:%M}"

    with environment(app) as env:
        assert env.start(ask).result() == "gave up at 01:00"


def test_a_token_cancels_a_run_from_other_code_of_the_orchestration():
    agent = Agent(SlowModel("at last"), name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        token = CancellationToken()

        async def watch() -> None:
            await context.wait_for_external_event("Stop")
            token.cancel()

        watching = asyncio.create_task(watch())
        try:
            return (await agent.run("Hello?", cancellation_token=token)).output
        except RunCancelled:
            return f"stopped, {watching.done()}"

    with environment(app) as env:
        run = env.start(ask)
        env.skip(timedelta(days=3))
        run.raise_event("Stop")
        assert run.result() == "stopped, True"


def test_a_tool_that_runs_beside_one_that_fails_is_given_up():
    model = ScriptedModel([call("slow"), call("broken")])
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    async def slow() -> str:
        await asyncio.sleep(YEAR)
        return "slow"

    @agent.tool_plain
    def broken() -> str:
        raise LookupError("broken")

    with environment(asking(agent)) as env:
        run = env.start("ask", "Work")
        failure = run.wait().failure
        assert failure is not None
        assert failure.is_caused_by(LookupError)
        status = run.status()
        assert status.completed_time - status.created_time < timedelta(minutes=1)


def test_termination_stops_the_request_that_is_under_way():
    model = SlowModel("at last")
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent)) as env:
        run = env.start("ask", "Hello?")
        env.skip(timedelta(hours=1))
        assert model.cancelled == 0
        run.terminate("enough")
        env.skip(timedelta(minutes=1))
        assert model.cancelled == 1


def test_a_request_that_is_given_up_is_stopped():
    model = SlowModel("at last")
    agent = Agent(model, name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        try:
            return (await asyncio.wait_for(agent.run("Hello?"), 3600)).output
        except asyncio.TimeoutError:
            await context.create_timer(timedelta(hours=1))
            return "gave up"

    with environment(app) as env:
        run = env.start(ask)
        env.skip(timedelta(minutes=61))
        assert model.cancelled == 1
        assert run.result() == "gave up"


def test_several_agents_run_beside_each_other():
    models = [SlowModel(f"answer {n}", seconds=3600) for n in range(3)]
    agents = [Agent(model, name=f"agent{n}", capabilities=[AzureDurability()]) for n, model in enumerate(models)]
    app = app_of(*agents)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        return [result.output for result in await asyncio.gather(*(agent.run("Hello?") for agent in agents))]

    with environment(app) as env:
        run = env.start(ask)
        assert run.result() == ["answer 0", "answer 1", "answer 2"]
        status = run.status()
        # One after the other they would take three hours.
        assert timedelta(hours=1) <= status.completed_time - status.created_time < timedelta(minutes=61)
