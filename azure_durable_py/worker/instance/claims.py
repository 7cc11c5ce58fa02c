"""Which entries of an instance's outbox this process has taken on to hand over, and which it has handed over.

An entry is named by its sequence number. Pure bookkeeping in memory: what is true of entries is in the header.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from azure_durable_py.taskhub.state import InstanceState


class Claims:
    """Entries of one execution."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self.handed_over: set[int] = set()
        """Entries that are known to be handed over and are still in the header."""

    def is_new(self, entry: int) -> bool:
        """Whether it was not taken on yet."""
        return entry not in self.handed_over and entry not in self._open

    def claim(self, entry: int) -> bool:
        """Take an entry on; tells whether it is still to be handed over, and new here."""
        if not self.is_new(entry):
            return False
        self._open.add(entry)
        return True

    def hand_over(self, entry: int) -> None:
        """It is handed over: a commit may drop it."""
        self._open.discard(entry)
        self.handed_over.add(entry)

    def drop(self, entries: Iterable[int]) -> None:
        """They are no longer in the header."""
        for entry in entries:
            self._open.discard(entry)
            self.handed_over.discard(entry)

    def keep(self, named: Collection[int], mine: Collection[int]) -> None:
        """Only these are in the header, and of them only these are ours to hand over."""
        self._open.intersection_update(mine)
        self.handed_over.intersection_update(named)

    def is_open(self, entry: int) -> bool:
        """Whether it is ours, and still to be handed over."""
        return entry in self._open


def entries_of(state: InstanceState) -> Iterable[tuple[str, int]]:
    """(guard, sequence) of every entry in a header."""
    base = state.generation << 32
    for group in state.activities:
        for decision in group.ids:
            yield group.guard, base | decision
    for sends in state.sends:
        for decision in sends.ids:
            yield state.queue_guard, base | decision
    for message in state.messages:
        yield state.queue_guard, message.sequence
