"""Every rule finds what is marked in the cases of its subject, and nothing in what only looks like it.

A file below `cases` has many pieces of code, each with a heading `# bad: ...` or `# good: ...`. In a bad one each line
with findings says so: `# expect: DF001, DF001`. A piece that makes no app of its own is one of a blueprint `bp`. What
follows `# file: state.py` is in a file of that name beside it.
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
_FILE = re.compile(r"^# file: (.+)\n", re.MULTILINE)
_MARK = re.compile(r"# expect: (.+)$")


class Case(NamedTuple):
    """Files of an app, and how often which code is found in which line of them."""

    title: str
    files: dict[str, str]
    expected: Counter[tuple[str, int, str]]


def _cases() -> list[Case]:
    found: list[Case] = []
    for file in sorted(CASES.glob("*.py")):
        _, *parts = _HEADING.split(file.read_text(encoding="utf-8"))
        for kind, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            case = Case(f"{file.stem}: {kind}: {title}", files := _files(body), _expected(files))
            assert bool(case.expected) == (kind == "bad"), f"{case.title}: marks are what makes a piece a bad one"
            found.append(case)
    return found


def _files(body: str) -> dict[str, str]:
    main, *others = _FILE.split(body)
    makes_its_own = "df.DFApp(" in main or "df.Blueprint(" in main
    files = dict(zip(others[::2], others[1::2], strict=True))
    return {"function_app.py": main if makes_its_own else _with_prologue(main), **files}


def _with_prologue(body: str) -> str:
    future = "from __future__ import annotations\n"
    return future + PROLOGUE + body.replace(future, "", 1) if future in body else PROLOGUE + body


def _expected(files: dict[str, str]) -> Counter[tuple[str, int, str]]:
    return Counter(
        (name, line, code)
        for name, text in files.items()
        for line, content in enumerate(text.splitlines(), start=1)
        if (mark := _MARK.search(content)) is not None
        for code in mark[1].split(", ")
    )


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case.title)
def test_what_is_marked_is_found_and_nothing_else(case: Case, tmp_path: Path):
    for name, text in case.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    findings = lint_paths([tmp_path])
    assert Counter((found.path.name, found.line, found.code) for found in findings) == case.expected, findings


def test_each_rule_has_two_bad_pieces_and_two_good_ones():
    # Each has one of both of its own. A good piece is about the rules of the bad one before it.
    pieces: dict[str, Counter[str]] = {kind: Counter(rule.code for rule in RULES) for kind in ("bad", "good")}
    subject: set[str] = set()
    for case in _cases():
        subject = {code for _, _, code in case.expected} or subject
        pieces["bad" if case.expected else "good"].update(subject)
    few = [(kind, code) for kind, counts in pieces.items() for code, count in counts.items() if count < 2]
    assert few == [("bad", UNREADABLE.code), ("good", UNREADABLE.code)]
