r"""Texts of others on a terminal: ids, names and values may hold anything, and must not steer it.

Owns which characters are shown as escapes, such as `\x1b` or `\u202e`: control characters, what turns the direction of
writing, what breaks lines, and what no encoding has.
"""

from __future__ import annotations

import re

_BREAKS = "\t\n"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text as one line of what a terminal can show."""
    return _UNSAFE.sub(_escape, text)


def escaped_lines(text: str) -> str:
    """The text with its tabs and line breaks, and nothing else that a terminal would obey."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in _BREAKS else _escape(found), text.replace("\r\n", "\n"))


def escaped_json(text: str) -> str:
    """A text of JSON in which such characters are escaped as JSON does; it stays the same value."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in _BREAKS else f"\\u{ord(found[0]):04x}", text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
