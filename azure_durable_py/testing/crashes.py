"""Crashes at a chosen place: a worker that dies as it is about to run an activity, or has just run it.

Owns the list of these places. Before an activity a stand-in dies; after one, who is told of its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from azure_durable_py.failures import FailureDetails
from azure_durable_py.observer import UNOBSERVED, ActivityRun, Observation, Observer
from azure_durable_py.testing.stand_ins import ActivityDouble


class Crashes(Observer):
    """The crashes of one run.

    :param die: kills the worker that it is called in, and sees to another one. Nothing of the worker runs after that,
        once what runs has awaited something.
    """

    def __init__(self, die: Callable[[], None]) -> None:
        self._die = die
        self._after: dict[str, int] = {}

    def before(self, activity: ActivityDouble[Any, Any], times: int) -> None:
        """Crash before the next executions of an activity."""
        _check(times)
        activity.behaviours.add_first(self._dying, times)

    def after(self, activity: ActivityDouble[Any, Any], times: int) -> None:
        """Crash after the next executions of an activity."""
        _check(times)
        name = activity.name.lower()
        self._after[name] = self._after.get(name, 0) + times

    async def _dying(self, given: Any) -> None:
        del given
        self._die()
        await asyncio.get_running_loop().create_future()

    def activity(self, run: ActivityRun) -> Observation:
        """An activity is about to run."""
        if not self._after.get(run.name.lower()):
            return UNOBSERVED
        self._after[run.name.lower()] -= 1
        return _Last(self._die)


class _Last(Observation):
    """An activity that is the last thing that a worker does."""

    def __init__(self, die: Callable[[], None]) -> None:
        self._die = die

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        """It has run."""
        del result, failure
        self._die()


def _check(times: int) -> None:
    if times < 1:
        raise ValueError(f"times tells how many workers die: 1 or more, not {times}.")
