"""A request from outside that says which trace it is a part of has what it asks for in that trace."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider

import azure_durable_py as df
from azure_durable_py.app.invocation import InvocationContext
from azure_durable_py.hosting.functions.expansion import _opening
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.tracing import requested
from azure_durable_py.http.wire import Request
from azure_durable_py.observer import NOBODY, UNOBSERVED
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.telemetry.traces import TraceObserver
from azure_durable_py.testing import VirtualHub
from tests.telemetry.tracing import Traced, exporting, parent_of, trace

Context = df.DurableOrchestrationContext
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "shop=1"}
SENT = ["create_orchestration:waits", "orchestration_event:go", "entity:counter:add"]
app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def waits(context: Context):
    return (yield context.wait_for_external_event("go"))


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(1)


async def _call(hub: VirtualHub, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    await hub.task_hub.keys.current()
    signer = UrlSigner(lambda: hub.task_hub.keys.known, "TestHub", now=lambda: hub.now, lifetime=3600)
    path, _, operation = path.partition("?op=")
    request = Request(method, path, "http://localhost/api", {"op": [operation]}, headers, body)
    return (await ManagementApi(hub.client, signer).handle(request, trusted=True)).status_code


def _called(headers: dict[str, str]) -> Traced:
    async def scenario(hub: VirtualHub) -> None:
        assert await _call(hub, "POST", "/orchestrators/waits/it", headers) == 202
        await asyncio.sleep(1)
        assert await _call(hub, "POST", "/instances/it/raiseEvent/go", headers, b"1") == 202
        assert await _call(hub, "POST", "/entities/counter/c?op=add", headers) == 202
        await hub.at_rest()
        header = await hub.store.load_header("it")
        assert header is not None
        found.append(InstanceState.decode(header.body).trace)

    found: list[Any] = []
    traced = trace(app, scenario, whole=False)
    assert found[0].state == headers.get("tracestate", "")
    return traced


def test_what_the_management_api_is_asked_for_is_a_part_of_the_callers_trace():
    traced = _called(PARENT)
    sent = [span for span in traced.spans if span.kind.name == "PRODUCER"]
    assert [span.name for span in sent] == SENT
    assert [parent_of(span) for span in sent] == [SPAN] * 3
    assert {f"{span.context.trace_id:032x}" for span in traced.spans} == {TRACE}


@pytest.mark.parametrize(
    "headers",
    [{}, {"traceparent": "nonsense"}, {"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, {"traceparent": "x" * 100_000}],
    ids=["none", "nonsense", "zeros", "long"],
)
def test_headers_that_break_the_rules_are_as_none(headers: dict[str, str]):
    traced = _called(headers)
    roots = [span for span in traced.spans if span.parent is None]
    assert [span.name for span in roots] == [
        "create_orchestration:waits",
        "orchestration_event:go",
        "entity:counter:add",
    ]
    assert len({span.context.trace_id for span in roots}) == 3


def test_a_caller_that_is_not_sampled_is_not_written_for():
    assert _called({"traceparent": f"00-{TRACE}-{SPAN}-00"}).spans == []


def test_who_instruments_http_servers_has_the_span_of_the_request():
    provider, _ = exporting()
    observer = TraceObserver(provider)
    with api.use_span(provider.get_tracer("server").start_span("GET /")) as span, requested(observer, PARENT):
        assert api.get_current_span() is span
    with requested(observer, PARENT):
        assert f"{api.get_current_span().get_span_context().span_id:016x}" == SPAN
    assert not api.get_current_span().get_span_context().is_valid


def test_nothing_is_read_for_nobody():
    assert requested(NOBODY, PARENT) is UNOBSERVED
    assert requested(TraceObserver(TracerProvider(shutdown_on_exit=False)), {}) is UNOBSERVED


# --- under the Functions worker ------------------------------------------------------------------------------

OTHER = {"traceparent": f"00-{TRACE}-{'1' * 16}-01"}


def _seen(**kwargs: Any) -> str:
    """The span that a function's code is within, as the worker calls it."""
    engine = SimpleNamespace(hub=SimpleNamespace(observer=TraceObserver(exporting()[0])))

    async def opened() -> Any:
        return engine

    host: Any = SimpleNamespace(engine=opened, engine_from_thread=lambda: engine)

    async def asynchronous(**_: Any) -> str:
        return f"{api.get_current_span().get_span_context().span_id:016x}"

    def synchronous(**_: Any) -> str:
        return f"{api.get_current_span().get_span_context().span_id:016x}"

    found = {asyncio.run(_opening(host, asynchronous)(**kwargs)), _opening(host, synchronous)(**kwargs)}
    [only] = found
    return only


def test_a_function_of_the_worker_runs_within_the_trace_of_its_invocation():
    request = func.HttpRequest("GET", "http://localhost/api/go", headers=OTHER, body=b"")
    context = InvocationContext("go", "/app", PARENT["traceparent"], PARENT["tracestate"])
    assert _seen(req=request) == "1" * 16
    assert _seen(req=request, context=context) == SPAN
    assert _seen(timer="a timer") == "0" * 16
