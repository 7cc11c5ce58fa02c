"""Plays one run: one scenario in one world, to its end or to its first violation.

Besides what scenarios and `invariants` assert, a run is violated when the engine lets an exception
pass that nobody foresaw, when it takes more storage calls than anything honest could, and when it hangs in real time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from azure_durable_py.errors import DurableError
from azure_durable_py.worker.intake import pump
from tests.simulation.faults import make_task
from tests.simulation.loop import SimulatedLoop, run_simulated
from tests.simulation.scenarios import SCENARIOS, app
from tests.simulation.world import Play, World, draw_plan

REAL_SECONDS = 30.0
"""The longest honest run takes a tenth of it."""
MOST_CALLS = 200_000


class HungError(Exception):
    """A run did not end in real time."""


@dataclass
class Report:
    """What a run came to. `violation` is what went wrong, if something did; `course` stands for the way it went."""

    scenario: str
    seed: int
    story: list[tuple[str, str, str | None]] = field(default_factory=lambda: [])
    violation: str | None = None
    set_up: str = ""
    course: str = ""
    crashes: int = 0
    calls: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)


class _Ear(logging.Handler):
    """Hears what the engine logs: which of its paths were taken, and what it did not foresee."""

    def __init__(self, tell: Callable[[str], None] | None) -> None:
        super().__init__(logging.INFO)
        self.paths: Counter[str] = Counter()
        self.unforeseen: str | None = None
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.paths[f"{record.module}: {record.msg}"] += 1
        if record.exc_info and not isinstance(record.exc_info[1], DurableError) and self.unforeseen is None:
            self.unforeseen = f"{record.getMessage()}\n{''.join(traceback.format_exception(*record.exc_info))}"
        if self._tell is not None:
            self._tell(f"{asyncio.get_running_loop().time():10.3f} {record.levelname} {record.getMessage()}")


def play(scenario: str, seed: int, tell: Callable[[str], None] | None = None) -> Report:
    """One run of one scenario.

    :param tell: takes what happens, line by line.
    """
    played = SCENARIOS[scenario]
    plan = played.plan(draw_plan(random.Random(f"{scenario} {seed} plan")))
    world = World(f"{scenario} {seed}", app(), plan)
    return play_world(world, played.play, Report(scenario, seed), tell)


def play_world(world: World, course: Play, report: Report, tell: Callable[[str], None] | None = None) -> Report:
    """One run in a world of one's own.

    :param course: what is done in it. :param report: of what; it is filled in, and returned.
    :param tell: takes what happens, line by line.
    """
    report.set_up = str(world.plan)
    if tell is not None:
        tell(report.set_up)
    with _listening(tell) as ear, _lazy_pumps():
        try:
            with _watchdog(REAL_SECONDS):
                report.story = run_simulated(_play(course, world), make_task)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - it is what the run is for
            report.violation = _told(error)
        report.paths = ear.paths
        if report.violation is None and ear.unforeseen is not None:
            report.violation = f"the engine did not foresee this: {ear.unforeseen}"
    report.calls = world.sky.seen
    report.course = world.sky.course
    report.crashes = world.crashes
    return report


async def _play(course: Play, world: World) -> list[tuple[str, str, str | None]]:
    await world.open()
    try:
        await course(world)
        await world.at_rest()
        assert world.sky.calls < MOST_CALLS, f"{world.sky.calls} storage calls"
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        assert not loop.unhandled, f"tasks died unseen: {loop.unhandled[:5]}"
        return await world.story()
    finally:
        await world.close()


@contextmanager
def _lazy_pumps() -> Generator[None]:
    """Let empty polls be rare: the world tells pumps when there is something (`World._look`)."""
    before, pump.FIRST_PAUSE = pump.FIRST_PAUSE, 600.0
    try:
        yield
    finally:
        pump.FIRST_PAUSE = before


def _told(error: BaseException) -> str:
    lines = traceback.extract_tb(error.__traceback__)
    where = [f"{line.filename.rpartition('/')[2]}:{line.lineno} {line.line}" for line in lines[-3:]]
    return f"{type(error).__name__}: {error}\n  at " + "\n  at ".join(where)


@contextmanager
def _listening(tell: Callable[[str], None] | None) -> Generator[_Ear]:
    logger = logging.getLogger("azure_durable_py")
    ear = _Ear(tell)
    before = (logger.level, logger.propagate, list(logger.handlers))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [ear]
    try:
        yield ear
    finally:
        logger.level, logger.propagate, logger.handlers = before
        logger.setLevel(before[0])


@contextmanager
def _watchdog(seconds: float) -> Generator[None]:
    """End what takes too long in real time, with the place where it is."""

    def bark(number: int, frame: FrameType | None) -> None:
        del number
        stack = "".join(traceback.format_stack(frame)[-6:])
        raise HungError(f"no end after {seconds:.0f} s of real time; it is at\n{stack}")

    before = signal.signal(signal.SIGALRM, bark)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
