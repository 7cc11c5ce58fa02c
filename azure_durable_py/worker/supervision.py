"""The tasks of a worker: none of them ends unseen.

Owns what a worker says about its own health, and that what must run for as long as the worker does is
started again when it fails in a way that nobody foresaw: after ever longer pauses, and never in silence.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from azure_durable_py.clock import Clock
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.worker.taskset import begin, is_ended

logger = logging.getLogger("azure_durable_py.worker")
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
SETTLED_AFTER = timedelta(seconds=30)
"""A task that was started again counts as failing until it has run for so long."""


@dataclass(frozen=True, slots=True)
class TaskHealth:
    """How one kind of task is doing.

    `is_failing`: it waits to be started again, or was started again only just now; `since`: when that began
    or ended; `restarts`: how often it failed in all; `last_error`: what it failed with, for people who may
    read logs. Without an `essential` one the worker does not do its work.
    """

    is_failing: bool
    since: datetime
    restarts: int
    last_error: str | None
    essential: bool


@dataclass(slots=True)
class _Record:
    essential: bool
    since: datetime
    settled_at: datetime | None
    restarts: int = 0
    last_error: str | None = None

    def is_failing(self, now: datetime) -> bool:
        return self.settled_at is None or now < self.settled_at


class Health:
    """What a worker says about itself, by the names of its tasks."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._records: dict[str, _Record] = {}

    @property
    def is_healthy(self) -> bool:
        """Whether every task runs without which the worker does not do its work."""
        return not any(task.essential and task.is_failing for task in self.tasks.values())

    @property
    def tasks(self) -> Mapping[str, TaskHealth]:
        """How each kind of task is doing."""
        now = self._clock.now()
        return {name: _judged(record, now) for name, record in self._records.items()}

    def started(self, name: str, *, essential: bool) -> None:
        """A task was begun."""
        now = self._clock.now()
        self._records[name] = _Record(essential, now, now)

    def failed(self, name: str, error: BaseException) -> None:
        """A task has failed in a way that nobody foresaw."""
        now = self._clock.now()
        record = self._records.setdefault(name, _Record(False, now, now))
        if not record.is_failing(now):
            record.since = now
        record.settled_at = None
        record.restarts += 1
        record.last_error = _text_of(error)

    def resumed(self, name: str) -> None:
        """It was started again."""
        self._records[name].settled_at = self._clock.now() + SETTLED_AFTER


def _judged(record: _Record, now: datetime) -> TaskHealth:
    failing = record.is_failing(now)
    since = record.since if failing or record.settled_at is None else max(record.since, record.settled_at)
    return TaskHealth(failing, since, record.restarts, record.last_error, record.essential)


def _text_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:500]
    except Exception:  # noqa: BLE001 - the text of an exception may be code that raises anything
        return type(error).__name__


class Supervisor:
    """Starts tasks of one worker again, and tells of those that cannot be.

    :param hub: gives time and jitter.
    """

    def __init__(self, hub: TaskHub) -> None:
        self.health = Health(hub.clock)
        self._hub = hub

    def begin(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        *,
        essential: bool = False,
        longest_pause: float = LONGEST_PAUSE,
    ) -> asyncio.Task[None]:
        """Begin what is to run for as long as the worker does.

        :param name: what it is called in the worker's health.
        :param essential: whether the worker does not do its work without it.
        :param longest_pause: seconds between two tries at the most.
        """
        self.health.started(name, essential=essential)
        return begin(self.keep(name, work, longest_pause), name)

    async def keep(self, name: str, work: Callable[[], Awaitable[None]], longest_pause: float = LONGEST_PAUSE) -> None:
        """Do something to its end, from the start again as often as it fails."""
        clock = self._hub.clock
        pause = FIRST_PAUSE
        while True:
            begun = clock.now()
            try:
                await work()
                return
            except asyncio.CancelledError as error:
                if is_ended(asyncio.current_task()):
                    raise
                failure: BaseException = error
            except Exception as error:  # noqa: BLE001 - whatever it is, the task must not stay ended
                failure = error
            if clock.now() - begun >= SETTLED_AFTER:
                pause = FIRST_PAUSE
            self.report(name, f"it starts again in {pause:.0f} s", failure)
            await asyncio.sleep(self._hub.ids.jitter(pause))
            pause = min(2 * pause, longest_pause)
            self.health.resumed(name)

    def report(self, name: str, consequence: str, error: BaseException) -> None:
        """Log a failure that nobody foresaw with its stack, and note it in the worker's health.

        :param consequence: what is done about it, for people.
        """
        logger.error("A failure that nobody foresaw (%s): %s. Please report it.", name, consequence, exc_info=error)
        self.health.failed(name, error)

    def reporter(self, name: str, consequence: str) -> Callable[[str, BaseException], None]:
        """For tasks that are not started again: what to call with the name and the error of one that failed."""

        def report(task: str, error: BaseException) -> None:
            self.report(name, f"{task!r} has ended, and {consequence}", error)
            self.health.resumed(name)

        return report
