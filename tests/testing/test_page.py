"""The code of pages that show an app and its tests is just that, and the tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGES = (
    "testing-your-app.md",
    "asyncio.md",
    "rewind.md",
    "migrating.md",
    "schedules.md",
    "http-calls.md",
    "versions.md",
    "replay.md",
    "logs.md",
    "telemetry.md",
)
PLUGINS = ("-p", "no:cacheprovider", "-p", "no:asyncio", "-p", "pytest_azure_durable")
"""The last one is there where the package is installed."""


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_of_the_page_pass(page: str, tmp_path: Path):
    app, *tests = blocks((ROOT / "docs" / page).read_text(encoding="utf-8"), "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    (tmp_path / "test_app.py").write_text("\n\n".join(tests), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *PLUGINS, "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    shown = len(re.findall(r"^ *(?:async )?def test_", "\n".join(tests), re.MULTILINE))
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"\b(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= shown > 0, "more, where one is parametrized"
