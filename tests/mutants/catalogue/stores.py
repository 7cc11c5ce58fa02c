"""Both stores: conflicts, receipts, limits, and what their refusals mean."""

from __future__ import annotations

from tests.mutants.planting import Mutant

MUTANTS: tuple[Mutant, ...] = ()
