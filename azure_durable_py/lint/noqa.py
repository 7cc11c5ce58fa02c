"""Comments that say that a finding is known: `# noqa: DF001`.

Owns their forms, which are those of flake8: at the end of any line of a statement for what is in it, with codes or for
all; `# flake8: noqa` and `# azure-durable: noqa` in a line of their own for the whole file.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding

_CODES = r"[A-Z][A-Z0-9]*[0-9]+(?:[,\s]+[A-Z][A-Z0-9]*[0-9]+)*"
_LINE = re.compile(rf"#\s*noqa(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?", re.IGNORECASE)
_FILE = re.compile(
    rf"^#\s*(?:flake8|azure-durable)\s*:\s*noqa(?P<colon>\s*:\s*(?P<codes>{_CODES})?)?\s*$", re.IGNORECASE
)


class Excuses:
    """What the comments of one file let pass."""

    def __init__(self, text: str) -> None:
        self._file = _Codes()
        self._lines: dict[int, _Codes] = {}
        if re.search("noqa", text, re.IGNORECASE) is not None:
            self._read(text)

    def covers(self, finding: LintFinding) -> bool:
        """Whether a comment lets a finding pass."""
        line = self._lines.get(finding.line)
        return self._file.hold(finding.code) or (line is not None and line.hold(finding.code))

    def _read(self, text: str) -> None:
        for first, last, comments in _statements(text):
            codes = _Codes()
            for comment in comments:
                whole = _FILE.match(comment)
                if whole is not None:
                    self._file.add(whole)
                elif (found := _LINE.search(comment)) is not None:
                    codes.add(found)
            if codes:
                self._lines.update(dict.fromkeys(range(first, last + 1), codes))


class _Codes:
    """Codes that were named, or all."""

    def __init__(self) -> None:
        self._all = False
        self._named: set[str] = set()

    def __bool__(self) -> bool:
        return self._all or bool(self._named)

    def add(self, found: re.Match[str]) -> None:
        """Add what a comment names. After a colon without a code there is none: somebody has mistyped it."""
        self._all = self._all or found["colon"] is None
        self._named.update(re.split(r"[,\s]+", found["codes"].upper()) if found["codes"] else ())

    def hold(self, code: str) -> bool:
        """Whether a code is among them, by how it begins, as flake8 has it."""
        return self._all or code.startswith(tuple(self._named))


def _statements(text: str) -> Iterator[tuple[int, int, list[str]]]:
    """First and last line of each statement, or of its head, with the comments in it."""
    first, comments = 0, list[str]()
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type in (tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
                if token.type == tokenize.NL and not first and comments:
                    yield token.start[0], token.start[0], comments
                    comments = []
            elif token.type == tokenize.COMMENT:
                comments.append(token.string)
            elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
                yield first or token.start[0], token.start[0], comments
                first, comments = 0, []
            else:
                first = first or token.start[0]
    except (tokenize.TokenError, SyntaxError):
        # It was parsed before; what the tokenizer of Python alone refuses has no comments that count.
        return
