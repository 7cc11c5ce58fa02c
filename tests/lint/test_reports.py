"""Findings in the forms that other programs read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.lint import LintFinding, Rule, lint_paths
from azure_durable_py.lint.reports import github_line, json_report, sarif_report
from azure_durable_py.lint.rules import RULES
from tests.lint.writing import HEAD, write

RULE = RULES[1]


def finding(path: Path, message: str = "it is wrong", rule: Rule = RULE, line: int = 3, end: int = 3) -> LintFinding:
    """A finding as a rule makes it."""
    return LintFinding(rule, path, line, 5, end, 9, message, "order", "called by orchestrator 'o' at app.py:1")


def test_json_has_each_finding_and_each_rule_once(tmp_path: Path):
    report = json_report([finding(tmp_path / "a" / "x.py"), finding(Path("/elsewhere/y.py"))], tmp_path)
    assert report["findings"][0] == {
        "code": RULE.code,
        "path": "a/x.py",
        "line": 3,
        "column": 5,
        "endLine": 3,
        "endColumn": 9,
        "message": "it is wrong",
        "function": "order",
        "via": "called by orchestrator 'o' at app.py:1",
    }
    assert report["findings"][1]["path"] == "/elsewhere/y.py"
    assert report["rules"] == {RULE.code: {"name": RULE.name, "why": RULE.why, "mend": RULE.mend}}


# --- GitHub ----------------------------------------------------------------------------------------


def test_github_is_told_the_place_and_the_mend(tmp_path: Path):
    assert github_line(finding(tmp_path / "x.py"), tmp_path) == (
        f"::error file=x.py,line=3,endLine=3,col=5,endColumn=9,title={RULE.code} {RULE.name}::"
        f"it is wrong (called by orchestrator 'o' at app.py:1). {RULE.mend}"
    )


def test_github_is_told_no_columns_of_several_lines(tmp_path: Path):
    assert "file=x.py,line=3,endLine=4,title=" in github_line(finding(tmp_path / "x.py", end=4), tmp_path)


def test_nothing_in_a_name_or_message_ends_the_line_of_github(tmp_path: Path):
    line = github_line(finding(tmp_path / "a,b:c%\n.py", "100%\r\n::error::boo"), tmp_path)
    assert line.startswith("::error file=a%2Cb%3Ac%25%0A.py,line=3,")
    assert "::100%25%0D%0A::error::boo (" in line
    assert "\n" not in line


# --- SARIF -----------------------------------------------------------------------------------------


def sarif(findings: list[LintFinding], base: Path) -> dict[str, Any]:
    """The one run of a log, as who parses it gets it."""
    log = json.loads(json.dumps(sarif_report(findings, RULES, base)))
    assert set(log) == {"$schema", "version", "runs"}
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    return run


def test_sarif_tells_every_rule(tmp_path: Path):
    driver = sarif([], tmp_path)["tool"]["driver"]
    assert [rule["id"] for rule in driver["rules"]] == [rule.code for rule in RULES]
    for rule in driver["rules"]:
        assert rule["name"].isalnum()
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in {"none", "note", "warning", "error"}


def test_sarif_tells_the_place_of_each_finding(tmp_path: Path):
    run = sarif([finding(tmp_path / "a b" / "x.py", end=4)], tmp_path)
    assert run["columnKind"] == "unicodeCodePoints"
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == RULE.code
    assert result["message"]["text"].startswith("it is wrong (called by")
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b/x.py", "uriBaseId": "SRCROOT"},
        "region": {"startLine": 3, "startColumn": 5, "endLine": 4, "endColumn": 9},
    }
    assert run["originalUriBaseIds"]["SRCROOT"]["uri"] == f"{tmp_path.as_uri()}/"


def test_a_file_elsewhere_has_its_whole_uri(tmp_path: Path):
    path = tmp_path.parent / "y.py"
    (result,) = sarif([finding(path)], tmp_path)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": path.as_uri()}


@pytest.mark.skipif(sys.platform == "win32", reason="names are text there")
def test_a_path_that_is_no_text_is_told_by_its_bytes(tmp_path: Path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff/x.py"))
    (result,) = sarif([finding(path)], tmp_path)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "%FF/x.py"


def test_fingerprints_outlive_a_move_to_another_line_and_tell_findings_apart(tmp_path: Path):
    def prints(*findings: LintFinding) -> list[str]:
        results = sarif(list(findings), tmp_path)["results"]
        return [result["partialFingerprints"]["azureDurableLint/v1"] for result in results]

    path = tmp_path / "x.py"
    before = prints(finding(path), finding(path, line=7, end=7), finding(path, "something else"))
    assert before == prints(finding(path, line=4, end=4), finding(path, line=9, end=9), finding(path, "something else"))
    assert len(set(before)) == 3


@pytest.mark.parametrize(
    "code", ["def (", f"import time\n{HEAD}@app.orchestration_trigger('c')\ndef o(c): time.time()"]
)
def test_what_is_found_makes_regions_that_are_none_too_small(code: str, tmp_path: Path):
    write(tmp_path, {"function_app.py": code})
    (result,) = sarif(lint_paths([tmp_path]), tmp_path)["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert min(region.values()) >= 1
    assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])
