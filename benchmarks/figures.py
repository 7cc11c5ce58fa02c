"""What was measured: figures, the runs that they are of, and the file that holds the newest run of each source.

A figure is one quantity of one scenario at one size on one system, with a value for each round. Nothing here
measures, and nothing knows how results are shown: `benchmarks.results` does.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

RESULTS = Path(__file__).parent / "results.json"
"""The newest run of each source, as it is checked in."""

BARE = "bare"
"""How the names of limits begin: storage, asked by next to nothing."""

Better = Literal["higher", "lower"]
Source = Literal["ours", "peers"]


@dataclass(frozen=True)
class Figure:
    """One quantity, measured once in each round.

    :param scenario: what was done, as the results name it: `hello_cities`.
    :param size: how much of it: instances, activities, signals ... as the scenario says. 1 where there is no size.
    :param system: what did it, and on what: `azure_durable_py on SQLite`.
    :param unit: what a value is in: `instances/s`, `ms`.
    :param better: whether a higher value is better, or a lower one.
    :param values: one for each round, in order. Of a latency, the median of what the round saw.
    :param p99: of a latency, for each round what 99 of 100 did not exceed; else empty.
    :param against: the system that this one is compared with, at the same scenario, size and unit; empty for none.
    """

    scenario: str
    size: int
    system: str
    unit: str
    better: Better
    values: tuple[float, ...]
    p99: tuple[float, ...] = ()
    against: str = ""

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.scenario} on {self.system} has no value: every figure has one for each round.")
        if self.p99 and len(self.p99) != len(self.values):
            raise ValueError(f"{self.scenario} on {self.system} has {len(self.values)} values and {len(self.p99)} p99.")

    @classmethod
    def of_latencies(
        cls,
        scenario: str,
        size: int,
        system: str,
        rounds: Iterable[Sequence[float]],
        *,
        unit: str = "ms",
        against: str = "",
    ) -> Figure:
        """A figure of times: of each round all that were seen, in `unit`."""
        seen = list(rounds)
        p50 = tuple(quantile(times, 0.5) for times in seen)
        p99 = tuple(quantile(times, 0.99) for times in seen)
        return cls(scenario, size, system, unit, "lower", p50, p99, against)

    @property
    def median(self) -> float:
        """Of the rounds; of a latency, the p50."""
        return median(self.values)

    @property
    def least(self) -> float:
        """The smallest value of a round."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The largest value of a round."""
        return max(self.values)

    @property
    def median_p99(self) -> float | None:
        """Of the rounds' p99; None where it is no latency."""
        return median(self.p99) if self.p99 else None

    @property
    def cost(self) -> float:
        """What one costs, up to a factor: the median, or what is left of a second where it is a rate."""
        return self.median if self.better == "lower" else 1 / self.median

    def is_twin_of(self, other: Figure) -> bool:
        """Whether both say the same of two systems, so that they can be compared."""
        return (self.scenario, self.size, self.unit) == (other.scenario, other.size, other.unit)

    def ratio_to(self, other: Figure) -> float:
        """How many times better this median is than that of the other: 2 is twice as good, 0.5 half as good."""
        if not self.is_twin_of(other):
            raise ValueError(f"{self.scenario} ({self.size}, {self.unit}) is no measure of {other.scenario}.")
        better, worse = (self.median, other.median) if self.better == "higher" else (other.median, self.median)
        return better / worse if worse else math.inf


@dataclass(frozen=True)
class Machine:
    """Where a run was.

    :param cpu: the model, as the system names it.
    :param cores: how many of them this process may use.
    :param memory: in GiB.
    :param disk: what the files of the hubs lay on: kind of file system and of disk.
    :param system: name and version of the operating system.
    """

    cpu: str
    cores: int
    memory: float
    disk: str
    system: str


@dataclass(frozen=True)
class Run:
    """Figures that were measured together, and what someone needs in order to measure them again.

    :param source: whose scenarios: a run replaces all of the run before it from the same source.
    :param began: date and time (UTC), as it is shown.
    :param seconds: how long it took.
    :param command: the command line that repeats it.
    :param commit: of this repository, with `+` after it where the checkout had changes.
    :param rounds: how often each figure was measured.
    :param machine: where.
    :param python: version of the interpreter.
    :param versions: of what else took part, by name.
    :param notes: what a reader must know of this run beside its figures: what failed, and why.
    """

    source: Source
    began: str
    seconds: float
    command: str
    commit: str
    rounds: int
    machine: Machine
    python: str
    versions: Mapping[str, str]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def find(self, scenario: str, size: int, system: str, unit: str) -> Figure | None:
        """The figure that says this, if it was measured."""
        return next(
            (
                figure
                for figure in self.figures
                if (figure.scenario, figure.size, figure.system, figure.unit) == (scenario, size, system, unit)
            ),
            None,
        )

    def reference(self, figure: Figure) -> Figure | None:
        """The figure that one is compared with, if it was measured."""
        return self.find(figure.scenario, figure.size, figure.against, figure.unit) if figure.against else None


def read(path: Path = RESULTS) -> dict[Source, Run]:
    """The newest run of each source; without the file there is none."""
    if not path.exists():
        return {}
    return {source: _run(data) for source, data in json.loads(path.read_text(encoding="utf-8")).items()}


def write(runs: Mapping[Source, Run], path: Path = RESULTS) -> None:
    """Write all runs; values with as many digits as anybody needs."""
    data = {source: _data(runs[source]) for source in sorted(runs)}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _data(run: Run) -> dict[str, Any]:
    data = dataclasses.asdict(run)
    for figure in data["figures"]:
        for name in ("values", "p99"):
            figure[name] = [_short(value) for value in figure[name]]
    return data


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _run(data: dict[str, Any]) -> Run:
    measured = tuple(_figure(figure) for figure in data["figures"])
    parts: dict[str, Any] = {
        **data,
        "machine": Machine(**data["machine"]),
        "figures": measured,
        "notes": tuple(data["notes"]),
    }
    return Run(**parts)


def _figure(data: dict[str, Any]) -> Figure:
    parts: dict[str, Any] = {**data, "values": tuple(data["values"]), "p99": tuple(data["p99"])}
    return Figure(**parts)


def quantile(values: Sequence[float], share: float) -> float:
    """What this share of the values does not exceed; between two values in proportion.

    :param share: from 0 to 1.
    """
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """How cost grows with size: the b of cost = a * size^b that fits best, by least squares of the logarithms.

    0 is a cost per unit that is flat; 1 one that grows with the size, so that the whole is quadratic.

    :param points: size and cost, at least two sizes.
    """
    logs = [(math.log(size), math.log(cost)) for size, cost in points]
    middle_x = sum(x for x, _ in logs) / len(logs)
    middle_y = sum(y for _, y in logs) / len(logs)
    spread = sum((x - middle_x) ** 2 for x, _ in logs)
    if not spread:
        raise ValueError("Growth needs at least two sizes.")
    return sum((x - middle_x) * (y - middle_y) for x, y in logs) / spread


@dataclass(frozen=True)
class Curve:
    """What each costs on one system, by size: at three sizes or more, the smallest first."""

    figures: tuple[Figure, ...]

    @property
    def label(self) -> str:
        """What and where."""
        first = self.figures[0]
        return f"{first.scenario}, {first.unit}, {first.system}"

    @property
    def exponent(self) -> float:
        """How it grows, see `exponent`."""
        return exponent([(figure.size, figure.cost) for figure in self.figures])


def curves(measured: Iterable[Figure]) -> list[Curve]:
    """Those of all that is measured for each, a rate or a cost of one; of what does something, not of limits."""
    found: dict[tuple[str, str, str], list[Figure]] = {}
    for figure in measured:
        if "/" in figure.unit and figure.median and not figure.system.startswith(BARE):
            found.setdefault((figure.scenario, figure.unit, figure.system), []).append(figure)
    return [
        Curve(tuple(sorted(points, key=lambda figure: figure.size))) for points in found.values() if len(points) >= 3
    ]
