"""A set of ids is a set, whatever is put in and taken out, and is stored as few numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.idset import MAX_ID, IdSet
from tests.generating import JSON, TASK_IDS

# Few and near to each other, so that ranges meet, split and vanish.
NEAR = st.integers(0, 12)


class ASetOfIds(RuleBasedStateMachine):
    """Holds it beside a plain set, deed by deed."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = IdSet()
        self.plain: set[int] = set()

    @rule(item=NEAR | TASK_IDS)
    def add(self, item: int) -> None:
        self.ids.add(item)
        self.plain.add(item)

    @rule(item=NEAR | TASK_IDS)
    def discard(self, item: int) -> None:
        assert self.ids.discard(item) is (item in self.plain)
        self.plain.discard(item)

    @rule(item=NEAR)
    def change_a_copy(self, item: int) -> None:
        twin = self.ids.copy()
        assert twin == self.ids
        twin.add(item)
        twin.discard(item)
        twin.discard(item + 1)

    @invariant()
    def holds_the_same(self) -> None:
        assert list(self.ids) == sorted(self.plain)
        assert len(self.ids) == len(self.plain)
        assert all((item in self.ids) is (item in self.plain) for item in range(-1, 14))

    @invariant()
    def is_stored_in_the_one_shortest_way(self) -> None:
        stored = self.ids.to_json()
        ends = [start + length for start, length in zip(stored[::2], stored[1::2], strict=True)]
        assert all(end < start for end, start in zip(ends, stored[2::2], strict=False))
        assert self.ids == IdSet(self.plain) == IdSet.from_json(stored)


TestASetOfIds = ASetOfIds.TestCase


@given(st.lists(TASK_IDS))
def test_the_order_in_which_ids_come_makes_no_difference(items: list[int]):
    assert IdSet(items) == IdSet(reversed(items)) == IdSet(sorted(items))


@given(st.lists(st.integers(-1, 4), max_size=4) | JSON)
@example([0, 1, 1, 1])
def test_what_is_read_is_stored_again_as_it_was(data: Any):
    try:
        found = IdSet.from_json(data)
    except ShapeError:
        return
    assert found.to_json() == data
    assert found == IdSet(found)


@given(st.sets(NEAR, min_size=1), st.integers(0, 14), st.integers(0, 14))
def test_a_bound_is_kept(items: set[int], highest: int, most: int):
    stored = IdSet(items).to_json()
    if max(items) <= highest and len(items) <= most:
        assert set(IdSet.from_json(stored, highest=highest, most=most)) == items
    else:
        with pytest.raises(ShapeError):
            IdSet.from_json(stored, highest=highest, most=most)


def test_a_fan_out_is_one_range_until_its_tasks_finish():
    fan = IdSet.from_json([0, 100_000])
    for done in range(1, 100_000, 10_000):
        fan.discard(done)
    assert len(fan.to_json()) == 22
    assert len(fan) == 99_990


def test_the_highest_id_is_one():
    assert list(IdSet.from_json([MAX_ID, 1])) == [MAX_ID]
    with pytest.raises(ShapeError, match="highest possible"):
        IdSet.from_json([MAX_ID, 2])
