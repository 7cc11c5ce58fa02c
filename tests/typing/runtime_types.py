"""What a type checker knows inside an orchestrator. Checked by pyright, never run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from typing_extensions import assert_type

from azure_durable_py.app import DFApp
from azure_durable_py.durable_http import DurableHttpResponse
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.tasks import Task

app = DFApp()
RETRY = RetryOptions(1000, 3)


@dataclass
class Order:
    item: str


@app.activity_trigger(input_name="order")
def price_of(order: Order) -> float:
    return 1.0


@app.activity_trigger(input_name="city")
async def say_hello(city: str) -> list[str]:
    return [city]


@app.orchestration_trigger(context_name="context")
async def child(context: DurableOrchestrationContext) -> int:
    return 1


@app.orchestration_trigger(context_name="context")
def generator_child(context: DurableOrchestrationContext) -> Generator[Task[Any], Any, str]:
    result = yield context.call_activity(price_of, Order("x"))
    assert_type(result, Any)
    return "x"


async def orchestrator(context: DurableOrchestrationContext) -> None:
    assert_type(await context.call_activity(price_of, Order("x")), float)
    assert_type(await context.call_activity(say_hello, "x"), list[str])
    response = await context.call_http("GET", "https://a.test", {"a": 1}, {"X": "y"}, timeout=30)
    assert_type(response, DurableHttpResponse)
    assert_type(response.status_code, int)
    assert_type(response.content, str)
    assert_type(await context.call_activity(say_hello), list[str])
    assert_type(await context.call_activity("by name", 1), Any)
    assert_type(await context.call_activity("by name", 1, Order), Order)
    assert_type(await context.call_activity("by name", expected_type=list[Order]), list[Order])
    assert_type(await context.call_activity_with_retry(price_of, RETRY, Order("x")), float)
    assert_type(await context.call_activity_with_retry(say_hello, RETRY, "x"), list[str])
    assert_type(await context.call_activity_with_retry("by name", RETRY, 1), Any)
    assert_type(await context.call_activity_with_retry("by name", RETRY, 1, expected_type=int), int)
    context.call_activity(price_of, "not an order")  # pyright: ignore[reportArgumentType, reportCallIssue]
    context.call_activity(print, 1)  # pyright: ignore[reportArgumentType, reportCallIssue]

    assert_type(await context.call_sub_orchestrator(child, 1), int)
    assert_type(await context.call_sub_orchestrator(generator_child, instance_id="x"), str)
    assert_type(await context.call_sub_orchestrator("child", expected_type=int), int)
    assert_type(await context.call_sub_orchestrator("child"), Any)
    assert_type(await context.call_sub_orchestrator_with_retry(child, RETRY), int)

    tasks = [context.call_activity(price_of, Order(item)) for item in "ab"]
    assert_type(await context.task_all(tasks), list[float])
    winner = await context.task_any(tasks)
    assert_type(winner, Task[float])
    assert_type(winner.get_result(), float)
    assert_type(winner.result, Any)
    timer = context.create_timer(timedelta(seconds=1))
    assert_type(timer.cancel(), bool)
    await context.task_any([timer, context.wait_for_external_event("e")])
