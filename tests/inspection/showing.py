"""An app whose instances fail, are slow, are retried and wait, for all that looks at them; and short ways to look."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import azure_durable_py as df

Context = df.DurableOrchestrationContext
Routine = Generator[Any, Any, Any]
THRICE = df.RetryPolicy(first_retry_interval=timedelta(minutes=1), max_number_of_attempts=3)
app = df.DFApp()
calls: dict[str, int] = {}


@app.orchestration_trigger(context_name="context")
async def greet(context: Context) -> list[str]:
    return [await context.call_activity(say, word) for word in context.get_input()]


@app.activity_trigger(input_name="word")
def say(word: str) -> str:
    return f"{word}!"


@app.activity_trigger(input_name="key")
def flaky(key: str) -> str:
    """Fails twice, then succeeds; of the keys that begin with `bad` it never does."""
    calls[key] = calls.get(key, 0) + 1
    if calls[key] <= 2 or key.startswith("bad"):
        raise ValueError(f"{key}: no luck in attempt {calls[key]}")
    return "lucky"


@app.activity_trigger(input_name="minutes")
async def slow(minutes: float) -> str:
    await asyncio.sleep(60 * minutes)
    return "late"


@app.orchestration_trigger(context_name="context")
async def wait_long(context: Context) -> str:
    return await context.call_activity(slow, context.get_input())


@app.orchestration_trigger(context_name="context")
async def try_again(context: Context) -> Any:
    keys = context.get_input()
    return await context.task_all([context.call_activity_with_retry(flaky, THRICE, key) for key in keys])


@app.orchestration_trigger(context_name="context")
async def break_down(context: Context) -> Any:
    await context.call_activity(say, "before")
    return await context.call_activity(flaky, "bad")


@app.orchestration_trigger(context_name="context")
def approve(context: Context) -> Routine:
    context.set_custom_status("waiting for approval")
    timeout = context.create_timer(context.current_utc_datetime + timedelta(hours=1))
    approval = context.wait_for_external_event("Approval")
    winner = yield context.task_any([timeout, approval])
    if winner is approval:
        timeout.cancel()
        return approval.result
    return "nobody answered"


@app.orchestration_trigger(context_name="context")
async def ask(context: Context) -> Any:
    return await context.wait_for_external_event("Answer")


@app.orchestration_trigger(context_name="context")
async def parent(context: Context) -> Any:
    return await context.call_sub_orchestrator(approve, None, "the-child")


@app.orchestration_trigger(context_name="context")
async def use_entities(context: Context) -> Any:
    counter = df.EntityId("counter", "a")
    context.signal_entity(counter, "add", 1)
    async with context.lock([counter]):
        await context.call_entity(counter, "add", 2)
        return await context.call_activity(slow, context.get_input())


@app.orchestration_trigger(context_name="context")
async def rest(context: Context) -> None:
    await context.create_timer(timedelta(days=1))


@app.entity_trigger(context_name="context")
def counter(context: Any) -> None:
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        value += context.get_input()
        context.set_state(value)
    context.set_result(value)
