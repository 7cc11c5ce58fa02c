"""Runs of agents in orchestrators: the loop of the SDK with durable steps."""

from __future__ import annotations

import asyncio
import json
import random
import string
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelResponse,
    ModelSettings,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    RunContextWrapper,
    Runner,
    function_tool,
    input_guardrail,
    output_guardrail,
    trace,
)
from agents.testing import assistant_message
from agents.usage import Usage
from pydantic import BaseModel

import azure_durable_py as df
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.openai_agents import OpenAIAgents, activity_tool
from azure_durable_py.openai_agents.model_requests import encode_response
from azure_durable_py.taskhub.naming import RowKind
from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment
from tests.openai_agents.scripts import AnsweringModel, Models, calls


class Forecast(BaseModel):
    city: str
    degrees: int


@dataclass
class Notes:
    taken: list[str] = field(default_factory=list)


def app_of(*, orchestrator: Any, **models: AnsweringModel) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(**models)))
    app.orchestration_trigger(context_name="context", orchestration="go")(orchestrator)
    return app


def output_of(app: df.DFApp, given: Any = None) -> Any:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        return env.start("go", given).result()


def failure_of(app: df.DFApp) -> str:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        with pytest.raises(OrchestrationFailedError):
            handle.result()
        return str(handle.status().failure)


def test_an_agent_with_two_tools_and_a_handoff_comes_to_its_answer():
    planner = AnsweringModel(
        {
            "Rome?": calls(("add", {"a": 1, "b": 2}, "c1"), ("weather", {"city": "Rome"}, "c2")),
            "c2": calls(("transfer_to_writer", {}, "c3")),
        }
    )
    writer = AnsweringModel({"c3": "Sunny, and 3."})

    @function_tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    async def go(context):
        end = Agent("writer", model="writer", handoff_description="writes")
        start = Agent(
            "planner", model="planner", instructions="Plan.", tools=[add, activity_tool(weather)], handoffs=[end]
        )
        result = await Runner.run(start, "Rome?")
        return [result.final_output, result.last_agent.name, result.context_wrapper.usage.total_tokens]

    app = app_of(orchestrator=go, planner=planner, writer=writer)

    @app.activity_trigger(input_name="city")
    def weather(city: str) -> str:
        """What the weather is like."""
        return f"sunny in {city}"

    assert output_of(app) == ["Sunny, and 3.", "writer", 45]
    assert planner.asked == {"Rome?": 1, "c2": 1}
    assert writer.asked == {"c3": 1}
    told = planner.requests[0]
    assert told["instructions"] == "Plan."
    assert [(tool.name, tool.description) for tool in told["tools"]] == [
        ("add", "Add two numbers."),
        ("weather", "What the weather is like."),
    ]
    assert [handoff.tool_name for handoff in told["handoffs"]] == ["transfer_to_writer"]
    results = [item["output"] for item in planner.requests[1]["input"] if item.get("type") == "function_call_output"]
    assert results == ["3", "sunny in Rome"]


def test_outside_of_orchestrators_agents_run_as_always():
    model = AnsweringModel({"hello": "hi"})
    OpenAIAgents()
    agent = Agent("a", model=model)
    assert asyncio.run(Runner.run(agent, "hello")).final_output == "hi"
    assert model.asked == {"hello": 1}


def test_an_app_without_the_plug_in_says_how_to_get_it():
    OpenAIAgents()
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context", orchestration="go")
    async def go(context):
        await Runner.run(Agent("a"), "hello")

    assert "app.register_functions(OpenAIAgents())" in failure_of(app)


def test_structured_output_is_built_in_the_orchestrator():
    async def go(context):
        result = await Runner.run(Agent("a", model="m", output_type=Forecast), "Rome?")
        assert isinstance(result.final_output, Forecast)
        return result.final_output.degrees

    model = AnsweringModel({"Rome?": '{"city": "Rome", "degrees": 31}'})
    assert output_of(app_of(orchestrator=go, m=model)) == 31
    assert model.requests[0]["output"].json_schema()["required"] == ["city", "degrees"]
    assert model.requests[0]["output"].name() == "Forecast"


def test_output_that_does_not_validate_fails_the_run_and_can_be_caught():
    async def go(context):
        agent = Agent("a", model="m", output_type=Forecast)
        try:
            await Runner.run(agent, "Rome?")
        except ModelBehaviorError:
            return (await Runner.run(agent, "again")).final_output.city

    model = AnsweringModel({"Rome?": '{"city": "Rome"}', "again": '{"city": "Oslo", "degrees": 1}'})
    assert output_of(app_of(orchestrator=go, m=model)) == "Oslo"
    assert model.asked == {"Rome?": 1, "again": 1}


def test_tools_of_one_answer_run_at_once():
    def go_with(app: df.DFApp) -> Any:
        async def go(context):
            begun = context.current_utc_datetime
            await Runner.run(Agent("a", model="m", tools=[activity_tool(slow)]), "both")
            return (context.current_utc_datetime - begun).total_seconds() < 100

        @app.activity_trigger(input_name="n")
        async def slow(n: int) -> int:
            await asyncio.sleep(60)
            return n

        return go

    app = df.DFApp()
    model = AnsweringModel({"both": calls(("slow", {"n": 1}, "c1"), ("slow", {"n": 2}, "c2")), "c2": "done"})
    app.register_functions(OpenAIAgents(Models(m=model)))
    app.orchestration_trigger(context_name="context", orchestration="go")(go_with(app))
    assert output_of(app) is True


def test_a_tool_that_raises_tells_the_model():
    @function_tool
    async def broken() -> str:
        raise ValueError("no such thing")

    async def go(context):
        return (await Runner.run(Agent("a", model="m", tools=[broken]), "try")).final_output

    model = AnsweringModel({"try": calls(("broken", {}, "c1")), "c1": "I could not."})
    assert output_of(app_of(orchestrator=go, m=model)) == "I could not."
    assert "An error occurred while running the tool" in model.requests[1]["input"][-1]["output"]


def test_an_activity_that_fails_for_good_tells_the_model_or_fails_the_run():
    def app_with(**options: Any) -> tuple[df.DFApp, AnsweringModel]:
        app = df.DFApp()
        model = AnsweringModel({"try": calls(("broken", {"n": 1}, "c1")), "c1": "I could not."})
        app.register_functions(OpenAIAgents(Models(m=model)))

        @app.activity_trigger(input_name="n")
        def broken(n: int) -> int:
            raise ValueError("no such thing")

        @app.orchestration_trigger(context_name="context", orchestration="go")
        async def go(context):
            tool = activity_tool(broken, retry_options=df.RetryOptions(1000, 3), **options)
            try:
                return (await Runner.run(Agent("a", model="m", tools=[tool]), "try")).final_output
            except Exception as error:  # noqa: BLE001 - which error it is, is up to the SDK
                return f"failed: {error}"

        return app, model

    app, model = app_with()
    assert output_of(app) == "I could not."
    assert "An error occurred while running the tool" in model.requests[1]["input"][-1]["output"]
    app, model = app_with(failure_error_function=None)
    assert "no such thing" in output_of(app)
    assert model.asked == {"try": 1}


class Thermometer:
    """Writes itself as JSON text, as classes for azure-functions-durable do."""

    def __init__(self, degrees: int) -> None:
        self.degrees = degrees

    def to_json(self) -> str:
        return json.dumps({"degrees": self.degrees})

    @staticmethod
    def from_json(data: str) -> Thermometer:
        return Thermometer(**json.loads(data))


class Place:
    """Writes itself as plain JSON values."""

    def __init__(self, name: str) -> None:
        self.name = name

    @staticmethod
    def to_json(place: Place) -> str:
        return place.name

    @staticmethod
    def from_json(data: str) -> Place:
        return Place(data)


@pytest.mark.parametrize("options", [{}, {"failure_error_function": None}], ids=["errors are told", "errors fail it"])
@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (Thermometer(31), '{"degrees": 31}'),
        (Place("Malmö"), "Malmö"),
        ({"Malmö": [Thermometer(3), Place("Lund")]}, '{"Malmö": [{"degrees": 3}, "Lund"]}'),
        (Notes(["a"]), '{"taken": ["a"]}'),
        (Forecast(city="Rome", degrees=31), '{"city": "Rome", "degrees": 31}'),
        (None, "null"),
        ("text", "text"),
    ],
    ids=["text of JSON", "plain values", "nested", "dataclass", "pydantic", "nothing", "text"],
)
def test_what_an_activity_returned_is_shown_to_the_model_as_its_json(returned: Any, told: str, options: Any):
    app = df.DFApp()
    model = AnsweringModel({"look": calls(("look", {"at": "it"}, "c1")), "c1": "seen"})
    app.register_functions(OpenAIAgents(Models(m=model)))
    looked: list[str] = []

    @app.activity_trigger(input_name="at")
    def look(at: str) -> Any:
        looked.append(at)
        return returned

    @app.orchestration_trigger(context_name="context", orchestration="go")
    async def go(context):
        tool = activity_tool(look, retry_options=None, **options)
        return (await Runner.run(Agent("a", model="m", tools=[tool]), "look")).final_output

    assert output_of(app) == "seen"
    assert model.requests[1]["input"][-1]["output"] == told
    assert looked == ["it"]


def test_sync_tools_run_in_the_orchestrator_and_other_threads_stay_refused():
    @function_tool
    def note(wrapper: RunContextWrapper[Notes], text: str) -> str:
        wrapper.context.taken.append(text)
        return "noted"

    @function_tool(failure_error_function=None)
    async def away() -> str:
        return await asyncio.to_thread(lambda: "elsewhere")

    async def go(context):
        notes = Notes()
        await Runner.run(Agent("a", model="m", tools=[note]), "note", context=notes)
        try:
            await Runner.run(Agent("a", model="m", tools=[away]), "leave")
        except Exception as error:  # noqa: BLE001 - which error it is, is up to the SDK
            return [notes.taken, "threads" in str(error)]

    model = AnsweringModel(
        {"note": calls(("note", {"text": "x"}, "c1")), "c1": "ok", "leave": calls(("away", {}, "c2")), "c2": "?"}
    )
    assert output_of(app_of(orchestrator=go, m=model)) == [["x"], True]


def test_guardrails_end_a_run():
    @input_guardrail
    async def no_shouting(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
        text = given if isinstance(given, str) else given[-1]["content"]
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=text.isupper())

    @output_guardrail
    def no_secrets(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in output)

    async def go(context):
        agent = Agent("a", model="m", input_guardrails=[no_shouting], output_guardrails=[no_secrets])
        outcomes = []
        for text in ("hello", "HELLO", "tell"):
            try:
                outcomes.append((await Runner.run(agent, text)).final_output)
            except InputGuardrailTripwireTriggered:
                outcomes.append("input refused")
            except OutputGuardrailTripwireTriggered:
                outcomes.append("output refused")
        return outcomes

    model = AnsweringModel({"hello": "hi", "HELLO": "hi", "tell": "a secret"})
    assert output_of(app_of(orchestrator=go, m=model)) == ["hi", "input refused", "output refused"]


def test_an_agent_as_a_tool_is_durable_as_well():
    async def go(context):
        inner = Agent("inner", model="inner")
        outer = Agent("outer", model="outer", tools=[inner.as_tool("ask_inner", "asks")])
        return (await Runner.run(outer, "go")).final_output

    outer = AnsweringModel({"go": calls(("ask_inner", {"input": "deep?"}, "c1")), "c1": "done"})
    inner = AnsweringModel({"deep?": "very"})
    assert output_of(app_of(orchestrator=go, outer=outer, inner=inner)) == "done"
    assert inner.asked == {"deep?": 1}
    assert outer.requests[1]["input"][-1]["output"] == "very"


def test_agents_run_at_once():
    async def go(context):
        agents = [Agent(f"a{n}", model="m") for n in range(3)]
        results = await asyncio.gather(*(Runner.run(agent, f"q{n}") for n, agent in enumerate(agents)))
        return [result.final_output for result in results]

    async def slow(answer: str) -> str:
        await asyncio.sleep(600)
        return answer

    model = AnsweringModel({f"q{n}": partial(slow, f"r{n}") for n in range(3)})
    with DurableTestSyncEnvironment(app_of(orchestrator=go, m=model), replay="every-turn") as env:
        handle = env.start("go")
        assert handle.result() == ["r0", "r1", "r2"]
        status = handle.status()
    assert timedelta(minutes=10) <= status.completed_time - status.created_time < timedelta(minutes=11)


def test_turns_are_bounded_as_everywhere():
    @function_tool
    def again() -> str:
        return "again"

    async def go(context):
        with pytest.raises(MaxTurnsExceeded):
            await Runner.run(Agent("a", model="m", tools=[again]), "go", max_turns=2)
        return "ended"

    model = AnsweringModel({"go": calls(("again", {}, "c1")), "c1": calls(("again", {}, "c2")), "c2": "?"})
    assert output_of(app_of(orchestrator=go, m=model)) == "ended"


def test_what_a_run_is_asked_for_reaches_the_model():
    async def go(context):
        config = RunConfig(model="other", model_settings=ModelSettings(temperature=0.5, extra_args={"user": None}))
        agent = Agent("a", model="m", model_settings=ModelSettings(top_p=0.1, tool_choice="none"))
        return (await Runner.run(agent, "hello", run_config=config, previous_response_id="r1")).final_output

    model = AnsweringModel({"hello": "hi"})
    assert output_of(app_of(orchestrator=go, other=model)) == "hi"
    [request] = model.requests
    settings = request["settings"]
    assert (settings.temperature, settings.top_p, settings.tool_choice) == (0.5, 0.1, "none")
    assert settings.extra_args == {"user": None}
    assert request["previous_response_id"] == "r1"


def test_models_that_are_objects_are_refused_with_the_mend():
    async def go(context):
        inner = Agent("b", model=AnsweringModel({}))
        await Runner.run(Agent("a", model="m", handoffs=[inner]), "hello")

    assert "OpenAIAgents(model_provider=...)" in failure_of(app_of(orchestrator=go, m=AnsweringModel({})))

    async def configured(context):
        await Runner.run(Agent("a"), "hello", run_config=RunConfig(model=AnsweringModel({})))

    assert "The run_config has a model object" in failure_of(app_of(orchestrator=configured))


def test_a_provider_in_the_run_config_is_refused_with_the_mend():
    async def go(context):
        await Runner.run(Agent("a"), "hello", run_config=RunConfig(model_provider=Models()))

    assert "OpenAIAgents(model_provider=...)" in failure_of(app_of(orchestrator=go))


def test_a_test_may_put_an_activity_in_place_of_the_models():
    async def go(context):
        return (await Runner.run(Agent("a", model="m"), "hello")).final_output

    answer = encode_response(ModelResponse(output=[assistant_message("hi")], usage=Usage(), response_id=None))
    with DurableTestSyncEnvironment(app_of(orchestrator=go)) as env:
        env.activity("openai_agents_model").returns(answer)
        assert env.start("go").result() == "hi"


def test_streaming_and_sync_runs_are_refused_with_the_mend():
    async def streamed(context):
        Runner.run_streamed(Agent("a", model="m"), "hello")

    assert "await Runner.run" in failure_of(app_of(orchestrator=streamed, m=AnsweringModel({})))

    def sync(context):
        return Runner.run_sync(Agent("a", model="m"), "hello").final_output

    assert "durable_openai_agent_orchestrator" in failure_of(app_of(orchestrator=sync, m=AnsweringModel({})))


def test_a_run_within_a_trace_of_the_user_is_replayed():
    async def go(context):
        with trace("my workflow"):
            first = await Runner.run(Agent("a", model="m"), "one")
            return [first.final_output, (await Runner.run(Agent("a", model="m"), "two")).final_output]

    model = AnsweringModel({"one": "1", "two": "2"})
    assert output_of(app_of(orchestrator=go, m=model)) == ["1", "2"]


def test_what_models_were_used_for_can_stand_in_the_status():
    async def go(context):
        context.set_custom_status({"mine": 1})
        for text in ("one", "two"):
            await Runner.run(Agent("a", model="m"), text)
        await context.wait_for_external_event("Go")

    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=AnsweringModel({"one": "1", "two": "2"})), usage_in_status=True))
    app.orchestration_trigger(context_name="context", orchestration="go")(go)
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        env.at_rest()
        usage = {"calls": 2, "inputTokens": 20, "outputTokens": 10}
        assert handle.status().custom_status == {"mine": 1, "usage": usage}
        handle.raise_event("Go")
        handle.result()


async def test_large_answers_are_kept_in_rows_of_their_own():
    # Hardly smaller when it is compressed.
    large = "".join(random.Random(7).choices(string.ascii_letters, k=300_000))

    async def go(context):
        agent = Agent("a", model="m")
        first = await Runner.run(agent, "one")
        second = await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "two"}])
        return len(first.final_output) + len(second.final_output)

    model = AnsweringModel({"one": large, "two": large})
    async with DurableTestEnvironment(app_of(orchestrator=go, m=model), replay="every-turn") as env:
        handle = await env.start("go", instance_id="i1")
        assert await handle.result() == 600_000
        values = await env.hub.store.list_blobs("i1", RowKind.payload.value)
        pages = await env.hub.store.list_blobs("i1", RowKind.history.value)
        header = await env.hub.store.load_header("i1")
    assert model.requests[1]["input"][1]["content"][0]["text"] == large
    # Two answers and a question that holds the first; the history only names them.
    assert sum(len(row.body) for row in values) > 3 * 200_000
    assert header is not None
    assert sum(len(row.body) for row in pages) + len(header.body) < 20_000
