"""Every mutant there is, by the part of the engine that it breaks, and the tests that catch it."""

from __future__ import annotations

from tests.mutants.catalogue import activities, deletion, entities, guards, http, inbox, sends, stores, timers, turns
from tests.mutants.planting import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *guards.MUTANTS,
    *turns.MUTANTS,
    *sends.MUTANTS,
    *timers.MUTANTS,
    *inbox.MUTANTS,
    *activities.MUTANTS,
    *entities.MUTANTS,
    *deletion.MUTANTS,
    *stores.MUTANTS,
    *http.MUTANTS,
)
