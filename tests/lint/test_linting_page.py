"""docs/linting.md has every rule with its example, every option and every setting; its snippets are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from azure_durable_py.cli.lint import lint
from azure_durable_py.lint.files import LEFT_OUT
from azure_durable_py.lint.rules import RULES
from azure_durable_py.lint.settings import settings_for
from tests.lint.linting_page import PAGE, rules_of_page, written

TEXT = PAGE.read_text(encoding="utf-8")
HOOKS = PAGE.parent.parent / ".pre-commit-hooks.yaml"


def snippets(language: str) -> list[str]:
    """The snippets of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_page_says_of_the_rules_what_they_say():
    assert rules_of_page(TEXT) == written(), "run `python -m tests.lint`"


def test_the_page_has_every_option():
    told = set(re.findall(r"^\| `(--[\w-]+)", TEXT, re.MULTILINE))
    assert told == {option for parameter in lint.params for option in parameter.opts if option.startswith("--")}


def test_the_page_names_what_is_left_out():
    assert all(f"`{name}`" in TEXT for name in LEFT_OUT - {"venv"})


def test_the_settings_that_the_page_shows_can_be_used(tmp_path: Path):
    (shown,) = [text for text in snippets("toml") if "azure-durable" in text]
    (tmp_path / "pyproject.toml").write_text(shown, encoding="utf-8")
    assert settings_for(tmp_path, [rule.code for rule in RULES]).exclude == ("legacy", "scripts/*.py")


def test_the_hook_that_the_page_shows_is_there():
    (shown,) = [text for text in snippets("yaml") if "repos:" in text]
    assert re.findall(r"- id: (\S+)", shown) == re.findall(r"- id: (\S+)", HOOKS.read_text(encoding="utf-8"))


def test_the_test_that_the_page_shows_passes_for_an_app_without_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "function_app.py").write_text(RULES[1].good, encoding="utf-8")
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    (shown,) = [text for text in snippets("python") if "def test" in text]
    scope: dict[str, object] = {}
    exec(shown, scope)
    test = scope["test_orchestrators_survive_a_replay"]
    assert callable(test)
    test()
    (tmp_path / "shop" / "flows.py").write_text(RULES[1].bad, encoding="utf-8")
    with pytest.raises(AssertionError):
        test()
