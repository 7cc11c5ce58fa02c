"""No process of a run outlives it, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.host import ROOT, until


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # Whoever waits for nobody but to be looked at is dead.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a stopped process outlives a killed driver")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_driver_even_if_they_are_stopped(number: signal.Signals, tmp_path: Path):
    output = tmp_path / "output"
    with output.open("wb") as file:
        driver = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos", "--stores", "sqlite", "--kills", "0", "--stops", "0"],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=file,
            stderr=file,
        )
    try:
        until(lambda: "workers are ready" in output.read_text(), 60, "the workers are ready")
        found = re.search(r"notes are in (\S+)", output.read_text())
        assert found is not None
        workers = [int(file.stem) for file in Path(found[1]).glob("*.ready")]
        assert len(workers) == 3
        assert all(map(alive, workers))
        os.kill(workers[0], signal.SIGSTOP)
        driver.send_signal(number)
        assert driver.wait(30) == (-number if number is signal.SIGKILL else 130)
        until(lambda: not any(map(alive, workers)), 10, "no worker is left")
    finally:
        driver.kill()
        driver.wait()
