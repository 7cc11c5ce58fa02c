"""The code of pages that show an app and its tests is just that, and the tests pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.showing import blocks
from tests.shown_tests import passed

ROOT = Path(__file__).parent.parent.parent
PAGES = (
    "testing-your-app.md",
    "asyncio.md",
    "retries.md",
    "rewind.md",
    "migrating.md",
    "schedules.md",
    "http-calls.md",
    "versions.md",
    "replay.md",
    "logs.md",
    "telemetry.md",
)


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_of_the_page_pass(page: str, tmp_path: Path):
    app, *tests = blocks((ROOT / "docs" / page).read_text(encoding="utf-8"), "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    (tmp_path / "test_app.py").write_text("\n\n".join(tests), encoding="utf-8")
    shown = len(re.findall(r"^ *(?:async )?def test_", "\n".join(tests), re.MULTILINE))
    # The plugin is there where the package is installed. More pass than are shown, where one is parametrized.
    assert passed(tmp_path, "pytest_azure_durable", python_path=ROOT) >= shown > 0
