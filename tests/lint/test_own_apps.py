"""The apps that people copy are free of findings."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from azure_durable_py.cli.commands import cli
from azure_durable_py.cli.new_app import TEMPLATES
from azure_durable_py.lint import lint_app, lint_paths

ROOT = Path(__file__).parent.parent.parent


def test_nothing_is_found_in_the_sample():
    assert [found.text for found in lint_paths([ROOT / "sample_function_app", ROOT / "function_app.py"])] == []


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_nothing_is_found_in_a_new_app(template: str, tmp_path: Path):
    made = CliRunner().invoke(cli, ["init", str(tmp_path / "app"), "--template", template])
    assert made.exit_code == 0, made.output
    assert [found.text for found in lint_app(tmp_path / "app")] == []
