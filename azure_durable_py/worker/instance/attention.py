"""Whether an instance has something to do that no turn has taken up yet, and the way to wait for that."""

from __future__ import annotations

from collections.abc import Callable

from azure_durable_py.wakeup import Wakeup


class Crowd:
    """The instances of one kind that have something to do and wait for their turn.

    :param limit: while there are so many, no more messages are taken for any instance.
    :param room_made: told when there are fewer.
    """

    def __init__(self, limit: int, room_made: Callable[[], None]) -> None:
        self._limit = limit
        self._room_made = room_made
        self._size = 0

    @property
    def room(self) -> int:
        """For how many more there is room."""
        return self._limit - self._size

    def enter(self) -> None:
        """One more waits."""
        self._size += 1

    def leave(self) -> None:
        """One waits no longer."""
        self._size -= 1
        self._room_made()


class Attention:
    """The attention of one instance.

    :param crowd: where it counts while it is called.
    """

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self.wake = Wakeup()
        self.is_called = False
        """Whether there is something to do, whatever it is."""

    def call(self) -> None:
        """There is something to do."""
        if not self.is_called:
            self.is_called = True
            self._crowd.enter()
        self.wake.set()

    def answer(self) -> None:
        """It is seen to."""
        if self.is_called:
            self.is_called = False
            self._crowd.leave()
