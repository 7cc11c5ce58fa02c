"""The numbers of what an instance sends.

One counter per incarnation, kept over its generations (PROTOCOL R10): the generation in the upper bits, what it decided
in the lower 32. So a later generation has higher numbers than an earlier one, whatever each of them decided.
"""

from __future__ import annotations

_BITS = 32
LAST_DECISION = (1 << _BITS) - 1
"""Sorts the answer to a parent behind everything else that a generation sent. What ends with a generation - the end of
its children, the release of its locks - counts down from it."""


def number_of(generation: int, decision: int) -> int:
    """The number of what a decision of a generation sends."""
    return (generation << _BITS) | decision


def decision_of(number: int) -> int:
    """The decision of its generation that sends what has this number."""
    return number & LAST_DECISION
