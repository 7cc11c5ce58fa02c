"""The rules, one module for each subject.

A rule module has `RULES`, and `check`, which gets every function that is replayed and yields what it finds in it.
Who adds one adds it here; nothing is found by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.rules import (
    chance,
    clients,
    clock,
    entities,
    event_loops,
    inputs,
    json_values,
    logs,
    loops,
    names,
    order,
    state,
    stops,
    straight_calls,
    surroundings,
    unawaited,
    world,
    yields,
)
from azure_durable_py.lint.source import UNREADABLE


class RuleModule(Protocol):
    """What a module of rules has."""

    RULES: tuple[Rule, ...]

    def check(self, function: LintedFunction, project: Project) -> Iterator[LintFinding]:
        """What the rules find in a function: an orchestrator, an entity, an activity, or a helper of the first two."""
        ...


RULE_MODULES: tuple[RuleModule, ...] = (
    clock,
    chance,
    surroundings,
    state,
    order,
    world,
    event_loops,
    clients,
    logs,
    straight_calls,
    unawaited,
    yields,
    stops,
    names,
    inputs,
    json_values,
    loops,
    entities,
)
RULES: tuple[Rule, ...] = (UNREADABLE, *(rule for module in RULE_MODULES for rule in module.RULES))
