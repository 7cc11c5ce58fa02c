"""The turns of a generation that are over, as code may ask for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from azure_durable_py.history.events import Event


class Past(Iterable[Event]):
    """The history of a generation up to the current turn.

    It is kept in parts, which are gone through again whenever somebody asks: a part of a long history need not be in
    memory as events.
    """

    def __init__(self) -> None:
        self._parts: list[Iterable[Event]] = []
        self.length = 0
        """How many events are over. Of the last part that may not be all."""

    def __iter__(self) -> Iterator[Event]:
        return islice(chain.from_iterable(self._parts), self.length)

    def add(self, part: Iterable[Event]) -> None:
        """Append events, of which none is over yet."""
        self._parts.append(part)

    def forget(self) -> None:
        """Nobody asks any more."""
        self._parts.clear()
        self.length = 0
