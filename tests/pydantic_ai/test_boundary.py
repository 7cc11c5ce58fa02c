"""What crosses from the orchestrator to an activity and back, and what cannot."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, RunContext, ToolReturn
from pydantic_ai.capabilities import NativeTool
from pydantic_ai.exceptions import UserError
from pydantic_ai.models.test import TestModel
from pydantic_ai.native_tools import MCPServerTool

import azure_durable_py as df
from azure_durable_py.pydantic_ai import ActivityRunContext, AzureDurability, PydanticAIAgents
from azure_durable_py.pydantic_ai.wire import dump
from azure_durable_py.taskhub.naming import RowKind
from azure_durable_py.taskhub.payloads import from_blobs
from azure_durable_py.testing import DurableTestEnvironment, VirtualHub, run_virtual
from tests.pydantic_ai.scripted import ScriptedModel, app_of, asking, call, environment, returned


def test_a_run_may_use_any_model_that_was_named():
    other = ScriptedModel("other", name="other")
    agent = Agent(ScriptedModel("default"), name="agent", capabilities=[AzureDurability(models={"other": other})])
    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> Any:
        models = (None, "other", other, "test")
        return [(await agent.run("Who?", model=model)).output for model in models]

    with environment(app) as env:
        assert env.start(ask).result() == ["default", "other", "other", "success (no tool calls)"]


def test_a_live_model_that_was_not_named_is_refused_with_the_mend():
    agent = Agent(ScriptedModel("default"), name="agent", capabilities=[AzureDurability()])
    with environment(asking(agent, model=TestModel())) as env:
        failure = env.start("ask", "Who?").wait().failure
        assert failure is not None
        assert failure.is_caused_by(UserError)
        assert "models=" in failure.message


def test_bytes_and_large_values_cross():
    picture = BinaryContent(b"\x00\xff" * 300_000, media_type="image/png")

    def seen(messages: Any) -> str:
        return str([len(part.data) for part in messages[0].parts[0].content[1:]])

    agent = Agent(ScriptedModel(call("draw"), seen), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def draw() -> ToolReturn[str]:
        return ToolReturn("x" * 500_000, content=[picture], metadata={"kind": "picture"})

    app = app_of(agent)

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        return (await agent.run(["What is it?", picture])).output

    with environment(app) as env:
        assert env.start(ask).result() == "[600000]"


def test_a_large_answer_of_a_tool_is_kept_in_rows_of_its_own():
    # Nothing that compressing makes small.
    large = random.Random(1).randbytes(150_000).hex()
    agent = Agent(ScriptedModel(call("look"), "done"), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look() -> str:
        return large

    async def stored() -> tuple[int, list[str]]:
        async with VirtualHub(asking(agent)) as hub:
            instance_id = await hub.client.start_new("ask", "large", "Look")
            await hub.client.wait_for_completion(instance_id)
            await hub.at_rest()
            header = await hub.store.load_header(instance_id)
            assert header is not None
            rows = await hub.store.list_blobs(instance_id, RowKind.payload.value)
            values = itertools.groupby(rows, lambda row: row.key.rpartition("-")[0])
            chunks = [(key, {row.key: row.body for row in found}) for key, found in values]
            return len(header.body), [from_blobs(key, len(bodies), bodies) for key, bodies in chunks]

    header_bytes, values = run_virtual(stored())
    # As the tool gave it, and as the transcript has it that the model is shown.
    assert [large in value for value in values] == [True, True]
    assert header_bytes < 16_384


class Profile(BaseModel):
    name: str
    tags: set[str]


@dataclass
class Shop:
    profile: Profile
    since: timedelta
    seen: list[str] = field(default_factory=list[str])


def test_what_a_tool_changes_in_its_dependencies_stays_in_the_activity():
    agent = Agent(
        ScriptedModel(call("look", 1), call("look", 2), returned),
        name="agent",
        deps_type=Shop,
        capabilities=[AzureDurability()],
    )

    @agent.tool
    def look(ctx: RunContext[Shop]) -> str:
        ctx.deps.seen.append("look")
        return f"{ctx.deps.profile.name} {sorted(ctx.deps.profile.tags)} {ctx.deps.since.days} {ctx.deps.seen}"

    deps = Shop(Profile(name="Ada", tags={"b", "a"}), timedelta(days=3))
    with environment(asking(agent, deps=deps)) as env:
        assert env.start("ask", "Look").result() == """["Ada ['a', 'b'] 3 ['look']"]"""
    assert deps.seen == []


def test_dependencies_of_which_an_agent_says_nothing_come_as_plain_values():
    agent: Agent[Any, str] = Agent(
        ScriptedModel(call("look"), returned), name="agent", capabilities=[AzureDurability()]
    )

    @agent.tool
    def look(ctx: RunContext[Any]) -> str:
        return ctx.deps["name"]

    with environment(asking(agent, deps={"name": "Ada"})) as env:
        assert env.start("ask", "Look").result() == "['Ada']"


def test_live_dependencies_are_refused_by_name():
    agent: Agent[Any, str] = Agent(
        ScriptedModel(call("look"), returned), name="agent", capabilities=[AzureDurability()]
    )
    with environment(asking(agent, deps=object())) as env:
        failure = env.start("ask", "Look").wait().failure
        assert failure is not None
        assert "deps" in failure.message


def test_credentials_in_the_settings_of_a_model_are_refused():
    agent = Agent(
        ScriptedModel("done"),
        name="agent",
        capabilities=[AzureDurability()],
        model_settings={"extra_headers": {"Authorization": "Bearer abcdefgh"}},
    )
    with environment(asking(agent)) as env:
        run = env.start("ask", "Work")
        failure = run.wait().failure
        assert failure is not None
        assert "'Authorization' in extra_headers" in failure.message
        assert "abcdefgh" not in str(run.history())


@pytest.mark.parametrize("secret", [{"authorization_token": "abcdefgh"}, {"headers": {"x-auth": "abcdefgh"}}])
def test_credentials_of_mcp_servers_that_providers_call_are_put_in_where_the_model_is_asked(secret: dict[str, Any]):
    asked: list[Any] = []

    class Asked(ScriptedModel):
        async def request(self, messages: Any, model_settings: Any, model_request_parameters: Any) -> Any:
            asked.extend(model_request_parameters.native_tools)
            return await super().request(messages, model_settings, replace(model_request_parameters, native_tools=[]))

        @classmethod
        def supported_native_tools(cls) -> Any:
            return frozenset({MCPServerTool})

    def asking_of(tool: MCPServerTool, **options: Any) -> df.DFApp:
        capabilities = [AzureDurability(**options), NativeTool(tool)]
        return asking(Agent(Asked("done"), name="agent", capabilities=capabilities))

    with environment(asking_of(MCPServerTool(id="files", url="https://files.example", **secret))) as env:
        run = env.start("ask", "Work")
        failure = run.wait().failure
        assert failure is not None
        assert "mcp_credentials={'files'" in failure.message
        assert "abcdefgh" not in str(run.history())
    app = asking_of(MCPServerTool(id="files", url="https://files.example"), mcp_credentials={"files": secret})
    with environment(app) as env:
        run = env.start("ask", "Work")
        assert run.result() == "done"
        assert "abcdefgh" not in str(run.history())
    assert asked == [MCPServerTool(id="files", url="https://files.example", **secret)]


def test_an_agent_that_its_app_does_not_know_is_refused_at_once():
    agent = Agent(ScriptedModel("done"), name="agent", capabilities=[AzureDurability()])
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> str:
        return (await agent.run("Work")).output

    with environment(app) as env:
        failure = env.start(ask).wait().failure
        assert failure is not None
        assert "PydanticAIAgents(agent, ...)" in failure.message


def test_a_result_that_is_no_json_fails_once_and_says_so():
    agent = Agent(
        ScriptedModel(call("look"), returned),
        name="agent",
        capabilities=[AzureDurability(tool_retry_options=df.RetryPolicy(timedelta(seconds=1), 5))],
    )

    @agent.tool_plain
    def look() -> object:
        return object()

    with environment(asking(agent)) as env:
        run = env.start("ask", "Look")
        failure = run.wait().failure
        assert failure is not None
        assert "kept as JSON" in failure.message
        assert run.calls()[1].attempts == 1


def test_a_field_of_the_run_context_that_does_not_cross_says_how_to_have_it():
    agent = Agent(ScriptedModel(call("look"), returned), name="agent", capabilities=[AzureDurability()])

    @agent.tool
    def look(ctx: RunContext[None]) -> str:
        return str(ctx.prompt)

    with environment(asking(agent)) as env:
        failure = env.start("ask", "Look").wait().failure
        assert failure is not None
        assert "serialize_run_context" in failure.message


class WithPrompt(ActivityRunContext[Any]):
    """Carries the prompt, too."""

    @classmethod
    def serialize_run_context(cls, ctx: RunContext[Any]) -> dict[str, Any]:
        return {**super().serialize_run_context(ctx), "prompt": ctx.prompt}


def test_a_run_context_of_ones_own_carries_more():
    agent = Agent(
        ScriptedModel(call("look"), returned), name="agent", capabilities=[AzureDurability(run_context_type=WithPrompt)]
    )

    @agent.tool
    def look(ctx: RunContext[None]) -> str:
        return f"{ctx.prompt}, step {ctx.run_step}, {ctx.usage.requests} request"

    with environment(asking(agent)) as env:
        assert env.start("ask", "Look").result() == "['Look, step 1, 1 request']"


def test_a_tool_in_an_activity_cannot_talk_into_the_run():
    agent = Agent(ScriptedModel(call("nag"), returned), name="agent", capabilities=[AzureDurability()])

    @agent.tool
    def nag(ctx: RunContext[None]) -> str:
        ctx.enqueue("Are you done?")
        return "nagged"

    with environment(asking(agent)) as env:
        failure = env.start("ask", "Nag").wait().failure
        assert failure is not None
        assert failure.is_caused_by(UserError)


async def test_a_tool_that_is_gone_while_agents_are_under_way_says_so():
    agent = Agent(ScriptedModel(call("look"), returned), name="agent", capabilities=[AzureDurability()])

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    app = asking(agent)
    step = next(function for function in app.durable_functions() if function.durable_name.endswith("call_tool"))
    async with DurableTestEnvironment(app) as env:
        given = env.activity(step.durable_name)
        await (await env.start("ask", "Look")).wait()
        (sent,) = given.inputs
    sent.call["definition"]["name"] = sent.call["name"] = sent.call["original_name"] = "gone"

    with pytest.raises(df.ActivityError, match="has no tool 'gone'"):
        await step(sent)  # type: ignore[call-arg]


def test_two_agents_cannot_have_the_same_name():
    agents = [Agent(ScriptedModel(), name="agent", capabilities=[AzureDurability()]) for _ in range(2)]
    app = df.DFApp()
    app.register_functions(PydanticAIAgents(*agents))
    with pytest.raises(df.RegistrationError, match="Two functions are registered as activity 'agent__"):
        _ = app.registry


def test_an_agent_is_made_where_the_app_is():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def ask(context: df.DurableOrchestrationContext) -> None:
        Agent(ScriptedModel(), name="late", capabilities=[AzureDurability()])

    with environment(app) as env:
        failure = env.start(ask).wait().failure
        assert failure is not None
        assert "where the app is defined" in failure.message


def test_a_capability_that_belongs_to_no_agent_has_no_steps():
    with pytest.raises(UserError, match="belongs to no agent"):
        AzureDurability().get_durable_operation_backend()


def test_sets_are_written_in_an_order_that_is_the_same_in_every_process():
    @dataclass
    class Holder:
        names: set[str]
        inner: list[dict[str, frozenset[int]]]

    names = {f"name{number}" for number in range(20)}
    found = dump(Any, Holder(names, [{"numbers": frozenset({3, 1, 2})}]), "it")
    assert found == {"names": sorted(names), "inner": [{"numbers": [1, 2, 3]}]}


def test_what_cannot_be_written_is_named():
    with pytest.raises(df.SerializationError, match="The thing cannot be written as JSON"):
        dump(Any, object(), "The thing")
