"""What came of a run, in figures and words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.audit import Violation
from tests.chaos.plan import Plan


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
    stray_doorbells: int = 0
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
            f"long timers: {self.timers}; doorbells for nothing: {self.stray_doorbells}, left: {self.timer_messages}",
        ]
        return "\n".join(lines)

    def last_line(self) -> str:
        """The verdict."""
        return (
            f"chaos on {self.plan.store}: {self.instances} instances, {self.kills} kills, {self.stops} stops, "
            f"{self.faults.total()} faults: "
            f"{len(self.violations)} violations"
        )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counter.items())) or "none"
