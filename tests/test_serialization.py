"""Values to JSON text and back."""

# ruff: noqa: UP007, UP045 - users write unions in every spelling

from __future__ import annotations

import collections
import enum
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, TypedDict, TypeVar, Union
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py.errors import SerializationError
from azure_durable_py.serialization.converter import JsonDataConverter, _warn_of_other_class
from azure_durable_py.serialization.decode import return_type

CONVERTER = JsonDataConverter()
T = TypeVar("T")
UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)
    ZERO = 0


class Size(str, enum.Enum):
    SMALL = "small"


class Level(enum.IntEnum):
    LOW = 1


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float = 0.5


class Movie(TypedDict, total=False):
    title: str
    year: int


class Needed(TypedDict):
    title: str


@dataclass
class Line:
    price: float
    count: int = 1
    colour: Colour = Colour.RED


@dataclass
class Order:
    items: list[Line]
    when: datetime
    by_id: dict[int, Line] = field(default_factory=dict)
    parent: Order | None = None
    tags: frozenset[str] = frozenset()
    total: int = field(init=False, default=0)


@dataclass
class Box(Generic[T]):
    content: T
    others: list[T] = field(default_factory=list)


@dataclass
class Unresolvable:
    there: int
    missing: NotThere  # type: ignore[name-defined]  # noqa: F821


@dataclass
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number <= 0:
            raise ValueError("must be positive")


@dataclass
class Cat:
    name: str
    lives: int = 9


@dataclass
class Dog:
    name: str
    tricks: list[str] = field(default_factory=list)


class Model(pydantic.BaseModel):
    number: int
    when: datetime
    alias: str = pydantic.Field("x", alias="theAlias")


class Money:
    """Speaks for itself, as classes for azure-functions-durable do."""

    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def to_json(money: Money) -> Any:
        return money.cents

    @staticmethod
    def from_json(data: Any) -> Money:
        return Money(int(data))


class _Private(Money):
    @staticmethod
    def from_json(data: Any) -> _Private:
        return _Private(int(data))


class Outer:
    class Inner(Money):
        @staticmethod
        def from_json(data: Any) -> Outer.Inner:
            return Outer.Inner(int(data))


@dataclass
class Receipt:
    total: Outer.Inner


NOON = datetime(2026, 5, 6, 12, tzinfo=timezone.utc)


def round_trip(value: Any, wanted: Any) -> Any:
    return CONVERTER.deserialize(CONVERTER.serialize(value), wanted)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Order([Line(1.5), Line(2, 3, Colour.PAIR)], NOON, {7: Line(1.0)}, Order([], NOON), frozenset("ab")), Order),
        (Model(number=1, when=NOON, theAlias="y"), Model),
        ([Model(number=1, when=NOON)], list[Model]),
        (Box(Line(1.0), [Line(2.0)]), Box[Line]),
        ({"a": [Point(1, 2.5)]}, dict[str, list[Point]]),
        ((1, "a", None), tuple[int, str, None]),
        ((1, 2, 3), tuple[int, ...]),
        ((), tuple[()]),
        ({1, 2}, set[int]),
        ({NOON: 1, NOON + timedelta(1): 2}, dict[datetime, int]),
        ({Level.LOW: 1}, dict[Level, int]),
        ({UUID(int=5): True, UUID(int=6): False}, Mapping[UUID, bool]),
        (collections.deque([1, 2]), collections.deque[int]),
        (Colour.PAIR, Colour),
        (Colour.ZERO, Colour),
        (Size.SMALL, Size),
        (Level.LOW, Level),
        (Rights.READ | Rights.WRITE, Rights),
        (NOON, datetime),
        (date(2026, 1, 2), date),
        (time(1, 2, 3), time),
        (timedelta(days=-3, microseconds=1), timedelta),
        (UUID(int=77), UUID),
        (Decimal("1.10"), Decimal),
        (b"\x00\xff", bytes),
        (PurePosixPath("/a/b"), PurePosixPath),
        (Money(5), Money),
        ([Money(5)], list[Money]),
        ({"year": 1}, Movie),
        (UserId(3), UserId),
        (None, Optional[int]),
        (5, Union[str, int]),
        (Cat("Tom", 3), Union[Dog, Cat]),
        (Dog("Rex", ["sit"]), Cat | Dog | None),
        ("a", Literal["a", "b"]),
        (3, Annotated[int, "why not"]),
        ([1, 2], Sequence[int]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_typed_values_come_back(value: Any, wanted: Any) -> None:
    assert round_trip(value, wanted) == value


def test_plain_values_come_back_without_a_type() -> None:
    value = {"a": [1, 2.5, "é\N{GRINNING FACE}", None, True, {}], "b": 0}
    assert round_trip(value, None) == round_trip(value, Any) == round_trip(value, object) == value


def test_a_class_with_to_json_comes_back_without_a_type() -> None:
    assert round_trip({"price": Money(7)}, None) == {"price": Money(7)}
    assert json.loads(CONVERTER.serialize(Money(7))) == {"__class__": "Money", "__module__": __name__, "__data__": 7}


@pytest.mark.parametrize(
    ("text", "wanted", "message"),
    [
        (
            '{"items":[{"price":1},{"price":"x"}],"when":"2026-01-01"}',
            Order,
            "$.items[1].price: expected float, found str",
        ),
        ('{"items":[],"when":"soon"}', Order, "$.when: expected datetime as ISO 8601, found 'soon'"),
        ('{"items":[]}', Order, "$: Order needs the field 'when', which is missing"),
        ("[]", Order, "$: expected Order, found list"),
        ("1.0", int, "$: expected int, found float"),
        ("true", int, "$: expected int, found bool"),
        ("true", float, "$: expected float, found bool"),
        ("1", str, "$: expected str, found int"),
        ("null", str, "$: expected str, found NoneType"),
        ("[1]", tuple[int, int], "$: expected 2 items, found 1"),
        ("[1,2,3]", Point, "$: Point has 2 items, found 3"),
        ('["x"]', Point, "$.x: expected int, found str"),
        ('{"a b":1}', dict[str, str], "$['a b']: expected str, found int"),
        ('{"x":1}', dict[int, int], "$.x: expected int, found str"),
        ('"blue"', Colour, "expected Colour (one of 'red', (1, 2), 0), found 'blue'"),
        ("false", Colour, "expected Colour"),
        ("2", Literal[1, "b"], "expected one of 1, 'b', found 2"),
        ('"x"', Union[int, float], "$: expected int | float, found str"),
        ('"x"', Optional[int], "$: expected int, found str"),
        ("{}", Needed, "Needed needs the key 'title'"),
        ('{"year":"x"}', Movie, "$.year: expected int"),
        ('{"number":0}', Positive, "$: must be positive"),
        ('{"number":"x"}', Model, "number"),
        ('{"content":"x"}', Box[int], "$.content: expected int"),
        ("[[1]]", set[list[int]], "unhashable"),
        ('"*"', bytes, "Base64"),
        ('"x"', Decimal, "a number"),
        ('"P"', timedelta, "duration"),
        ("1e400", None, "larger than any float"),
        ("1e300", timedelta, "$: "),
        ("{}", subprocess.Popen, "cannot be built from JSON"),
        ('"x"', Money, "$: "),
        ("{", None, "Not JSON"),
        ("", None, "Not JSON"),
        ("NaN", None, "NaN is not JSON"),
        ("[-Infinity]", list[float], "Infinity is not JSON"),
        ("[" * 100_000, None, "nested too deeply"),
        ("1" * 5000, None, "Not JSON"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(text: str, wanted: Any, message: str) -> None:
    with pytest.raises(SerializationError) as caught:
        CONVERTER.deserialize(text, wanted)
    assert message in str(caught.value)


def test_accepted_liberties() -> None:
    assert CONVERTER.deserialize("3", float) == 3.0
    assert CONVERTER.deserialize('"2026-01-02T03:04:05Z"', datetime) == datetime(
        2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc
    )
    assert CONVERTER.deserialize("90", timedelta) == timedelta(seconds=90)
    assert CONVERTER.deserialize('"-PT1H2M3.5S"', timedelta) == -timedelta(hours=1, minutes=2, seconds=3.5)
    assert CONVERTER.deserialize('{"price":1,"unknown":2}', Line) == Line(1.0)
    assert CONVERTER.deserialize('{"there":1,"missing":[2]}', Unresolvable) == Unresolvable(1, [2])
    assert CONVERTER.deserialize('[1,"a"]', list) == [1, "a"]
    assert CONVERTER.deserialize('{"a":1}', dict) == {"a": 1}
    assert CONVERTER.deserialize("[1]", tuple) == (1,)
    assert CONVERTER.deserialize("5", T) == 5  # type: ignore[arg-type]


def test_a_local_dataclass_that_refers_to_itself() -> None:
    @dataclass
    class Node:
        value: int
        next: Node | None = None

    assert round_trip(Node(1, Node(2)), Node) == Node(1, Node(2))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "$: objects of type builtins.object"),
        ({"a": [1, {2, object}]}, "$.a[1]"),
        (Box([1j]), "$.content[0]: objects of type builtins.complex"),
        ([float("nan")], "$[0]: nan is not JSON"),
        ({"a": float("inf")}, "$.a: inf is not JSON"),
        ({(1, 2): 3}, "a key of type tuple"),
        (Order, "the class Order itself is no value"),
        ((x for x in ()), "generator"),
    ],
)
def test_what_is_not_json_is_named_by_its_path(value: Any, message: str) -> None:
    with pytest.raises(SerializationError) as caught:
        CONVERTER.serialize(value)
    assert message in str(caught.value)


def test_cycles_and_depth_bombs_are_refused() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (cycle, deep):
        with pytest.raises(SerializationError, match=r"nested too deeply"):
            CONVERTER.serialize(value)
    while deep:
        deep = deep.pop()


def test_output_is_deterministic_and_storable() -> None:
    assert CONVERTER.serialize({"b", "a", "c"}) == '["a","b","c"]'
    assert CONVERTER.serialize({"b": 1, "a": 2}) == '{"b":1,"a":2}'
    assert CONVERTER.serialize("\ud800é").isascii()
    assert CONVERTER.deserialize(CONVERTER.serialize("\ud800é")) == "\ud800é"


# --- data that names classes ------------------------------------------------------------------------


def envelope(module: Any, name: Any, data: Any = 1) -> str:
    return json.dumps({"__class__": name, "__module__": module, "__data__": data})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("this_module_is_not_imported", "X"),
        ("antigravity", "X"),
        ("subprocess", "Popen"),
        ("os", "system"),
        ("builtins", "eval"),
        ("json", "JSONDecoder"),
        (__name__, "CONVERTER"),
        (__name__, "Order"),
        (__name__, "pydantic.BaseModel"),
        (5, "X"),
        (__name__, None),
        (__name__, ["Money"]),
    ],
)
def test_data_cannot_name_what_the_program_does_not_offer(module: Any, name: Any) -> None:
    with pytest.raises(SerializationError, match="does not have"):
        CONVERTER.deserialize(envelope(module, name))
    assert "antigravity" not in sys.modules
    assert "this_module_is_not_imported" not in sys.modules


def test_data_cannot_reach_a_class_through_the_module_that_imported_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "Money", Money, raising=False)
    with pytest.raises(SerializationError, match="does not have"):
        CONVERTER.deserialize(envelope("json", "Money"))


def test_a_class_whose_name_begins_with_an_underscore_comes_back() -> None:
    assert type(round_trip(_Private(3), None)) is _Private
    assert type(round_trip([{"a": _Private(3)}], None)[0]["a"]) is _Private


class WriteOnly:
    def to_json(self) -> Any:
        return {"n": 1}


def test_a_class_that_only_writes_itself_is_written_and_does_not_come_back() -> None:
    text = CONVERTER.serialize([WriteOnly()])
    assert CONVERTER.plain(text)[0]["__data__"] == {"n": 1}
    with pytest.raises(SerializationError, match="to_json and from_json"):
        CONVERTER.deserialize(text)


def test_a_class_that_the_expected_type_names_need_not_be_at_the_top_level() -> None:
    class Local(Money):
        @staticmethod
        def from_json(data: Any) -> Money:
            return Local(data)

    for wanted in (Local, Optional[Local], Union[int, Local]):
        assert isinstance(round_trip(Local(3), wanted), Local)
    assert isinstance(round_trip([Local(3)], list[Local])[0], Local)
    assert isinstance(round_trip(Receipt(Outer.Inner(3)), Receipt).total, Outer.Inner)
    with pytest.raises(SerializationError, match="pass it as expected_type"):
        round_trip(Local(3), None)
    with pytest.raises(SerializationError, match="pass it as expected_type"):
        round_trip(Outer.Inner(3), None)


@pytest.mark.parametrize("wanted", [_Private, Order, Model, str, Optional[Order]])
def test_an_object_of_another_class_than_was_asked_for_is_passed_on_with_one_warning(
    wanted: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _warn_of_other_class.cache_clear()
    for _ in range(2):
        assert type(round_trip(Money(3), wanted)) is Money
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("An object of class Money came where another type was asked for")


@pytest.mark.parametrize("wanted", [_Private, Order, Model, str, Optional[Order]])
def test_with_strict_types_an_object_of_another_class_is_an_error(wanted: Any) -> None:
    strict = JsonDataConverter(strict_types=True)
    assert type(strict.deserialize(strict.serialize(Money(3)), Money)) is Money
    with pytest.raises(SerializationError, match="found Money"):
        strict.deserialize(strict.serialize(Money(3)), wanted)


def test_within_something_else_an_object_of_another_class_is_an_error() -> None:
    with pytest.raises(SerializationError, match=r"\$\[0\]: expected Order, found Money"):
        round_trip([Money(3)], list[Order])


def test_an_error_in_from_json_is_wrapped() -> None:
    with pytest.raises(SerializationError, match=r"Money.from_json could not read"):
        CONVERTER.deserialize(envelope(__name__, "Money", "x"))


def test_data_that_only_looks_like_a_class_stays_data() -> None:
    assert round_trip({"__class__": "x", "other": 1}, None) == {"__class__": "x", "other": 1}


# --- annotations ----------------------------------------------------------------------------------------


def test_return_annotations_are_resolved_robustly() -> None:
    def typed() -> list[Order]: ...  # type: ignore[empty-body]
    def untyped(): ...
    def broken() -> NotThere: ...  # type: ignore[name-defined]  # noqa: F821

    assert return_type(typed) == list[Order]
    assert return_type(untyped) is None
    assert return_type(broken) is None
    assert return_type(5) is None


# --- properties ---------------------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain.filter(lambda value: "__class__" not in str(value)))
def test_plain_json_round_trips(value: Any) -> None:
    assert round_trip(value, None) == value


@given(st.timedeltas())
def test_durations_are_exact(value: timedelta) -> None:
    assert round_trip(value, timedelta) == value


@given(st.decimals(allow_nan=False))
def test_decimals_are_exact(value: Decimal) -> None:
    assert round_trip(value, Decimal) == value


@given(st.dictionaries(st.integers() | st.booleans(), st.binary(), max_size=5))
def test_keys_that_are_not_text_round_trip(value: Any) -> None:
    keys = dict[int, bytes]
    expected = {int(key): item for key, item in value.items() if not isinstance(key, bool)}
    assert round_trip(expected, keys) == expected


@given(plain)
def test_reading_a_value_as_any_type_fits_or_is_refused(value: Any) -> None:
    text = CONVERTER.serialize(value)
    for wanted in (int, str, list[int], dict[str, float], Order, Box[int], Point, Movie, Colour, Union[int, list[str]]):
        try:
            CONVERTER.deserialize(text, wanted)
        except SerializationError:
            continue
