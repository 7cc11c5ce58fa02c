"""Spans of agents: each once, however often the orchestration is replayed."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic_ai import Agent
from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.models.instrumented import InstrumentationSettings

from azure_durable_py.pydantic_ai import AzureDurability
from azure_durable_py.telemetry import telemetry
from azure_durable_py.testing import DurableTestSyncEnvironment, VirtualHub, run_virtual
from tests.pydantic_ai.scripted import ScriptedModel, asking, call
from tests.telemetry.tracing import exported

SPANS = ["chat scripted", "chat scripted", "execute_tool look", "execute_tool look", "invoke_agent agent"]


@pytest.mark.parametrize("instrumentation_first", [True, False])
def test_each_span_of_a_run_is_told_once(instrumentation_first: bool):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    capabilities = [Instrumentation(settings=InstrumentationSettings(tracer_provider=provider)), AzureDurability()]
    model = ScriptedModel([call("look", 1), call("look", 2)], "done")
    agent = Agent(
        model, name="agent", capabilities=capabilities if instrumentation_first else [*reversed(capabilities)]
    )

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    with DurableTestSyncEnvironment(asking(agent), replay="every-turn") as env:
        run = env.start("ask", "Look")
        env.crash()
        env.restart()
        assert run.result() == "done"
    assert sorted(span.name for span in exporter.get_finished_spans()) == SPANS


def test_spans_of_a_run_are_below_that_of_its_orchestration():
    exporter, provider = exported()
    settings = InstrumentationSettings(tracer_provider=provider)
    agent = Agent(
        ScriptedModel([call("look")], "done"),
        name="agent",
        capabilities=[Instrumentation(settings=settings), AzureDurability()],
    )

    @agent.tool_plain
    def look() -> str:
        return "nothing"

    async def one() -> None:
        async with VirtualHub(asking(agent), observer=telemetry()) as hub:
            await hub.client.wait_for_completion(await hub.client.start_new("ask", "i1", "Look"))
            await hub.at_rest()

    run_virtual(one())
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    assert len({span.context.trace_id for span in spans.values()}) == 1
    parents = {span.name: spans[span.parent.span_id].name for span in spans.values() if span.parent is not None}
    assert parents["invoke_agent agent"] == "orchestration:ask"
    assert parents["chat scripted"] == parents["execute_tool look"] == "invoke_agent agent"
