"""What a scenario is, and what one measurement of it gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.figures import Better
from benchmarks.place import BARE, SYSTEMS, Bench, Stores, Tape
from benchmarks.span import Span


@dataclass(frozen=True)
class Sample:
    """What one round saw of one quantity.

    :param unit: what the values are in.
    :param values: one; or, of a latency, all that were seen.
    :param title: of what, in the results, if not of the scenario as such.
    :param system: whose, if not that of the kind that was measured.
    :param against: the system that it is compared with.
    """

    unit: str
    better: Better
    values: Sequence[float]
    title: str = ""
    system: str = ""
    against: str = ""
    is_latency: bool = False


def lower(unit: str, value: float, title: str = "", system: str = "") -> Sample:
    """A cost."""
    return Sample(unit, "lower", (value,), title, system)


def higher(unit: str, value: float, title: str = "", system: str = "") -> Sample:
    """A rate."""
    return Sample(unit, "higher", (value,), title, system)


@dataclass(frozen=True)
class Sizes:
    """How much of a scenario is measured.

    :param rounds: in each round.
    :param once: in the first round only, since it takes long.
    :param vast: in the first round, where everything is asked for.
    """

    rounds: tuple[int, ...] = ()
    once: tuple[int, ...] = ()
    vast: tuple[int, ...] = ()

    def of_round(self, number: int, *, full: bool) -> tuple[int, ...]:
        """Those of a round, counted from 0."""
        if number:
            return self.rounds
        return self.rounds + self.once + (self.vast if full else ())


ENGINE = "engine"
"""The kind of what has no store."""


@dataclass
class Lab:
    """Where scenarios are measured, and what they keep between rounds.

    :param tapes: what reached storage, by scenario, kind and size.
    """

    stores: Stores
    tapes: dict[tuple[str, str, int], Tape | None] = field(default_factory=dict[tuple[str, str, int], "Tape | None"])


class Scenario(Protocol):
    """Something that is measured, at some sizes on some kinds of store."""

    @property
    def name(self) -> str:
        """How the command line calls it."""
        ...

    @property
    def title(self) -> str:
        """How the results call it."""
        ...

    @property
    def sizes(self) -> Mapping[str, Sizes]:
        """By kind of store."""
        ...

    @property
    def smoke(self) -> int:
        """A size that takes no time, to see that it runs."""
        ...

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """One round."""
        ...


@dataclass(frozen=True)
class Alone:
    """A scenario that sees to everything itself."""

    name: str
    title: str
    sizes: Mapping[str, Sizes]
    smoke: int
    run: Callable[[Stores, str, int], Awaitable[list[Sample]]]

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """One round."""
        return await self.run(lab.stores, kind, size)


@dataclass(frozen=True)
class Quantity:
    """Something that follows from what was measured of a run, and alike from what was of its tape."""

    unit: str
    better: Better
    of: Callable[[Span, int], float]


def rate(unit: str) -> Quantity:
    """So many of the size a second."""
    return Quantity(unit, "higher", lambda span, size: size / span.seconds)


def each(unit: str) -> Quantity:
    """Milliseconds for each of the size."""
    return Quantity(unit, "lower", lambda span, size: span.seconds / size * 1000)


CPU = Quantity("ms CPU/operation", "lower", lambda span, _: span.cpu / max(1, span.operations) * 1000)
"""What a storage operation costs this process, with all that our code does between two of them."""


@dataclass(frozen=True)
class OnHub:
    """A scenario on a hub: measured beside what the same operations take barely.

    :param run: does it, with the part that counts within `bench.measured()`. What it leaves in `span.times` are
        latencies, in seconds, of as many at once as the size says.
    :param quantities: what is told of it.
    :param settings: of the worker, by name.
    """

    name: str
    title: str
    sizes: Mapping[str, Sizes]
    smoke: int
    run: Callable[[Bench, int], Awaitable[None]]
    quantities: tuple[Quantity, ...]
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """One round. The first one of a size is preceded by one that is taped."""
        tape = await self._tape(lab, kind, size)
        async with lab.stores.bench(kind, **self.settings) as bench:
            await self.run(bench, size)
            span = bench.span
        bare = BARE[kind] if tape is not None else ""
        samples = self._samples(span, size, SYSTEMS[kind], bare)
        if span.times:
            times = [1000 * seconds for seconds in span.times]
            samples.append(Sample("ms", "lower", times, self.title, SYSTEMS[kind], bare, is_latency=True))
        if tape is not None:
            limit = await lab.stores.play(tape)
            samples += self._samples(limit, size, bare, "")
            if span.times:
                # By Little's law: so many at once, and so many a second.
                samples.append(lower("ms", 1000 * limit.seconds * size / len(span.times), self.title, bare))
        return samples

    async def _tape(self, lab: Lab, kind: str, size: int) -> Tape | None:
        key = (self.name, kind, size)
        if key not in lab.tapes:
            lab.tapes[key] = None
            if kind in BARE and size in (self.smoke, *self.sizes[kind].rounds):
                async with lab.stores.bench(kind, taped=True, **self.settings) as bench:
                    await self.run(bench, size)
                if bench.tape is not None and bench.tape.is_whole:
                    lab.tapes[key] = bench.tape
        return lab.tapes[key]

    def _samples(self, span: Span, size: int, system: str, against: str) -> list[Sample]:
        return [
            Sample(one.unit, one.better, (one.of(span, size),), self.title, system, against) for one in self.quantities
        ]
