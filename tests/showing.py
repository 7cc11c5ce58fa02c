"""What a document shows of a console: commands, and what they print."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A command and what it prints; `...` stands for anything."""

    command: str
    printed: str

    def matches(self, output: str) -> bool:
        """Whether this is what was to be printed."""
        pattern = ".*?".join(re.escape(part) for part in self.printed.split("..."))
        return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


def section(document: str, heading: str) -> str:
    """What is below a heading of the second level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {heading!r}"
    return found[1]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def steps(text: str) -> list[Step]:
    """The commands of all console blocks, in order."""
    found = [
        Step(command, printed.strip())
        for block in blocks(text, "console")
        for command, printed in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert found
    return found
