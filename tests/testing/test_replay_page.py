"""docs/replay.md shows what the command prints."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.showing import blocks

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "replay.md").read_text(encoding="utf-8")


def run(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )


CHANGES = list(zip(blocks(PAGE, "diff"), blocks(PAGE, "console"), strict=True))


@pytest.mark.parametrize(("change", "shown"), CHANGES, ids=["step", "input"])
def test_the_change_of_the_page_is_told_as_the_page_shows(tmp_path: Path, change: str, shown: str) -> None:
    app, recording, *_ = blocks(PAGE, "python")
    command, _, expected = shown.partition("\n")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    (tmp_path / "record.py").write_text(recording, encoding="utf-8")
    recorded = run(tmp_path, "record.py")
    assert recorded.returncode == 0, recorded.stdout
    before = "".join(line[1:] for line in change.splitlines(keepends=True) if line[0] != "+")
    after = "".join(line[1:] for line in change.splitlines(keepends=True) if line[0] != "-")
    assert before in app
    (tmp_path / "function_app.py").write_text(app.replace(before, after), encoding="utf-8")
    told = run(tmp_path, "-m", "azure_durable_py", *command.removeprefix("$ azure-durable ").split())
    assert told.returncode == 7
    assert plain(told.stdout.replace(f"{tmp_path}{os.sep}", "/home/ada/shop/")) == plain(expected)


def plain(text: str) -> list[str]:
    """The lines in order, but for how long it took and which stream is read first."""
    return sorted(re.sub(r"\b\d+(\.\d+)? m?s\b", "...", text).splitlines())


def test_each_verdict_is_explained_once() -> None:
    from azure_durable_py.testing import Verdict

    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == [verdict.value for verdict in Verdict]
