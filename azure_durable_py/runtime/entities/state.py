"""The state of an entity while its operations run: as an object, and as JSON text.

Owns the way between the two, and the way back when an operation fails.
"""

from __future__ import annotations

from typing import Any

from azure_durable_py.errors import PayloadTooLargeError
from azure_durable_py.serialization.converter import DataConverter

MAX_STATE_CHARS = 200_000_000


class StateBox:
    """The state of one entity.

    :param text: JSON text of the state; None: the entity does not exist.
    """

    def __init__(self, text: str | None, converter: DataConverter) -> None:
        self._converter = converter
        self._text = text
        self._object: Any = None
        self._opened = False
        self._type: Any = None
        self._exists = text is not None

    @property
    def exists(self) -> bool:
        """Whether the entity has a state."""
        return self._exists

    @property
    def text(self) -> str | None:
        """The state as of the last `keep`, as JSON text."""
        return self._text

    def value(self, expected_type: Any = None) -> Any:
        """The state as an object: the same one during an operation; None if there is none.

        :raises SerializationError: it is not of that type.
        """
        if not self._exists:
            return None
        if not self._opened:
            self._open(self._text or "null", expected_type)
        elif expected_type is not None and expected_type is not self._type:
            self._open(self._converter.serialize(self._object), expected_type)
        return self._object

    def _open(self, text: str, expected_type: Any) -> None:
        self._object = self._converter.deserialize(text, expected_type)
        self._type, self._opened = expected_type, True

    def set(self, value: Any, kind: Any = None) -> None:
        """Replace the state; `kind` is the type that it was built as, if any."""
        self._object, self._type = value, kind
        self._opened = self._exists = True

    def delete(self) -> None:
        """Take the state away."""
        self._object = self._type = None
        self._opened = self._exists = False

    def keep(self) -> None:
        """An operation has succeeded: what the object is now is the state.

        :raises SerializationError: it is not JSON.
        :raises PayloadTooLargeError: it is larger than the hub stores.
        """
        if not self._exists:
            self._text = None
        elif self._opened:
            text = self._converter.serialize(self._object)
            if len(text) > MAX_STATE_CHARS:
                raise PayloadTooLargeError(
                    f"The state of the entity has {len(text)} characters of JSON, over the limit of {MAX_STATE_CHARS}."
                )
            self._text = text
            # The next operation reads it from its text, as one in another process would.
            self._close()

    def restore(self) -> None:
        """An operation has failed: what was kept last is the state."""
        self._close()
        self._exists = self._text is not None

    def _close(self) -> None:
        self._object = self._type = None
        self._opened = False
