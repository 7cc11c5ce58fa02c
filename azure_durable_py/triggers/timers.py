"""Runs timer functions when they are due, one call of a function at a time.

Owns the waiting and the memory of when each ran, by which an occurrence that was missed while
the host was down is made up for.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from azure.functions.timer import TimerRequest

from azure_durable_py.clock import Clock
from azure_durable_py.times import UTC
from azure_durable_py.triggers.functions import TimerFunction

logger = logging.getLogger(__name__)

LONGEST_WAIT = 60.0
"""The clock may jump (a laptop that slept): it is looked at again at least this often, in seconds."""
CallTimer = Callable[[TimerFunction, TimerRequest], Awaitable[None]]


def timer_request(due: datetime | None, last: str = "", past_due: bool = False) -> TimerRequest:
    """What a timer function is called with.

    :param due: when it is due next, if that is known.
    :param last: when it ran last (ISO 8601); empty: it never did.
    :param past_due: whether this call comes late.
    """
    status = {"Last": last, "Next": "" if due is None else due.isoformat()}
    return TimerRequest(past_due=past_due, schedule_status=status, schedule={"AdjustForDST": True})


class TimerMemory:
    """When each timer function ran last and was due next, kept in a file.

    :param path: the file; None keeps nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._entries: dict[str, dict[str, str]] = self._read()

    def next_of(self, name: str) -> datetime | None:
        """When the function was due next, as far as is known."""
        text = self._entries.get(name, {}).get("next", "")
        try:
            return datetime.fromisoformat(text).astimezone(UTC) if text else None
        except ValueError:
            return None

    def last_of(self, name: str) -> str:
        """When the function ran last (ISO 8601), or an empty text."""
        return self._entries.get(name, {}).get("last", "")

    def remember(self, name: str, last: datetime | None, due: datetime) -> None:
        """Keep when a function ran and is due next."""
        kept = last.isoformat() if last is not None else self.last_of(name)
        self._entries[name] = {"last": kept, "next": due.isoformat()}
        if self._path is not None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(json.dumps(self._entries, indent=2), encoding="utf-8")
            except OSError as error:
                logger.warning("%s cannot be written (%s): missed timers will stay missed.", self._path, error)

    def _read(self) -> dict[str, dict[str, str]]:
        if self._path is None:
            return {}
        try:
            content: Any = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        entries = cast("dict[str, Any]", content)
        return {name: cast("dict[str, str]", entry) for name, entry in entries.items() if isinstance(entry, dict)}


class Timers:
    """The timer functions of an app, running.

    :param call: calls a function; must not raise for what the function raises.
    :param sleep: waits for some seconds.
    :param longest_wait: how often the clock is looked at at least, in seconds.
    """

    def __init__(
        self,
        functions: Sequence[TimerFunction],
        call: CallTimer,
        memory: TimerMemory,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        self._functions = functions
        self._call = call
        self._memory = memory
        self._clock = clock
        self._sleep = sleep
        self._longest_wait = longest_wait
        self._running: set[asyncio.Task[None]] = set()
        self._waiting: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to wait for each function's time."""
        self._waiting = [asyncio.create_task(self._serve(function)) for function in self._functions]

    async def stop(self, grace: float) -> None:
        """Start no more calls and give those that run `grace` seconds to end."""
        for task in self._waiting:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._waiting, *self._running, return_exceptions=True)

    async def _serve(self, function: TimerFunction) -> None:
        due = self._memory.next_of(function.name) if function.monitored else None
        missed = due is not None and due <= self._clock.now()
        if function.run_on_startup or missed:
            await self._run(function, past_due=missed)
        while True:
            due = function.schedule.next_after(self._clock.now())
            if function.monitored:
                self._memory.remember(function.name, None, due)
            await self._wait_until(due)
            await self._run(function, past_due=False)

    async def _wait_until(self, due: datetime) -> None:
        while (left := (due - self._clock.now()).total_seconds()) > 0:
            await self._sleep(min(left, self._longest_wait))

    async def _run(self, function: TimerFunction, past_due: bool) -> None:
        now = self._clock.now()
        request = timer_request(function.schedule.next_after(now), self._memory.last_of(function.name), past_due)
        # A task of its own: stopping must not cut a call short.
        call = asyncio.ensure_future(self._call(function, request))
        self._running.add(call)
        call.add_done_callback(self._running.discard)
        await asyncio.shield(call)
        if function.monitored:
            self._memory.remember(function.name, now, function.schedule.next_after(self._clock.now()))
