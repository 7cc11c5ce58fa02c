"""The memory of agents between runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Runner, SQLiteSession, function_tool
from agents.memory import SessionSettings

import azure_durable_py as df
from azure_durable_py.agents import Conversation, conversation_blueprint
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.openai_agents import DurableSession, OpenAIAgents
from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment
from tests.openai_agents.scripts import AnsweringModel, Models, calls


def app_of(model: AnsweringModel, orchestrator: Any) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model)))
    app.register_functions(conversation_blueprint())
    app.orchestration_trigger(context_name="context", orchestration="go")(orchestrator)
    return app


async def chat(context: Any) -> Any:
    session_id, text = context.get_input()
    session = DurableSession(session_id)
    return (await Runner.run(Agent("a", model="m"), text, session=session)).final_output


def texts(request: dict[str, Any]) -> list[str]:
    return [item["content"] if item["role"] == "user" else item["content"][0]["text"] for item in request["input"]]


def test_a_conversation_outlives_its_orchestrations():
    model = AnsweringModel({"I am Ada.": "Hello Ada.", "Who am I?": "Ada.", "Who is it?": "No idea."})
    with DurableTestSyncEnvironment(app_of(model, chat), replay="every-turn") as env:
        assert env.start("go", ["u1", "I am Ada."]).result() == "Hello Ada."
        assert env.start("go", ["u1", "Who am I?"]).result() == "Ada."
        assert env.start("go", ["u2", "Who is it?"]).result() == "No idea."
    assert texts(model.requests[1]) == ["I am Ada.", "Hello Ada.", "Who am I?"]
    assert texts(model.requests[2]) == ["Who is it?"]


def test_a_worker_that_dies_doubles_nothing_in_it():
    model = AnsweringModel({"one": "1", "two": "2"})
    with DurableTestSyncEnvironment(app_of(model, chat)) as env:
        env.crash_after("openai_agents_model", when=lambda request: request["input"][-1].get("content") == "one")
        assert env.start("go", ["u1", "one"]).result() == "1"
        assert env.start("go", ["u1", "two"]).result() == "2"
    assert texts(model.requests[-1]) == ["one", "1", "two"]


@pytest.mark.parametrize("keep_last", [2, None])
def test_results_whose_calls_were_trimmed_are_not_sent(keep_last: int | None):
    model = AnsweringModel({"one": calls(("look", {}, "1"), ("look", {}, "2")), "2": "seen", "two": "done"})

    def look() -> str:
        return "nothing"

    async def go(context):
        agent, session = Agent("a", model="m", tools=[function_tool(look)]), DurableSession("u1", keep_last=keep_last)
        await Runner.run(agent, "one", session=session)
        if keep_last is None:
            await Conversation("u1").trim(3)
        return (await Runner.run(agent, "two", session=session)).final_output

    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        assert env.start("go").result() == "done"
    assert [item.get("type", item.get("role")) for item in model.requests[-1]["input"]] == ["message", "user"]


async def test_it_can_be_read_and_written_outside_of_orchestrations():
    model = AnsweringModel({"one": "1", "three": "3"})
    async with DurableTestEnvironment(app_of(model, chat)) as env:
        assert await (await env.start("go", ["u1", "one"])).result() == "1"
        session = DurableSession("u1", client=env.client)
        assert [item["role"] for item in await session.get_items()] == ["user", "assistant"]
        assert len(await session.get_items(1)) == 1
        await session.add_items([{"role": "user", "content": "two"}])
        assert (await session.pop_item())["content"] == "two"  # type: ignore[index]
        await session.add_items([])
        await session.clear_session()
        assert await session.get_items() == []
        assert await session.pop_item() is None


def test_what_a_run_gets_to_see_and_what_is_kept_can_be_bounded():
    async def go(context):
        kept = DurableSession("u1", keep_last=4)
        for text in ("one", "two", "three"):
            await Runner.run(Agent("a", model="m"), text, session=kept)
        seen = DurableSession("u1", session_settings=SessionSettings(limit=2))
        return [len(await kept.get_items()), len(await seen.get_items()), await seen.get_items(0)]

    model = AnsweringModel({"one": "1", "two": "2", "three": "3"})
    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        assert env.start("go").result() == [4, 2, []]
    assert texts(model.requests[2]) == ["one", "1", "two", "2", "three"]


def test_tools_and_approvals_keep_one_conversation():
    from agents import function_tool

    @function_tool(needs_approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    async def go(context):
        session = DurableSession("u1")
        result = await Runner.run(Agent("a", model="m", tools=[pay]), "pay", session=session)
        return [result.final_output, [item.get("type", item.get("role")) for item in await session.get_items()]]

    model = AnsweringModel({"pay": calls(("pay", {"amount": 7}, "c1")), "c1": "done"})
    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        handle = env.start("go")
        [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
        handle.raise_event(asked["event"], {"approved": True})
        answer, kept = handle.result()
    assert answer == "done"
    assert kept == ["user", "function_call", "function_call_output", "message"]


def test_runs_at_once_share_a_conversation_and_neither_loses_anything():
    async def slowly(answer: Any) -> Any:
        await asyncio.sleep(45)
        return answer

    @function_tool
    async def look() -> str:
        await asyncio.sleep(20)
        return "seen"

    @function_tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    async def go(context):
        agent = Agent("a", model="m", tools=[look, pay])
        return (await Runner.run(agent, context.get_input(), session=DurableSession("u1"))).final_output

    model = AnsweringModel(
        {
            "A": calls(("pay", {}, "a1")),
            "a1": "done A",
            "B": partial(slowly, calls(("look", {}, "b1"))),
            "b1": partial(slowly, "done B"),
            "C": "done C",
        }
    )
    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        first, second = env.start("go", "A"), env.start("go", "B")
        [asked] = first.wait_for_custom_status(bool).custom_status["approvals"]
        assert second.result() == "done B"
        assert env.start("go", "C").result() == "done C"
        first.raise_event(asked["event"], {"approved": True})
        assert first.result() == "done A"
        kept = env.entity("agent_conversation", "u1").state()["items"]
    assert [item["content"] for item in kept if item.get("role") == "user"] == ["A", "B", "C"]
    assert [item["content"][0]["text"] for item in kept if item.get("role") == "assistant"] == [
        "done B",
        "done C",
        "done A",
    ]
    for call_id in ("a1", "b1"):
        about = [item["type"] for item in kept if item.get("call_id") == call_id]
        assert about == ["function_call", "function_call_output"]
    # Nobody is sent a call of the other that has no result yet, which providers refuse.
    for request in model.requests:
        given = Counter(item["call_id"] for item in request["input"] if "call_id" in item)
        assert set(given.values()) <= {2}
    assert model.asked == dict.fromkeys(model.answers, 1)


def test_a_long_conversation_goes_on_as_new():
    async def go(context):
        n = context.get_input()
        answer = (await Runner.run(Agent("a", model="m"), f"q{n}", session=DurableSession("u1"))).final_output
        if n < 2:
            context.continue_as_new(n + 1)
        return answer

    model = AnsweringModel({f"q{n}": f"r{n}" for n in range(3)})
    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        assert env.start("go", 0).result() == "r2"
    assert texts(model.requests[2]) == ["q0", "r0", "q1", "r1", "q2"]


def test_a_session_in_memory_belongs_to_one_execution_and_one_in_a_file_is_refused(tmp_path: Path):
    async def go(context):
        with closing(SQLiteSession("ada")) as session:
            await Runner.run(Agent("a", model="m"), "one", session=session)
            second = await Runner.run(Agent("a", model="m"), "two", session=session)
        with closing(SQLiteSession("ada", tmp_path / "sessions.db")) as file:
            try:
                await Runner.run(Agent("a", model="m"), "two", session=file)
            except OrchestratorError as error:
                return [second.final_output, "DurableSession" in str(error)]

    model = AnsweringModel({"one": "1", "two": "2"})
    with DurableTestSyncEnvironment(app_of(model, go), replay="every-turn") as env:
        assert env.start("go").result() == ["2", True]
    assert texts(model.requests[1]) == ["one", "1", "two"]
