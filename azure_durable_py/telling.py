"""When a line of the log is written that could be written over and over: once, or ever more seldom."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

MOST_KNOWN = 10_000
"""What `Told` remembers."""
FIRST_TOLD_AFTER = 60.0
"""Seconds after which it is told that something goes on; then each time when it has gone on for twice as long."""
LONGEST_UNTOLD = 3600.0


class Told:
    """What people were told already, and would be told again each time it comes up. It forgets what is long ago."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def is_new(self, *what: str) -> bool:
        """Whether this was not told before; it is known from now on."""
        if what in self._known:
            return False
        self._known[what] = None
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return True


class GoingOn:
    """Tells of what goes on for long, ever more seldom, until it is stopped. It begins where an event loop runs.

    :param tell: called with the seconds that have passed.
    """

    def __init__(self, tell: Callable[[float], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._timer = self._loop.call_later(FIRST_TOLD_AFTER, self._due)
        self.is_told = False
        """Whether it was told at all."""

    @property
    def passed(self) -> float:
        """For how many seconds it has gone on."""
        return self._loop.time() - self._begun

    def stop(self) -> None:
        """It is over: nothing more is told. Idempotent."""
        self._timer.cancel()

    def _due(self) -> None:
        self.is_told = True
        passed = self.passed
        self._timer = self._loop.call_later(min(passed, LONGEST_UNTOLD), self._due)
        self._tell(passed)
