"""What annotations do to values that came as JSON, where nobody has asked for a type."""

# ruff: noqa: UP006, UP007, UP045 - users write unions and generics in every spelling

from __future__ import annotations

import collections
import enum
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Protocol, TypedDict, TypeVar, Union
from uuid import UUID

import azure.functions as func
import pydantic
import pytest

import azure_durable_py as df
from azure_durable_py.serialization.annotations import demanded
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.serialization.decode import build
from azure_durable_py.testing import VirtualHub, play, run

CONVERTER = JsonDataConverter()
UserId = NewType("UserId", int)
Text = TypeVar("Text", bound=str)
NOON = datetime(2026, 5, 6, 12, tzinfo=timezone.utc)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Order:
    n: int


class Model(pydantic.BaseModel):
    n: int


class Point(NamedTuple):
    x: int
    y: int


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def to_json(money: Money) -> int:
        return money.cents

    @staticmethod
    def from_json(data: int) -> Money:
        return Money(int(data))


class Tree(TypedDict):
    name: str
    below: list[Tree]


class Visit(TypedDict):
    at: datetime


class Unknown:
    """A class that nothing is known of: the function makes something of the value itself."""


class Speaks(Protocol):
    def speak(self) -> str: ...


# --- which types JSON carries -----------------------------------------------------------------------------

CARRIED: list[Any] = [
    str,
    int,
    float,
    bool,
    None,
    type(None),
    object,
    Any,
    list,
    dict,
    typing.List,
    typing.Dict,
    list[int],
    dict[str, int],
    dict[int, str],
    list[dict[str, Optional[int]]],
    Sequence[str],
    Mapping[str, Any],
    Iterable,
    Union[int, str],
    int | None,
    Annotated[int, "positive"],
    Literal["a", 1],
    UserId,
    Text,
    TypeVar("Anything"),
    TypeVar("Either", int, str),
    Tree,
    list[Tree],
    Unknown,
    list[Unknown],
    Speaks,
    Callable[[int], int],
    "NotThere",
    func.Context,
]


@pytest.mark.parametrize("annotation", CARRIED, ids=str)
@pytest.mark.parametrize("value", [None, 5, 1.5, "x", True, [1, "a"], {"a": [None]}], ids=str)
def test_a_type_that_json_carries_lets_every_value_pass_as_it_came(annotation: Any, value: Any):
    assert demanded(annotation) is None
    assert CONVERTER.deserialize(CONVERTER.serialize(value), demanded(annotation)) == value


@pytest.mark.parametrize(
    ("annotation", "value", "built"),
    [
        (Order, {"n": 5}, Order(5)),
        (Model, {"n": 5}, Model(n=5)),
        (Point, [1, 2], Point(1, 2)),
        (Colour, "red", Colour.RED),
        (Literal[Colour.RED], "red", Colour.RED),
        (datetime, NOON.isoformat(), NOON),
        (UUID, str(UUID(int=7)), UUID(int=7)),
        (Decimal, "1.10", Decimal("1.10")),
        (bytes, "aGk=", b"hi"),
        (PurePosixPath, "/a", PurePosixPath("/a")),
        (set, [1, 2], {1, 2}),
        (frozenset[str], [1], frozenset({1})),
        (tuple, [1, "a"], (1, "a")),
        (typing.Tuple, [1, "a"], (1, "a")),
        (tuple[int, str], ["a", 1], ("a", 1)),
        (tuple[Order, ...], [{"n": 1}], (Order(1),)),
        (collections.deque, [1], collections.deque([1])),
        (list[Order], [{"n": 1}, {"n": 2}], [Order(1), Order(2)]),
        (typing.List[Optional[Order]], [None, {"n": 2}], [None, Order(2)]),
        (dict[str, list[Order]], {"a": [{"n": 1}]}, {"a": [Order(1)]}),
        (dict[UUID, int], {str(UUID(int=7)): "x"}, {UUID(int=7): "x"}),
        (Sequence[Order], [{"n": 1}], [Order(1)]),
        (Optional[Order], {"n": 1}, Order(1)),
        (Annotated[Order, "paid"], {"n": 1}, Order(1)),
        (Visit, {"at": NOON.isoformat()}, {"at": NOON}),
        (TypeVar("Bound", bound=Order), {"n": 1}, Order(1)),
    ],
    ids=str,
)
def test_a_type_that_json_does_not_carry_is_built(annotation: Any, value: Any, built: Any):
    demand = demanded(annotation)
    found = build(value, demand)
    assert (found, type(found)) == (built, type(built))
    assert build(None, demand) is None


@pytest.mark.parametrize(
    ("annotation", "value", "built"),
    [
        (Union[Order, str], {"n": 1}, Order(1)),
        (Union[str, Order], {"n": 1}, Order(1)),
        (Union[Order, str], 5, 5),
        (Union[Order, dict], {"n": 1}, Order(1)),
        (Union[Order, dict], {"m": 1}, {"m": 1}),
        (Union[datetime, str], "2026-05-06", "2026-05-06"),
        (Union[Unknown, Order], {"n": 1}, Order(1)),
        (Union[list[str], list[Order]], [{"n": 1}], [Order(1)]),
        (Union[list[str], list[Order]], [5], [5]),
    ],
    ids=str,
)
def test_in_a_union_what_fits_nothing_passes_where_one_type_lets_it(annotation: Any, value: Any, built: Any):
    assert build(value, demanded(annotation)) == built


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (Order, 5, r"\$: expected Order, found int"),
        (Order, {"n": "x"}, r"\$\.n: expected int, found str"),
        (list[Order], {"n": 1}, r"\$: expected list, found dict"),
        (list[Order], [{"n": 1}, {"n": 1.5}], r"\$\[1\]\.n: expected int, found float"),
        (Optional[Order], "x", r"\$: expected Order, found str"),
        (Union[Order, Point], 5, r"\$: expected .*Order.*Point.*, found int"),
        (tuple[int, int], [1], r"\$: expected 2 items, found 1"),
        (Colour, "blue", r"\$: expected Colour \(one of 'red'\), found 'blue'"),
        (Visit, {}, r"Visit needs the key 'at'"),
    ],
    ids=str,
)
def test_what_cannot_be_built_is_an_error_that_names_the_place(annotation: Any, value: Any, message: str):
    with pytest.raises(df.SerializationError, match=message):
        build(value, demanded(annotation))


# --- where code has them ------------------------------------------------------------------------------------


blueprint = df.Blueprint()


@blueprint.activity_trigger(input_name="x")
def text(x: str) -> str:
    return x


@blueprint.activity_trigger(input_name="orders")
async def order(orders: list[Order]) -> Any:
    return None if orders is None else [type(one).__name__ for one in orders]


@blueprint.activity_trigger(input_name="data")
def broken(data: Any) -> list[Order]:
    return data


@blueprint.orchestration_trigger(context_name="context")
def by_reference(context: df.DurableOrchestrationContext) -> Any:
    return (yield context.call_activity(text, context.get_input()))


@blueprint.orchestration_trigger(context_name="context")
def without_input(context: df.DurableOrchestrationContext) -> Any:
    return [(yield context.call_activity("text")), (yield context.call_activity("order"))]


@blueprint.orchestration_trigger(context_name="context")
def orders_of(context: df.DurableOrchestrationContext) -> Any:
    return (yield context.call_activity("order", context.get_input()))


@blueprint.orchestration_trigger(context_name="context")
def results_of(context: df.DurableOrchestrationContext) -> Any:
    found = yield context.call_activity(broken, context.get_input())
    return None if found is None else [one.n for one in found]


@blueprint.orchestration_trigger(context_name="context", input_type=int)
def number(context: df.DurableOrchestrationContext) -> Any:
    return context.get_input()


@blueprint.orchestration_trigger(context_name="context", input_type=Order)
def one_order(context: df.DurableOrchestrationContext) -> Any:
    found = context.get_input()
    return None if found is None else found.n


@blueprint.orchestration_trigger(context_name="context", input_type=int)
def asked(context: df.DurableOrchestrationContext) -> Any:
    return context.get_input(str)


@blueprint.entity_trigger(context_name="context")
class Drawer:
    state: list[Any]

    def __init__(self) -> None:
        self.state = []

    async def put(self, n: int) -> int:
        self.state.append(n)
        return self.state[-1]

    async def order(self, order: Order) -> str:
        return type(order).__name__


@blueprint.activity_trigger(input_name="cents")
def coin(cents: Any) -> Any:
    return Money(5)


@blueprint.orchestration_trigger(context_name="context")
def coins(context: df.DurableOrchestrationContext) -> Any:
    return (yield context.call_activity("coin"))


@blueprint.orchestration_trigger(context_name="context")
def mistaken(context: df.DurableOrchestrationContext) -> Any:
    try:
        return type((yield context.call_activity("coin", 1, Order))).__name__
    except df.SerializationError as error:
        return type(error).__name__


@blueprint.orchestration_trigger(context_name="context")
async def puts(context: df.DurableOrchestrationContext) -> Any:
    return await context.entity(Drawer, "d").put(context.get_input())


@blueprint.orchestration_trigger(context_name="context")
async def puts_order(context: df.DurableOrchestrationContext) -> Any:
    return await context.entity(Drawer, "d").order(context.get_input())


def app_of(*, strict: bool) -> df.DFApp:
    app = df.DFApp(strict_types=strict)
    app.register_functions(blueprint)
    return app


LENIENT, STRICT = app_of(strict=False), app_of(strict=True)
AS_THEY_COME: list[Any] = [5, 1.5, "x", None, [1], {"a": 1}]


@pytest.mark.parametrize("value", AS_THEY_COME, ids=str)
@pytest.mark.parametrize("name", ["by_reference", "number", "puts"])
def test_annotations_of_plain_types_let_values_pass(name: str, value: Any):
    status = run(LENIENT, name, value)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Completed, status.output
    assert status.output == value


def test_a_parameter_is_none_when_no_input_was_given():
    assert run(LENIENT, "without_input").output == [None, None]
    assert run(LENIENT, "one_order").output is None
    assert run(LENIENT, "puts_order").output == "NoneType"


def test_what_json_does_not_carry_is_built_in_every_place():
    assert run(LENIENT, "orders_of", [{"n": 1}]).output == ["Order"]
    assert run(LENIENT, "results_of", [{"n": 1}]).output == [1]
    assert run(LENIENT, "results_of", None).output is None
    assert run(LENIENT, "one_order", {"n": 4}).output == 4
    assert run(LENIENT, "puts_order", {"n": 4}).output == "Order"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("orders_of", [{"n": "x"}], "parameter 'orders' of activity 'order', ... $[0].n: expected int, found str"),
        ("results_of", [{"n": 1}, 5], "what ...broken ... returned: $[1]: expected Order, found int"),
        ("one_order", "x", "input of orchestrator 'one_order', ...: $: expected Order, found str"),
        ("puts_order", 5, "input of operation 'order', ...Drawer.order ...: $: expected Order, found int"),
    ],
)
@pytest.mark.parametrize("app", [LENIENT, STRICT], ids=["lenient", "strict"])
def test_what_cannot_be_built_names_function_parameter_place_and_what_came(
    app: df.DFApp, name: str, value: Any, message: str
):
    status = run(app, name, value)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    position = 0
    for part in message.split("..."):
        position = status.output.find(part, position)
        assert position >= 0, f"{part!r} is not in {status.output!r}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("by_reference", 5, "expected str, found int"),
        ("without_input", None, "expected str, found NoneType"),
        ("number", "x", "expected int, found str"),
        ("puts", "x", "expected int, found str"),
    ],
)
def test_with_strict_types_annotations_of_plain_types_are_checked(name: str, value: Any, message: str):
    status = run(STRICT, name, value)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert message in status.output
    assert run(STRICT, "number", 5).output == 5


@pytest.mark.parametrize("app", [LENIENT, STRICT], ids=["lenient", "strict"])
def test_a_type_that_is_asked_for_is_strict(app: df.DFApp):
    status = run(app, "asked", 5)
    assert status.runtime_status is df.OrchestrationRuntimeStatus.Failed
    assert "$: expected str, found int" in status.output


@pytest.mark.parametrize(
    ("app", "came"), [(LENIENT, "Money"), (STRICT, "SerializationError")], ids=["lenient", "strict"]
)
def test_worker_and_client_are_as_strict_as_their_app(app: df.DFApp, came: str):
    status = run(app, "mistaken")
    assert status.output == came

    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.start_new("coins", "one")
        status = await hub.client.wait_for_completion("one")
        try:
            return type(status.get_output(Order)).__name__
        except df.SerializationError as error:
            return type(error).__name__

    assert play(app, scenario) == came
