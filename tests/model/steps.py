"""One place for what every step has in common: a state, who moves, and the list of what may come next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.model.rules import Rules
from tests.model.scenarios import Scenario
from tests.model.state import EMPTY, Budget, Header, State, Worker


class Step(NamedTuple):
    """What may come next."""

    fault: bool
    label: str
    after: State
    wrong: str | None


def spend(budget: Budget, kinds: str) -> Budget:
    """A budget less one fault of each of `kinds` (its fields, between spaces)."""
    return budget._replace(**{kind: getattr(budget, kind) - 1 for kind in kinds.split()})


def can(budget: Budget, kinds: str) -> bool:
    return all(getattr(budget, kind) for kind in kinds.split())


@dataclass
class Seat:
    """One worker in a state, about to move."""

    rules: Rules
    scenario: Scenario
    state: State
    who: int
    memory: dict[Any, Any]  # of what workers decide, kept over a search
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.me: Worker = self.state.workers[self.who]

    def go(self, label: str, me: Worker, *, fault: str = "", wrong: str | None = None, **changes: Any) -> None:
        """Add the step after which this worker is `me`, if the faults that it costs are in the budget."""
        state = self.state
        if fault:
            if not can(state.budget, fault):
                return
            changes["budget"] = spend(state.budget, fault)
        others = changes.pop("workers", state.workers)
        if not me.hands:
            me = EMPTY  # empty hands forget
        changes["workers"] = (me, others[1]) if self.who == 0 else (others[0], me)
        self.steps.append(Step(bool(fault), f"W{self.who + 1} {label}", state._replace(**changes), wrong))


def show(header: Header) -> str:
    """A header in a few characters: [e1/D1 e2/D1 t1@1 arming D1@1 alarm D5@1]."""
    parts = [f"e{send.seq}/D{send.guard}" for send in header.sends]
    parts += [f"t{number}@{at}" for number, at in header.timers]
    if header.arming.guard:
        parts.append(f"arming D{header.arming.guard}@{header.arming.due}")
    if header.alarm.doorbell:
        parts.append(f"alarm D{header.alarm.doorbell}@{header.alarm.due}")
    if header.finished:
        parts.append("finished")
    return "[" + " ".join(parts) + "]"
