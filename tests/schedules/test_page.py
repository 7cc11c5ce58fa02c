"""The code of `docs/schedules.md` is one app and its tests, and they pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")


def test_the_tests_of_the_page_of_schedules_pass(tmp_path: Path):
    app, *tests = blocks(PAGE, "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    (tmp_path / "test_app.py").write_text("\n\n".join(tests), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    shown = len(re.findall(r"^def test_", "\n".join(tests), re.MULTILINE))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{shown} passed" in done.stdout
