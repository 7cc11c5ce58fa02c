"""What docs/linting.md says of each rule."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from azure_durable_py.lint import Rule
from azure_durable_py.lint.rules import RULES

PAGE = Path(__file__).parent.parent.parent / "docs" / "linting.md"
_PART = re.compile(
    r"(?<=^<!-- rules: written by `python -m tests\.lint` -->\n).*?(?=^<!-- end of the rules -->)",
    re.MULTILINE | re.DOTALL,
)
_HEAD = re.compile(r"import azure_durable_py as df\n\n(app|bp) = df\.\w+\(\)\n\n+")


def rules_of_page(text: str) -> str:
    """The part of the page that is about the rules."""
    found = _PART.search(text)
    assert found is not None
    return found[0]


def written() -> str:
    """That part, as the rules have it."""
    rows = [f"| [{rule.code}](#{_anchor(rule)}) | {rule.name} | {rule.mend} |" for rule in RULES]
    table = "\n".join(["| code | name | mend |", "|---|---|---|", *rows])
    return "\n" + "\n\n".join([table, *map(_section, RULES), ""])


def _anchor(rule: Rule) -> str:
    return f"{rule.code}-{rule.name}".lower()


def _section(rule: Rule) -> str:
    return f"### {rule.code} {rule.name}\n\n{rule.why}\n{rule.mend}\n\n```diff\n{_change(rule)}\n```"


def _change(rule: Rule) -> str:
    """The example with what mends it, without the lines that every app begins with."""
    before, after = (_HEAD.sub("", code).strip("\n").split("\n") for code in (rule.bad, rule.good))
    lines = difflib.unified_diff(before, after, lineterm="", n=max(len(before), len(after)))
    return "\n".join(line.rstrip() for line in list(lines)[3:])


def write() -> None:
    """Write that part of the page anew."""
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_PART.sub(lambda _: written(), text), encoding="utf-8")
