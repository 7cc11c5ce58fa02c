"""Which entries of an instance's outbox this process has taken on to hand over, and which it has handed over.

An entry is named by its number. Pure bookkeeping in memory: what is true of entries is in the header.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from azure_durable_py.taskhub.numbering import number_of
from azure_durable_py.taskhub.state import InstanceState


class Claims:
    """Entries of one execution."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self.handed_over: set[int] = set()
        """Entries that are known to be handed over and are still in the header."""

    def is_new(self, number: int) -> bool:
        """Whether it was not taken on yet."""
        return number not in self.handed_over and number not in self._open

    def claim(self, number: int) -> bool:
        """Take an entry on; tells whether it is still to be handed over, and new here."""
        if not self.is_new(number):
            return False
        self._open.add(number)
        return True

    def hand_over(self, number: int) -> None:
        """It is handed over: a commit may drop it."""
        self._open.discard(number)
        self.handed_over.add(number)

    def drop(self, entries: Iterable[int]) -> None:
        """They are no longer in the header."""
        for number in entries:
            self._open.discard(number)
            self.handed_over.discard(number)

    def keep(self, named: Collection[int], mine: Collection[int]) -> None:
        """Only these are in the header, and of them only these are ours to hand over."""
        self._open.intersection_update(mine)
        self.handed_over.intersection_update(named)

    def is_open(self, number: int) -> bool:
        """Whether it is ours, and still to be handed over."""
        return number in self._open


def entries_of(state: InstanceState) -> Iterable[tuple[str, int]]:
    """(guard, number) of every entry in a header."""
    for group in state.activities:
        for decision in group.ids:
            yield group.guard, number_of(state.generation, state.attempt, decision)
    for sends in state.sends:
        for decision in sends.ids:
            yield state.queue_guard, number_of(state.generation, state.attempt, decision)
    for message in state.messages:
        yield state.queue_guard, message.number
