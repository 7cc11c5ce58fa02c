"""Text of somebody's, made fit for a terminal: nothing in it moves the cursor, clears the line or turns words round.

Owns which characters are escaped. What is left looks as it is.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_LINE_ENDS = "\u2028\u2029"
_UNSAFE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}{_LINE_ENDS}\ud800-\udfff]")


def harmless(text: str) -> str:
    """The text with control characters (C0, C1, DEL), bidirectional overrides and lone surrogates as escapes.

    Tabs and line feeds stay.
    """
    return _UNSAFE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
