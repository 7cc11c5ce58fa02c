"""The linter within flake8 and pre-commit."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.lint.writing import HEAD, write

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
HOOKS = ROOT / ".pre-commit-hooks.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
APP = f"""\
import time
from helpers import now
{HEAD}
@app.orchestration_trigger(context_name="c")
def o(c):
    now()
    return time.time()  # noqa: DF001
"""


def plugin() -> Any:
    """What the entry point names."""
    ((code, place),) = PROJECT["entry-points"]["flake8.extension"].items()
    assert code == "DF"
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)


def test_flake8_is_told_line_column_and_code_and_heeds_comments_itself(tmp_path: Path):
    write(tmp_path, {"helpers.py": "import time\nnow = time.time\ndef f():\n    return time.time()\n"})
    path = tmp_path / "function_app.py"
    told = list(plugin()(ast.parse(APP), str(path), APP.splitlines(keepends=True)).run())
    assert [(line, column, text.split()[0]) for line, column, text, _ in told] == [(8, 4, "DF001"), (9, 11, "DF001")]


def test_flake8_may_read_from_stdin():
    told = list(plugin()(ast.parse(APP), "-", APP.splitlines(keepends=True)).run())
    assert [line for line, *_ in told] == [9]


def test_flake8_takes_the_plugin(tmp_path: Path):
    pytest.importorskip("flake8", reason="a tool of development")
    write(tmp_path, {"function_app.py": APP})
    command = [sys.executable, "-m", "flake8", "--select", "DF", "--disable-noqa", "function_app.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("function_app.py:9:12: DF001 ")


def test_pre_commit_takes_the_hook():
    pre_commit = pytest.importorskip("pre_commit.clientlib", reason="a tool of development")
    (hook,) = pre_commit.load_manifest(str(HOOKS))
    assert hook["id"] == "azure-durable-lint"
    assert hook["entry"].split()[0] in PROJECT["scripts"]
    assert hook["language"] == "python"
    # An app is looked at as a whole, so files are not handed out to several processes.
    assert hook["pass_filenames"] is False


def test_the_hook_installs_what_the_command_needs():
    pre_commit = pytest.importorskip("pre_commit.clientlib", reason="a tool of development")
    (hook,) = pre_commit.load_manifest(str(HOOKS))
    assert set(hook["additional_dependencies"]) <= set(PROJECT["optional-dependencies"]["local"])
    without = "import sys; sys.modules.update(aiohttp=None, watchfiles=None)"
    code = f"{without}; from azure_durable_py.cli.main import main; main()"
    command = [sys.executable, "-c", code, "lint", "--explain", "DF001"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.startswith(b"DF001")
