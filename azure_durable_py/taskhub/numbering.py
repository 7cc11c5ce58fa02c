"""The numbers of what an instance sends.

One counter per incarnation, kept over its generations and its attempts (PROTOCOL R10): how many of both there were in
the upper bits, what was decided in the lower 32. Neither ever falls, and each change raises one of the two. So a later
generation or attempt has higher numbers than an earlier one, whatever each of them decided.
"""

from __future__ import annotations

_BITS = 32
LAST_DECISION = (1 << _BITS) - 1
"""Sorts the answer to a parent behind everything else that an attempt of a generation sent. What ends with it - the end
of its children, the release of its locks - counts down from it."""


def number_of(generation: int, attempt: int, decision: int) -> int:
    """The number of what a decision of an attempt of a generation sends."""
    return ((generation + attempt) << _BITS) | decision


def decision_of(number: int) -> int:
    """The decision of its generation that sends what has this number."""
    return number & LAST_DECISION
