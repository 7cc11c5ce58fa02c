"""The scenarios: what every system is asked to do, how much of it, and what is made of the seconds that it took.

Imports nothing but the standard library: it is also read in the environments of the peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Scenario:
    """One thing to do, at one size.

    :param act: which of `measuring.MEASURES` does it; also its name on the command line.
    :param title: its name in the results.
    :param size: how much of it.
    :param unit: what its value is in: so many `/s`, or `ms` or `us` for each, or the `ms` of single ones.
    :param timeout: in seconds; all of a process that does it, start-up included.
    """

    act: str
    title: str
    size: int
    unit: str
    timeout: float = 90.0

    @property
    def name(self) -> str:
        """What the command line and the progress call it."""
        return f"{self.act}-{self.size}"

    @property
    def better(self) -> Better:
        """Whether more is better."""
        return "higher" if self.unit.endswith("/s") else "lower"

    @property
    def is_latency(self) -> bool:
        """Whether its seconds are those of single instances, and not of the whole."""
        return self.unit == "ms"

    def values(self, seconds: Sequence[float]) -> list[float]:
        """What was seen, in its unit: of a latency every value, else the one."""
        if self.is_latency:
            return [each * 1000 for each in seconds]
        [whole] = seconds
        if self.better == "higher":
            return [self.size / whole]
        return [whole / self.size * (1e6 if self.unit.startswith("us") else 1e3)]


SCENARIOS = (
    Scenario("hello_cities", "hello_cities, all at once", 200, "instances/s"),
    Scenario("hello_cities", "hello_cities, all at once", 2000, "instances/s"),
    Scenario("alone", "hello_cities alone: start to result", 1, "ms"),
    Scenario("under_load", "hello_cities, so many clients without pause: start to result", 20, "ms"),
    Scenario("chain", "A chain of activities", 100, "ms/activity"),
    Scenario("chain", "A chain of activities", 1000, "ms/activity"),
    Scenario("fan_out", "A fan-out of activities", 100, "ms/activity"),
    Scenario("fan_out", "A fan-out of activities", 1000, "ms/activity"),
    Scenario("signals", "Signals to one entity", 1000, "signals/s"),
    Scenario("children", "Sub-orchestrations of one instance, all at once", 200, "children/s"),
    Scenario("events", "External events, each to an instance that waits for it", 200, "events/s"),
    Scenario("replay_chain", "Cold replay of a chain", 1000, "us/activity"),
    Scenario("replay_fan_out", "Cold replay of a fan-out", 1000, "us/activity"),
)
SMOKE = tuple(
    Scenario(scenario.act, scenario.title, min(scenario.size, 5), scenario.unit)
    for scenario in SCENARIOS
    if scenario.size not in {100, 2000}
)
"""Each scenario once, tiny: shows that the benchmark runs, and nothing else."""
REPLAYS = frozenset({"replay_chain", "replay_fan_out"})
DURABLE = frozenset({scenario.act for scenario in SCENARIOS}) - REPLAYS
