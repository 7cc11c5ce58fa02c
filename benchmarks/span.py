"""The part of a run that counts: how long it took, what the processor did for it, and what storage was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Part = Literal["before", "counted", "after"]
"""Of a run: what makes it ready, what is measured, and what ends it."""


def _times() -> list[float]:
    return []


@dataclass
class Span:
    """What was measured from a beginning to an end.

    :param began: when, by `time.perf_counter`.
    :param seconds: by the wall.
    :param cpu: seconds of this process's processors: with a store in another process, its own are not in it.
    :param operations: of storage, as Azure counts them.
    :param times: seconds that each of many like things took, where a run tells.
    """

    began: float = 0.0
    seconds: float = 0.0
    cpu: float = 0.0
    operations: int = 0
    times: list[float] = field(default_factory=_times)
