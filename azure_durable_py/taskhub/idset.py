"""A compact set of task ids: sorted, disjoint ranges.

A fan-out of 100,000 tasks is one range until its tasks finish; what is stored and what a
commit costs grows with the number of ranges, not of ids.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

from azure_durable_py import shape
from azure_durable_py.shape import ShapeError

MAX_ID = 0xFFFFFFFF
MAX_IDS = 1_000_000
"""Ids in one set at most: more tasks than an instance can have open."""


class IdSet:
    """A mutable set of integers >= 0, kept as half-open ranges."""

    __slots__ = ("_ends", "_size", "_starts")

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._size = 0
        for item in ids:
            self.add(item)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        for start, end in zip(tuple(self._starts), tuple(self._ends), strict=True):
            yield from range(start, end)

    def __contains__(self, item: int) -> bool:
        at = bisect_right(self._starts, item) - 1
        return at >= 0 and item < self._ends[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IdSet) and (self._starts, self._ends) == (other._starts, other._ends)

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"IdSet({self.to_json()})"

    def copy(self) -> IdSet:
        """An independent copy."""
        twin = IdSet()
        twin._starts, twin._ends, twin._size = self._starts[:], self._ends[:], self._size
        return twin

    def add(self, item: int) -> None:
        """Put an id in; no effect if it is there."""
        at = bisect_right(self._starts, item)
        left = at - 1
        if left >= 0 and item < self._ends[left]:
            return
        self._size += 1
        joins_left = left >= 0 and self._ends[left] == item
        joins_right = at < len(self._starts) and self._starts[at] == item + 1
        if joins_left and joins_right:
            self._ends[left] = self._ends[at]
            del self._starts[at], self._ends[at]
        elif joins_left:
            self._ends[left] = item + 1
        elif joins_right:
            self._starts[at] = item
        else:
            self._starts.insert(at, item)
            self._ends.insert(at, item + 1)

    def discard(self, item: int) -> bool:
        """Take an id out; tells whether it was there."""
        at = bisect_right(self._starts, item) - 1
        if at < 0 or item >= self._ends[at]:
            return False
        self._size -= 1
        start, end = self._starts[at], self._ends[at]
        if start == item and end == item + 1:
            del self._starts[at], self._ends[at]
        elif start == item:
            self._starts[at] = item + 1
        elif end == item + 1:
            self._ends[at] = item
        else:
            self._ends[at] = item
            self._starts.insert(at + 1, item + 1)
            self._ends.insert(at + 1, end)
        return True

    def to_json(self) -> list[int]:
        """Flat list `[start, length, start, length, ...]`."""
        return [number for start, end in zip(self._starts, self._ends, strict=True) for number in (start, end - start)]

    @classmethod
    def from_json(cls, data: Any, *, highest: int = MAX_ID, most: int = MAX_IDS) -> IdSet:
        """The set that `to_json` gave.

        :param highest: no id is higher.
        :param most: there are no more ids; whoever goes through them need not fear a range that never ends.
        :raises ShapeError: the ranges are not numbers, sorted and disjoint, or over a bound.
        """
        numbers = _NUMBERS(data)
        if len(numbers) % 2:
            raise ShapeError("a range of ids without its length")
        made = cls()
        last = -1
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            if start <= last or length < 1:
                raise ShapeError(f"ranges of ids are not sorted and disjoint: {numbers[:20]}")
            last = start + length
            if last > highest + 1:
                raise ShapeError(f"an id is {last - 1}; the highest possible is {highest}")
            made._starts.append(start)
            made._ends.append(last)
            made._size += length
        if made._size > most:
            raise ShapeError(f"a set of {made._size} ids; at most {most} are possible")
        return made


_NUMBERS = shape.items(shape.whole(0, shape.LARGEST))
