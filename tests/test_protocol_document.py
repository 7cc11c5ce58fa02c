"""docs/protocol.md and the code speak of the same rules."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
RULES = set(re.findall(r"^\*\*(R\d+) ", DOCUMENT, re.MULTILINE)) | set(
    re.findall(r"^\| (I\d+) \|", DOCUMENT, re.MULTILINE)
)
NOT_STAGED = {
    "R21": "tests/entities/test_locks.py",
    "R22": "tests/functions_worker",
    "R23": "tests/worker/test_invocations.py",
}
"""Rules whose tests are named after what they show."""


def _texts(*folders: str) -> str:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if path != Path(__file__)]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def test_every_rule_that_the_code_refers_to_is_in_the_document() -> None:
    cited = set(re.findall(r"\(PROTOCOL ((?:[RI]\d+(?:, )?)+)\)", _texts("azure_durable_py", "tests")))
    named = {name for group in cited for name in group.split(", ") if name}
    assert named
    assert named <= RULES


def test_every_rule_has_a_test_that_names_it() -> None:
    tests = _texts("tests")
    for rule in sorted(rule for rule in RULES if rule.startswith("R")):
        if rule in NOT_STAGED:
            assert (ROOT / NOT_STAGED[rule]).exists()
        else:
            assert f"def test_{rule.lower()}_" in tests, f"no test of {rule}"


def test_the_rules_are_numbered_without_gaps() -> None:
    for letter, count in (("R", 25), ("I", 13)):
        assert {name for name in RULES if name.startswith(letter)} == {f"{letter}{n}" for n in range(1, count + 1)}
