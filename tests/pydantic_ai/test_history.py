"""Conversations: messages that outlive the orchestration in which they were exchanged."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter

import azure_durable_py as df
from azure_durable_py.agents import Conversation, conversation_blueprint
from azure_durable_py.pydantic_ai import AzureDurability, MessageHistory
from azure_durable_py.testing import DurableTestEnvironment
from tests.pydantic_ai.scripted import ScriptedModel, app_of, call, environment


def prompts(messages: list[ModelMessage]) -> str:
    found = [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]
    return ", ".join(str(text) for text in found)


def chat_app(*answers: Any, **options: Any) -> df.DFApp:
    agent = Agent(ScriptedModel(*answers), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    app = app_of(agent)
    app.register_functions(conversation_blueprint())

    @app.orchestration_trigger(context_name="context")
    async def chat(context: df.DurableOrchestrationContext) -> str:
        history = MessageHistory(Conversation("chat-42", **options))
        result = await agent.run(context.get_input(), message_history=await history.messages())
        await history.add(result)
        return result.output

    return app


def test_a_conversation_goes_on_in_other_orchestrations():
    with environment(chat_app(prompts, prompts, prompts)) as env:
        assert env.start("chat", "one").result() == "one"
        env.skip(timedelta(days=30))
        assert env.start("chat", "two").result() == "one, two"
        assert env.start("chat", "three").result() == "one, two, three"


def test_a_conversation_may_keep_the_newest_messages_only():
    # Of the first run the tool's result and the answer are left: what they answered is gone.
    app = chat_app(call("look"), prompts, keep_last=2)
    with environment(app) as env:
        env.start("chat", "one").result()
        assert "two" in env.start("chat", "two").result()


async def test_programs_read_a_conversation_by_a_client():
    async with DurableTestEnvironment(chat_app("hello")) as env:
        await (await env.start("chat", "one")).result()
        messages = await MessageHistory(Conversation("chat-42", client=env.client)).messages()
        assert [message.kind for message in messages] == ["request", "response"]


def test_a_long_run_of_turns_continues_as_new_with_its_messages():
    agent = Agent(ScriptedModel(*[prompts] * 4), name="agent", capabilities=[AzureDurability()])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def chat(context: df.DurableOrchestrationContext) -> Any:
        messages = ModelMessagesTypeAdapter.validate_python(context.get_input() or [])
        result = await agent.run(f"turn {len(messages) // 2}", message_history=messages)
        if len(result.all_messages()) < 8:
            context.continue_as_new(json.loads(result.all_messages_json()))
        return result.output

    with environment(app) as env:
        assert env.start(chat).result() == "turn 0, turn 1, turn 2, turn 3"
