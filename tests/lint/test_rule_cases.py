"""Every rule finds what is marked in the cases of its subject, and nothing in what only looks like it.

A file below `cases` has many pieces of code, each with a heading `# bad: ...` or `# good: ...`. In a bad one each line
with findings says so: `# expect: DF001, DF001`. A piece that makes no app of its own is one of a blueprint `bp`.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from azure_durable_py.lint import lint_paths
from azure_durable_py.lint.rules import RULES
from azure_durable_py.lint.source import UNREADABLE

CASES = Path(__file__).parent / "cases"
PROLOGUE = "import azure_durable_py as df\n\nbp = df.Blueprint()\n\n\n"
_HEADING = re.compile(r"^# (bad|good): (.+)\n", re.MULTILINE)
_MARK = re.compile(r"# expect: (.+)$")


class Case(NamedTuple):
    """A piece of code, and the codes that are found in its lines, from 1 on."""

    title: str
    code: str
    expected: list[tuple[int, str]]


def _cases() -> list[Case]:
    found: list[Case] = []
    for file in sorted(CASES.glob("*.py")):
        _, *parts = _HEADING.split(file.read_text(encoding="utf-8"))
        for kind, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            own = "df.DFApp(" in body or "df.Blueprint(" in body
            code = body if own else _with_prologue(body)
            marks = [(line, _MARK.search(text)) for line, text in enumerate(code.splitlines(), start=1)]
            expected = [(line, told) for line, mark in marks if mark for told in mark[1].split(", ")]
            assert bool(expected) == (kind == "bad"), f"{file.name}: {title!r} is to have marks if it is bad"
            found.append(Case(f"{file.stem}: {kind}: {title}", code, expected))
    return found


def _with_prologue(body: str) -> str:
    future = "from __future__ import annotations\n"
    return future + PROLOGUE + body.replace(future, "", 1) if future in body else PROLOGUE + body


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.title)
def test_what_is_marked_is_found_and_nothing_else(case: Case, tmp_path: Path):
    (tmp_path / "function_app.py").write_text(case.code, encoding="utf-8")
    found = [(finding.line, finding.code, finding.message) for finding in lint_paths([tmp_path])]
    assert Counter(case.expected) == Counter((line, code) for line, code, _ in found), found


def test_each_rule_has_bad_cases_and_mended_ones():
    cases = _cases()
    bad = Counter(code for case in cases for code in {told for _, told in case.expected})
    stems = {case.title.split(":")[0] for case in cases if not case.expected}
    few = {rule.code: bad[rule.code] for rule in RULES if bad[rule.code] < 2 and rule is not UNREADABLE}
    assert few == {}
    assert stems == {file.stem for file in CASES.glob("*.py")}
