"""Breadth first through all states: the first counterexample of each property is a shortest one."""

from __future__ import annotations

import time
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.model import environment, worker
from tests.model.identity import canonical, ordered
from tests.model.properties import wrong_at_rest
from tests.model.rules import Rules
from tests.model.scenarios import Scenario
from tests.model.state import Budget, State
from tests.model.steps import Seat, Step

ROUND_FOR_EVER = "S6 the workers can go round for ever"
MIRRORED = "\0"  # at the end of a label: the workers changed places after this step


@dataclass(frozen=True)
class Counterexample:
    """How a property breaks: what is wrong, and the steps that lead to it (`!` marks a fault)."""

    wrong: str
    steps: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What a search found."""

    states: int
    complete: bool
    broken: dict[str, Counterexample]  # by property: S1, S4, S4b, S5, S6
    seconds: float  # of processor time


def successors(rules: Rules, scenario: Scenario, state: State, memory: dict[Any, Any]) -> list[Step]:
    steps = environment.moves(scenario, state)
    steps += worker.moves(Seat(rules, scenario, state, 0, memory))
    if state.workers[0] != state.workers[1]:
        steps += worker.moves(Seat(rules, scenario, state, 1, memory))
    return steps


def explore(
    rules: Rules, scenario: Scenario, budget: Budget, limit: int = 2_000_000, stop_at: frozenset[str] = frozenset()
) -> Result:
    """Visit every state within the budget of faults.

    Args:
        rules: The variant to check.
        scenario: What happens to the sender.
        budget: How many faults of each kind there may be.
        limit: States to stop at; the result is then not complete.
        stop_at: Properties; the first of them that breaks ends the search.
    """
    began = time.process_time()
    search = Search(rules, scenario, limit)
    search.reach(environment.start(scenario, budget), -1, "")
    while search.waiting and not search.broken.keys() & stop_at:
        search.visit(search.waiting.popleft())
    search.look_for_a_cycle()
    complete = not search.waiting and not search.full
    found = {name: search.told(*how) for name, how in search.broken.items()}
    return Result(len(search.index), complete, found, time.process_time() - began)


class Search:
    """States by number, how each was reached first, and the faultless steps between them."""

    def __init__(self, rules: Rules, scenario: Scenario, limit: int) -> None:
        self.rules, self.scenario, self.limit = rules, scenario, limit
        self.memory: dict[Any, Any] = {}
        self.index: dict[State, int] = {}
        self.waiting: deque[State] = deque()
        self.full = False
        self.parents = array("l")
        self.labels: list[str] = []
        self.sources, self.sinks = array("l"), array("l")
        self.broken: dict[str, tuple[str, int, str]] = {}

    def visit(self, state: State) -> None:
        """Follow every step that leads on from a state."""
        at = self.index[state]
        at_rest = True
        for step in successors(self.rules, self.scenario, state, self.memory):
            if step.after == state and not step.fault and step.wrong is None:
                continue
            at_rest = at_rest and step.fault
            if step.wrong is not None:
                self.note(step.wrong, at, step.label)
            else:
                self.follow(at, step)
        if at_rest and (wrong := wrong_at_rest(state)) is not None:
            self.note(wrong, at, "nothing can happen any more")

    def follow(self, at: int, step: Step) -> None:
        after, mirrored = ordered(canonical(step.after))
        to = self.index.get(after)
        if to is None:
            label = ("! " if step.fault else "  ") + step.label + (MIRRORED if mirrored else "")
            to = self.reach(after, at, label)
        if to == at and not step.fault:
            # Nothing but names has changed: the same can be done for ever.
            self.note(ROUND_FOR_EVER, at, step.label)
        elif to is not None and not step.fault:
            self.sources.append(at)
            self.sinks.append(to)

    def reach(self, state: State, parent: int, label: str) -> int | None:
        """Number a new state; None when there are too many."""
        if len(self.index) >= self.limit:
            self.full = True
            return None
        self.index[state] = number = len(self.index)
        self.parents.append(parent)
        self.labels.append(label)
        self.waiting.append(state)
        return number

    def note(self, wrong: str, at: int, label: str) -> None:
        """Something is wrong. The first to be found is the nearest."""
        self.broken.setdefault(wrong.split(maxsplit=1)[0], (wrong, at, label))

    def look_for_a_cycle(self) -> None:
        at = on_a_cycle(len(self.index), self.sources, self.sinks)
        if at is not None:
            self.note(ROUND_FOR_EVER, at, "... and so on, back to the same state")

    def told(self, wrong: str, at: int, last: str) -> Counterexample:
        steps = ["  " + last]
        while at > 0:
            steps.append(self.labels[at])
            at = self.parents[at]
        return Counterexample(wrong, straight(steps[::-1]))


def straight(steps: list[str]) -> tuple[str, ...]:
    """The same names for the workers all along, although states were mirrored on the way."""
    swapped, told = False, []
    for step in steps:
        text = step.removesuffix(MIRRORED)
        if swapped:
            text = text.replace("W1", "W#").replace("W2", "W1").replace("W#", "W2")
        told.append(text)
        swapped ^= step.endswith(MIRRORED)
    return tuple(told)


def on_a_cycle(count: int, sources: array[int], sinks: array[int]) -> int | None:
    """A state on a cycle of faultless steps: what is left when states that nothing leads to are taken away."""
    incoming = array("l", bytes(count * sources.itemsize))
    leaving: list[list[int]] = [[] for _ in range(count)]
    for at, to in zip(sources, sinks, strict=True):
        incoming[to] += 1
        leaving[at].append(to)
    free = [at for at in range(count) if not incoming[at]]
    taken_away = 0
    while free:
        taken_away += 1
        for to in leaving[free.pop()]:
            incoming[to] -= 1
            if not incoming[to]:
                free.append(to)
    if taken_away == count:
        return None
    # What is left always has a predecessor that is left: walking backwards ends on a cycle.
    before = {to: at for at, to in zip(sources, sinks, strict=True) if incoming[at] and incoming[to]}
    at, met = next(iter(before)), set()
    while at not in met:
        met.add(at)
        at = before[at]
    return at
