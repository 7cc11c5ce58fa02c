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
    first = environment.start(scenario, budget)
    index, memory = {first: 0}, {}
    parents, labels = array("l", [-1]), [""]
    waiting = deque([first])
    sources, sinks = array("l"), array("l")
    broken: dict[str, tuple[str, int, str]] = {}
    complete = True
    while waiting and not broken.keys() & stop_at:
        state = waiting.popleft()
        at = index[state]
        at_rest = True
        for fault, label, found, wrong in successors(rules, scenario, state, memory):
            if wrong is not None:
                broken.setdefault(wrong.split()[0], (wrong, at, label))
                at_rest = at_rest and fault
                continue
            after, mirrored = ordered(canonical(found))
            to = index.get(after)
            if to == at and not fault:
                continue
            at_rest = at_rest and fault
            if to is None:
                if len(index) >= limit:
                    complete = False
                    continue
                to = index[after] = len(parents)
                parents.append(at)
                labels.append(("! " if fault else "  ") + label + ("\0" if mirrored else ""))
                waiting.append(after)
            if not fault:
                sources.append(at)
                sinks.append(to)
        if at_rest and (wrong := wrong_at_rest(state)) is not None:
            broken.setdefault(wrong.split()[0], (wrong, at, "nothing can happen any more"))
    complete = complete and not waiting
    if complete and (loop := on_a_cycle(len(parents), sources, sinks)) is not None:
        broken["S6"] = ("S6 the workers can go round for ever", loop, "... and so on, back to the same state")

    def path(at: int, last: str) -> tuple[str, ...]:
        steps = ["  " + last]
        while at > 0:
            steps.append(labels[at])
            at = parents[at]
        return straight(steps[::-1])

    found = {name: Counterexample(wrong, path(at, last)) for name, (wrong, at, last) in broken.items()}
    return Result(len(parents), complete, found, time.process_time() - began)


def straight(steps: list[str]) -> tuple[str, ...]:
    """The same names for the workers all along, although states were mirrored on the way."""
    swapped, told = False, []
    for step in steps:
        text = step.rstrip("\0")
        if swapped:
            text = text.replace("W1", "W#").replace("W2", "W1").replace("W#", "W2")
        told.append(text)
        swapped ^= step.endswith("\0")
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
