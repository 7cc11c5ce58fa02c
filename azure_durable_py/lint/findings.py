"""What the linter says: rules, and findings of them at a place in the code.

Owns both records and nothing of how they are found or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that code which is replayed must not do.

    :param code: what `# noqa` and settings name it by, such as `DF001`.
    :param name: a few words with hyphens, such as `wall-clock`.
    :param why: what goes wrong, in a sentence or two.
    :param mend: what to write instead.
    :param bad: code of an app that the rule finds something in.
    :param good: the same, mended.
    """

    code: str
    name: str
    why: str
    mend: str
    bad: str
    good: str


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One place that a rule does not allow.

    :param line: from 1 on, as `end_line`.
    :param column: in characters, from 1 on; `end_column` is the one behind the last.
    :param message: what was found there, in one line.
    :param function: the function that it is in, or "" where it is in none.
    :param via: for a helper, who calls it: `called by orchestrator 'book_trip' at function_app.py:12`; else "".
    """

    rule: Rule
    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    function: str = ""
    via: str = ""

    @property
    def code(self) -> str:
        """The code of the rule."""
        return self.rule.code

    @property
    def text(self) -> str:
        """The message, with who calls the function."""
        return f"{self.message} ({self.via})" if self.via else self.message

    @property
    def order(self) -> tuple[str, int, int, str]:
        """Where it stands among others: by file, place and code."""
        return (str(self.path), self.line, self.column, self.code)
