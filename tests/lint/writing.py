"""Apps that tests of the linter write, and what is found in them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from azure_durable_py.lint import LintFinding, LintSettings, lint_paths

HEAD = """\
import azure_durable_py as df
app = df.DFApp()
"""

CLOCK = LintSettings(select=("DF000", "DF001"))
"""The frame is tested by one rule, so that what others find is no matter."""


def write(directory: Path, files: dict[str, str]) -> Path:
    """Write files by their paths below a directory."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return directory


def places(directory: Path) -> list[str]:
    """Where the clock is read below a directory, or what cannot be read, as `file:line`."""
    return [shown(found, directory) for found in lint_paths([directory], CLOCK)]


def shown(found: LintFinding, directory: Path) -> str:
    """The place of a finding."""
    return f"{found.path.relative_to(directory).as_posix()}:{found.line}"
