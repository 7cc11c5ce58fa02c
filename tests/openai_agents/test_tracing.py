"""Traces of the SDK in orchestrators: told once, the same on every replay, and joined to the orchestration's trace."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import (
    Agent,
    RunConfig,
    Runner,
    custom_span,
    function_tool,
    set_trace_processors,
    set_tracing_disabled,
    trace,
)
from agents.tracing import TracingProcessor, generation_span

import azure_durable_py as df
from azure_durable_py.history.events import TaskScheduled
from azure_durable_py.openai_agents import OpenAIAgents, activity_tool
from azure_durable_py.telemetry import telemetry
from azure_durable_py.testing import DurableTestSyncEnvironment, VirtualHub, run_virtual
from tests.openai_agents.scripts import AnsweringModel, Models, calls
from tests.telemetry.tracing import exported


class Told(TracingProcessor):
    """What a processor is told."""

    def __init__(self) -> None:
        self.traces: list[Any] = []
        self.started: list[Any] = []
        self.spans: list[Any] = []

    def on_trace_start(self, trace: Any) -> None:
        self.traces.append(trace)

    def on_trace_end(self, trace: Any) -> None: ...

    def on_span_start(self, span: Any) -> None:
        self.started.append(span)

    def on_span_end(self, span: Any) -> None:
        self.spans.append(span)

    def shutdown(self) -> None: ...

    def force_flush(self) -> None: ...

    def names(self) -> list[str]:
        return [span.span_data.export().get("name") or span.span_data.type for span in self.spans]


@pytest.fixture
def told(nothing_exported: None) -> Told:
    made = Told()
    set_trace_processors([made])
    return made


class TracedModel(AnsweringModel):
    """Makes a span of its own, as those of providers do."""

    async def get_response(self, *given: Any, **options: Any) -> Any:
        with generation_span(model="m"):
            return await super().get_response(*given, **options)


def app_of(**options: Any) -> df.DFApp:
    model = TracedModel(
        {"go": calls(("add", {"a": 1}, "c1"), ("weather", {"city": "Rome"}, "c2")), "c2": "done", "more": "done"}
    )
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model)))

    @function_tool
    def add(a: int) -> int:
        """Add."""
        with custom_span("my own"):
            return a

    @app.activity_trigger(input_name="city")
    def weather(city: str) -> str:
        """Weather."""
        return "sunny"

    @app.orchestration_trigger(context_name="context")
    async def go(context):
        agent = Agent("a", model="m", tools=[add, activity_tool(weather)])
        config = RunConfig(**options)
        first = await Runner.run(agent, "go", run_config=config)
        await asyncio.sleep(60)
        await Runner.run(agent, "more", run_config=config)
        return first.final_output

    return app


def test_every_span_is_told_once_whatever_is_replayed(told: Told):
    with DurableTestSyncEnvironment(app_of(), replay="every-turn") as env:
        assert env.start("go").result() == "done"
    with DurableTestSyncEnvironment(app_of(), replay="every-turn") as env:
        ids = [span.span_id for span in told.spans]
        assert len(ids) == len(set(ids))
    names = told.names()
    assert names.count("my own") == 1
    assert names.count("weather") == 1
    assert names.count("generation") == 3
    assert {span.span_id for span in told.started} == {span.span_id for span in told.spans}
    assert len({span.trace_id for span in told.spans}) == 1


def test_ids_and_times_are_those_of_the_orchestration(told: Told):
    def spans() -> list[Any]:
        told.spans.clear()
        with DurableTestSyncEnvironment(app_of(), replay="every-turn") as env:
            env.start("go", instance_id="i1").result()
        return [
            (span.span_id, span.parent_id, span.started_at)
            for span in told.spans
            if span.span_data.type != "generation"
        ]

    first = spans()
    assert first == spans()
    assert all(started.startswith("2026-01-01T00:0") for _, _, started in first)


def test_spans_of_model_calls_are_below_the_span_that_asked(told: Told):
    with DurableTestSyncEnvironment(app_of()) as env:
        env.start("go").result()
    by_id = {span.span_id: span for span in told.spans}
    parents = [by_id[span.parent_id].span_data.type for span in told.spans if span.span_data.type == "generation"]
    assert parents == ["custom"] * 3
    calls_of_models = [span for span in told.spans if span.span_data.export().get("name") == "call of a model"]
    assert len(calls_of_models) == 3
    assert {by_id[span.parent_id].span_data.type for span in calls_of_models} <= {"agent", "turn"}


def test_a_trace_is_the_instance_of_its_group(told: Told):
    with DurableTestSyncEnvironment(app_of()) as env:
        handle = env.start("go", instance_id="i1")
        handle.result()
    assert {trace.group_id for trace in told.traces} == {"i1"}


def test_what_is_recorded_does_not_depend_on_what_is_switched_on(told: Told):
    def recorded() -> list[Any]:
        with DurableTestSyncEnvironment(app_of()) as env:
            handle = env.start("go", instance_id="i1")
            handle.result()
            return [event.input for event in handle.history() if isinstance(event, TaskScheduled)]

    on = recorded()
    set_tracing_disabled(True)
    try:
        assert recorded() == on
    finally:
        set_tracing_disabled(False)
    assert sum('"trace":' in text for text in on) == 3


def test_tracing_can_be_switched_off(told: Told):
    with DurableTestSyncEnvironment(app_of(tracing_disabled=True)) as env:
        assert env.start("go").result() == "done"
    assert (told.traces, told.spans) == ([], [])


def test_the_trace_is_that_of_the_orchestration(told: Told):
    exporter, _ = exported()

    async def one() -> None:
        async with VirtualHub(app_of(), observer=telemetry()) as hub:
            await hub.client.wait_for_completion(await hub.client.start_new("go", "i1"))
            await hub.at_rest()

    run_virtual(one())
    [trace_id] = {span.context.trace_id for span in exporter.get_finished_spans()}
    assert {span.trace_id for span in told.spans} == {f"trace_{trace_id:032x}"}


async def test_outside_of_orchestrators_traces_are_as_always(told: Told):
    OpenAIAgents()
    with trace("mine") as made, custom_span("x"):
        pass
    assert told.names() == ["x"]
    assert told.spans[0].trace_id == made.trace_id
    assert not told.spans[0].started_at.startswith("2026-01-01T00:0")
