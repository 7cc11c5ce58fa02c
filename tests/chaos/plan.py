"""What is done to the workers and when: everything random about a run comes from here and from one seed.

Owns numbers and moments, never a process. What workers make of it is not repeatable: they are real.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

WORKERS = 3
SECONDS_PER_KILL, SECONDS_PER_STOP, SECONDS_PER_CUT = 4.5, 9.0, 12.0
INSTANCES_PER_SECOND = 12
LEAST_SECONDS = 10.0


@dataclass(frozen=True)
class Plan:
    """What one run is to be.

    :param store: `sqlite` or `azurite`.
    :param instances: orchestrations that the client starts, at least.
    :param kills: processes killed from outside; beside them activities kill theirs.
    :param stops: processes stopped for longer than their messages stay invisible.
    """

    store: str
    instances: int = 2000
    kills: int = 40
    stops: int = 20
    seed: int = 0

    @property
    def seconds(self) -> float:
        """How long the storm lasts."""
        return max(
            LEAST_SECONDS,
            self.kills * SECONDS_PER_KILL,
            self.stops * SECONDS_PER_STOP,
            self.instances / INSTANCES_PER_SECOND,
        )

    @property
    def deadly(self) -> int:
        """How many activities kill their process."""
        return 0 if self.kills == 0 else max(1, self.kills // 4)

    def dice(self, purpose: str) -> random.Random:
        """Randomness for one purpose, so that a change in one leaves the others as they are."""
        return random.Random(f"{self.seed} {self.store} {purpose}")


@dataclass(frozen=True, order=True)
class Blow:
    """Something that is done at a moment of the storm (seconds), for so long (seconds).

    `kind` is `kill`, `stop`, `lock` (the file is locked) or the name of a weather; `workers` are the numbers of
    those that it hits (for kills and stops: the ones to begin looking for a victim with).
    """

    at: float
    kind: str
    workers: tuple[int, ...]
    seconds: float = 0.0


def blows(plan: Plan) -> list[Blow]:
    """Everything that is done in the storm, in order of time."""
    dice = plan.dice("blows")
    made = [Blow(at, "kill", (dice.randrange(WORKERS),)) for at in _spread(dice, plan.kills, plan.seconds)]
    # Messages stay invisible for five seconds: most of what a stopped worker holds goes to another.
    made += [
        Blow(at, "stop", (dice.randrange(WORKERS),), dice.uniform(5.5, 12.0))
        for at in _spread(dice, plan.stops, plan.seconds)
    ]
    cuts = max(2, round(plan.seconds / SECONDS_PER_CUT))
    made += _locks(dice, plan, cuts) if plan.store == "sqlite" else _cuts(dice, plan, cuts)
    return sorted(made)


_FIRST_CUTS = (("refused", 8.0, 25.0), ("refused now and then", 8.0, 25.0))
_CUTS = (
    *_FIRST_CUTS,
    ("out of reach", 3.0, 15.0),
    ("losing answers", 3.0, 12.0),
    ("busy", 3.0, 12.0),
    ("slow", 5.0, 12.0),
)


def _cuts(dice: random.Random, plan: Plan, count: int) -> list[Blow]:
    """Windows in which workers do not get to storage as they should: one at a time, now and then for all of them."""
    made: list[Blow] = []
    for number, at in enumerate(_spread(dice, count, 0.8 * plan.seconds)):
        # The first two refuse everybody, as after a change of keys or rights: however short the run is.
        is_first = number < len(_FIRST_CUTS)
        kind, shortest, longest = _FIRST_CUTS[number] if is_first else dice.choice(_CUTS)
        everybody = is_first or dice.random() < 0.15
        workers = tuple(range(WORKERS)) if everybody else (dice.randrange(WORKERS),)
        made.append(Blow(at, kind, workers, min(plan.seconds - at, dice.uniform(shortest, longest))))
    return made


def _locks(dice: random.Random, plan: Plan, count: int) -> list[Blow]:
    """Times for which somebody else holds the file of the hub locked."""
    spread = _spread(dice, count, 0.9 * plan.seconds)
    return [Blow(at, "lock", (), dice.uniform(0.5, 7.0)) for at in spread]


def _spread(dice: random.Random, count: int, seconds: float) -> list[float]:
    """So many moments, about evenly over the time."""
    return [(number + dice.random()) * seconds / count for number in range(count)]
