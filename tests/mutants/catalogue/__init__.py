"""Every mutant there is, by the part of the engine that it breaks, and the tests that catch it."""

from __future__ import annotations

from tests.mutants.catalogue import (
    access,
    activities,
    agents,
    deletion,
    doubles,
    entities,
    guards,
    http,
    inbox,
    lint_rules,
    linting,
    replays,
    retries,
    rewinding,
    schedules,
    sends,
    stores,
    timers,
    turns,
    values,
)
from tests.mutants.planting import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *guards.MUTANTS,
    *turns.MUTANTS,
    *sends.MUTANTS,
    *timers.MUTANTS,
    *inbox.MUTANTS,
    *activities.MUTANTS,
    *retries.MUTANTS,
    *entities.MUTANTS,
    *deletion.MUTANTS,
    *rewinding.MUTANTS,
    *stores.MUTANTS,
    *values.MUTANTS,
    *schedules.MUTANTS,
    *http.MUTANTS,
    *access.MUTANTS,
    *linting.MUTANTS,
    *replays.MUTANTS,
    *lint_rules.MUTANTS,
    *doubles.MUTANTS,
    *agents.MUTANTS,
)
