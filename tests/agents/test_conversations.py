"""Conversations: kept by an entity, for orchestrations and clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.agents import AGENT_CONVERSATION, Conversation, conversation_blueprint
from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment

Context = df.DurableOrchestrationContext
Code = Callable[[Context], Awaitable[Any]]
TALK = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]


def app_with(code: Code) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(conversation_blueprint())

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await code(context)

    return app


@contextmanager
def env_of(code: Code) -> Iterator[DurableTestSyncEnvironment]:
    with DurableTestSyncEnvironment(app_with(code), replay="every-turn") as env:
        yield env


def ran(code: Code) -> Any:
    with env_of(code) as env:
        return env.start("agent").result()


def test_what_was_appended_is_read_in_order():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1")
        count = await talk.append(TALK)
        await talk.append([{"role": "user", "content": "bye"}])
        return [count, await talk.items(), await talk.items(last=2)]

    count, everything, newest = ran(agent)
    assert count == 2
    assert [each["content"] for each in everything] == ["hello", "hi", "bye"]
    assert newest == everything[1:]


def test_a_conversation_that_nobody_began_is_empty():
    async def agent(context: Context) -> Any:
        del context
        return [await Conversation("new").items(), await Conversation("new").pop(), await Conversation("new").trim(3)]

    assert ran(agent) == [[], None, 0]


def test_the_newest_item_is_taken_away():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1")
        await talk.append(TALK)
        return [await talk.pop(), await talk.items()]

    assert ran(agent) == [TALK[1], TALK[:1]]


def test_it_can_be_cleared_and_begun_again():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1")
        await talk.append(TALK)
        await talk.clear()
        return [await talk.items(), await talk.append([1])]

    assert ran(agent) == [[], 1]


def test_it_outlives_the_orchestration_and_is_shared():
    async def agent(context: Context) -> Any:
        talk = Conversation("shared")
        await asyncio.gather(*(talk.append([f"{context.instance_id}:{n}"]) for n in range(5)))
        return await talk.items()

    with env_of(agent) as env:
        handles = [env.start("agent", instance_id=name) for name in ("a", "b")]
        for handle in handles:
            handle.result()
        found = env.entity(AGENT_CONVERSATION, "shared").state()["items"]
        assert sorted(found) == [f"{name}:{n}" for name in "ab" for n in range(5)]


def test_the_newest_are_kept_if_that_was_asked_for():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1", keep_last=3)
        counts = [await talk.append([n, n]) for n in range(4)]
        return [counts, await talk.items(), await talk.trim(1), await talk.items()]

    assert ran(agent) == [[2, 3, 3, 3], [2, 3, 3], 1, [3]]


def test_one_that_grows_too_large_says_what_to_do_and_stays_as_it_was():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1")
        await talk.append(["x" * 900_000])
        try:
            await talk.append(["y" * 200_000])
        except df.PayloadTooLargeError as error:
            return [str(error), len(await talk.items()), await Conversation("c1", keep_last=1).append(["y" * 200_000])]

    message, count, after = ran(agent)
    assert "holds at most 1048576" in message
    assert "keep_last" in message
    assert (count, after) == (1, 1)


def test_a_key_counts_once():
    async def agent(context: Context) -> Any:
        del context
        talk = Conversation("c1")
        return [await talk.append(["a"], key="k1"), await talk.append(["a"], key="k1"), await talk.append(["a"])]

    assert ran(agent) == [1, 1, 2]


def test_a_rewound_instance_appends_nothing_twice():
    failing = [True]

    async def agent(context: Context) -> Any:
        talk = Conversation("c1")
        await talk.append(["before"])
        await context.call_activity("step", None)
        await talk.append(["after"])
        return await talk.items()

    app = app_with(agent)

    @app.activity_trigger(input_name="nothing")
    def step(nothing: None) -> None:
        del nothing
        if failing.pop():
            failing.append(False)
            raise RuntimeError("not yet")
        failing.append(False)

    with DurableTestSyncEnvironment(app) as env:
        handle = env.start("agent")
        assert handle.wait().runtime_status is df.OrchestrationRuntimeStatus.Failed
        handle.rewind("again")
        assert handle.result() == ["before", "after"]


@pytest.mark.parametrize("call", [lambda talk: talk.items(last=0), lambda talk: talk.trim(0)])
def test_a_number_of_items_is_at_least_one(call: Callable[[Conversation], Awaitable[Any]]):
    async def agent(context: Context) -> str:
        del context
        try:
            await call(Conversation("c1"))
        except df.InvalidRequestError as error:
            return str(error)
        return "nothing"

    assert "at least 1" in ran(agent)


def test_a_key_that_is_too_long_is_refused():
    async def agent(context: Context) -> str:
        del context
        try:
            await Conversation("c1").append([1], key="k" * 201)
        except df.InvalidRequestError as error:
            return str(error)
        return "nothing"

    assert "key: expected a text of 1 to 200 characters" in ran(agent)


def test_an_operation_that_it_does_not_have_is_refused_by_name():
    async def agent(context: Context) -> Any:
        return await context.call_entity(df.EntityId(AGENT_CONVERSATION, "c1"), "forget")

    with pytest.raises(df.OrchestrationFailedError, match="no operation 'forget'; it has items, append, pop"):
        ran(agent)


def test_what_came_from_anywhere_is_checked():
    async def agent(context: Context) -> Any:
        return await context.call_entity(df.EntityId(AGENT_CONVERSATION, "c1"), "append", {"items": 5})

    with pytest.raises(df.OrchestrationFailedError, match="items: expected a list, found 5"):
        ran(agent)


async def nothing(context: Context) -> None:
    del context


async def test_a_client_does_all_of_it_too():
    async with DurableTestEnvironment(app_with(nothing)) as env:
        talk = Conversation("c1", client=env.client, keep_last=10)
        assert await talk.items() == []
        assert await talk.append(TALK, key="request-1") == 2
        assert await talk.append(TALK, key="request-1") == 2
        assert await talk.items() == TALK
        assert await talk.items(last=1) == TALK[1:]
        assert await talk.pop() == TALK[1]
        assert await talk.trim(5) == 1
        await talk.clear()
        assert await talk.items() == []


async def test_a_client_is_told_of_errors_by_their_type_and_leaves_no_instances_behind():
    async with DurableTestEnvironment(app_with(nothing)) as env:
        talk = Conversation("c1", client=env.client, timeout=timedelta(seconds=30))
        with pytest.raises(df.PayloadTooLargeError, match="keep_last"):
            await talk.append(["x" * 1_100_000])
        with pytest.raises(df.InvalidRequestError, match="key"):
            await talk.append([1], key="")
        assert await env.client.get_status_all() == []


def test_without_an_orchestrator_and_a_client_it_says_what_is_missing():
    with pytest.raises(df.OrchestratorError, match=r"client=\.\.\."):
        asyncio.run(Conversation("c1").append([1]))
    with pytest.raises(df.OrchestratorError, match=r"client=\.\.\."):
        asyncio.run(Conversation("c1").items())


def test_the_blueprint_may_be_registered_twice():
    app = df.DFApp()
    app.register_functions(conversation_blueprint())
    app.register_functions(conversation_blueprint())
    assert app.registry.entities.get(AGENT_CONVERSATION).name == AGENT_CONVERSATION


def test_an_app_without_conversations_says_how_to_have_them():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await Conversation("chat").items()

    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        failure = env.start(agent).wait().failure
        assert failure is not None
        assert "register_functions(conversation_blueprint())" in failure.message
