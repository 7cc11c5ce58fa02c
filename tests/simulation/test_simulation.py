"""A bounded portion of what `make simulate` plays without end. A failing case says how to run it again."""

from __future__ import annotations

import pytest

from tests.simulation.playing import play
from tests.simulation.scenarios import SCENARIOS

SEEDS = 60
NAMED_SEEDS: dict[tuple[str, int], str] = {}
"""Seeds that found a bug, and what it was."""
CASES = [*((name, seed) for name in SCENARIOS for seed in range(SEEDS)), *(c for c in NAMED_SEEDS if c[1] >= SEEDS)]


@pytest.mark.parametrize(("scenario", "seed"), CASES, ids=[f"{name}-{seed}" for name, seed in CASES])
def test_every_instance_ends_right_whatever_happens(scenario: str, seed: int) -> None:
    report = play(scenario, seed)
    again = f"make simulate SEEDS={seed}-{seed} SCENARIOS={scenario}"
    assert report.violation is None, f"{report.violation}\nin {report.set_up}\nAgain: {again}"


def test_a_run_can_be_had_again() -> None:
    first, again, other = play("families", 5), play("families", 5), play("families", 6)
    assert (first.story, first.calls, first.paths) == (again.story, again.calls, again.paths)
    assert first.calls != other.calls
