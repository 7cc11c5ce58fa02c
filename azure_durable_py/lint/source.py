"""The text of a Python file and its syntax tree, or why it has none.

Owns reading: encodings as Python declares them, and files that nobody can parse, which are findings and no errors.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import Path

from azure_durable_py.lint.findings import LintFinding, Rule

MAX_BYTES = 4 * 1024 * 1024
"""Files beyond this size are not code that somebody writes."""

_PYTHON = f"Python {sys.version_info.major}.{sys.version_info.minor}"

UNREADABLE = Rule(
    code="DF000",
    name="unreadable",
    why="A file that Python cannot read cannot be looked at, so that nothing is known of what is in it.",
    mend="Correct it; the message says where. Leave out what is no code of yours with `exclude` in the settings.",
    bad="def order(:\n    pass\n",
    good="def order():\n    pass\n",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read."""

    path: Path
    text: str
    tree: ast.Module


def read_source(path: Path) -> Source | LintFinding:
    """Read and parse a file; a finding where that is not possible."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return unreadable(path, f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB and was not read")
        data = path.read_bytes()
    except OSError as error:
        return unreadable(path, f"the file cannot be read: {error.strerror or error}")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = data.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return unreadable(path, f"the file cannot be decoded: {error}")
    return parse_source(text, path)


def parse_source(text: str, path: Path) -> Source | LintFinding:
    """Parse a text; a finding where it is no Python."""
    text = text.removeprefix("\ufeff")
    try:
        with warnings.catch_warnings():
            # Python's own words on the code are for who runs it.
            warnings.simplefilter("ignore")
            return Source(path, text, ast.parse(text, filename=str(path)))
    except SyntaxError as error:
        return unreadable(path, f"{_PYTHON} cannot parse this: {error.msg}", error.lineno or 1, error.offset or 1)
    except (ValueError, RecursionError, MemoryError) as error:
        return unreadable(path, f"{_PYTHON} cannot parse this: {error or 'it is nested too deeply'}")


def unreadable(path: Path, message: str, line: int = 1, column: int = 1) -> LintFinding:
    """The finding for a file that cannot be looked at."""
    line, column = max(line, 1), max(column, 1)
    return LintFinding(UNREADABLE, path, line, column, line, column, message)
