"""Histories that an earlier version recorded: the code of today replays them, and calls no model for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from azure_durable_py.testing import replay
from tests.pydantic_ai.record_histories import HISTORIES, build


def test_recorded_agents_are_replayed_without_a_model():
    app, done = build()
    report = replay(app, HISTORIES)
    report.raise_for_divergence()
    assert report.tally.verdicts.total() == 4
    assert done == []


def test_what_is_written_is_the_same_in_every_process(tmp_path: Path):
    # Sets are walked in another order in each, and ids by chance are others.
    code = "import sys, pathlib; from tests.pydantic_ai import record_histories as recorder; "
    code += "recorder.HISTORIES = pathlib.Path(sys.argv[1]); recorder.main()"
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        app, _ = build()
        replay(app, tmp_path).raise_for_divergence(changes=True)
