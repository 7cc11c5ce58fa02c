"""How many requests to functions are taken at a time, as host.json's `extensions.http` says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from azure_durable_py.hosting.local.limits import HttpLimits


class TooBusyError(Exception):
    """A request is answered 429. Never leaves the server."""


class Throttle:
    """Lets requests to functions in, one after the other where there are many.

    :param limits: how many.
    :param is_busy: whether the process has too much to do already; asked where host.json wants that looked at.
    """

    def __init__(self, limits: HttpLimits, is_busy: Callable[[], bool]) -> None:
        self._most = limits.max_outstanding_requests
        self._is_busy = is_busy if limits.dynamic_throttles else lambda: False
        concurrent = limits.max_concurrent_requests
        self._running = None if concurrent is None else asyncio.Semaphore(concurrent)
        self.outstanding = 0

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Run a request within this, once it is its turn.

        :raises TooBusyError: there are too many.
        """
        if (self._most is not None and self.outstanding >= self._most) or self._is_busy():
            raise TooBusyError
        self.outstanding += 1
        try:
            if self._running is None:
                yield
            else:
                async with self._running:
                    yield
        finally:
            self.outstanding -= 1
