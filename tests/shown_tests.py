"""Runs the tests that a document shows, in a folder of their own and a process of their own, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def passed(directory: Path, *plugins: str, python_path: Path, environ: Mapping[str, str] | None = None) -> int:
    """How many tests are in a folder, once all have passed, without a warning.

    :param plugins: those of pytest that are switched on, or off with `no:` before the name.
    :param python_path: where the package is. :param environ: variables beside those of this process.
    :raises AssertionError: one has failed, or there is none.
    """
    switches = [part for plugin in ("no:cacheprovider", "no:asyncio", *plugins) for part in ("-p", plugin)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *switches, "."],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(python_path), **(environ or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"\b(\d+) passed", done.stdout)
    assert found is not None, done.stdout
    return int(found[1])
