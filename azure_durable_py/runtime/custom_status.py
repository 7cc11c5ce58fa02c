"""The custom status of one generation: what the user's code set, and what libraries publish beside it.

Owns how both become one JSON text. Each is kept as it was given last, so that neither can lose the other. What
libraries publish says what the code is at just now, so it ends with the generation; the user's own stays.
"""

from __future__ import annotations

import json
from typing import Any, cast

from azure_durable_py.errors import PayloadTooLargeError

MAX_CUSTOM_STATUS_BYTES = 16 * 1024
MAX_PARTS_BYTES = 16_000
"""Together with the user's own it has to fit into one column of a row, of 32,768 characters."""
OWN = "status"
"""Under this name stands a status of the user's that cannot have names beside it."""


class CustomStatus:
    """The custom status, as JSON texts."""

    def __init__(self) -> None:
        self._own: str | None = None
        self._parts: dict[str, str] = {}
        self._was_shared = False

    def set_own(self, text: str) -> None:
        """What the user's code sets.

        :raises PayloadTooLargeError: it is too large.
        """
        size = _bytes(text)
        if size > MAX_CUSTOM_STATUS_BYTES:
            raise PayloadTooLargeError(
                f"A custom status holds at most {MAX_CUSTOM_STATUS_BYTES} bytes of JSON; this one has {size}. "
                "Keep large data in the output or in storage of your own."
            )
        self._own = text

    def set_part(self, name: str, text: str | None) -> None:
        """What stands beside it under a name; None: nothing any more.

        :raises PayloadTooLargeError: all parts together are too large.
        """
        parts = {**self._parts} if text is None else {**self._parts, name: text}
        if text is None:
            parts.pop(name, None)
        size = sum(_bytes(each) + _bytes(key) + 4 for key, each in parts.items())
        if size > MAX_PARTS_BYTES:
            raise PayloadTooLargeError(
                f"Beside a custom status there is room for {MAX_PARTS_BYTES} bytes of JSON; with {name!r} it would be "
                f"{size}. Publish less of it."
            )
        self._parts = parts
        self._was_shared = self._was_shared or bool(parts)

    def text(self, *, with_parts: bool) -> str | None:
        """The status to publish; None: nothing was ever set."""
        if not with_parts or not self._parts:
            return "null" if self._own is None and self._was_shared else self._own
        parts = ",".join(f"{json.dumps(name)}:{text}" for name, text in self._parts.items())
        own = (self._own or "null").strip()
        if own == "null":
            return f"{{{parts}}}"
        value: Any = json.loads(own)
        if not isinstance(value, dict) or not self._parts.keys().isdisjoint(cast("dict[str, Any]", value)):
            return f'{{"{OWN}":{own},{parts}}}'
        return f"{own[:-1].rstrip()},{parts}}}" if value else f"{{{parts}}}"


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
