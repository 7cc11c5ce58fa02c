"""`azure-durable lint`: what it prints, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from azure_durable_py.cli.commands import cli
from azure_durable_py.lint.rules import RULES
from tests.cli import shop

APP = """\
import time
import azure_durable_py as df
app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def order(context):
    return time.time()
"""
FOUND = "function_app.py:8:12: DF001 time.time reads the clock of the machine"


@pytest.fixture
def app_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "function_app.py").write_text(APP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*arguments: str) -> Result:
    """How the command ends."""
    return CliRunner().invoke(cli, ["lint", *arguments])


@pytest.mark.usefixtures("app_dir")
def test_it_tells_each_finding_and_then_why_and_the_mend():
    result = ran()
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == FOUND
    assert result.stdout.endswith(f"\nDF001 wall-clock\n{RULES[1].why}\n{RULES[1].mend}\n")
    assert result.stderr == "Error: 1 finding in 1 file.\n"


def test_it_ends_well_where_nothing_is_found(app_dir: Path):
    (app_dir / "function_app.py").write_text("", encoding="utf-8")
    result = ran(str(app_dir))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Nothing was found.\n")


@pytest.mark.usefixtures("app_dir")
@pytest.mark.parametrize(
    "options", [("--select", "DF000"), ("--ignore", "df001"), ("--select", "DF0", "--ignore", "DF")]
)
def test_codes_are_chosen_by_options(options: tuple[str, ...]):
    assert ran(*options).exit_code == 0


def test_options_change_the_settings_of_the_nearest_pyproject(app_dir: Path):
    (app_dir / "pyproject.toml").write_text('[tool.azure-durable.lint]\nignore = ["DF001"]\n', encoding="utf-8")
    assert ran("function_app.py").exit_code == 0
    assert ran("function_app.py", "--select", "DF001").exit_code == 0
    (app_dir / "pyproject.toml").write_text('[tool.azure-durable.lint]\nselect = ["DF000"]\n', encoding="utf-8")
    assert ran().exit_code == 0
    assert ran("--select", "DF001").exit_code == 1


def test_settings_that_cannot_be_used_are_told(app_dir: Path):
    (app_dir / "pyproject.toml").write_text("[tool.azure-durable.lint]\nnope = 1\n", encoding="utf-8")
    result = ran()
    assert result.exit_code == 1
    assert "has no setting 'nope'" in result.stderr


@pytest.mark.usefixtures("app_dir")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "'nowhere' does not exist"),
        (("--select", "DF9"), "there is no rule 'DF9'"),
        (("--ignore", "E501,DF001"), "there is no rule 'E501'"),
        (("--select", ""), "there is no rule ''"),
        (("--explain", "DF9"), "There is no rule 'DF9'"),
        (("--format", "xml"), "'xml' is not one of"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...], said: str):
    result = ran(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.usefixtures("app_dir")
def test_other_forms_hold_nothing_else():
    assert json.loads(ran("--format", "json").stdout)["findings"][0]["code"] == "DF001"
    (run,) = json.loads(ran("--format", "sarif").stdout)["runs"]
    assert run["results"][0]["ruleId"] == "DF001"
    (line,) = ran("--format", "github").stdout.splitlines()
    assert line.startswith("::error file=function_app.py,line=8,")


@pytest.mark.usefixtures("app_dir")
def test_statistics_count_by_code():
    assert ran("--statistics").stdout == "COUNT\tCODE\tRULE\n1\tDF001\twall-clock\n"
    assert json.loads(ran("--statistics", "--format", "json").stdout) == [
        {"count": 1, "code": "DF001", "name": "wall-clock"}
    ]


def test_a_rule_is_explained_with_its_examples():
    result = ran("--explain", "df001")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"DF001 wall-clock\n{RULES[1].why}\n{RULES[1].mend}\n")
    assert RULES[1].bad in result.stdout
    assert RULES[1].good in result.stdout


def test_no_name_of_a_file_steers_a_terminal(app_dir: Path):
    (app_dir / "red\x1b[31m.py").write_text("def", encoding="utf-8")
    result = ran("--select", "DF000")
    assert "\x1b" not in result.stdout
    assert "DF000" in result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="has no such terminals")
def test_a_terminal_shows_a_finding_in_one_line_and_its_code_in_colour(app_dir: Path):
    shown, code = shop.on_terminal("lint", cwd=app_dir, columns=40, color=True)
    assert code == 1
    assert FOUND in shop.plain(shown).replace("\r", "")
    assert "\x1b[1;31m DF001 " in shown
