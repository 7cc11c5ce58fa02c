"""Texts of others: nothing in them steers a terminal, and what is left looks as it is."""

from __future__ import annotations

import json

import pytest

from azure_durable_py.escaping import escaped, escaped_json, escaped_lines

HOSTILE = "a\x1b[2J\x07\x9b\u202eb\u2028c\r\n\td\x7f\ud800"


def test_a_line_of_others_stays_a_line():
    assert escaped(HOSTILE) == "a\\x1b[2J\\x07\\x9b\\u202eb\\u2028c\\r\\n\\td\\x7f\\ud800"
    assert escaped_lines("a\r\n\tb\x1b\rc") == "a\n\tb\\x1b\\rc"
    assert escaped("Zoë 日本 👩‍🚀") == "Zoë 日本 👩‍🚀"


def test_escaped_json_is_the_same_value():
    text = escaped_json(json.dumps({HOSTILE: HOSTILE}, indent=2, ensure_ascii=False))
    assert json.loads(text) == {HOSTILE: HOSTILE}
    assert text.isprintable() or set(text) - {"\n"} == {char for char in text if char.isprintable()}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\rb", r"a\rb"),
        ("nul\x00 bell\x07 del\x7f", r"nul\x00 bell\x07 del\x7f"),
        ("c1 \x9b2J \x85", r"c1 \x9b2J \x85"),
        ("bidi \u202e \u2066 \u200f", r"bidi \u202e \u2066 \u200f"),
        ("ends \u2028 \u2029", r"ends \u2028 \u2029"),
        ("lone \ud800", r"lone \ud800"),
        ("tab\tand\nline, größer 漢字 🙂", "tab\tand\nline, größer 漢字 🙂"),
    ],
    ids=lambda value: ascii(value)[:12] if isinstance(value, str) else None,
)
def test_what_could_command_a_terminal_is_escaped(raw: str, shown: str):
    assert escaped_lines(raw) == shown
