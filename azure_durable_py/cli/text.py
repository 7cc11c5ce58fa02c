"""Texts of others on a terminal: ids, names and values may hold anything, and must not steer it.

Owns which characters are shown as escapes: control characters, what turns the direction of writing, what breaks
lines, and what no encoding has.
"""

from __future__ import annotations

import re

_BREAKS = "\t\n"
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(text: str, *, keep: str = "") -> str:
    r"""The text with what is not to reach a terminal as `\n`, `\x1b` or `\u202e`.

    :param keep: characters to leave as they are, such as line breaks in a stack trace.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def escaped_lines(text: str) -> str:
    """The text with its tabs and line breaks, and nothing else that a terminal would obey."""
    return escaped(text.replace("\r\n", "\n"), keep=_BREAKS)


def escaped_json(text: str) -> str:
    """A text of JSON in which such characters are escaped as JSON does; it stays the same value."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in _BREAKS else f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """A message as one line: line breaks in it become spaces, the rest is escaped."""
    return escaped(" ".join(line.strip() for line in text.splitlines() if line.strip()))


def _escape(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character)
    code = ord(character)
    return named or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
