"""Threads for sync functions: as many as there are calls under way, so that none waits for another.

Owns that a thread which has done its call takes the next one. To begin a thread costs more than most of what an
orchestration does beside: the starting of it waits until it runs. They are daemons, so that no call holds up the exit.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

IDLE_SECONDS = 10.0
"""For how long a thread without a call waits for one."""


class Threads:
    """Threads of one process. Safe for threads; a process that is forked has none of them at first."""

    def __init__(self) -> None:
        self._idle: list[_Thread] = []
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._idle.clear)

    @property
    def idle(self) -> int:
        """How many wait for a call."""
        return len(self._idle)

    def run(self, call: Callable[[], None], name: str) -> None:
        """Have a call made in a thread that has no other; returns at once. It must not raise.

        :param name: of the thread while it does, for people.
        """
        try:
            # The latest to have become idle: so those that are too many become idle for long.
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self._idle)
            thread.calls.put((call, name))
            threading.Thread(target=thread.serve, name=name, daemon=True).start()
        else:
            thread.calls.put((call, name))


class _Thread:
    def __init__(self, idle: list[_Thread]) -> None:
        self.calls: SimpleQueue[tuple[Callable[[], None], str]] = SimpleQueue()
        self._idle = idle

    def serve(self) -> None:
        """Make calls until none has come for some time."""
        here = threading.current_thread()
        while True:
            try:
                call, here.name = self.calls.get(timeout=IDLE_SECONDS)
            except Empty:
                try:
                    self._idle.remove(self)
                except ValueError:
                    continue  # It was taken just now: a call is about to come.
                return
            call()
            del call
            here.name = "idle, for sync functions"
            self._idle.append(self)
