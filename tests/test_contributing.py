"""What CONTRIBUTING shows is what happens: its console blocks are run, and must print what they show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.showing import Step, steps

ROOT = Path(__file__).parent.parent
STEPS = steps((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def _without_set_up(command: str) -> str:
    """What make would run, by the interpreter that runs this test: setting up is not what is shown."""
    if not command.startswith("make "):
        return command
    asked = subprocess.run(
        ["bash", "-c", f"make --dry-run --no-print-directory {command.removeprefix('make ')}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return asked.stdout.splitlines()[-1]


@pytest.mark.parametrize("step", STEPS, ids=[step.command for step in STEPS])
def test_the_commands_print_what_contributing_shows(step: Step):
    command = _without_set_up(step.command).replace(".venv/bin/python", sys.executable)
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert step.matches(done.stdout), f"{command}\n{done.stdout[:2000]}"
