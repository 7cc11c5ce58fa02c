"""Which entries of an instance's outbox this process still has to hand over, by guard.

An entry is named by its sequence number. Pure bookkeeping in memory; the outbox itself is in
the header.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure_durable_py.taskhub.instance import InstanceState


class Entries:
    """Entries under guards that this process holds."""

    def __init__(self) -> None:
        self._guards: dict[int, str] = {}
        self._open: dict[str, set[int]] = {}
        self.handed_over: set[int] = set()

    def claim(self, guard: str, entry: int) -> bool:
        """Put an entry under a guard of ours; tells whether it is still to be handed over, and new here."""
        if entry in self.handed_over:
            return False
        before = self._guards.get(entry)
        if before == guard:
            return False
        if before is not None:
            self._open[before].discard(entry)
        self._guards[entry] = guard
        self._open.setdefault(guard, set()).add(entry)
        return before is None

    def hand_over(self, entry: int) -> None:
        """It is handed over: its guard need not stay for it, and a later commit may drop it."""
        self._forget(entry)
        self.handed_over.add(entry)

    def drop(self, entries: Iterable[int]) -> None:
        """They are no longer in the header."""
        for entry in entries:
            self._forget(entry)
            self.handed_over.discard(entry)

    def keep(self, entries: Iterable[int]) -> None:
        """Only these are in the header, which another worker wrote."""
        named = set(entries)
        self.drop([entry for entry in (*self._guards, *self.handed_over) if entry not in named])

    def waits(self, guard: str) -> bool:
        """Whether something under this guard is still to be handed over."""
        return bool(self._open.get(guard))

    def is_open(self, entry: int) -> bool:
        """Whether it is under a guard of ours and still to be handed over."""
        return entry in self._guards

    def knows(self, entry: int) -> bool:
        """Whether it is under a guard of ours, or handed over by us."""
        return entry in self._guards or entry in self.handed_over

    def _forget(self, entry: int) -> None:
        guard = self._guards.pop(entry, None)
        if guard is not None:
            left = self._open[guard]
            left.discard(entry)
            if not left:
                del self._open[guard]


def entries_of(state: InstanceState) -> Iterable[tuple[str, int]]:
    """(guard, sequence) of every entry in a header."""
    base = state.generation << 32
    for group in state.groups:
        for decision in group.ids:
            yield group.guard, base | decision
    for message in state.messages:
        yield message.guard, message.sequence
