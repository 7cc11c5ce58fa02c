"""What the client does in a run, and what must become of it.

Owns one scene for each kind of instance: it starts, sends, terminates and purges, and writes down what must be true
in the end. It never looks at how the engine does it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import InstanceAlreadyExistsError, StorageUnavailableError
from azure_durable_py.ids import EntityId
from tests.chaos.app import FIRST_BALANCE, digest, noise
from tests.chaos.plan import Plan

COUNTERS, ACCOUNTS, SPEAKERS_PER_JOURNAL = 6, 12, 30
FAILURE_SIZES = (100, 8_000, 60_000)


@dataclass(frozen=True)
class Expected:
    """How an instance must end: with this status and this output (None: whatever it is).

    `absent` allows that there is none.
    """

    kind: str
    status: str = "Completed"
    output: Any = None
    absent: bool = False


@dataclass
class Stage:
    """Where scenes play: the client, and what was promised so far.

    `effects` are the keys of activities that must run at least once; `counters` the totals of counters; `said` how
    many numbers each speaker tells each journal; `timers` counts the long timers that nobody waits for in the end.
    """

    client: DurableOrchestrationClient
    dice: random.Random
    expected: dict[str, Expected] = field(default_factory=dict)
    effects: set[str] = field(default_factory=set)
    counters: Counter[str] = field(default_factory=Counter[str])
    said: dict[str, Counter[str]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter[str])
    complaints: list[tuple[str, str]] = field(default_factory=list)
    started: int = 0
    timers: int = 0

    async def start(self, name: str, instance_id: str, input_: Any = None, start_at: datetime | None = None) -> None:
        """Start an instance, however often it takes."""
        self.started += 1
        for attempt in range(1000):
            try:
                await self.client.start_new(name, instance_id, input_, start_at=start_at)
                return
            except InstanceAlreadyExistsError:
                # Of an attempt whose answer was lost.
                if attempt == 0:
                    raise
                return
            except StorageUnavailableError:
                await asyncio.sleep(0.5)

    def expect(self, kind: str, instance_id: str, output: Any = None, **more: Any) -> None:
        """Write down how an instance must end."""
        self.kinds[kind] += 1
        self.expected[instance_id] = Expected(kind, output=output, **more)

    def will_say(self, journal: str, who: str, count: int) -> None:
        """Write down that a speaker tells a journal so many numbers, and that every third is passed on."""
        self.said.setdefault(journal, Counter())[who] = count
        self.said.setdefault(f"{journal}-behind", Counter())[who] = (count + 2) // 3

    def will_work(self, key: str, count: int) -> None:
        """Write down that so many activities have their effects."""
        self.effects |= {f"{key}/{number}" for number in range(count)}

    async def nap(self, longest: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.dice.uniform(0.0, longest))

    def durations(self, count: int, longest: float) -> list[float]:
        """How long so many activities take, in seconds."""
        return [round(self.dice.uniform(0.0, longest), 3) for _ in range(count)]

    async def finished(self, instance_id: str) -> Any:
        """The output of an instance, once it is finished; it must be completed."""
        while True:
            header = await self.client.hub.retry(lambda: self.client.hub.store.load_header(instance_id))
            if header is not None and header.is_terminal:
                break
            await asyncio.sleep(0.4)
        if header.columns.runtime_status != "Completed":
            self.complaints.append((instance_id, f"is {header.columns.runtime_status}: {header.columns.output}"))
        return None if header.columns.output is None else json.loads(header.columns.output)


# --- the scenes ----------------------------------------------------------------------------------------------

Scene = Callable[[Stage, str], Awaitable[None]]


async def chain(stage: Stage, name: str) -> None:
    seconds = stage.durations(stage.dice.randint(2, 6), 0.3)
    stage.will_work(name, len(seconds))
    stage.expect("chain", name, sum(2 * number for number in range(len(seconds))))
    await stage.start("chain", name, [name, seconds])


async def fan(stage: Stage, name: str) -> None:
    seconds = stage.durations(stage.dice.choice((3, 6, 12, 24)), 0.2)
    stage.will_work(name, len(seconds))
    stage.expect("fan-out", name, sum(2 * number for number in range(len(seconds))))
    await stage.start("fan", name, [name, seconds])


async def deadly(stage: Stage, name: str) -> None:
    stage.will_work(name, 3)
    stage.expect("kills its process", name, 12)
    await stage.start("deadly", name, name)


async def family(stage: Stage, name: str) -> None:
    seconds = stage.durations(3, 0.2)
    for child in range(2):
        stage.will_work(f"{name}/{child}", 3)
    stage.effects |= {f"{name}/failing", f"{name}/retried"}
    total = sum(2 * number for number in range(3))
    stage.expect("family", name, [total, total, "failed", "tried twice"])
    await stage.start("family", name, [name, seconds, stage.dice.choice(FAILURE_SIZES)])


async def naps(stage: Stage, name: str) -> None:
    stage.expect("short timers", name, True)
    await stage.start("naps", name, stage.durations(stage.dice.randint(1, 3), 4.0))


async def race(stage: Stage, name: str) -> None:
    stage.effects.add(name)
    stage.timers += 1
    stage.expect("long timer cancelled", name, 10)
    await stage.start("race", name, [name, *stage.durations(1, 0.5), True])


async def abandon(stage: Stage, name: str) -> None:
    stage.effects.add(name)
    stage.timers += 1
    stage.expect("long timer left open", name, 10)
    await stage.start("race", name, [name, *stage.durations(1, 0.5), False])


async def alarm(stage: Stage, name: str) -> None:
    stage.expect("timer against event", name, "alarm")
    await stage.start("alarm", name, stage.durations(1, 5.0)[0])


async def later(stage: Stage, name: str) -> None:
    stage.will_work(name, 2)
    stage.expect("delayed start", name, 2)
    start_at = datetime.now(timezone.utc) + timedelta(seconds=stage.dice.uniform(1.0, 8.0))
    await stage.start("chain", name, [name, stage.durations(2, 0.1)], start_at)


async def listens(stage: Stage, name: str) -> None:
    """Events of a client arrive once and in order, through suspension and resumption."""
    count = stage.dice.randint(3, 8)
    stage.effects |= {f"{name}/{number}" for number in range(3, count + 1, 3)}
    stage.expect("events of a client", name, list(range(count)))
    pauses = stage.dice.random() < 0.3
    await stage.start("listens", name, [name, count])
    for number in range(count):
        await stage.client.raise_event(name, "Item", number)
        if pauses and number == 0:
            await stage.client.suspend(name)
        if pauses and number == count - 2:
            await stage.client.resume(name)
        await stage.nap(stage.dice.choice((0.0, 0.3, 2.0)))


async def speaks(stage: Stage, name: str) -> None:
    """Events and signals of an orchestration arrive once and in order."""
    count, number = stage.dice.randint(3, 9), int(name.rsplit("-", 1)[1])
    journal = f"journal-{number // SPEAKERS_PER_JOURNAL}"
    stage.will_say(journal, name, count)
    stage.effects |= {f"{name}/{number}" for number in range(1, count, 3)}
    stage.effects |= {f"{name}-hears/{number}" for number in range(3, count + 1, 3)}
    stage.expect("speaker", name, count)
    stage.expect("events of another", f"{name}-hears", list(range(count)))
    await stage.start("listens", f"{name}-hears", [f"{name}-hears", count])
    await stage.start("speaks", name, [name, f"{name}-hears", journal, count])


async def eternal(stage: Stage, name: str) -> None:
    """Events survive continue-as-new, and so does what is sent in the same turn."""
    count, number = 2 * stage.dice.randint(2, 6), int(name.rsplit("-", 1)[1])
    journal = f"eternal-{number // SPEAKERS_PER_JOURNAL}"
    stage.will_say(journal, name, count // 2)
    stage.effects |= {f"{name}/{number}" for number in range(2, count + 1, 2)}
    stage.expect("eternal", name, list(range(count)))
    await stage.start("eternal", name, [name, journal, count, []])
    for event in range(count):
        await stage.client.raise_event(name, "item", event)
        await stage.nap(stage.dice.choice((0.0, 0.0, 1.5)))


async def counts(stage: Stage, name: str) -> None:
    key, count = f"c{stage.dice.randrange(COUNTERS)}", stage.dice.randint(1, 8)
    stage.counters[key] += count + 1
    stage.expect("counter", name, 1)
    await stage.start("counts", name, [key, count])


async def signals(stage: Stage, _: str) -> None:
    """Signals of a client: now, scheduled by the client, scheduled by the entity."""
    key = f"c{stage.dice.randrange(COUNTERS)}"
    entity = EntityId("counter", key)
    stage.kinds["signals of a client"] += 1
    stage.counters[key] += 7
    await stage.client.signal_entity(entity, "add", 5)
    moment = datetime.now(timezone.utc) + timedelta(seconds=stage.dice.uniform(1.0, 8.0))
    await stage.client.signal_entity(entity, "add", 1, signal_time=moment)
    await stage.client.signal_entity(entity, "later", stage.dice.randint(1, 6))


async def pays(stage: Stage, name: str) -> None:
    source, target = stage.dice.sample(range(ACCOUNTS), 2)
    stage.expect("transfer under locks", name)
    await stage.start("pays", name, [str(source), str(target), stage.dice.randint(1, FIRST_BALANCE // 2)])


async def lives(stage: Stage, name: str) -> None:
    """An id lives three times: purged and started, then restarted; each life is heard of once."""
    key = f"c{stage.dice.randrange(COUNTERS)}"
    stage.counters[key] += 3
    stage.effects |= {f"{name}/1", f"{name}/2"}
    stage.expect("purged, restarted", name, 3)
    await stage.start("lives", name, [name, key, 1])
    await _live(stage, name, 1)
    purged = await stage.client.purge_instance_history(name)
    if purged.instances_deleted != 1:
        stage.complaints.append((name, f"was finished, but purging it deleted {purged.instances_deleted}"))
    await stage.start("lives", name, [name, key, 2])
    await _live(stage, name, 2)
    await stage.client.restart(name, restart_with_new_instance_id=False)
    await stage.client.raise_event(name, "go", 3)


async def _live(stage: Stage, name: str, life: int) -> None:
    await stage.client.raise_event(name, "go", life)
    told = await stage.finished(name)
    if told != life:
        stage.complaints.append((name, f"was told {told!r} in its life {life}"))


async def bulky(stage: Stage, name: str) -> None:
    text, told, heard = noise(name, 30_000), noise(f"{name}/told", 40_000), noise(f"{name} event", 25_000)
    stage.effects.add(f"{name}/told")
    stage.expect("large values", name, [digest(text, told, told, heard), told])
    await stage.start("bulky", name, [name, text])
    await stage.client.raise_event(name, "item", heard)


async def holds(stage: Stage, name: str) -> None:
    """A family is terminated as a whole."""
    depth = stage.dice.choice((0, 1, 1, 2))
    stage.timers += 2 ** (depth + 1) - 1
    stage.expect("terminated", name, "over", status="Terminated")
    for child in _descendants(name, depth):
        stage.expected[child] = Expected("terminated", status="Terminated", absent=True)
    await stage.start("holds", name, depth)
    await stage.nap(stage.dice.choice((0.3, 3.0, 8.0)))
    await stage.client.terminate(name, "over", recurse=True)


def _descendants(name: str, depth: int) -> list[str]:
    if depth == 0:
        return []
    children = [f"{name}-{number}" for number in range(2)]
    return children + [below for child in children for below in _descendants(child, depth - 1)]


async def dispatched(stage: Stage, name: str) -> None:
    """An entity starts an orchestration."""
    stage.will_work(name, 2)
    stage.expect("started by an entity", name, 2)
    stage.started += 1
    order = [name, [name, stage.durations(2, 0.1)]]
    await stage.client.signal_entity(EntityId("dispatcher", name.rsplit("-", 1)[1][-1]), "start", order)


_WEIGHTS: dict[Scene, int] = {
    chain: 14, fan: 8, family: 9, naps: 6, race: 5, abandon: 3, alarm: 4, later: 3, listens: 9, speaks: 8,
    eternal: 6, counts: 8, signals: 4, pays: 6, lives: 5, bulky: 5, holds: 5, dispatched: 3,
}  # fmt: skip
_INSTANCES = {speaks: 2, signals: 0}


def programme(plan: Plan) -> list[tuple[float, Scene, str]]:
    """What is played when (seconds), under which name: every kind, and instances enough."""
    dice = plan.dice("programme")
    scenes: list[Scene] = [*_WEIGHTS, *[deadly] * plan.deadly]
    while sum(_INSTANCES.get(scene, 1) for scene in scenes) < plan.instances:
        scenes += dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
    numbers: Counter[Scene] = Counter()
    played: list[tuple[float, Scene, str]] = []
    for scene in scenes:
        played.append((dice.uniform(0.0, 0.8 * plan.seconds), scene, f"{scene.__name__}-{numbers[scene]}"))
        numbers[scene] += 1
    return sorted(played, key=lambda item: item[0])
