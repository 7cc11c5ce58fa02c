"""Damage done to records: what anybody may have written in their place."""

from __future__ import annotations

import copy
import math
from typing import Any

from hypothesis import strategies as st


def nested(depth: int) -> Any:
    """A list in a list in a list ..."""
    made: Any = []
    for _ in range(depth):
        made = [made]
    return made


JUNK: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    math.inf,
    math.nan,
    2**31,
    2**63,
    10**400,
    "",
    "x",
    "\ud800",
    "y" * 5_000,
    "1",
    "@",
    "@nokey",
    "2026-02-30T00:00:00.000000Z",
    [],
    [[], {}],
    [0, 10**9],
    [5, 1, 3, 1],
    {},
    {"type": "EventRaised"},
    {"key": "30-payload-x", "size": 1, "chunks": 30_000_000},
    nested(300),
)


@st.composite
def damaged(draw: st.DrawFn, records: list[Any]) -> Any:
    """One of these records with one to three things wrong with it."""
    record = copy.deepcopy(draw(st.sampled_from(records)))
    for _ in range(draw(st.integers(1, 3))):
        record = _spoil(draw, record)
    return record


def _spoil(draw: st.DrawFn, value: Any) -> Any:
    """Replace, remove or add something, at any depth."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        deed = draw(st.sampled_from(["remove", "add", "rename", "deeper", "deeper"]))
        if deed == "remove":
            del value[name]
        elif deed == "add":
            value["more"] = draw(st.sampled_from(JUNK))
        elif deed == "rename":
            value[draw(st.sampled_from(["", "Type", "\ud800"]))] = value.pop(name)
        else:
            value[name] = _spoil(draw, value[name])
        return value
    if isinstance(value, list) and value and draw(st.booleans()):
        at = draw(st.integers(0, len(value) - 1))
        deed = draw(st.sampled_from(["remove", "repeat", "deeper", "deeper"]))
        if deed == "remove":
            del value[at]
        elif deed == "repeat":
            value.append(value[at])
        else:
            value[at] = _spoil(draw, value[at])
        return value
    return copy.deepcopy(draw(st.sampled_from(JUNK)))
