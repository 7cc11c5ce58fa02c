"""What `[tool.azure-durable.lint]` in pyproject.toml changes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_durable_py.errors import SettingsError
from azure_durable_py.lint import lint_app, lint_paths
from azure_durable_py.lint.rules import RULES
from azure_durable_py.lint.settings import LintSettings, settings_for
from tests.lint.writing import HEAD, shown, write

CODES = [rule.code for rule in RULES]
APP = f"import time\n{HEAD}@app.orchestration_trigger(context_name='c')\ndef o(c):\n    time.time()\n"


def settings(directory: Path, text: str) -> LintSettings:
    """The settings that a pyproject.toml gives to a directory below it."""
    write(directory, {"pyproject.toml": f"[tool.azure-durable.lint]\n{text}\n"})
    return settings_for(directory / "below", CODES)


def found_with(directory: Path, text: str) -> list[str]:
    """What is told of two apps and a file that is no Python."""
    write(directory, {"a/function_app.py": APP, "b/c/function_app.py": APP, "b/broken.py": "def"})
    return [shown(found, directory) for found in lint_paths([directory], settings(directory, text))]


def test_without_settings_everything_is_told(tmp_path: Path):
    assert settings_for(tmp_path, CODES) == LintSettings(tmp_path)
    assert found_with(tmp_path, "") == ["a/function_app.py:6", "b/broken.py:1", "b/c/function_app.py:6"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('select = ["DF001"]', ["a/function_app.py:6", "b/c/function_app.py:6"]),
        ('select = ["DF"]\nignore = ["DF001"]', ["b/broken.py:1"]),
        ('ignore = ["df00"]', []),
        ('exclude = ["b"]', ["a/function_app.py:6"]),
        ('exclude = ["b/"]', ["a/function_app.py:6"]),
        ('exclude = ["b/c/*.py"]', ["a/function_app.py:6", "b/broken.py:1"]),
        ('exclude = ["*/function_app.py"]', ["b/broken.py:1"]),
        ('exclude = ["**/a", "**/broken.py"]', ["b/c/function_app.py:6"]),
        ('per-file-ignores = { "a/*" = ["DF001"], "b/broken.py" = ["DF000"] }', ["b/c/function_app.py:6"]),
    ],
)
def test_settings_choose(text: str, left: list[str], tmp_path: Path):
    assert found_with(tmp_path, text) == left


def test_what_is_excluded_is_still_read(tmp_path: Path):
    code = f"import lib.helpers\n{HEAD}@app.orchestration_trigger(context_name='c')\ndef o(c):\n    lib.helpers.now()\n"
    write(tmp_path, {"function_app.py": code, "lib/helpers.py": "import time\nnow = time.time\n"})
    found = lint_paths([tmp_path], settings(tmp_path, 'exclude = ["lib"]'))
    assert [shown(finding, tmp_path) for finding in found] == ["function_app.py:6"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("selekt = []", "no setting 'selekt'"),
        ('select = "DF001"', "select must be a list of texts"),
        ("ignore = [1]", "ignore must be a list of texts"),
        ('ignore = ["E501"]', "rule 'E501'"),
        ('per-file-ignores = ["x"]', "per-file-ignores must be a table"),
        ('per-file-ignores = { x = ["DF9"] }', "rule 'DF9'"),
        ("select = [", "not valid TOML"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(text: str, said: str, tmp_path: Path):
    with pytest.raises(SettingsError, match=said):
        settings(tmp_path, text)


def test_a_pyproject_without_the_table_changes_nothing(tmp_path: Path):
    write(tmp_path, {"pyproject.toml": '[project]\nname = "azure-durable-shop"\n'})
    assert settings_for(tmp_path, CODES) == LintSettings(tmp_path)


def test_an_app_is_linted_by_the_settings_of_its_directory(tmp_path: Path):
    write(tmp_path, {"app/function_app.py": APP})
    assert [found.code for found in lint_app(tmp_path / "app")] == ["DF001"]
    write(tmp_path, {"pyproject.toml": '[tool.azure-durable.lint]\nignore = ["DF001"]\n'})
    assert lint_app(tmp_path / "app") == []
