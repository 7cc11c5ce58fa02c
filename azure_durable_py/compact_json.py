"""JSON without blanks, written and read many times.

What the module `json` does for each text beside the work in C - make an encoder, look for blanks - takes longer than
most values do. Here it is done once, or not at all.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable
from typing import Any


def compact_encoder(default: Callable[[Any], Any] | None = None, *, allow_nan: bool = True) -> Callable[[Any], str]:
    """What writes values as JSON without blanks, and text that is not ASCII as it is.

    :param default: one step from an object that is not plain towards JSON.
    :param allow_nan: NaN and infinities are written, as no JSON; else they are a `ValueError`.
    """
    # A value that contains itself is nested without end, and ends as that: nobody need keep books of what holds what.
    whole = json.JSONEncoder(
        check_circular=False, default=default, allow_nan=allow_nan, ensure_ascii=False, separators=(",", ":")
    )
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # Only CPython has it.
        return whole.encode
    text = json.encoder.encode_basestring
    parts: Any = make(None, whole.default, text, None, ":", ",", False, False, allow_nan)

    def encode(value: Any) -> str:
        return text(value) if type(value) is str else "".join(parts(value, 0))

    return encode


def compact_decoder(decoder: json.JSONDecoder) -> Callable[[str], Any]:
    """What reads a text as a decoder does, and at once where it has no blanks around its value."""
    scan: Any = getattr(decoder, "scan_once")  # noqa: B009 - it is there, and in no stub

    def decode(text: str) -> Any:
        try:
            value, end = scan(text, 0)
        except (ValueError, StopIteration):
            return decoder.decode(text)  # Which tells what is wrong.
        return value if end == len(text) else decoder.decode(text)

    return decode
