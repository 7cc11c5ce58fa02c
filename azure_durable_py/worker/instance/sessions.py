"""Which instances are kept in memory although they have nothing to do: the least recently used goes first."""

from __future__ import annotations

from typing import Protocol


class Session(Protocol):
    """An instance in memory that has nothing to do."""

    def end(self) -> None:
        """Leave memory, unless there is something to do by now."""
        ...


class Sessions:
    """Idle instances, least recently used first.

    :param limit: how many may stay.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._idle: dict[Session, None] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def idle(self, session: Session) -> None:
        """It has nothing to do."""
        self._idle.pop(session, None)
        self._idle[session] = None
        if len(self._idle) > self._limit:
            next(iter(self._idle)).end()

    def leave(self, session: Session) -> None:
        """It has something to do again, or is gone."""
        self._idle.pop(session, None)
