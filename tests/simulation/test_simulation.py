"""Whatever storage and processes do, every instance ends, and ends right (invariants I1 to I7).

Everything random comes from the seed: a failing case prints how to run it again.
"""

from __future__ import annotations

import logging

import pytest

from azure_durable_py.testing.virtual_time import run_virtual
from tests.simulation.faults import Faults
from tests.simulation.scenarios import SCENARIOS, app
from tests.simulation.world import World, settings

SEEDS = 60
NAMED_SEEDS = {
    ("fans", 1): "a result that answers nothing stayed in hand, and its actor span",
    ("fans", 49): "a result inserted by a worker that died before ringing stayed in the inbox",
    ("fans", 88): "a hold outlived the put-back that storage did not answer",
    ("timers", 62): "a doorbell put twice, since the first answer was lost: the older twin was held for ever",
    ("chains", 97): "an entry that another worker had dropped from the outbox still kept its guard",
    ("chains", 251): "a message that another worker had fenced off was still renewed",
    ("endings", 108): "the termination of a child overtook its start, which was claimed by a fence",
    ("endings", 473): "what a replaced execution handed over was taken for an entry of the new one",
}
"""Seeds that found a bug, and what it was."""
CASES = [*((name, seed) for name in SCENARIOS for seed in range(SEEDS)), *(c for c in NAMED_SEEDS if c[1] >= SEEDS)]


async def play(scenario: str, seed: int) -> list[tuple[str, str, str | None]]:
    """One run of one scenario; returns its story."""
    world = World(seed, app(), settings(), workers=1 + seed % 3, faults=Faults())
    await world.open()
    try:
        await SCENARIOS[scenario](world)
        await world.at_rest()
        return await world.story()
    finally:
        await world.hub.close()


@pytest.mark.parametrize(("scenario", "seed"), CASES, ids=[f"{name}-{seed}" for name, seed in CASES])
def test_every_instance_ends_right_under_faults(scenario: str, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    try:
        run_virtual(play(scenario, seed))
    except BaseException:
        case = f"tests/simulation/test_simulation.py::test_every_instance_ends_right_under_faults[{scenario}-{seed}]"
        print(f"Again: make test PYTEST_ARGS='{case}'")
        raise


def test_a_run_can_be_had_again() -> None:
    assert run_virtual(play("families", 5)) == run_virtual(play("families", 5))
    assert run_virtual(play("families", 5)) != run_virtual(play("families", 6))
