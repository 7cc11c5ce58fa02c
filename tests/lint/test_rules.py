"""Each rule finds what its example of bad code has, and nothing in the mended one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azure_durable_py.lint import Rule, lint_paths
from azure_durable_py.lint.rules import RULES


def codes_in(code: str, directory: Path) -> set[str]:
    """The codes of what is found in an app of one file."""
    (directory / "function_app.py").write_text(code, encoding="utf-8")
    return {finding.code for finding in lint_paths([directory])}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_finds_its_bad_example_and_nothing_else_does(rule: Rule, tmp_path: Path):
    assert codes_in(rule.bad, tmp_path) == {rule.code}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_the_good_example_of_a_rule_is_free_of_findings(rule: Rule, tmp_path: Path):
    assert codes_in(rule.good, tmp_path) == set()


def test_codes_and_names_are_unique_and_well_formed():
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"DF\d{3}", rule.code) and re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name) for rule in RULES)
