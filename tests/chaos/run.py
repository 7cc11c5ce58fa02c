"""One run: a storm over workers and storage while scenes play, then calm, then the audit.

Owns the order of things and the report. Whatever happens, no process is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Kind
from tests.chaos import effects
from tests.chaos.audit import Audit, Violation
from tests.chaos.crew import Crew, Member, has_died_in_silence
from tests.chaos.place import Place, Row, place_of
from tests.chaos.plan import WORKERS, Blow, Plan, blows
from tests.chaos.scenes import Scene, Stage, programme
from tests.chaos.worker import SETTINGS

PROGRESS_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
"""An instance that is not finished when nothing has finished for so long is stuck."""
IDLE_SECONDS, TIMERS_SECONDS = 30.0, 5.0
"""Messages or rows that are still there when nothing has gone for so long are left over; if there are only messages,
and no more of them than long timers, the second is long enough."""
_SHOWN, _DESCRIBED = 40, 10


@dataclass
class Report:
    """What came of a run."""

    plan: Plan
    instances: int = 0
    orchestrations: int = 0
    entities: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    kills: int = 0
    suicides: int = 0
    stops: int = 0
    cuts: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    takeovers: list[float] = field(default_factory=list)
    swept: int = 0
    late: int = 0
    strays: int = 0
    timers: int = 0
    timer_messages: int = 0
    violations: list[Violation] = field(default_factory=list)

    def summary(self) -> str:
        """For people."""
        worst = sorted(self.takeovers)
        taken = f"median {worst[len(worst) // 2]:.1f} s, worst {worst[-1]:.1f} s" if worst else "none"
        lines = [
            f"instances: {self.instances} started by the client ({_listed(self.kinds)});",
            f"  in the hub at the end: {self.orchestrations} orchestrations, {self.entities} entities",
            f"workers: {self.kills} killed, {self.suicides} killed by an activity, {self.stops} stopped",
            f"cuts: {_listed(self.cuts)}; faults: {_listed(self.faults)}",
            f"time: {self.seconds:.0f} s",
            f"activities of dead workers begun again by others: {len(worst)} ({taken} after the death)",
            f"rows that came too late for anybody: {self.swept} swept, {self.late} left",
            f"rows of values and pages that no header leads to: {self.strays}",
            f"messages left of the {self.timers} long timers that nobody waits for: {self.timer_messages}",
        ]
        return "\n".join(lines)

    def last_line(self) -> str:
        """The verdict."""
        return (
            f"chaos on {self.plan.store}: {self.instances} instances, {self.kills} kills, {self.stops} stops, "
            f"{self.faults.total() if hasattr(self.faults, 'total') else sum(self.faults.values())} faults: "
            f"{len(self.violations)} violations"
        )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items())) or "none"


class Run:
    """One run on one store.

    :param directory: for the hub, logs and notes; it must exist.
    :param say: takes what people are to read.
    """

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._say_to = say
        self._began = time.monotonic()
        self.report = Report(plan)

    async def play(self) -> Report:
        """Play it.

        :raises RuntimeError: the store is not there.
        """
        place = place_of(self._plan, self._directory)
        try:
            await place.open()
            hub = TaskHub(place.store())
            await hub.open()
            try:
                await self._play(place, hub)
            finally:
                await hub.close()
        finally:
            await place.close()
        return self.report

    def _say(self, text: str) -> None:
        self._say_to(f"[{time.monotonic() - self._began:6.1f} s] {text}")

    async def _play(self, place: Place, hub: TaskHub) -> None:
        members = [Member(number, self._directory, place.orders(number)) for number in range(WORKERS)]
        crew = Crew(members, self._plan.dice("crew"), self._say)
        stage = Stage(DurableOrchestrationClient(hub, SETTINGS), self._plan.dice("scenes"))
        audit = Audit(hub, stage)
        watching = [
            asyncio.create_task(self._look(audit)),
            asyncio.create_task(self._show_progress(stage, crew, place, audit)),
        ]
        playing = _Playing()
        try:
            crew.start()
            await crew.ready()
            self._say(f"three workers are ready; the storm lasts {self._plan.seconds:.0f} s (seed {self._plan.seed})")
            playing.begin(self._scenes(stage))
            await self._storm(place, crew)
            self._say("calm: every fault is over")
            await self._settle(place, hub, stage, audit, playing)
            await _cancel(*watching)
            await self._judge(place, hub, crew, stage, audit)
        finally:
            await _cancel(*watching, *playing.tasks)
            await crew.remove()

    # --- storm -----------------------------------------------------------------------------------------

    def _scenes(self, stage: Stage) -> list[Callable[[], asyncio.Future[None]]]:
        async def play(at: float, scene: Scene, name: str) -> None:
            await asyncio.sleep(at)
            try:
                await scene(stage, name)
            except Exception as error:  # noqa: BLE001 - what a client is told is part of the verdict
                stage.complaints.append((name, f"the client was told {type(error).__name__}: {error}"))

        return [
            lambda at=at, scene=scene, name=name: asyncio.ensure_future(play(at, scene, name))
            for at, scene, name in programme(self._plan)
        ]

    async def _storm(self, place: Place, crew: Crew) -> None:
        place.storm()
        began = time.monotonic()

        async def strike(blow: Blow) -> None:
            await asyncio.sleep(max(0.0, began + blow.at - time.monotonic()))
            if blow.kind == "kill":
                await crew.kill(blow.workers[0])
            elif blow.kind == "stop":
                await crew.stop(blow.workers[0], blow.seconds)
            else:
                who = " ".join(f"W{number + 1}" for number in blow.workers)
                self._say(f"{blow.kind} {who} for {blow.seconds:.1f} s".replace("  ", " "))
                self.report.cuts[blow.kind] += 1
                await place.cut(blow)

        try:
            await asyncio.gather(*(strike(blow) for blow in blows(self._plan)))
            await asyncio.sleep(max(0.0, began + self._plan.seconds - time.monotonic()))
        finally:
            place.calm()

    async def _look(self, audit: Audit) -> None:
        """Keep looking at what has finished, without taking much of the time that there is."""
        while True:
            began = time.monotonic()
            await audit.look()
            await asyncio.sleep(max(0.5, 4 * (time.monotonic() - began)))

    async def _show_progress(self, stage: Stage, crew: Crew, place: Place, audit: Audit) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            self._say(
                f"{stage.started} started, {len(audit.finished)} of {len(stage.expected)} finished; "
                f"{crew.kills} kills, {crew.suicides} by activities, {crew.stops} stops, "
                f"{sum(self.report.cuts.values())} cuts, {sum(place.faults.values())} faults"
            )

    # --- calm ------------------------------------------------------------------------------------------

    async def _settle(self, place: Place, hub: TaskHub, stage: Stage, audit: Audit, playing: _Playing) -> None:
        """Wait until all is finished and idle, or nothing moves any more."""
        for name in await self._unfinished(stage, audit, playing):
            self.report.violations.append(Violation(f"{stage.expected[name].kind}: is stuck", name))
        await self._idle(place, hub, stage)
        # Before rows that came late are swept: what a signal that nobody rang for would do must not be done by us.
        self.report.violations += await audit.entities()
        await self._sweep(place, hub, stage)

    async def _unfinished(self, stage: Stage, audit: Audit, playing: _Playing) -> list[str]:
        """Wait until all scenes are over and all their instances finished; returns the instances that never are."""
        last: tuple[int, int] | None = None
        last_move = time.monotonic()
        while time.monotonic() - last_move < PATIENCE_SECONDS:
            undone, left = playing.undone, len(stage.expected) - len(audit.finished)
            # An id that is started again may have been finished at an earlier look.
            if not undone and not left and not await audit.unfinished():
                return []
            if last != (undone, left):
                last, last_move = (undone, left), time.monotonic()
            await asyncio.sleep(0.2)
        return await audit.unfinished()

    async def _idle(self, place: Place, hub: TaskHub, stage: Stage) -> None:
        """Wait until queues and inboxes are empty but for long timers, or nothing goes any more."""
        last: tuple[int, int] | None = None
        last_move = time.monotonic()
        while time.monotonic() - last_move < IDLE_SECONDS:
            messages = await self._messages(hub)
            inbox = [row for row in await place.rows() if row.key.startswith("10-")]
            if not inbox and messages <= 0:
                return
            if last != (messages, len(inbox)):
                last, last_move = (messages, len(inbox)), time.monotonic()
            elif not inbox and messages <= stage.timers and time.monotonic() - last_move > TIMERS_SECONDS:
                return
            await asyncio.sleep(0.5)

    async def _messages(self, hub: TaskHub) -> int:
        return sum((await hub.retry(hub.store.message_counts)).values())

    async def _sweep(self, place: Place, hub: TaskHub, stage: Stage) -> None:
        """Rows that storage took late, after they were consumed, lie there until their instance is rung."""
        rows = [row for row in await place.rows() if row.key.startswith("10-")]
        for instance_id in sorted({row.instance_id for row in rows}):
            await hub.retry(lambda instance_id=instance_id: hub.ring(instance_id, "look again"))
        if rows:
            self.report.swept = len(rows)
            await self._idle(place, hub, stage)

    # --- the verdict -----------------------------------------------------------------------------------

    async def _judge(self, place: Place, hub: TaskHub, crew: Crew, stage: Stage, audit: Audit) -> None:
        report = self.report
        messages = await self._messages(hub)
        texts = place.messages()
        await crew.end()
        notes = effects.read(self._directory)
        report.kills, report.suicides, report.stops = crew.kills, crew.suicides, crew.stops
        report.violations += [*await audit.outcomes(), *await audit.entities(), *audit.effects(notes)]
        report.violations += self._judge_rows(place, await audit.leftovers(await place.rows()))
        report.violations += self._judge_messages(messages, texts, stage)
        report.violations += [Violation(complaint) for complaint in crew.complaints]
        for member in crew.members:
            report.violations += [Violation(f"{member.name}: {line}") for line in has_died_in_silence(member.log)]
        report.violations = list(dict.fromkeys(report.violations))
        report.instances, report.kinds = stage.started, stage.kinds
        report.orchestrations = len(await audit.listed(Kind.orchestration))
        report.entities = len(await audit.listed(Kind.entity))
        report.faults = Counter(place.faults)
        report.takeovers = effects.takeovers(notes, crew.killed)
        report.seconds = time.monotonic() - self._began
        if report.violations:
            await self._describe(hub, audit, texts)

    def _judge_rows(self, place: Place, left: list[Row]) -> list[Violation]:
        """Rows left over, but for those that storage took late, and what the dead could not tell anybody of."""
        report = self.report
        late = [row for row in left if place.was_late(row)]
        report.late = len(late)
        wrong = [row for row in left if row not in late]
        staged = [row for row in wrong if not row.key.startswith("10-")]
        report.strays = len(staged)
        if len(staged) <= report.kills + report.suicides + report.stops:
            wrong = [row for row in wrong if row.key.startswith("10-")]
        by_instance: defaultdict[str, list[str]] = defaultdict(list)
        for row in wrong:
            by_instance[row.instance_id].append(row.key)
        return [
            Violation(f"{len(keys)} rows are left, such as {keys[0]}", instance_id)
            for instance_id, keys in by_instance.items()
        ]

    def _judge_messages(self, count: int, texts: list[str] | None, stage: Stage) -> list[Violation]:
        """Doorbells of long timers that nobody waits for are told apart: the engine leaves them to their time."""
        others = None if texts is None else [text for text in texts if '"why":"timer' not in text]
        timers = min(count, stage.timers) if others is None else count - len(others)
        self.report.timers, self.report.timer_messages = stage.timers, timers
        if others:
            return [Violation(f"a message is left: {text[:200]}") for text in others]
        return (
            [Violation(f"{count - timers} messages are left beside those of {timers} long timers")]
            if count > timers
            else []
        )

    async def _describe(self, hub: TaskHub, audit: Audit, texts: list[str] | None) -> None:
        violations = self.report.violations
        self._say_to("\n" + "\n".join(f"VIOLATION {violation}" for violation in violations[:_SHOWN]))
        file = self._directory / "violations.txt"
        file.write_text("\n".join(map(str, violations)), encoding="utf-8")
        if len(violations) > _SHOWN:
            self._say_to(f"... and {len(violations) - _SHOWN} more, see {file}")
        named = list(dict.fromkeys(found.instance_id for found in violations if found.instance_id is not None))
        for instance_id in named[:_DESCRIBED]:
            with contextlib.suppress(Exception):
                self._say_to(await audit.describe(instance_id))
            for text in texts or ():
                if f'"{instance_id}"' in text:
                    self._say_to(f"  message: {text[:300]}")
        self._say_to(f"queues: {await hub.store.message_counts()}")
        self._say_to(f"hub, logs and notes are kept in {self._directory}")


class _Playing:
    """The scenes that play."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Future[None]] = []

    def begin(self, scenes: list[Callable[[], asyncio.Future[None]]]) -> None:
        self.tasks = [scene() for scene in scenes]

    @property
    def undone(self) -> int:
        return sum(not task.done() for task in self.tasks)


async def _cancel(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
