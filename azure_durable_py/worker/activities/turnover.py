"""How many of the activities that wait for a slot here will have one in no time.

A message in the activities queue costs several storage operations, and a short wait costs none. So what finds no slot
waits for a moment; after it, what has become free meanwhile tells how many will begin within the `HORIZON`. Whatever
is beyond that goes to the queue, where any worker may take it: all of it if no slot has become free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

MOMENT = 0.1
"""Seconds for which is counted how many slots become free."""
HORIZON = 1.0
"""Seconds that an activity may be kept waiting here, as far as can be foreseen, while others could take it."""


class Turnover:
    """Counts the slots that become free while activities wait for one.

    :param counted: called when there is a new count.
    """

    def __init__(self, counted: Callable[[], None]) -> None:
        self._counted = counted
        self._count = 0
        self._soon: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    def freed(self) -> None:
        """A slot has become free."""
        self._count += 1

    def is_surplus(self, waiting: int) -> bool:
        """Whether the last of so many activities that wait would wait for too long.

        To be asked while any waits: counting begins with the first question.
        """
        if waiting == 0:
            return False
        if self._timer is None:
            self._begin()
        return self._soon is not None and waiting > self._soon

    def stop(self) -> None:
        """Count no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        self._count = 0
        self._timer = asyncio.get_running_loop().call_later(MOMENT, self._look)

    def _look(self) -> None:
        self._timer = None
        self._soon = round(self._count * HORIZON / MOMENT)
        self._counted()
        if self._timer is None:
            # Nothing waits any more: the next that does may find another pace.
            self._soon = None
