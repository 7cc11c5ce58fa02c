"""What a type checker knows of doubles and calls. Read by pyright, never run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

import azure_durable_py as df
from azure_durable_py.testing import (
    ActivityDouble,
    Call,
    CallList,
    Doubles,
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    EntityDouble,
    EntityHandle,
    Execution,
    OperationDouble,
    OrchestratorDouble,
    read_calls,
)

app = df.DFApp()


@dataclass
class Wish:
    """An input."""

    city: str


@app.activity_trigger(input_name="wish")
def book(wish: Wish) -> str:
    """A sync activity."""
    return wish.city


@app.activity_trigger(input_name="wish")
async def cancel(wish: Wish) -> int:
    """An async activity."""
    return len(wish.city)


@app.orchestration_trigger(context_name="context")
async def travel(context: df.DurableOrchestrationContext) -> str:
    """An orchestrator that awaits."""
    return await context.call_activity(book, Wish("Oslo"))


@app.orchestration_trigger(context_name="context")
def pay(context: df.DurableOrchestrationContext) -> Generator[Any, Any, int]:
    """An orchestrator that yields."""
    return (yield context.call_activity(cancel, Wish("Oslo")))


@app.entity_trigger(entity_name="limiter")
@dataclass
class Limiter:
    """An entity."""

    used: int = 0

    async def take(self) -> bool:
        """An operation."""
        return False


async def slowly(wish: Wish, execution: Execution[Wish]) -> str:
    """An async fake that asks what it is run for."""
    return f"{execution.input.city} {execution.attempt} {wish.city}"


def activities(doubles: Doubles) -> None:
    """A double of a function knows its input and result; one of a name knows neither."""
    hotel = doubles.activity(book)
    assert_type(hotel, ActivityDouble[Wish, str])
    assert_type(doubles.activity(cancel), ActivityDouble[Wish, int])
    assert_type(doubles.activity("book"), ActivityDouble[Any, Any])
    assert_type(hotel.raises(OSError("no line"), times=2).returns("room 1"), ActivityDouble[Wish, str])
    assert_type(hotel.calls(lambda wish: wish.city), ActivityDouble[Wish, str])
    assert_type(hotel.calls(slowly, times=1).really(), ActivityDouble[Wish, str])
    assert_type(hotel.when(lambda wish: wish.city == "Oslo"), ActivityDouble[Wish, str])
    assert_type(hotel.inputs, list[Wish])
    assert_type(hotel.received, list[Execution[Wish]])
    doubles.activity("charge", create=True)
    hotel.returns(1)  # pyright: ignore[reportArgumentType] - not what the activity returns
    hotel.raises("no line")  # pyright: ignore[reportArgumentType] - no exception
    hotel.calls(lambda wish: 5)  # pyright: ignore[reportArgumentType] - not what the activity returns
    doubles.activity(5)  # pyright: ignore[reportArgumentType, reportCallIssue] - neither a name nor a function


def orchestrators(doubles: Doubles) -> None:
    """A double of an orchestrator knows its result, and runs another orchestrator."""
    assert_type(doubles.orchestrator(travel), OrchestratorDouble[Any, str])
    assert_type(doubles.orchestrator(pay), OrchestratorDouble[Any, int])
    assert_type(doubles.orchestrator("pay"), OrchestratorDouble[Any, Any])
    doubles.orchestrator(pay).returns(5).calls(travel).calls(lambda context: context.instance_id)
    doubles.orchestrator(pay).returns("no")  # pyright: ignore[reportArgumentType] - not what the orchestrator returns


def entities(doubles: Doubles) -> None:
    """Operations have doubles of their own."""
    limiter = doubles.entity(Limiter)
    assert_type(limiter, EntityDouble)
    assert_type(limiter.operation("take").returns(False), OperationDouble[Any, Any])
    assert_type(doubles.entity("limiter", "a").received, list[Execution[Any]])


async def calls(client: df.DurableOrchestrationClient) -> None:
    """Calls are a list with a few words more."""
    made = await read_calls(client, "it")
    assert_type(made, CallList)
    assert_type(made[0], Call)
    assert_type(made.of(book, "pay").names, list[str])
    made.of_kind("activities")  # pyright: ignore[reportArgumentType] - there is no such kind


async def environments(env: DurableTestEnvironment, sync_env: DurableTestSyncEnvironment) -> None:
    """Environments give the same doubles, and handles of entities."""
    assert_type(env.activity(book), ActivityDouble[Wish, str])
    assert_type(sync_env.activity(cancel), ActivityDouble[Wish, int])
    assert_type(env.orchestrator(travel), OrchestratorDouble[Any, str])
    account = env.entity(Limiter, "Ada")
    assert_type(account, EntityHandle)
    assert_type(await account.call("take", expected_type=bool), bool)
    assert_type(await account.state(int), int | None)
    assert_type(account.operation("take"), OperationDouble[Any, Any])
    assert_type(sync_env.entity("limiter", "Ada").call("take", expected_type=bool), bool)
    assert_type(await (await env.start(travel)).calls(book), CallList)
    assert_type(sync_env.start(travel).calls("book").inputs, list[Any])
