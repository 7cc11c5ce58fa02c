"""A bounded portion of what `make simulate` plays without end. A failing case says how to run it again."""

from __future__ import annotations

import pytest

from tests.simulation.marks import tells_ends
from tests.simulation.playing import play
from tests.simulation.scenarios import SCENARIOS

pytestmark = tells_ends

SEEDS = 60
LONG = {"schedules", "rescheduled", "rewinds", "jugglers", "http_calls"}
"""Scenarios that take a multiple of the time of the others: half as many seeds of each."""
NAMED_SEEDS = {
    ("families", 9): "a message went to another worker, and its instance stayed in memory with empty hands",
    ("alarms", 3): "a timer that was due by the time of its turn was not due by the clock of its worker",
    ("days", 6): "a timer's doorbell was put when its instance had ended, and nobody took it back",
    ("days", 9010): "the same, put while the commit that ends the instance was under way",
    ("floods", 4): "a message whose first load failed forgot which rows it was rung for",
    ("tills", 7714): "a timer's doorbell came before its name was known, and was counted on ever after",
    ("daredevils", 502570): "work that ended its process was begun anew as often as the host gave up its message",
    ("versions", 11): "who put back what it may not run was always the first to take it again",
}
"""Seeds that found a bug, and what it was."""
CASES = [
    *((name, seed) for name in SCENARIOS for seed in range(SEEDS // (1 + (name in LONG)))),
    *(c for c in NAMED_SEEDS if c[1] >= SEEDS // (1 + (c[0] in LONG))),
]


@pytest.mark.parametrize(("scenario", "seed"), CASES, ids=[f"{name}-{seed}" for name, seed in CASES])
def test_every_instance_ends_right_whatever_happens(scenario: str, seed: int) -> None:
    report = play(scenario, seed)
    again = f"make simulate SEEDS={seed}-{seed} SCENARIOS={scenario}"
    assert report.violation is None, f"{report.violation}\nin {report.set_up}\nAgain: {again}"


def test_a_run_can_be_had_again() -> None:
    first, again, other = play("families", 5), play("families", 5), play("families", 6)
    assert (first.story, first.calls, first.paths) == (again.story, again.calls, again.paths)
    assert first.calls != other.calls
