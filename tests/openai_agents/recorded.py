"""Agents whose histories are kept beside the tests: `python -m tests.openai_agents.recorded` records them anew.

Each was recorded by scripted models. They are replayed without any: what the code of today decides must be what it
decided then, whatever the version of the SDK.
"""

from __future__ import annotations

from pathlib import Path

from agents import Agent, ModelProvider, Runner, function_tool, set_trace_processors

import azure_durable_py as df
from azure_durable_py.agents import conversation_blueprint
from azure_durable_py.openai_agents import DurableSession, OpenAIAgents, activity_tool, mcp_server
from azure_durable_py.testing import VirtualHub, play
from tests.openai_agents.scripts import AnsweringModel, Models, calls

HISTORIES = Path(__file__).parent / "histories"


def recorded_app(provider: ModelProvider | None = None, **options: object) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(OpenAIAgents(provider, **options))  # type: ignore[arg-type]
    app.register_functions(conversation_blueprint())

    @app.activity_trigger(input_name="city")
    def weather(city: str) -> str:
        """What the weather is like."""
        return f"sunny in {city}"

    @app.activity_trigger(input_name="amount")
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    @function_tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @app.orchestration_trigger(context_name="context")
    async def trip(context: df.DurableOrchestrationContext) -> str:
        booking = Agent("booker", model="m", tools=[activity_tool(pay, needs_approval=True)])
        planning = Agent("planner", model="m", tools=[add, activity_tool(weather)], handoffs=[booking])
        session = DurableSession("ada")
        first = await Runner.run(planning, "Rome?", session=session)
        second = await Runner.run(booking, "Thanks.", session=session)
        return f"{first.final_output} {second.final_output}"

    @app.orchestration_trigger(context_name="context")
    async def files(context: df.DurableOrchestrationContext) -> str:
        return (await Runner.run(Agent("reader", model="m", mcp_servers=[mcp_server("files")]), "read")).final_output

    @app.orchestration_trigger(context_name="context")
    @app.durable_openai_agent_orchestrator(model_provider=provider)
    def old(context):
        agent = Agent("planner", model="m", tools=[context.create_activity_tool(weather)])
        first = Runner.run_sync(agent, "old")
        more = yield context.call_activity(weather, "Oslo")
        return f"{first.final_output} {more} {Runner.run_sync(agent, 'Thanks.').final_output}"

    return app


def record() -> None:
    from tests.openai_agents.test_mcp import ServerHere

    set_trace_processors([])
    answers = {
        "Rome?": calls(("add", {"a": 1, "b": 2}, "c1"), ("weather", {"city": "Rome"}, "c2")),
        "c2": calls(("transfer_to_booker", {}, "c3")),
        "c3": calls(("pay", {"amount": 7}, "c4")),
        "c4": "Booked.",
        "Thanks.": "Welcome.",
        "read": calls(("read", {"path": "a.txt"}, "r1")),
        "r1": "Read.",
        "old": calls(("weather", {"city": "Rome"}, "o1")),
        "o1": "Sunny.",
    }

    async def scenario(hub: VirtualHub) -> list[str]:
        for name in ("trip", "files", "old"):
            await hub.client.start_new(name, name)
        await hub.at_rest()
        status = await hub.client.get_status("trip")
        [asked] = status.custom_status["approvals"]  # type: ignore[index]
        await hub.client.start_new("trip", "in-flight")
        await hub.at_rest()
        await hub.client.raise_event("trip", asked["event"], {"approved": True})
        await hub.at_rest()
        exported = hub.client.export_history(runtime_status=list(df.OrchestrationRuntimeStatus))
        return [instance.to_line() + "\n" async for instance in exported]

    app = recorded_app(Models(m=AnsweringModel(answers)), mcp_servers={"files": ServerHere})
    HISTORIES.mkdir(exist_ok=True)
    (HISTORIES / "agents.jsonl").write_text("".join(play(app, scenario)), encoding="utf-8")


if __name__ == "__main__":
    record()
