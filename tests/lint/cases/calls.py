# bad: sub-orchestrations, entities, operations, and other kinds
import azure_durable_py as df

app = df.DFApp()
RETRY = df.RetryOptions(1000, 3)


@app.activity_trigger(input_name="name", activity="say")
def say_hello(name: str) -> str:
    return f"Hello {name}!"


@app.entity_trigger(entity_name="counter")
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.orchestration_trigger(context_name="context")
def hello(context):
    yield context.call_activity("say_hello", "Ada")  # expect: DF301
    yield context.call_activity_with_retry("hello", RETRY, "Ada")  # expect: DF301
    yield context.call_sub_orchestrator("helo")  # expect: DF301
    yield context.call_sub_orchestrator(say_hello, "Ada")  # expect: DF301
    yield context.call_entity(df.EntityId("conter", "c"), "add", 1)  # expect: DF301
    context.signal_entity(df.EntityId("Counter", "c"), "ad", 1)  # expect: DF301


# good: case does not count for entities
import azure_durable_py as df

app = df.DFApp()


@app.entity_trigger(entity_name="counter")
class Counter:
    value: int = 0

    def add(self, amount: int) -> int:
        self.value += amount
        return self.value


@app.entity_trigger(context_name="context")
def door(context):
    context.set_result(context.operation_name)


@app.orchestration_trigger(context_name="context")
def hello(context):
    counter = df.EntityId("COUNTER", "c")
    context.signal_entity(df.EntityId("Counter", "c"), "ADD", 1)
    context.signal_entity(counter, "delete")
    yield context.call_entity(counter, "add", 1)
    yield context.call_entity(df.EntityId("door", "d"), "open")
    yield context.call_sub_orchestrator("hello")
    yield context.call_entity(df.schedule_entity_id("nightly"), "pause")


# good: names of activities, and the functions themselves
import azure_durable_py as df

app = df.DFApp()
NAME = "say_hello"


@app.activity_trigger(input_name="name")
def say_hello(name: str) -> str:
    return f"Hello {name}!"


@app.activity_trigger(input_name="name", activity="say_goodbye")
def other(name: str) -> str:
    return f"Goodbye {name}!"


@app.orchestration_trigger(context_name="context")
async def hello(context):
    await context.call_activity("say_hello", "Ada")
    await context.call_activity(NAME, "Ada")
    await context.call_activity(context.get_input(), "Ada")
    await context.call_activity("say_goodbye", "Ada")
    return await context.call_activity(other, "Ada")


# good: an app of which not all is known
import azure_durable_py as df
from company.functions import shared

app = df.DFApp()
app.register_functions(shared)


@app.orchestration_trigger(context_name="context")
async def hello(context):
    return await context.call_activity("shared_activity", "Ada")


# good: a blueprint, whose app is elsewhere
import azure_durable_py as df

bp = df.Blueprint()


@bp.orchestration_trigger(context_name="context")
async def hello(context):
    return await context.call_activity("of_another_file", "Ada")


# bad: inputs that do not fit
@bp.activity_trigger(input_name="amount")
def charge(amount: int) -> int:
    return amount


@bp.activity_trigger(input_name="order")
def ship(order: dict[str, str]) -> str:
    return order["id"]


RETRY = df.RetryOptions(1000, 3)


@bp.orchestration_trigger(context_name="context")
def order(context):
    yield context.call_activity(charge, "ten")  # expect: DF302
    yield context.call_activity("charge")  # expect: DF302
    yield context.call_activity("charge", input=10)  # expect: DF302
    yield context.call_activity(ship, ["tea"])  # expect: DF302
    yield context.call_activity_with_retry(ship, RETRY, "tea")  # expect: DF302
    yield context.call_activity_with_retry(charge, 10, RETRY)  # expect: DF302
    yield context.call_activity(ship, {"id": "1"}, "tea", "cups")  # expect: DF302


# good: inputs that fit, or of which nothing is known
from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional


@dataclass
class Order:
    item: str


@bp.activity_trigger(input_name="amount")
def charge(amount: float) -> float:
    return amount


@bp.activity_trigger(input_name="order")
def ship(order: Order, carrier: str = "post") -> str:
    return order.item + carrier


@bp.activity_trigger(input_name="at")
def ring(at: datetime | None) -> None: ...


@bp.activity_trigger(input_name="nothing")
def clean(nothing) -> None: ...


@bp.activity_trigger(input_name="names")
def greet(names: Optional[list[str]] = None) -> Any: ...


@bp.activity_trigger(input_name="payload")
def as_templates_have_it(payload: str) -> int:
    return len(payload)


@bp.activity_trigger(input_name="nothing")
def without_need(nothing: dict) -> int:
    return 1


@bp.orchestration_trigger(context_name="context")
async def order(context):
    await context.call_activity(charge, 10)
    await context.call_activity("charge", context.get_input())
    await context.call_activity(ship, {"item": "tea"})
    await context.call_activity(ship, input_=Order("tea"), expected_type=str)
    await context.call_activity(ring, "2026-01-01T00:00:00Z")
    await context.call_activity(ring)
    await context.call_activity(clean)
    await context.call_activity(greet)
    await context.call_activity(greet, ("Ada", "Bob"), dict)
    await context.call_activity("of_another_file", 1)
    await context.call_activity(as_templates_have_it, ["a", "b"])
    await context.call_activity(without_need)
    await context.call_sub_orchestrator("order", 1, "id-of-the-child")


# bad: functions, files, iterators and tasks
import threading
from functools import partial


def double(value):
    return value * 2


@bp.orchestration_trigger(context_name="context")
def work(context):
    yield context.call_activity("a", lambda value: value)  # expect: DF303
    yield context.call_activity("b", {"how": double})  # expect: DF303
    yield context.call_activity("c", map(double, [1]))  # expect: DF303
    yield context.call_activity("d", [range(3), 1j])  # expect: DF303, DF303
    yield context.call_activity("e", context.call_activity("f"))  # expect: DF303
    ages = {}
    ages["Ada"] = 36
    context.set_custom_status({"names": ages.values()})  # expect: DF303
    context.send_event("other", "Go", context)  # expect: DF303
    context.continue_as_new(partial(double, 1))  # expect: DF303


# bad: annotations of activities
from collections.abc import Callable, Iterator
from typing import IO, Any

import azure.functions as func


@bp.activity_trigger(input_name="how")
def apply(how: Callable[[int], int]) -> int:  # expect: DF303
    return how(1)


@bp.activity_trigger(input_name="request")
def answer(request: func.HttpRequest) -> Iterator[int]:  # expect: DF303, DF303
    return iter(request.get_json())


@bp.activity_trigger(input_name="file")
def read(file: "IO[str] | None") -> Any:  # expect: DF303
    return None if file is None else file.read()


# good: more than JSON has, which the converter knows
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Iterable, Sequence
from uuid import UUID


class Colour(Enum):
    RED = "red"


@dataclass
class Order:
    at: datetime
    colour: Colour


@bp.activity_trigger(input_name="order")
def keep(order: Order) -> tuple[UUID, Path]: ...


@bp.activity_trigger(input_name="names")
def sort(names: Iterable[str]) -> Sequence[bytes]: ...


@bp.orchestration_trigger(context_name="context")
async def work(context):
    await context.call_activity(keep, Order(datetime(2026, 1, 1, tzinfo=timezone.utc), Colour.RED))
    await context.call_activity(sort, {"a", "b"})
    await context.call_activity("c", [b"1", Decimal(1), timedelta(days=1), Path("a"), (1, 2), Colour.RED])
    await context.call_activity("d", [{}.keys(), {"a": 1}.items()])
    await context.call_activity("e", sorted(name for name in context.get_input()))
    await context.call_activity("f", list(map(str, [1])))
    return sum(number for number in range(3))
