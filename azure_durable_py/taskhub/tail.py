"""The newest events of a history, which the header holds until they are sealed into a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from azure_durable_py.taskhub.deflating import NOTHING, Part

_PACK_CHARS = 2_048
"""So many are compressed at once. With fewer it takes longer, with more the header is larger meanwhile."""


class Tail(Sequence[str]):
    """Encoded events, in order. It only grows, so that what has been compressed for one commit serves the next ones."""

    __slots__ = ("_events", "_older", "_packed", "_packed_chars", "chars")

    def __init__(self, events: Iterable[str] = ()) -> None:
        self._events = list(events)
        self.chars = sum(map(len, self._events))
        """How many characters the events have together."""
        self._older = NOTHING
        self._packed = 0
        self._packed_chars = 0

    def copy(self) -> Tail:
        """An independent copy."""
        made = Tail.__new__(Tail)
        made._events, made.chars = self._events.copy(), self.chars
        made._older, made._packed, made._packed_chars = self._older, self._packed, self._packed_chars
        return made

    def extend(self, events: Iterable[str]) -> None:
        """Add events at the end."""
        before = len(self._events)
        self._events.extend(events)
        self.chars += sum(map(len, self._events[before:]))

    def to_json(self) -> str:
        """The events with commas between them."""
        return ",".join(self._events)

    def in_parts(self) -> tuple[Part, str]:
        """The same text, of which the older part is compressed, and compressed no more the next time."""
        newer = self._newer()
        if self.chars - self._packed_chars >= _PACK_CHARS:
            self._older = self._older.then(newer.encode("utf-8", "surrogatepass"))
            self._packed, self._packed_chars, newer = len(self._events), self.chars, ""
        return self._older, newer

    def _newer(self) -> str:
        newer = self._events[self._packed :]
        comma = "," if self._packed and newer else ""
        return comma + ",".join(newer)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[str]:
        return iter(self._events)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        return self._events[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tail) and self._events == other._events

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Tail({self._events!r})"
