"""One run: a storm over workers and storage while scenes play, then calm, then the verdict.

Owns the order of things. Whatever happens, no process is left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.taskhub.hub import TaskHub
from tests.chaos.audit import Audit, Violation
from tests.chaos.crew import Crew, Member
from tests.chaos.pace import Pace
from tests.chaos.place import Place, Row, place_of
from tests.chaos.plan import WORKERS, Blow, Plan, blows
from tests.chaos.report import Report
from tests.chaos.scenes import Scene, Stage, programme
from tests.chaos.verdict import Verdict
from tests.chaos.worker import SETTINGS

PROGRESS_SECONDS = 5.0
MOST_UNDER_WAY = 400
"""While more instances than this are under way, the storm stands still."""
PATIENCE_SECONDS = 60.0
"""An instance that is not finished when nothing has finished for so long is stuck."""
IDLE_SECONDS, TIMERS_SECONDS = 30.0, 5.0
"""Messages or rows that are still there when nothing has gone for so long are left over; if there are only messages,
and no more of them than long timers, the second is long enough."""


async def play(plan: Plan, directory: Path, say: Callable[[str], None]) -> Report:
    """Play one run on one store.

    :param directory: for the hub, logs and notes; it must exist.
    :param say: takes what people are to read.
    :raises RuntimeError: the store is not there.
    """
    place = place_of(plan, directory)
    try:
        await place.open()
        hub = TaskHub(place.store())
        await hub.open()
        try:
            return await _Run(plan, directory, place, hub, say).play()
        finally:
            await hub.close()
    finally:
        await place.close()


class _Run:
    def __init__(self, plan: Plan, directory: Path, place: Place, hub: TaskHub, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._place = place
        self._hub = hub
        self._say_to = say
        self._began = time.monotonic()
        self._report = Report(plan)
        members = [Member(number, directory, place.orders(number)) for number in range(WORKERS)]
        self._crew = Crew(members, plan.dice("crew"), self._say)
        self._stage = Stage(DurableOrchestrationClient(hub, SETTINGS), plan.dice("scenes"))
        self._audit = Audit(hub, self._stage)
        self._playing: list[asyncio.Task[None]] = []
        self._striking: list[asyncio.Task[None]] = []
        self._pace = Pace(lambda: len(self._stage.expected) - len(self._audit.finished) > MOST_UNDER_WAY)

    def _say(self, text: str) -> None:
        self._say_to(f"[{time.monotonic() - self._began:6.1f} s] {text}")

    async def play(self) -> Report:
        """Play it."""
        watching = [asyncio.create_task(self._look()), asyncio.create_task(self._show_progress())]
        try:
            self._crew.start()
            await self._crew.ready()
            self._say(f"three workers are ready; the storm lasts {self._plan.seconds:.0f} s (seed {self._plan.seed})")
            await self._storm()
            self._say("calm: every fault is over")
            await self._settle()
            await _cancel(watching)
            verdict = Verdict(self._place, self._hub, self._crew, self._stage, self._audit, self._say_to)
            await verdict.give(self._report, self._directory)
            self._report.seconds = time.monotonic() - self._began
            return self._report
        finally:
            await _cancel([*watching, *self._playing, *self._striking])
            await self._crew.remove()

    async def _look(self) -> None:
        """Keep looking at what has finished, without taking much of the time that there is."""
        while True:
            began = time.monotonic()
            await self._audit.look()
            await asyncio.sleep(max(0.5, 4 * (time.monotonic() - began)))

    async def _show_progress(self) -> None:
        stage, crew = self._stage, self._crew
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._say(
                f"{stage.started} started, {len(self._audit.finished)} of {len(stage.expected)} finished; "
                f"{crew.kills} kills, {crew.suicides} by activities, {crew.stops} stops, "
                f"{self._report.cuts.total()} cuts, {self._place.faults.total()} faults"
            )

    # --- storm -----------------------------------------------------------------------------------------

    async def _storm(self) -> None:
        """Play all scenes and strike all blows, each at its time."""
        self._place.storm()
        passing = [asyncio.create_task(self._pace.run()), asyncio.create_task(self._strikes())]
        try:
            for at, scene, name in programme(self._plan):
                await self._pace.until(at)
                self._playing.append(asyncio.create_task(self._scene(scene, name)))
            await passing[1]
            await asyncio.gather(*self._striking)
            await self._pace.until(self._plan.seconds)
        finally:
            self._place.calm()
            await _cancel(passing)

    async def _scene(self, scene: Scene, name: str) -> None:
        try:
            await scene(self._stage, name)
        except Exception as error:  # noqa: BLE001 - what a client is told is part of the verdict
            self._stage.complaints.append((name, f"the client was told {type(error).__name__}: {error}"))

    async def _strikes(self) -> None:
        for blow in blows(self._plan):
            await self._pace.until(blow.at)
            self._striking.append(asyncio.create_task(self._strike(blow)))

    async def _strike(self, blow: Blow) -> None:
        if blow.kind == "kill":
            await self._crew.kill(blow.workers[0])
        elif blow.kind == "stop":
            await self._crew.stop(blow.workers[0], blow.seconds)
        else:
            who = "".join(f" W{number + 1}" for number in blow.workers)
            self._say(f"{blow.kind}{who} for {blow.seconds:.1f} s")
            self._report.cuts[blow.kind] += 1
            await self._place.cut(blow)

    # --- calm ------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """Wait until all is finished and idle, or nothing moves any more."""
        for name in await self._unfinished():
            self._report.violations.append(Violation(f"{self._stage.expected[name].kind}: is stuck", name))
        await self._idle()
        # Before rows that came late are swept: what a signal that nobody rang for would do must not be done by us.
        self._report.violations += await self._audit.entities()
        await self._sweep()
        await self._let_time_pass()

    async def _unfinished(self) -> list[str]:
        """Wait until all scenes are over and all their instances finished; returns the instances that never are."""
        last: tuple[int, int] | None = None
        last_move = time.monotonic()
        while time.monotonic() - last_move < PATIENCE_SECONDS:
            undone = sum(not task.done() for task in self._playing)
            left = len(self._stage.expected) - len(self._audit.finished)
            # An id that is started again may have been finished at an earlier look.
            if not undone and not left and not await self._audit.unfinished():
                return []
            if last != (undone, left):
                last, last_move = (undone, left), time.monotonic()
            await asyncio.sleep(0.2)
        return await self._audit.unfinished()

    async def _idle(self) -> None:
        """Wait until queues and inboxes are empty but for long timers, or nothing goes any more."""
        last: tuple[int, int] | None = None
        last_move = time.monotonic()
        while time.monotonic() - last_move < IDLE_SECONDS:
            messages = sum((await self._hub.retry(self._hub.store.message_counts)).values())
            inbox = len(await self._inbox())
            if not inbox and not messages:
                return
            if last != (messages, inbox):
                last, last_move = (messages, inbox), time.monotonic()
            elif not inbox and messages <= self._stage.timers and time.monotonic() - last_move > TIMERS_SECONDS:
                return
            await asyncio.sleep(0.5)

    async def _sweep(self) -> None:
        """Rows that storage took late, after they were consumed, lie there until their instance is rung."""
        rows = await self._inbox()
        for instance_id in sorted({row.instance_id for row in rows}):
            await self._hub.retry(lambda instance_id=instance_id: self._hub.ring(instance_id, "look again"))
        if rows:
            self._report.swept = len(rows)
            await self._idle()

    async def _let_time_pass(self) -> None:
        """Have the doorbells come that are left of timers: those that nobody waits for go, and do nothing else."""
        before = sum((await self._hub.retry(self._hub.store.message_counts)).values())
        if not before or not await self._place.let_time_pass():
            return
        await self._idle()
        after = sum((await self._hub.retry(self._hub.store.message_counts)).values())
        self._report.stray_doorbells = before - after

    async def _inbox(self) -> list[Row]:
        return [row for row in await self._place.rows() if row.key.startswith("10-")]


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
