"""The time of turns: it never goes back, whatever is done to the machine's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from azure_durable_py.clock import Clock


class TurnClock:
    """The time as one instance has it.

    A timer that was due once is due: a commit that fired it may be under way without an answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest = clock.now()

    def now(self) -> datetime:
        """The time, not before any that was told."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest

    def after(self, turn_time: datetime) -> datetime:
        """The time of the turn after one: later, as ids and order are made from the time of turns."""
        self._latest = max(self.now(), turn_time + timedelta(microseconds=1))
        return self._latest
