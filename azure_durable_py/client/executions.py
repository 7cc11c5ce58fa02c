"""Which execution of an instance a client started or read last, for a short time.

Owns that memory. A link that is made right after a start or a look is made for what was seen then, whatever takes its
place; one that is made later is made for what is there at that time.
"""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from azure_durable_py.clock import Clock

REMEMBERED = timedelta(seconds=60)
MOST = 10_000


class RecentExecutions:
    """The executions that one client met. It may be asked in any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._met: dict[str, tuple[str, datetime]] = {}

    def note(self, instance_id: str | None, execution_id: str | None) -> None:
        """Remember that an instance is this execution; with anything missing, nothing."""
        if not instance_id or not execution_id:
            return
        now = self._clock.now()
        # In the order of time: the oldest are at the front.
        self._met.pop(instance_id, None)
        self._met[instance_id] = (execution_id, now)
        for oldest, (_, met) in list(itertools.islice(self._met.items(), 2)):
            # Each brings one and takes up to two away.
            if len(self._met) > MOST or now - met > REMEMBERED:
                del self._met[oldest]

    def of(self, instance_id: str) -> str | None:
        """The execution that an instance was less than `REMEMBERED` ago; None: not known."""
        execution_id, met = self._met.get(instance_id, ("", None))
        return execution_id if met is not None and self._clock.now() - met < REMEMBERED else None
