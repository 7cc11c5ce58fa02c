"""What a type checker knows about decorated functions. Checked by pyright, never run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

import azure.functions as func
from typing_extensions import assert_type

import azure_durable_py as df
from azure_durable_py import Blueprint, DFApp, DurableFunction

app = DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
blueprint = Blueprint()


@app.activity_trigger(input_name="city")
def say_hello(city: str) -> str:
    return city


@blueprint.activity_trigger(input_name="count", activity="Count")
async def count_up(count: int) -> list[int]:
    return [count]


@blueprint.activity_trigger(input_name="count", cancellable=True)
async def count_slowly(count: int) -> list[int]:
    raise df.ActivityError("not now", retry_after=30)


@app.orchestration_trigger(context_name="context", input_type=int)
async def chain(context: df.DurableOrchestrationContext) -> int:
    assert_type(await context.call_activity(say_hello, "x"), str)
    assert_type(await context.call_activity(count_up, 1), list[int])
    assert_type(await context.call_activity(count_slowly, 1), list[int])
    assert_type(df.current_context(), df.DurableOrchestrationContext | None)
    return assert_type(await context.call_sub_orchestrator(chain, 1), int)


assert_type(say_hello("x"), str)
assert_type(say_hello.durable_name, str)
assert_type(say_hello.durable_kind, Literal["orchestrator", "activity", "entity"])
say_hello(5)  # pyright: ignore[reportArgumentType]
say_hello()  # pyright: ignore[reportCallIssue]


async def uses(context: df.DurableOrchestrationContext) -> None:
    assert_type(await count_up(1), list[int])
    assert_type(await chain(context), int)


function: Callable[[str], str] = say_hello
durable: DurableFunction[[str], str]
coroutine: Callable[[int], Awaitable[list[int]]] = count_up


assert_type(df.install_as_durable_functions(), None)
assert_type(DFApp.from_function_json("app"), DFApp)
main = df.Orchestrator.create(chain.function)
orchestrator_function: Callable[[df.DurableOrchestrationContext], Coroutine[Any, Any, int]] = main.orchestrator_function
