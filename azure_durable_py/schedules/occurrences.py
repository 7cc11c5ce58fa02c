"""Which occurrences are due, however many there are.

Owns the bounds: an outage of years costs no more than a look at a thousand occurrences. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

MOST_COUNTED = 1000
MOST_CAUGHT_UP = 100
"""Occurrences of one outage that are started at the most."""

NextAfter = Callable[[datetime], "datetime | None"]
_SECOND = timedelta(seconds=1)


class Due(NamedTuple):
    """Occurrences whose time has come: the latest of them, in order, and how many there are (counted to 1000)."""

    latest: list[datetime]
    number: int


def due(first: datetime, now: datetime, next_after: NextAfter) -> Due:
    """The occurrences from the first up to now.

    :param next_after: the first occurrence after a moment; None: there is none.
    """
    found: deque[datetime] = deque(maxlen=MOST_CAUGHT_UP)
    at: datetime | None = first
    count = 0
    while at is not None and at <= now:
        if count == MOST_COUNTED:
            return Due(_latest(found[-1], now, next_after), count)
        found.append(at)
        count += 1
        at = next_after(at)
    return Due(list(found), count)


def _latest(since: datetime, now: datetime, next_after: NextAfter) -> list[datetime]:
    """The last occurrences up to now, later than one that is known."""
    found: deque[datetime] = deque()
    end = now
    while len(found) < MOST_CAUGHT_UP:
        last = _last(since, end, next_after)
        if last is None:
            break
        found.appendleft(last)
        end = last - timedelta(microseconds=1)
    return list(found)


def _last(since: datetime, end: datetime, next_after: NextAfter) -> datetime | None:
    """The last occurrence after one moment and up to another, by halving."""
    last = next_after(since)
    if last is None or last > end:
        return None
    low, high = last, end
    while True:
        middle = low + (high - low) / 2
        found = next_after(middle)
        if found is not None and found <= end:
            low = last = found
        else:
            high = middle
        if high - low <= _SECOND / 2:
            return last
