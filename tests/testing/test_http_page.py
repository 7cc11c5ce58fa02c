"""The code of `docs/http-calls.md` is one app and its tests, and they pass; its settings can be used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from azure_durable_py.addresses import FORBIDDEN_BY_DEFAULT
from azure_durable_py.settings import Settings
from azure_durable_py.worker.http.activity import USUAL_TIMEOUT
from azure_durable_py.worker.http.transport import MOST_REDIRECTS
from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "http-calls.md").read_text(encoding="utf-8")


def test_the_tests_of_the_page_pass(tmp_path: Path):
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


def test_the_settings_of_the_page_can_be_used():
    [host_json] = blocks(PAGE, "json")
    assert Settings.from_host_json(json.loads(host_json), {}).http_max_response_size == 1024 * 1024


def test_the_page_names_the_limits():
    assert [item for item in FORBIDDEN_BY_DEFAULT if f"`{item}`" not in PAGE] == []
    assert f"{USUAL_TIMEOUT:g} seconds for each request" in PAGE
    assert f"at most {MOST_REDIRECTS}" in PAGE
