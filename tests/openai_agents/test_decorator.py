"""Programs for the decorator of azure-functions-durable 1.7: `def` with `Runner.run_sync`, and what is around it."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from agents import Agent, HostedMCPTool, OpenAIProvider, RunContextWrapper, Runner, function_tool
from pydantic import BaseModel

import azure_durable_py as df
from azure_durable_py.agents import Budget
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import BudgetExceededError, OrchestrationFailedError, RegistrationError
from azure_durable_py.openai_agents import DurableAIAgentContext, OpenAIAgents, mcp_server
from azure_durable_py.settings import Settings
from azure_durable_py.stand_in import install_as_durable_functions
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing import DurableTestSyncEnvironment
from azure_durable_py.worker.worker import Worker
from tests.openai_agents.scripts import AnsweringModel, Models, calls, late


@pytest.fixture
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [thread for thread in threading.enumerate() if thread not in before and "orchestrator" in thread.name]
    for thread in left:
        thread.join(5)
    assert not any(thread.is_alive() for thread in left)


@dataclass
class Notes:
    taken: list[str] = field(default_factory=list)


@function_tool
def note(wrapper: RunContextWrapper[Notes], text: str) -> str:
    wrapper.context.taken.append(text)
    return "noted"


class Forecast(BaseModel):
    city: str


ANSWERS = {
    "one": "1",
    "two": "2",
    "note": calls(("note", {"text": "x"}, "n1")),
    "n1": "noted it",
    "weather": calls(("weather", {"city": "Rome"}, "w1")),
    "w1": "sunny",
    "broken": calls(("broken", {"n": 1}, "b1")),
    "json": '{"city": "Rome"}',
}


def app_of(orchestrator: Any, model: AnsweringModel | None = None, **options: Any) -> df.DFApp:
    app = df.DFApp()
    decorate = app.durable_openai_agent_orchestrator(
        model_provider=Models(m=model or AnsweringModel(ANSWERS)), **options
    )
    app.orchestration_trigger(context_name="context", orchestration="go")(decorate(orchestrator))

    @app.activity_trigger(input_name="city")
    def weather(city: str) -> str:
        """What the weather is like."""
        return f"sunny in {city}"

    @app.activity_trigger(input_name="n")
    def broken(n: int) -> int:
        raise ValueError("no such thing")

    app.tools = {"weather": weather, "broken": broken}  # type: ignore[attr-defined]
    return app


def output_of(app: df.DFApp, given: Any = None) -> Any:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        return env.start("go", given).result()


def test_a_plain_def_with_one_run():
    def go(context):
        result = Runner.run_sync(Agent("a", model="m"), "one")
        return result.final_output

    model = AnsweringModel(ANSWERS)
    assert output_of(app_of(go, model)) == "1"
    assert model.asked == {"one": 1}


def test_several_runs_with_what_is_in_memory_between_them():
    def go(context):
        agent, notes = Agent("a", model="m", tools=[note]), Notes()
        first = Runner.run_sync(agent, "note", context=notes)
        second = Runner.run_sync(agent, "two", context=notes)
        return {
            "outputs": [first.final_output, second.final_output],
            "notes": notes.taken,
            "same": first.last_agent is agent,
        }

    model = AnsweringModel(ANSWERS)
    output = output_of(app_of(go, model))
    assert json.loads(output) == {"outputs": ["noted it", "2"], "notes": ["x"], "same": True}
    assert model.asked == {"note": 1, "n1": 1, "two": 1}


@pytest.mark.usefixtures("no_thread_is_left")
def test_a_generator_that_mixes_runs_and_yields():
    def go(context: DurableAIAgentContext):
        before = yield context.call_activity("weather", "Oslo")
        first = Runner.run_sync(Agent("a", model="m"), "one").final_output
        both = yield context.task_all([context.call_activity("weather", city) for city in ("A", "B")])
        yield context.create_timer(context.current_utc_datetime + timedelta(days=3))
        second = Runner.run_sync(Agent("a", model="m"), "two").final_output
        try:
            yield context.call_activity("broken", 1)
        except Exception:  # noqa: BLE001 - as programs do
            return [before, first, both, second, "caught"]

    output = output_of(app_of(go))
    assert json.loads(output) == ["sunny in Oslo", "1", ["sunny in A", "sunny in B"], "2", "caught"]


def test_errors_of_a_run_are_caught_where_it_was_called():
    def go(context):
        agent = Agent("a", model="m", tools=[context.create_activity_tool(activity("broken"))])
        try:
            Runner.run_sync(agent, "broken")
        except Exception as error:  # noqa: BLE001 - as programs do
            return f"caught {type(error).__name__}, then {Runner.run_sync(Agent('a', model='m'), 'one').final_output}"

    app = app_of(go)
    activity = app.tools.__getitem__  # type: ignore[attr-defined]
    assert output_of(app).endswith("then 1")


def test_a_finally_runs_once_where_the_function_leaves_it():
    left: list[str] = []

    def go(context):
        try:
            return Runner.run_sync(Agent("a", model="m"), "one").final_output
        finally:
            if not context.is_replaying:
                left.append("left")

    assert output_of(app_of(go)) == "1"
    assert left == ["left"]


def test_an_activity_is_a_tool():
    def go(context):
        tool = context.create_activity_tool(activity("weather"), description="Weather.", retry_options=None)
        return Runner.run_sync(Agent("a", model="m", tools=[tool]), "weather").final_output

    model = AnsweringModel(ANSWERS)
    app = app_of(go, model)
    activity = app.tools.__getitem__  # type: ignore[attr-defined]
    assert output_of(app) == "sunny"
    [tool] = model.requests[0]["tools"]
    assert (tool.name, tool.description) == ("weather", "Weather.")
    assert list(tool.params_json_schema["properties"]) == ["city"]
    assert model.requests[1]["input"][-1]["output"] == "sunny in Rome"


@pytest.mark.parametrize(
    ("returned", "output"),
    [
        ("text", "text"),
        ({"n": 1}, '{"n": 1}'),
        (None, "null"),
        (Forecast(city="Rome"), '{"city":"Rome"}'),
        ([Forecast(city="Rome")], '[{"city":"Rome"}]'),
    ],
)
def test_the_output_of_a_def_is_text(returned: Any, output: str):
    def go(context):
        return returned

    assert output_of(app_of(go)) == output


def test_the_output_of_an_async_def_is_its_value():
    async def go(context):
        results = await asyncio.gather(*(Runner.run(Agent("a", model="m"), text) for text in ("one", "two")))
        return {"outputs": [result.final_output for result in results]}

    assert output_of(app_of(go)) == {"outputs": ["1", "2"]}


def test_the_context_has_all_that_every_context_has():
    def go(context):
        assert "create_activity_tool" in dir(context)
        assert "call_activity" in dir(context)
        with pytest.raises(AttributeError):
            _ = context.nothing
        return [context.instance_id, context.get_input(), context.name]

    with DurableTestSyncEnvironment(app_of(go)) as env:
        assert json.loads(env.start("go", {"n": 1}, instance_id="i1").result()) == ["i1", {"n": 1}, "go"]


def test_budgets_of_sync_code_count_its_runs():
    def go(context):
        with Budget(calls=2) as budget:
            try:
                for _ in range(3):
                    Runner.run_sync(Agent("a", model="m"), "one")
            except BudgetExceededError:
                return str(budget.spent.calls)

    assert output_of(app_of(go)) == "2"


@pytest.mark.usefixtures("no_thread_is_left")
def test_code_that_is_dropped_ends_with_its_thread():
    def waiting(context):
        try:
            Runner.run_sync(Agent("a", model="m", tools=[pay]), "pay")
        except BaseException:  # noqa: BLE001 - code that holds on to its life
            Runner.run_sync(Agent("a", model="m", tools=[pay]), "pay")

    def yielding(context):
        try:
            yield context.wait_for_external_event("never")
        finally:
            yield context.wait_for_external_event("never")

    @function_tool(needs_approval=True)
    def pay() -> str:
        return "paid"

    model = AnsweringModel({"pay": calls(("pay", {}, "p1")), "p1": "done"})
    for orchestrator in (waiting, yielding):
        with DurableTestSyncEnvironment(app_of(orchestrator, model)) as env:
            handle = env.start("go")
            env.at_rest()
            handle.terminate("enough")
            assert handle.wait().runtime_status.name == "Terminated"


@pytest.mark.usefixtures("no_thread_is_left")
def test_termination_stops_a_call_of_a_model_in_flight():
    ended: list[str] = []

    def go(context):
        return Runner.run_sync(Agent("a", model="m"), "one").final_output

    with DurableTestSyncEnvironment(app_of(go, AnsweringModel({"one": late(ended)}))) as env:
        handle = env.start("go")
        env.skip(60)
        handle.terminate("enough")
        assert handle.wait().runtime_status.name == "Terminated"
        env.skip(60)
        assert ended == ["cancelled"]


def test_a_run_goes_on_in_another_worker():
    def go(context):
        first = Runner.run_sync(Agent("a", model="m"), "one").final_output
        yield context.wait_for_external_event("Go")
        return first + Runner.run_sync(Agent("a", model="m"), "two").final_output

    model = AnsweringModel(ANSWERS)
    with DurableTestSyncEnvironment(app_of(go, model)) as env:
        handle = env.start("go")
        env.at_rest()
        env.crash()
        env.restart()
        handle.raise_event("Go")
        assert handle.result() == "12"
    assert model.asked == {"one": 1, "two": 1}


@pytest.fixture
def stood_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the old package is ours."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    install_as_durable_functions()


@pytest.mark.usefixtures("stood_in")
def test_a_program_for_the_old_package_runs_with_its_import():
    import azure.durable_functions as old
    from azure.durable_functions.openai_agents import DurableAIAgentContext as OldContext
    from azure.durable_functions.openai_agents.context import DurableAIAgentContext as FromItsModule

    assert OldContext is FromItsModule is DurableAIAgentContext
    app = old.DFApp()

    @app.orchestration_trigger(context_name="context", orchestration="go")
    @app.durable_openai_agent_orchestrator(
        model_provider=Models(m=AnsweringModel(ANSWERS)), model_retry_options=old.RetryOptions(1000, 2)
    )
    def hello(context):
        return Runner.run_sync(Agent("a", model="m"), "one").final_output

    assert output_of(app) == "1"


class Sky(BaseModel):
    """What a tool of a program for the old package returns: it writes and reads itself."""

    city: str
    conditions: str

    @staticmethod
    def to_json(sky: Sky) -> str:
        return sky.model_dump_json()

    @staticmethod
    def from_json(data: str) -> Sky:
        return Sky.model_validate_json(data)


@pytest.mark.usefixtures("stood_in")
@pytest.mark.parametrize("activity", [None, "get_weather_by_city"], ids=["implicit name", "explicit name"])
@pytest.mark.parametrize("retry", [True, False], ids=["tried again", "tried once"])
def test_a_program_for_the_old_package_has_its_activities_as_tools(activity: str | None, retry: bool):
    import azure.durable_functions as old

    model = AnsweringModel({"weather?": calls(("get_weather", {"city": "Seattle"}, "c1")), "c1": "It is sunny."})
    app, asked = old.DFApp(), list[str]()

    @app.activity_trigger(input_name="city", activity=activity)
    def get_weather(city: str) -> Sky:
        """Get the weather of a city."""
        asked.append(city)
        return Sky(city=city, conditions="sunny")

    @app.orchestration_trigger(context_name="context", orchestration="go")
    @app.durable_openai_agent_orchestrator(model_provider=Models(m=model), model_retry_options=None)
    def go(context):
        options = {"retry_options": old.RetryOptions(1000, 2)} if retry else {"retry_options": None}
        tools = [context.create_activity_tool(get_weather, **options)]
        return Runner.run_sync(Agent("a", model="m", tools=tools), "weather?").final_output

    assert output_of(app) == "It is sunny."
    assert [tool.name for tool in model.requests[0]["tools"]] == ["get_weather"]
    assert model.requests[1]["input"][-1]["output"] == '{"city": "Seattle", "conditions": "sunny"}'
    assert asked == ["Seattle"]


# --- beside the plug-in ---------------------------------------------------------------------------------


def plugged_app(orchestrator: Any, model: AnsweringModel, *, on_blueprint: bool = False, **options: Any) -> df.DFApp:
    """An app with the plug-in, whose orchestrator is below the decorator. Only the decorator knows models."""
    app = df.DFApp()
    declare = blueprint = df.Blueprint()
    if not on_blueprint:
        declare = app
    decorate = declare.durable_openai_agent_orchestrator(model_provider=Models(m=model))
    declare.orchestration_trigger(context_name="context", orchestration="go")(decorate(orchestrator))
    app.register_functions(blueprint)
    app.register_functions(OpenAIAgents(Models(), **options))
    return app


@pytest.mark.parametrize("on_blueprint", [False, True], ids=["app", "blueprint"])
def test_credentials_of_hosted_servers_are_those_of_the_plug_in(on_blueprint: bool):
    def go(context):
        tool = HostedMCPTool({"type": "mcp", "server_label": "files", "server_url": "https://x"})
        return Runner.run_sync(Agent("a", model="m", tools=[tool]), "one").final_output

    model = AnsweringModel(ANSWERS)
    credentials = {"files": {"authorization": "s3cret"}}
    app = plugged_app(go, model, on_blueprint=on_blueprint, mcp_credentials=credentials)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        assert handle.result() == "1"
        assert "s3cret" not in str(list(handle.history()))
    assert model.requests[0]["tools"][0].tool_config["authorization"] == "s3cret"


def test_what_models_were_used_for_stands_in_the_status_where_the_plug_in_says_so():
    def go(context):
        Runner.run_sync(Agent("a", model="m"), "one")
        yield context.wait_for_external_event("Go")

    for said, shown in ((True, {"usage": {"calls": 1, "inputTokens": 10, "outputTokens": 5}}), (False, None)):
        app = plugged_app(go, AnsweringModel(ANSWERS), usage_in_status=said)
        with DurableTestSyncEnvironment(app, replay="every-turn") as env:
            handle = env.start("go")
            env.at_rest()
            assert handle.status().custom_status == shown


def test_approvals_are_waited_for_as_long_as_the_plug_in_says():
    def go(context):
        @function_tool(needs_approval=True)
        def pay() -> str:
            return "paid"

        return Runner.run_sync(Agent("a", model="m", tools=[pay]), "pay").final_output

    model = AnsweringModel({"pay": calls(("pay", {}, "p1")), "p1": "done"})
    app = plugged_app(go, model, approval_timeout=timedelta(days=2))
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        assert handle.result() == "done"
        status = handle.status()
    assert timedelta(days=2) <= status.completed_time - status.created_time < timedelta(days=3)
    assert "Nobody answered" in model.requests[1]["input"][-1]["output"]


@pytest.mark.parametrize(("retry", "times"), [(df.RetryOptions(1000, 4), 4), (None, 1)], ids=["four times", "once"])
def test_servers_are_called_again_as_the_plug_in_says(retry: df.RetryOptions | None, times: int):
    asked: list[str] = []

    def unreachable() -> Any:
        asked.append("files")
        raise ConnectionError("nobody there")

    def go(context):
        try:
            Runner.run_sync(Agent("a", model="m", mcp_servers=[mcp_server("files")]), "one")
        except Exception as error:  # noqa: BLE001 - which error it is, is up to the SDK
            return str(error)

    app = plugged_app(go, AnsweringModel(ANSWERS), mcp_servers={"files": unreachable}, mcp_retry_options=retry)
    assert "nobody there" in output_of(app)
    assert len(asked) == times


def test_what_cannot_work_is_refused_by_name():
    app = df.DFApp()
    with pytest.raises(TypeError, match="model_provider must be a ModelProvider"):
        app.durable_openai_agent_orchestrator(model_provider=object())
    app.durable_openai_agent_orchestrator(model_provider=OpenAIProvider(api_key="x"))
    app.durable_openai_agent_orchestrator(lambda context: None)
    with pytest.raises(RegistrationError, match="was given one model_provider before"):
        app.durable_openai_agent_orchestrator(model_provider=OpenAIProvider(api_key="y"))
    with pytest.raises(RegistrationError, match="closest to the function"):
        app.durable_openai_agent_orchestrator(app.orchestration_trigger(context_name="c")(lambda c: None))


@pytest.mark.usefixtures("no_thread_is_left")
async def test_a_function_that_does_not_stop_is_interrupted():
    """At real time, as only there a thread watches."""

    def go(context):
        Runner.run_sync(Agent("a", model="m"), "one")
        while True:
            pass

    def well(context):
        return "well"

    app = app_of(go)
    decorated = app.durable_openai_agent_orchestrator(well)
    app.orchestration_trigger(context_name="context", orchestration="well")(decorated)
    settings = Settings(max_turn_time=0.5)
    hub = TaskHub(SqliteStore(None, hub_name="Endless"))
    await hub.open()
    worker = Worker(hub, app.registry, settings)
    await worker.start()
    try:
        client = DurableOrchestrationClient(hub, settings)
        status = await client.wait_for_completion(await client.start_new("go"), 30)
        assert "kept the event loop for more than 0.5 s" in str(status.failure)
        again = await client.start_new("well")
        assert (await client.wait_for_completion(again, 30)).output == "well"
    finally:
        await worker.stop(0.0)
        await hub.close()


def test_what_differs_on_replay_is_told():
    seen: list[str] = []

    def go(context):
        Runner.run_sync(Agent("a", model="m"), "one")
        seen.append("again")
        yield context.call_activity("weather" if len(seen) == 1 else "broken", "Oslo")

    with DurableTestSyncEnvironment(app_of(go), replay="every-turn") as env:
        handle = env.start("go")
        with pytest.raises(OrchestrationFailedError, match="Non-deterministic orchestrator"):
            handle.result()


def test_a_def_continues_as_new():
    def go(context):
        n = context.get_input()
        answer = Runner.run_sync(Agent("a", model="m"), "one" if n == 0 else "two").final_output
        if n == 0:
            context.continue_as_new(1)
        return answer

    with DurableTestSyncEnvironment(app_of(go), replay="every-turn") as env:
        assert env.start("go", 0).result() == "2"
