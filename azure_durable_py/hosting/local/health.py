"""Whether the host lives and whether it is ready, for probes: `/healthz` and `/readyz`.

Owns the checks and what each caller is told. To live is to answer, with a worker whose tasks run: what does
not will get well only by a new start. To be ready is to do what is asked: a host that waits for its storage, that is
stopping, or whose event loop is kept by user code, is not ready and need not be started anew.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from azure_durable_py.errors import DurableError
from azure_durable_py.worker.supervision import Health

LIVENESS = "/healthz"
READINESS = "/readyz"
MOST_LAG = 1.0
"""Seconds by which the event loop may be late for the host to be ready."""
LAG_WINDOW = 5.0
LAG_EVERY = 0.25
PROBE_EVERY = 5.0
PROBE_TIMEOUT = 3.0


class Phase(Enum):
    """How far the host has come: it opens its hub, works, or ends what is under way."""

    opening = "opening"
    working = "working"
    stopping = "stopping"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `detail` may tell of settings and errors, and is for who may read the log."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe is answered."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check is."""
        return all(check.ok for check in self.checks)

    def to_json(self, *, detailed: bool) -> dict[str, Any]:
        """As JSON: every check with its state, and why where the caller may know."""
        checks: dict[str, Any] = {}
        for check in self.checks:
            checks[check.name] = {"status": "ok" if check.ok else "failing"}
            if detailed and check.detail:
                checks[check.name]["detail"] = check.detail
        return {"status": "ok" if self.ok else "failing", "checks": checks}


class LoopLag:
    """By how much the event loop is late.

    :param now: seconds of a clock that never goes back.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: deque[tuple[float, float]] = deque()
        self._due: float | None = None

    async def keep(self) -> None:
        """Measure, for ever."""
        while True:
            self._due = due = self._now() + LAG_EVERY
            await asyncio.sleep(LAG_EVERY)
            self.saw(self._now() - due)

    def saw(self, lag: float) -> None:
        """Something ran so many seconds late."""
        now = self._now()
        self._forget(now)
        while self._seen and self._seen[-1][1] <= lag:
            self._seen.pop()
        self._seen.append((now, max(0.0, lag)))

    @property
    def worst(self) -> float:
        """The most seconds by which it was late of late, or is now."""
        now = self._now()
        self._forget(now)
        late = 0.0 if self._due is None else now - self._due
        return max(late, self._seen[0][1] if self._seen else 0.0)

    def _forget(self, now: float) -> None:
        while self._seen and self._seen[0][0] < now - LAG_WINDOW:
            self._seen.popleft()


class StorageProbe:
    """Whether storage answers, asked no more than every few seconds however many want to know.

    :param ask: a cheap call to storage.
    :param now: seconds of a clock that never goes back.
    """

    def __init__(self, ask: Callable[[], Awaitable[object]], now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._now = now
        self._asking: asyncio.Task[Check] | None = None
        self._asked_at = 0.0

    async def check(self) -> Check:
        """What storage said, now or a few seconds ago."""
        asking = self._asking
        if asking is None or (asking.done() and self._now() - self._asked_at >= PROBE_EVERY):
            self._asked_at = self._now()
            asking = self._asking = asyncio.create_task(self._look(), name="storage probe")
        done, _ = await asyncio.wait([asking], timeout=PROBE_TIMEOUT)
        return asking.result() if done else Check("storage", False, f"no answer within {PROBE_TIMEOUT:g} s")

    async def _look(self) -> Check:
        try:
            await self._ask()
        except DurableError as error:
            return Check("storage", False, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
            return Check("storage", False, type(error).__name__)
        return Check("storage", True)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])
            self._asking = None


class HostHealth:
    """What the local host says of itself.

    :param worker: how the worker is doing; None while there is none.
    :param probe: asks storage.
    :param lag: how late the event loop is.
    """

    def __init__(self, worker: Callable[[], Health | None], probe: StorageProbe, lag: LoopLag) -> None:
        self.phase = Phase.opening
        self.why_not_open = ""
        """What storage said when the hub could not be opened."""
        self._worker = worker
        self._probe = probe
        self._lag = lag

    def live(self) -> Report:
        """That somebody answers, and that no task failed without which the worker does nothing."""
        checks = [Check("eventLoop", True)]
        worker = self._worker()
        if worker is not None:
            checks.append(_worker_check(worker))
        return Report(tuple(checks))

    async def ready(self) -> Report:
        """Whether what is asked of the host would be done."""
        lag = self._lag.worst
        checks = [
            Check("taskHub", self.phase is not Phase.opening, self.why_not_open or "the task hub is being opened"),
            Check("accepting", self.phase is not Phase.stopping, "what is under way is brought to its end"),
            Check("eventLoop", lag <= MOST_LAG, f"it was late by {lag:.1f} s; accepted is {MOST_LAG:g} s"),
        ]
        if self.phase is Phase.working:
            worker = self._worker()
            checks.append(Check("worker", False, "there is none") if worker is None else _worker_check(worker))
            checks.append(await self._probe.check())
        return Report(tuple(Check(check.name, True) if check.ok else check for check in checks))


def _worker_check(worker: Health) -> Check:
    failing = [
        f"{name} since {task.since.isoformat(timespec='seconds')}: {task.last_error}"
        for name, task in worker.tasks.items()
        if task.essential and task.is_failing
    ]
    return Check("worker", not failing, "; ".join(failing))
