"""The short form of `make chaos`: real workers on each store, killed, stopped and cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.run import play

SHORT = {"instances": 60, "kills": 3, "stops": 1}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("store", ["sqlite", pytest.param("azurite", marks=pytest.mark.azurite)])
async def test_nothing_is_lost_nothing_stuck_nothing_left(store: str, tmp_path: Path):
    report = await play(Plan(store, **SHORT), tmp_path, print)
    print(report.summary())
    assert not report.violations
    assert (report.kills, report.stops) == (SHORT["kills"], SHORT["stops"])
    assert report.faults
