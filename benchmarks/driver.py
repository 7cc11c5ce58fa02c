"""Measures scenarios round after round, the stores in turn, and makes figures of what the rounds saw."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import Figure
from benchmarks.place import SYSTEMS, Stores
from benchmarks.results import number
from benchmarks.scenario import ENGINE, Lab, Sample, Scenario

ENGINE_SYSTEM = "azure_durable_py"


@dataclass(frozen=True)
class Step:
    """One measurement."""

    scenario: Scenario
    kind: str
    size: int
    round: int


def plan(
    scenarios: Sequence[Scenario], kinds: Sequence[str], rounds: int, *, full: bool = False, smoke: bool = False
) -> list[Step]:
    """All measurements in their order: of each scenario round after round, and in each the stores in turn.

    What is slow in one minute and fast in the next meets all of them alike; so does who comes first.

    :param kinds: the stores that there are.
    :param full: with the sizes that take very long.
    :param smoke: each scenario once, at a size that takes no time.
    """
    steps: list[Step] = []
    for scenario in scenarios:
        there = [kind for kind in scenario.sizes if kind in (ENGINE, *kinds)]
        if smoke:
            steps += [Step(scenario, kind, scenario.smoke, 0) for kind in there]
            continue
        for at in range(rounds):
            of_kind = {kind: scenario.sizes[kind].of_round(at, full=full) for kind in there}
            for size in sorted({size for sizes in of_kind.values() for size in sizes}):
                turn = [kind for kind in there if size in of_kind[kind]]
                steps += [Step(scenario, kind, size, at) for kind in (reversed(turn) if at % 2 else turn)]
    return steps


Key = tuple[str, int, str, str]


@dataclass
class _Seen:
    """What the rounds saw of one figure."""

    sample: Sample
    rounds: list[Sequence[float]] = field(default_factory=list[Sequence[float]])


async def measure(stores: Stores, steps: Sequence[Step]) -> list[Figure]:
    """Make all measurements, and tell on stderr how it goes; returns the figures in the order in which they came."""
    lab = Lab(stores)
    seen: dict[Key, _Seen] = {}
    for at, step in enumerate(steps, 1):
        if at > 1 and steps[at - 2].scenario is not step.scenario:
            lab.tapes.clear()
        where = SYSTEMS.get(step.kind, ENGINE_SYSTEM)
        _tell(f"[{at}/{len(steps)}] {step.scenario.title}, {step.size:,}, {where}, round {step.round + 1}: ")
        began = time.perf_counter()
        samples = await step.scenario.measure(lab, step.kind, step.size)
        for sample in samples:
            key = (sample.title or step.scenario.title, step.size, sample.system or where, sample.unit)
            seen.setdefault(key, _Seen(sample)).rounds.append(sample.values)
        _tell(f"{_shown(samples[0])}  ({time.perf_counter() - began:.1f} s)\n")
    return list(_figures(seen))


def _figures(seen: dict[Key, _Seen]) -> Iterator[Figure]:
    for (title, size, system, unit), found in seen.items():
        sample = found.sample
        if sample.is_latency:
            yield Figure.of_latencies(title, size, system, found.rounds, unit=unit, against=sample.against)
        else:
            values = tuple(value for values in found.rounds for value in values)
            yield Figure(title, size, system, unit, sample.better, values, against=sample.against)


def _shown(sample: Sample) -> str:
    return f"{number(sorted(sample.values)[len(sample.values) // 2])} {sample.unit}"


def _tell(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
