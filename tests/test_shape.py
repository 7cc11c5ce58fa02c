"""Readers of stored records: what fits comes back, what does not is named with its place."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from datetime import datetime, timezone
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py import shape
from azure_durable_py.shape import Fields, ShapeError

SMALL = shape.whole(0, 9)


@pytest.mark.parametrize("value", [True, 1.0, -1, 10, math.inf, math.nan, 10**400, "1", None, [], {}])
def test_only_a_whole_number_within_bounds_is_one(value: Any):
    with pytest.raises(ShapeError, match="whole number, 0 to 9"):
        SMALL(value)


def test_a_time_is_read_to_the_microsecond_and_nothing_like_it_is_taken():
    assert shape.time("2026-01-31T08:30:00.000001Z") == datetime(2026, 1, 31, 8, 30, 0, 1, tzinfo=timezone.utc)
    for text in (
        "2026-01-31T08:30:00Z",
        "2026-02-30T08:30:00.000000Z",
        "2026-01-31 08:30:00.000000Z",
        "2026-01-31T08:30:00.000000+",
        17,
        None,
    ):
        with pytest.raises(ShapeError, match="expected a time"):
            shape.time(text)


@pytest.mark.parametrize("value", ["one", "@counter@a@b", "日" * 1024, "@a@\n"])
def test_ids_that_stores_keep_are_ids_of_instances(value: str):
    assert shape.instance_id(value) == value


@pytest.mark.parametrize("value", ["", "x" * 1025, "\ud800", "a\udfff", "@", "@nokey", "@@key", "@name@", 7, None])
def test_ids_that_no_store_keeps_are_refused(value: Any):
    with pytest.raises(ShapeError):
        shape.instance_id(value)


def test_an_error_names_the_place():
    with pytest.raises(ShapeError, match=r"^pages\[1\]\[0\]: expected a whole number, 0 to 9, found 'x'$"):
        Fields({"pages": [[1, "a"], ["x", "b"]]}).read("pages", shape.items(shape.row(SMALL, shape.text)))
    with pytest.raises(ShapeError, match=r"^timers\.a: expected a whole number"):
        Fields({"timers": {"a": None}}).read("timers", shape.mapping(shape.text, SMALL))
    with pytest.raises(ShapeError, match=r"^id: the field is missing$"):
        Fields({}).read("id", SMALL)


def test_a_field_with_a_default_may_be_missing_but_not_wrong():
    assert Fields({}).get("again", SMALL, 3) == 3
    with pytest.raises(ShapeError):
        Fields({"again": None}).get("again", SMALL, 3)


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, '"\x00"'])
def test_what_is_no_json_is_refused_whatever_it_is(text: Any):
    with pytest.raises(ShapeError):
        shape.parse(text)


def test_an_error_stays_short_whatever_it_is_about():
    for value in ("x" * 10**6, 10**5000, [[]] * 10**6, {"a": 1}, b"raw", object()):
        with pytest.raises(ShapeError) as caught:
            SMALL(value)
        assert len(str(caught.value)) < 200


@dataclasses.dataclass
class _Inner:
    count: Annotated[int, SMALL]


@dataclasses.dataclass
class _Outer:
    name: str
    inner: _Inner
    more: tuple[_Inner, ...] = ()
    words: dict[str, str] | None = None
    on: bool = False


_read_outer = shape.record(_Outer)


def test_a_dataclass_is_read_by_its_annotations():
    found = _read_outer({"name": "n", "inner": {"count": 1}, "more": [{"count": 2}], "words": {"a": "b"}, "on": True})
    assert found == _Outer("n", _Inner(1), (_Inner(2),), {"a": "b"}, True)
    assert _read_outer({"name": "n", "inner": {"count": 1}}) == _Outer("n", _Inner(1))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"inner": {"count": 1}}, "name: _Outer needs this field"),
        ({"name": "n", "inner": {"count": 10}}, "inner.count: expected a whole number"),
        ({"name": "n", "inner": {"count": 1}, "more": [{}]}, "more[0].count: _Inner needs"),
        ({"name": "n", "inner": {"count": 1}, "odd": 1}, "odd: _Outer has no such field"),
        ({"name": "n", "inner": {"count": 1}, "words": {"a": 1}}, "words.a: expected a text"),
        ({"name": "n", "inner": {"count": 1}, "on": 1}, "on: expected true or false"),
        ([], "expected an object, found a list"),
    ],
)
def test_a_dataclass_with_a_field_that_does_not_fit_is_refused(value: Any, says: str):
    with pytest.raises(ShapeError) as caught:
        _read_outer(value)
    assert says in str(caught.value)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(_JSON)
def test_no_reader_raises_anything_but_its_error(value: Any):
    for reader in (
        SMALL,
        shape.text,
        shape.word(5),
        shape.flag,
        shape.time,
        shape.instance_id,
        shape.blob_key,
        shape.optional(SMALL),
        shape.items(SMALL),
        shape.mapping(shape.word(3), SMALL),
        shape.row(SMALL, shape.text),
        _read_outer,
    ):
        with contextlib.suppress(ShapeError):
            reader(value)
