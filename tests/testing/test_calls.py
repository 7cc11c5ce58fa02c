"""What an orchestrator decided, as calls in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.history.events import ContinuedAsNew, ExecutionStarted, OrchestratorStarted
from azure_durable_py.inspection.steps import StepOutcome
from azure_durable_py.testing import CallList, VirtualHub, calls_of, play, read_calls
from azure_durable_py.testing.virtual.hub import EPOCH

Context = df.DurableOrchestrationContext
app = df.DFApp()
POLICY = df.RetryPolicy(timedelta(minutes=1), max_number_of_attempts=3)


@app.orchestration_trigger(context_name="context")
async def order(context: Context) -> Any:
    price = await context.call_activity(quote, context.get_input())
    try:
        paid = await context.call_activity_with_retry(pay, POLICY, price)
    except df.TaskFailedError:
        paid = None
    return [price, paid]


@app.activity_trigger(input_name="what")
def quote(what: str) -> int:
    return len(what)


@app.activity_trigger(input_name="price")
def pay(price: int) -> str:
    return f"paid {price}"


@app.orchestration_trigger(context_name="context")
async def careful_order(context: Context) -> Any:
    try:
        return await context.call_activity(pay, 3)
    except df.TaskFailedError:
        await context.call_activity(quote, "cancelled")
        raise


@app.orchestration_trigger(context_name="context")
async def approve(context: Context) -> Any:
    decision = context.wait_for_external_event("Decision")
    deadline = context.create_timer(timedelta(days=3))
    if await context.task_any([decision, deadline]) is deadline:
        return "nobody answered"
    deadline.cancel()
    return decision.get_result()


@app.orchestration_trigger(context_name="context")
async def everything(context: Context) -> Any:
    a = df.EntityId("counter", "a")
    context.signal_entity(a, "add", 2, timedelta(hours=1))
    async with context.lock([a]):
        await context.call_entity(a, "add", 1)
    await context.call_sub_orchestrator(order, "pen", "child")
    context.send_event("other", "Hello", {"from": "me"})
    await context.call_http("POST", "https://shop.test/orders?key=secret", {"what": "pen"})


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


def calls(
    name: str | Callable[..., Any], input: Any = None, *, given: Callable[[VirtualHub], object] = id, **options: Any
) -> CallList:
    """The calls of an orchestration that has ended."""

    async def scenario(hub: VirtualHub) -> CallList:
        given(hub)
        await hub.client.start_new(name, "it", input)
        await hub.client.wait_for_completion("it")
        return await read_calls(hub.client, "it")

    return play(app, scenario, **options)


def test_calls_have_names_inputs_and_results_in_order():
    made = calls(order, "pen")
    assert made.names == ["quote", "pay"]
    assert made.inputs == ["pen", 3]
    assert made.with_inputs == [("quote", "pen"), ("pay", 3)]
    assert made.results == [3, "paid 3"]
    assert [call.kind for call in made] == ["activity", "activity"]
    assert all(EPOCH < call.scheduled_at <= call.completed_at for call in made if call.completed_at)


def test_calls_can_be_looked_for():
    made = calls(everything, http=lambda request: df.DurableHttpResponse(201, content="made"))
    assert made.of("ORDER").names == ["order"]
    assert made.of(order, "Hello").names == ["order", "Hello"]
    assert [call.kind for call in made.of(counter)] == ["entity_signal", "lock", "entity_call", "lock"]
    assert made.of_kind("http", "event_sent").names == ["Hello", "POST https://shop.test/orders?..."]
    with pytest.raises(TypeError, match="no durable name"):
        made.of(len)


def test_attempts_of_a_task_are_one_call():
    [_, paying] = calls(order, "pen", given=lambda hub: hub.doubles.activity(pay).raises(OSError("no line"), times=2))
    assert (paying.name, paying.attempts, paying.result) == ("pay", 3, "paid 3")
    assert [failure.message for failure in paying.failures] == ["no line", "no line"]
    assert paying.failure is None
    assert paying.completed_at is not None
    assert paying.completed_at - paying.scheduled_at >= timedelta(minutes=2)


def test_a_call_that_fails_in_the_end_has_the_last_failure():
    [_, paying] = calls(order, "pen", given=lambda hub: hub.doubles.activity(pay).raises(OSError("no line")))
    assert (paying.outcome, paying.attempts) == (StepOutcome.failed, 3)
    assert paying.failure is not None
    assert paying.failure.error_type == "OSError"


def test_a_call_between_two_attempts_is_open():
    async def scenario(hub: VirtualHub) -> CallList:
        hub.doubles.activity(pay).raises(OSError("no line"))
        await hub.client.start_new(order, "it", "pen")
        await asyncio.sleep(90)
        return await read_calls(hub.client, "it")

    [_, paying] = play(app, scenario)
    assert (paying.outcome, paying.attempts, len(paying.failures)) == (StepOutcome.open, 2, 2)


def test_a_timer_that_has_fired_and_an_event_that_never_came():
    made = calls(approve)
    assert [(call.kind, call.outcome.value) for call in made] == [("timer", "completed")]
    [timer] = made
    assert timer.due is not None
    assert timer.due - timer.scheduled_at == timedelta(days=3)


def test_what_an_instance_waits_for_is_open():
    async def scenario(hub: VirtualHub) -> tuple[CallList, CallList]:
        await hub.client.start_new(approve, "it")
        await hub.client.wait_for_start("it")
        waiting = await read_calls(hub.client, "it")
        await hub.client.raise_event("it", "decision", {"approved": True})
        await hub.client.wait_for_completion("it")
        return waiting, await read_calls(hub.client, "it")

    waiting, done = play(app, scenario)
    assert [(call.kind, call.name, call.outcome.value) for call in waiting] == [
        ("timer", "timer", "open"),
        ("event", "Decision", "open"),
    ]
    assert [(call.kind, call.name, call.outcome.value, call.result) for call in done] == [
        ("timer", "timer", "cancelled", None),
        ("event", "decision", "completed", {"approved": True}),
    ]


def test_everything_else_that_can_be_decided():
    made = calls(everything, http=lambda request: df.DurableHttpResponse(201, content="made"))
    assert [(call.kind, call.name, call.target) for call in made] == [
        ("entity_signal", "add", "@counter@a"),
        ("lock", "lock", "@counter@a"),
        ("entity_call", "add", "@counter@a"),
        ("lock", "release", "@counter@a"),
        ("sub_orchestration", "order", "child"),
        ("event_sent", "Hello", "other"),
        ("http", "POST https://shop.test/orders?...", None),
    ]
    signal, request = made[0], made[-1]
    assert signal.due is not None
    assert signal.due - signal.scheduled_at == timedelta(hours=1)
    assert made.of_kind("entity_call").results == [1]
    assert (request.input["uri"], request.input["content"]) == (
        "https://shop.test/orders?key=secret",
        '{"what": "pen"}',
    )
    assert request.result["statusCode"] == 201


def test_the_looks_of_an_http_call_have_no_timers():
    answers = iter([df.DurableHttpResponse(202, {"Location": "https://shop.test/1"}), df.DurableHttpResponse(200)])
    made = calls(everything, http=lambda request: next(answers))
    assert made.of_kind("http", "timer").names == ["POST https://shop.test/orders?...", "GET https://shop.test/1"]


def test_what_a_rewind_made_void_is_left_out():
    async def scenario(hub: VirtualHub) -> CallList:
        hub.doubles.activity(quote).raises(OSError("no line"), times=1)
        await hub.client.start_new(order, "it", "pen")
        await hub.client.wait_for_completion("it")
        await hub.client.rewind("it", "again")
        await hub.client.wait_for_completion("it")
        return await read_calls(hub.client, "it")

    made = play(app, scenario)
    assert [(call.name, call.outcome.value, call.attempts) for call in made] == [
        ("quote", "completed", 1),
        ("pay", "completed", 1),
    ]


def test_what_is_not_called_again_after_a_rewind_is_left_out():
    async def scenario(hub: VirtualHub) -> tuple[CallList, CallList]:
        hub.doubles.activity(pay).raises(OSError("no line"), times=1)
        await hub.client.start_new(careful_order, "it")
        await hub.client.wait_for_completion("it")
        failed = await read_calls(hub.client, "it")
        await hub.client.rewind("it", "again")
        await hub.client.wait_for_completion("it")
        return failed, await read_calls(hub.client, "it")

    failed, rewound = play(app, scenario)
    assert failed.names == ["pay", "quote"]
    assert rewound.names == ["pay"]


def test_a_history_alone_tells_of_continue_as_new():
    history = [OrchestratorStarted(EPOCH), ExecutionStarted(EPOCH, "cleanup"), ContinuedAsNew(EPOCH, "[1]")]
    [call] = calls_of(history)
    assert (call.kind, call.input) == ("continue_as_new", [1])


def test_a_history_alone_takes_timers_for_open():
    async def scenario(hub: VirtualHub) -> CallList:
        await hub.client.start_new(approve, "it")
        await hub.client.wait_for_start("it")
        return calls_of(await hub.client.get_history("it"))

    assert [(call.kind, call.outcome.value) for call in play(app, scenario)] == [("timer", "open")]


def test_a_call_reads_as_a_line():
    def given(hub: VirtualHub) -> None:
        hub.doubles.activity(pay).raises(OSError("no line"))

    assert [repr(call) for call in calls(order, "pen", given=given)] == [
        "<activity quote('pen') = 3>",
        "<activity pay(3) failed in attempt 3: OSError: no line>",
    ]
    assert [repr(call) for call in calls(everything, http=lambda request: df.DurableHttpResponse(201, content="made"))][
        :6
    ] == [
        "<entity_signal @counter@a.add(2)>",
        "<lock @counter@a>",
        "<entity_call @counter@a.add(1) = 1>",
        "<release @counter@a>",
        "<sub_orchestration order('pen') = [3, 'paid 3']>",
        "<event_sent Hello({'from': 'me'})>",
    ]
    assert [repr(call) for call in calls(approve)] == ["<timer until 2026-01-04 00:00:00>"]
