"""A trace is one tree, span by span: what ran where, for whom, how long, and how it ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

import azure_durable_py as df
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.testing import VirtualHub
from azure_durable_py.worker.activities.runner import run_in_thread, run_inline
from tests.telemetry.tracing import Traced, at, shown, trace

Context = df.DurableOrchestrationContext
app = df.DFApp()
COUNTER = df.EntityId("counter", "c")
fails: list[str] = []
"""What fails, as often as it is in here."""


def _fail(what: str) -> None:
    if what in fails:
        fails.remove(what)
        raise ValueError(f"no {what}")


@app.activity_trigger(input_name="value")
def double(value: Any) -> Any:
    _fail(f"double {value}")
    return value * 2


@app.activity_trigger(input_name="value")
async def user_span(value: str) -> str:
    with api.get_tracer("user", tracer_provider=PROVIDER["now"]).start_as_current_span(f"user {value}"):
        await asyncio.sleep(1)
    return value


PROVIDER: dict[str, Any] = {}


@app.activity_trigger(input_name="value")
def user_span_in_thread(value: str) -> str:
    with api.get_tracer("user", tracer_provider=PROVIDER["now"]).start_as_current_span(f"user {value}"):
        return value


@app.orchestration_trigger(context_name="context")
def parent(context: Context):
    return (yield context.call_sub_orchestrator_with_retry("child", df.RetryOptions(5000, 3), "a", "the-child"))


@app.orchestration_trigger(context_name="context")
def child(context: Context):
    return (yield context.call_activity_with_retry("double", df.RetryOptions(1000, 3), context.get_input()))


@app.orchestration_trigger(context_name="context")
def sleeper(context: Context):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=3))


@app.orchestration_trigger(context_name="context")
def impatient(context: Context):
    slow = context.call_sub_orchestrator("sleeper", instance_id="slow")
    timer = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    yield context.task_any([slow, timer])
    return "enough"


@app.orchestration_trigger(context_name="context")
def round_and_round(context: Context):
    left = context.get_input()
    yield context.call_activity("double", left)
    if left:
        context.continue_as_new(left - 1)


@app.orchestration_trigger(context_name="context")
def waits(context: Context):
    return (yield context.wait_for_external_event("go"))


@app.orchestration_trigger(context_name="context")
def tells(context: Context):
    context.send_event("listener", "go", "now")
    yield context.call_activity("double", 1)


@app.orchestration_trigger(context_name="context")
def counts(context: Context):
    found = yield context.call_entity(COUNTER, "add", 2)
    context.signal_entity(COUNTER, "add", 3)
    with pytest.raises(df.TaskFailedError):
        yield context.call_entity(COUNTER, "fail")
    return found


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    if context.operation_name == "fail":
        raise ValueError("no counter")
    if context.operation_name == "spread":
        context.signal_entity(df.EntityId("counter", "d"), "add", 1)
        context.schedule_new_orchestration("double_all", 4, instance_id="by-entity")
        return
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


@app.orchestration_trigger(context_name="context")
def double_all(context: Context):
    return (yield context.call_activity("double", context.get_input()))


@app.orchestration_trigger(context_name="context")
async def looks_around(context: Context):
    spans = [api.get_current_span().get_span_context()]
    await context.call_activity("double", 1)
    spans.append(api.get_current_span().get_span_context())
    return [f"{span.span_id:016x}" for span in spans]


def failing(*what: str):
    fails[:] = what


def _run(name: str, value: Any = None, **options: Any) -> Traced:
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new(name, "it", value))
        await hub.at_rest()

    return trace(app, scenario, **options)


def _nested(traced: Traced, outer: ReadableSpan) -> None:
    for inner in traced.children(outer):
        assert outer.start_time <= inner.start_time
        if outer.kind is not SpanKind.PRODUCER:
            assert inner.end_time <= outer.end_time
        _nested(traced, inner)


def test_a_child_with_retries_is_one_tree_over_all_workers_that_had_a_part_in_it():
    failing("double a", "double a", "double a", "double a")
    traced = _run("parent", workers=2)
    assert traced.tree() == [
        "PRODUCER create_orchestration:parent",
        "  SERVER orchestration:parent Completed",
        "    CLIENT orchestration:child !",
        "      SERVER orchestration:child Failed !",
        "        CLIENT activity:double !",
        "          SERVER activity:double !",
        "        INTERNAL orchestration:child:timer",
        "        CLIENT activity:double !",
        "          SERVER activity:double !",
        "        INTERNAL orchestration:child:timer",
        "        CLIENT activity:double !",
        "          SERVER activity:double !",
        "    INTERNAL orchestration:parent:timer",
        "    CLIENT orchestration:child",
        "      SERVER orchestration:child Completed",
        "        CLIENT activity:double !",
        "          SERVER activity:double !",
        "        INTERNAL orchestration:child:timer",
        "        CLIENT activity:double",
        "          SERVER activity:double",
    ]
    [root] = traced.children(None)
    _nested(traced, root)
    assert len({span.context.trace_id for span in traced.spans}) == 1


def test_attributes_are_those_of_distributed_tracing_version_2():
    traced = _run("parent")
    assert shown(traced.one("create_orchestration:parent")) == {
        "durabletask.type": "orchestration",
        "durabletask.task.name": "parent",
        "durabletask.task.instance_id": "it",
        "durabletask.task.execution_id": shown(traced.one("orchestration:parent"))["durabletask.task.execution_id"],
    }
    assert shown(traced.one("orchestration:child", "CLIENT")) == {
        "durabletask.type": "orchestration",
        "durabletask.task.name": "child",
        "durabletask.task.instance_id": "it",
        "durabletask.task.task_id": 0,
        "durabletask.event.target_instance_id": "the-child",
    }
    activity = {
        "durabletask.type": "activity",
        "durabletask.task.name": "double",
        "durabletask.task.instance_id": "the-child",
        "durabletask.task.task_id": 0,
    }
    assert shown(traced.one("activity:double", "CLIENT")) == activity
    assert shown(traced.one("activity:double", "SERVER")) == activity


def test_a_failure_is_told_with_its_type_message_and_stack():
    failing("double a")
    traced = _run("child", "a")
    for kind in ("CLIENT", "SERVER"):
        span = traced.named("activity:double", kind)[0]
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "no double a")
        assert shown(span)["error.type"] == "ValueError"
        [event] = span.events
        assert event.name == "exception"
        assert event.attributes["exception.type"] == "ValueError"
        assert event.attributes["exception.message"] == "no double a"
        assert "_fail" in event.attributes["exception.stacktrace"]


def test_a_span_is_as_long_as_what_it_stands_for():
    traced = _run("sleeper")
    whole, timer = traced.one("orchestration:sleeper"), traced.one("orchestration:sleeper:timer")
    for span in (whole, timer):
        assert at(span.end_time) - at(span.start_time) >= timedelta(days=3)
    assert shown(timer)["durabletask.fire_at"].startswith("2026-01-04T00:00:00")
    assert shown(timer)["durabletask.task.task_id"] == 0


def test_versions_are_in_names_and_attributes():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new("child", client_input="a", version="2.0"))

    traced = trace(app, scenario)
    for name in ("create_orchestration:child@(2.0)", "orchestration:child@(2.0)"):
        assert shown(traced.one(name))["durabletask.task.version"] == "2.0"


# --- what users' own spans are children of ---------------------------------------------------------------


@app.orchestration_trigger(context_name="context")
def calls(context: Context):
    return (yield context.call_activity(context.get_input(), "x"))


@pytest.mark.parametrize("name", ["user_span", "user_span_in_thread"])
@pytest.mark.parametrize("run_sync", [run_inline, run_in_thread], ids=["inline", "in a thread"])
def test_spans_of_an_activity_are_children_of_its_run(name: str, run_sync: Any):
    provider = TracerProvider(shutdown_on_exit=False)
    PROVIDER["now"] = provider

    async def scenario(hub: VirtualHub) -> None:
        await hub.start_worker(run_sync=run_sync)
        await hub.client.wait_for_completion(await hub.client.start_new("calls", client_input=name))

    traced = trace(app, scenario, provider=provider, workers=0, whole=False)
    assert [span.name for span in traced.children(traced.one(f"activity:{name}", "SERVER"))] == ["user x"]


def test_code_of_an_orchestrator_runs_within_the_span_of_its_orchestration():
    found: list[Any] = []

    async def scenario(hub: VirtualHub) -> None:
        status = await hub.client.wait_for_completion(await hub.client.start_new("looks_around"))
        found.extend(status.output)

    traced = trace(app, scenario)
    assert found == [f"{traced.one('orchestration:looks_around').context.span_id:016x}"] * 2


# --- ends --------------------------------------------------------------------------------------------------


def test_each_generation_has_a_span_that_links_to_the_one_before():
    traced = _run("round_and_round", 2)
    assert traced.tree() == [
        "PRODUCER create_orchestration:round_and_round",
        *[
            line
            for status in ("ContinuedAsNew", "ContinuedAsNew", "Completed")
            for line in (
                f"  SERVER orchestration:round_and_round {status}",
                "    CLIENT activity:double",
                "      SERVER activity:double",
            )
        ],
    ]
    first, second, third = traced.named("orchestration:round_and_round")
    assert not first.links
    assert [link.context.span_id for link in second.links] == [first.context.span_id]
    assert [link.context.span_id for link in third.links] == [second.context.span_id]
    assert first.end_time <= second.start_time


def test_a_terminated_orchestration_is_no_error_and_what_it_waited_for_is_abandoned():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("impatient", "it")
        await asyncio.sleep(60)
        await hub.client.terminate("it", "not needed", recurse=True)
        await hub.client.wait_for_completion("slow")

    traced = trace(app, scenario)
    assert traced.tree() == [
        "PRODUCER create_orchestration:impatient",
        "  SERVER orchestration:impatient Terminated",
        "    CLIENT orchestration:sleeper Abandoned",
        "      SERVER orchestration:sleeper Terminated",
    ]
    assert {span.status.status_code for span in traced.spans} == {StatusCode.UNSET}


def test_what_an_orchestration_did_not_wait_for_is_in_its_tree_all_the_same():
    traced = _run("impatient")
    assert traced.tree() == [
        "PRODUCER create_orchestration:impatient",
        "  SERVER orchestration:impatient Completed",
        "    INTERNAL orchestration:impatient:timer",
        "    CLIENT orchestration:sleeper Abandoned",
        "      SERVER orchestration:sleeper Completed",
        "        INTERNAL orchestration:sleeper:timer",
    ]


def test_a_rewound_orchestration_goes_on_in_a_span_of_its_own_that_links_to_the_failed_one():
    failing("double a")

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new("double_all", "it", "a"))
        await asyncio.sleep(60)
        await hub.client.rewind("it", "it works again")
        assert (await hub.client.wait_for_completion("it")).output == "aa"

    traced = trace(app, scenario)
    assert traced.tree() == [
        "PRODUCER create_orchestration:double_all",
        "  SERVER orchestration:double_all Failed !",
        "    CLIENT activity:double !",
        "      SERVER activity:double !",
        "  SERVER orchestration:double_all Completed",
        "    CLIENT activity:double",
        "      SERVER activity:double",
    ]
    failed, rewound = traced.named("orchestration:double_all")
    assert [link.context.span_id for link in rewound.links] == [failed.context.span_id]
    assert at(rewound.start_time) - at(failed.end_time) >= timedelta(seconds=59)


def test_a_rewound_child_is_a_part_of_the_call_that_started_it():
    failing("double a", "double a", "double a")

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new("nested", "it"))
        await hub.client.rewind("it", "it works again")
        assert (await hub.client.wait_for_completion("it")).output == "aa"

    traced = trace(app, scenario)
    assert [line for line in traced.tree() if "child" in line and "timer" not in line] == [
        "    CLIENT orchestration:child !",
        "      SERVER orchestration:child Failed !",
        "      SERVER orchestration:child Completed",
        "    CLIENT orchestration:child",
    ]


@app.orchestration_trigger(context_name="context")
def nested(context: Context):
    return (yield context.call_sub_orchestrator("child", "a"))


# --- events and entities -----------------------------------------------------------------------------------


def test_an_event_is_seen_where_it_arrived_and_links_to_who_sent_it():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("waits", "it")
        await hub.client.wait_for_start("it")
        await asyncio.sleep(60)
        await hub.client.raise_event("it", "go", 7)
        await hub.client.wait_for_completion("it")

    traced = trace(app, scenario)
    assert traced.tree() == [
        "PRODUCER create_orchestration:waits",
        "  SERVER orchestration:waits Completed",
        "    CONSUMER orchestration_event:go",
        "PRODUCER orchestration_event:go",
    ]
    sent, taken = traced.one("orchestration_event:go", "PRODUCER"), traced.one("orchestration_event:go", "CONSUMER")
    assert [link.context.span_id for link in taken.links] == [sent.context.span_id]
    assert shown(sent) == {
        "durabletask.type": "event",
        "durabletask.task.name": "go",
        "durabletask.event.target_instance_id": "it",
    }


def test_an_event_between_orchestrations_links_their_traces():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("waits", "listener")
        await hub.client.wait_for_start("listener")
        await hub.client.wait_for_completion(await hub.client.start_new("tells"))
        await hub.client.wait_for_completion("listener")

    traced = trace(app, scenario)
    sent, taken = traced.one("orchestration_event:go", "PRODUCER"), traced.one("orchestration_event:go", "CONSUMER")
    assert sent in traced.children(traced.one("orchestration:tells"))
    assert taken in traced.children(traced.one("orchestration:waits"))
    assert [link.context.span_id for link in taken.links] == [sent.context.span_id]


def test_calls_and_signals_of_entities_are_in_the_tree():
    traced = _run("counts")
    assert traced.tree() == [
        "PRODUCER create_orchestration:counts",
        "  SERVER orchestration:counts Completed",
        "    CLIENT entity:counter:add",
        "      SERVER entity:counter:add",
        "    PRODUCER entity:counter:add",
        "      CONSUMER entity:counter:add",
        "    CLIENT entity:counter:fail !",
        "      SERVER entity:counter:fail !",
    ]
    assert shown(traced.one("entity:counter:add", "CLIENT")) == {
        "durabletask.type": "entity",
        "durabletask.task.instance_id": "it",
        "durabletask.task.task_id": 0,
        "durabletask.task.operation": "call_entity",
        "durabletask.event.target_instance_id": "@counter@c",
    }
    assert shown(traced.one("entity:counter:add", "SERVER")) == {
        "durabletask.type": "entity",
        "durabletask.task.instance_id": "@counter@c",
        "durabletask.task.operation": "call_entity",
    }
    failed = traced.one("entity:counter:fail", "SERVER")
    assert shown(failed)["durabletask.entity.error_message"] == "no counter"
    assert traced.one("entity:counter:add", "SERVER").status.status_code is StatusCode.OK


def test_what_an_entity_sends_is_a_part_of_its_operation():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.signal_entity(COUNTER, "spread")
        await hub.at_rest()

    traced = trace(app, scenario)
    assert traced.tree() == [
        "PRODUCER entity:counter:spread",
        "  CONSUMER entity:counter:spread",
        "    PRODUCER counter:create_orchestration",
        "      SERVER orchestration:double_all Completed",
        "        CLIENT activity:double",
        "          SERVER activity:double",
        "    PRODUCER entity:counter:add",
        "      CONSUMER entity:counter:add",
    ]
    assert shown(traced.one("counter:create_orchestration"))["durabletask.event.target_instance_id"] == "by-entity"


def test_a_signal_for_later_is_a_part_of_the_trace_that_sent_it():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.signal_entity(COUNTER, "add", 1, signal_time=hub.now + timedelta(days=2))
        await hub.at_rest()

    traced = trace(app, scenario)
    assert traced.tree() == ["PRODUCER entity:counter:add", "  CONSUMER entity:counter:add"]
    sent, done = traced.one("entity:counter:add", "PRODUCER"), traced.one("entity:counter:add", "CONSUMER")
    assert at(done.start_time) - at(sent.end_time) >= timedelta(days=1)
    assert shown(sent)["durabletask.task.scheduled_time"].startswith("2026-01-03T00:00:00")


@app.orchestration_trigger(context_name="context")
def holds(context: Context):
    with (yield context.lock([COUNTER])):
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))


def test_a_signal_that_waits_for_a_lock_is_a_part_of_the_trace_that_sent_it():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("holds", "it")
        await asyncio.sleep(60)
        await hub.client.signal_entity(COUNTER, "add", 1)
        await hub.at_rest()

    traced = trace(app, scenario)
    [done] = traced.children(traced.one("entity:counter:add", "PRODUCER"))
    assert at(done.start_time) - at(traced.one("entity:counter:add", "PRODUCER").end_time) > timedelta(minutes=50)


def test_an_operation_that_nobody_traced_begins_a_trace_whatever_is_under_way_where_it_runs():
    provider = TracerProvider(shutdown_on_exit=False)

    async def scenario(hub: VirtualHub) -> None:
        bare = TaskHub(hub.store, hub.clock)
        await bare.open()
        await df.DurableOrchestrationClient(bare, hub.settings).signal_entity(COUNTER, "add", 1)
        with api.use_span(provider.get_tracer("host").start_span("queue trigger"), end_on_exit=True):
            await hub.start_worker()
        await hub.at_rest()

    traced = trace(app, scenario, provider=provider, workers=0)
    assert sorted(traced.tree()) == ["CONSUMER entity:counter:add", "INTERNAL queue trigger"]


def test_what_a_client_fails_to_send_is_a_failed_span():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("sleeper", "it")
        with pytest.raises(df.InstanceAlreadyExistsError):
            await hub.client.start_new("sleeper", "it")

    traced = trace(app, scenario, whole=False)
    first, second = traced.named("create_orchestration:sleeper")
    assert first.status.status_code is StatusCode.UNSET
    assert second.status.status_code is StatusCode.ERROR
    assert shown(second)["error.type"] == "azure_durable_py.errors.InstanceAlreadyExistsError"


def test_what_code_sends_from_an_activity_is_a_part_of_its_run():
    one = df.DFApp()

    @one.orchestration_trigger(context_name="context")
    def outer(context: Context):
        yield context.call_activity("starts", None)

    @one.orchestration_trigger(context_name="context")
    def inner(context: Context):
        return context.get_input()

    @one.activity_trigger(input_name="value")
    @one.durable_client_input(client_name="client")
    async def starts(value: Any, client: df.DurableOrchestrationClient) -> None:
        await client.start_new("inner", "the-inner")

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.wait_for_completion(await hub.client.start_new("outer", "it"))
        await hub.at_rest()

    assert trace(one, scenario).tree() == [
        "PRODUCER create_orchestration:outer",
        "  SERVER orchestration:outer Completed",
        "    CLIENT activity:starts",
        "      SERVER activity:starts",
        "        PRODUCER create_orchestration:inner",
        "          SERVER orchestration:inner Completed",
    ]


def test_a_run_that_ends_with_its_worker_is_told_to_have_been_stopped():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("calls", "it", "user_span")
        await asyncio.sleep(0.5)
        await hub.workers[0].stop(0.0)
        await hub.start_worker()
        await hub.client.wait_for_completion("it")

    provider = PROVIDER["now"] = TracerProvider(shutdown_on_exit=False)
    traced = trace(app, scenario, provider=provider)
    assert [line.strip() for line in traced.tree() if "SERVER activity" in line] == [
        "SERVER activity:user_span Stopped",
        "SERVER activity:user_span",
    ]


def test_what_a_client_that_waits_sends_from_a_thread_is_a_part_of_the_run_there():
    one = df.DFApp()

    @one.orchestration_trigger(context_name="context")
    def outer(context: Context):
        yield context.call_activity("starts", None)

    @one.orchestration_trigger(context_name="context")
    def inner(context: Context):
        return context.get_input()

    @one.activity_trigger(input_name="value")
    @one.durable_client_input(client_name="client")
    def starts(value: Any, client: df.DurableOrchestrationSyncClient) -> None:
        client.start_new("inner", "the-inner")

    async def scenario(hub: VirtualHub) -> None:
        await hub.start_worker(run_sync=run_in_thread)
        await hub.client.wait_for_completion(await hub.client.start_new("outer", "it"))
        await hub.at_rest()

    traced = trace(one, scenario, workers=0)
    sent = traced.one("create_orchestration:inner")
    assert sent in traced.children(traced.one("activity:starts", "SERVER"))
