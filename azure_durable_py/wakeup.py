"""A flag that one task waits for, with a time limit.

`asyncio.wait_for` on an event can swallow a cancellation that comes at the same moment (before
Python 3.12), which would keep a stopping worker from stopping; this cannot.
"""

from __future__ import annotations

import asyncio


class Wakeup:
    """Set by anybody, awaited by one."""

    def __init__(self) -> None:
        self._set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self) -> None:
        """Wake the waiting task, now or when it next waits."""
        self._set = True
        self._release()

    def clear(self) -> None:
        """Forget that it was set."""
        self._set = False

    @property
    def is_set(self) -> bool:
        """Whether it was set since the last `clear`."""
        return self._set

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, for at most `seconds`; tells whether it is."""
        if self._set:
            return True
        if seconds is not None and seconds <= 0:
            await asyncio.sleep(0)
            return self._set
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if seconds is None else loop.call_later(seconds, self._release)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()
        return self._set

    def _release(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
