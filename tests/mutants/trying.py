"""Runs tests in a copy of the project, and tells what became of them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from tests.mutants.planting import PACKAGE

TEST_SECONDS = 20.0
"""A test that takes longer hangs."""
RUN_SECONDS = 120.0
"""A run that takes longer hangs, in a place where pytest cannot end it."""
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.+?)(?: - .*)?$", re.MULTILINE)


class Verdict(Enum):
    """What became of a run."""

    passed = "passed"
    failed = "failed"
    hung = "hung"
    broken = "broken"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: `what` names the test that failed, or says why none could be run."""

    verdict: Verdict
    what: str
    seconds: float


def try_tests(project: Path, tests: Sequence[str], *, seconds: float = RUN_SECONDS) -> Outcome:
    """Run tests up to the first that fails."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-rfE"]
    # A test that hangs ends the run: raised in one of its tasks, a timeout would only end that task.
    command += ["-o", f"timeout={TEST_SECONDS}", "-o", "timeout_method=thread", *tests]
    process = subprocess.Popen(
        command,
        cwd=project,
        # Also what a test starts is to import the copy.
        env={**os.environ, "PYTHONPATH": str(project)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return Outcome(Verdict.hung, f"no end within {seconds:.0f} s", time.monotonic() - began)
    finally:
        _end(process)
    return _judge(process.returncode, output, time.monotonic() - began)


def _judge(code: int, output: str, seconds: float) -> Outcome:
    if code == 0:
        return Outcome(Verdict.passed, "", seconds)
    if code == 1 and (failed := _FAILED.search(output)):
        return Outcome(Verdict.failed, failed[1], seconds)
    if code == 1 and "+ Timeout +" in output:
        return Outcome(Verdict.hung, f"a test takes more than {TEST_SECONDS:.0f} s", seconds)
    return Outcome(Verdict.broken, f"pytest ended with {code}:\n{output.strip()[-2000:]}", seconds)


def _end(process: subprocess.Popen[str]) -> None:
    """End it with all that it started: it is the leader of a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def imports_from(project: Path) -> Path:
    """Where a process that runs in the copy takes the package from."""
    script = f"import {PACKAGE}; print({PACKAGE}.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(project)}
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    return Path(found.stdout.strip()).resolve()
