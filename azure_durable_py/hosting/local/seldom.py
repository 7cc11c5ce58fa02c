"""A line of the log that may come up very often is written seldom, with how many were left out."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seldom:
    """Decides whether a line is written: the first is, and after that one each so many seconds.

    :param period: those seconds.
    :param now: seconds of a clock that never goes back.
    """

    def __init__(self, period: float = 10.0, now: Callable[[], float] = time.monotonic) -> None:
        self._period = period
        self._now = now
        self._next: float | None = None
        self._left_out = 0

    def due(self) -> str | None:
        """What the line ends with: how many were left out, if any were. None: this one is left out."""
        now = self._now()
        if self._next is not None and now < self._next:
            self._left_out += 1
            return None
        ending = f" ({self._left_out} such lines were left out.)" if self._left_out else ""
        self._next, self._left_out = now + self._period, 0
        return ending
