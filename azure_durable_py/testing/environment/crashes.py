"""Crashes at a chosen place: a worker that dies as it is about to run an activity, or has just run it.

Owns the list of these places. Before an activity a stand-in dies; after one, who is told of its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from azure_durable_py.failures import FailureDetails
from azure_durable_py.observer import UNOBSERVED, ActivityRun, Observation, Observer
from azure_durable_py.testing.doubles.doubling import RUN
from azure_durable_py.testing.doubles.stand_ins import ActivityDouble

When = Callable[[Any], object]
"""Tells of an input whether it is such a one."""


class Crashes(Observer):
    """The crashes of one run.

    :param die: kills the worker that it is called in, and sees to another one. Nothing of the worker runs after that,
        once what runs has awaited something.
    """

    def __init__(self, die: Callable[[], None]) -> None:
        self._die = die
        self._after: dict[str, list[ActivityDouble[Any, Any]]] = {}

    def before(self, activity: ActivityDouble[Any, Any], times: int, when: When | None = None) -> None:
        """Crash before the next executions of an activity, or before those with such inputs."""
        _check(times)
        asked = activity if when is None else activity.before_all(when)
        asked.behaviours.add_first(self._dying, times)

    def after(self, activity: ActivityDouble[Any, Any], times: int, when: When | None = None) -> None:
        """Crash after the next executions of an activity, or after those with such inputs."""
        _check(times)
        asked = activity.only(when)
        self._after.setdefault(activity.name.lower(), []).extend([asked] * times)

    async def _dying(self, given: Any) -> None:
        del given
        self._die()
        await asyncio.get_running_loop().create_future()

    def activity(self, run: ActivityRun) -> Observation:
        """An activity is about to run."""
        wanted = self._after.get(run.name.lower())
        return _Last(self._die, wanted) if wanted else UNOBSERVED


class _Last(Observation):
    """An activity that is the last thing that a worker does, if it is wanted by the time that it has run.

    :param wanted: doubles for such inputs, of each crash that is still to come.
    """

    def __init__(self, die: Callable[[], None], wanted: list[ActivityDouble[Any, Any]]) -> None:
        self._die = die
        self._wanted = wanted

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        """It has run."""
        del result, failure
        for record in RUN.get().records:
            found = next((each for each in self._wanted if each.wants(record.execution.input)), None)
            if found is not None:
                self._wanted.remove(found)
                self._die()


def _check(times: int) -> None:
    if times < 1:
        raise ValueError(f"times tells how many workers die: 1 or more, not {times}.")
