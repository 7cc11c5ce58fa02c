"""What goes wrong in a run: how often, and for how long. One weather per run, drawn from its seed.

A `Weather` has chances per storage call, and long spells: times at which storage does not answer, or refuses,
for everybody or for one process. Runs do not mix everything all the time: a storm of every kind hides what only a
long calm between two faults shows. So most weathers have a few kinds of fault, and `fair` has none.
"""

from __future__ import annotations

import random
from bisect import bisect
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate


@dataclass(frozen=True)
class Weather:
    """Chances per storage call; spells in seconds.

    `crash_before`, `crash_after`: the process dies with the call, which took effect or not.
    `lost_before`, `lost_after`: no answer, and it took effect or not. `late`: no answer, and a write takes
    effect up to 90 s later. `refused`: a definite no, as of a missing right. `slow`: up to 3 s. `hang`: up to a
    minute. `stall`: the whole process is frozen for longer than visibility lasts. `again`: a message that is
    received becomes visible to others at once.
    """

    name: str = "storm"
    crash_before: float = 0.002
    crash_after: float = 0.002
    lost_before: float = 0.02
    lost_after: float = 0.02
    late: float = 0.01
    refused: float = 0.0
    slow: float = 0.05
    hang: float = 0.0
    stall: float = 0.003
    again: float = 0.03
    outages: tuple[float, ...] = ()
    """How long each spell without answers lasts."""
    refusals: tuple[float, ...] = ()
    """How long each spell of definite refusals lasts."""
    table: tuple[tuple[float, ...], tuple[str, ...]] = field(default=((), ()), repr=False, compare=False)

    def __post_init__(self) -> None:
        named = [(name, getattr(self, name)) for name in KINDS]
        sums = tuple(accumulate(chance for _, chance in named))
        object.__setattr__(self, "table", (sums, tuple(name for name, _ in named)))

    def draw(self, dice: random.Random) -> str | None:
        """What happens to a call."""
        sums, names = self.table
        roll = dice.random()
        return names[bisect(sums, roll)] if roll < sums[-1] else None

    @property
    def is_fair(self) -> bool:
        """Whether nothing goes wrong but that things take their time."""
        calm = all(getattr(self, kind) == 0 for kind in (*KINDS, "again") if kind != "slow")
        return calm and not self.outages and not self.refusals

    @property
    def kills(self) -> bool:
        """Whether processes die."""
        return self.crash_before + self.crash_after > 0


KINDS = ("crash_before", "crash_after", "lost_before", "lost_after", "late", "refused", "slow", "hang", "stall")
FAIR = Weather("fair", **{kind: 0.0 for kind in (*KINDS, "again") if kind != "slow"})
CRASHES = replace(FAIR, name="crashes", crash_before=0.006, crash_after=0.006)
STORM = Weather()


def draw_weather(dice: random.Random) -> Weather:
    """The weather of a run."""
    name = dice.choice(
        (
            "storm",
            "storm",
            "fair",
            "crashes",
            "lost answers",
            "refusals",
            "outages",
            "stalls",
            "twins",
            "mixed",
            "mixed",
        )
    )
    if name == "storm":
        return STORM
    if name == "fair":
        return FAIR
    if name == "crashes":
        return CRASHES
    calm = replace(FAIR, name=name)
    if name == "lost answers":
        return replace(calm, lost_before=0.03, lost_after=0.05, late=0.03)
    if name == "refusals":
        spells = tuple(dice.choice((2.0, 15.0, 60.0, 240.0)) for _ in range(dice.randint(1, 3)))
        return replace(calm, refused=dice.choice((0.0, 0.01, 0.03)), refusals=spells)
    if name == "outages":
        spells = tuple(dice.choice((5.0, 30.0, 120.0, 400.0)) for _ in range(dice.randint(1, 3)))
        return replace(calm, lost_before=0.01, lost_after=0.01, outages=spells)
    if name == "stalls":
        return replace(calm, stall=0.01, hang=0.01, slow=0.1)
    if name == "twins":
        return replace(calm, again=0.15, lost_after=0.03)
    chances = {kind: dice.choice((0.0, 0.5, 1.0, 2.0)) * _USUAL[kind] for kind in (*KINDS, "again")}
    outages = (dice.uniform(5.0, 200.0),) if dice.random() < 0.2 else ()
    refusals = (dice.uniform(2.0, 120.0),) if dice.random() < 0.2 else ()
    return replace(calm, **chances, outages=outages, refusals=refusals)


_USUAL = {item.name: item.default for item in fields(Weather) if item.name in (*KINDS, "again")} | {
    "refused": 0.01,
    "hang": 0.003,
}
