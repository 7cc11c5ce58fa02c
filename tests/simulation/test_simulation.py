"""Whatever storage and processes do, every instance ends, and ends right (invariants I1 to I7).

A failing case names its scenario and seed; run it again with

    make test PYTEST_ARGS='tests/simulation -k "chains-17 and not chains-170"'
"""

from __future__ import annotations

import logging

import pytest

from azure_durable_py.testing.virtual_time import run_virtual
from tests.simulation.faults import Faults
from tests.simulation.scenarios import SCENARIOS, app
from tests.simulation.world import World, settings

SEEDS = 60
NAMED_SEEDS: dict[tuple[str, int], str] = {}
"""Seeds that once found a bug, with what it was."""


async def play(scenario: str, seed: int) -> World:
    """One run of one scenario."""
    world = World(seed, app(), settings(), workers=1 + seed % 3, faults=Faults())
    await world.open()
    await SCENARIOS[scenario](world)
    await world.at_rest()
    return world


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_instance_ends_right_under_faults(scenario: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    run_virtual(play(scenario, seed))
