"""Whether storage answers: what all who wait for it know together.

Owns what is told of it, once when it begins and once when it ends, however many wait; and that all try again soon when
one of them has got an answer.
"""

from __future__ import annotations

import asyncio
import logging

from azure_durable_py.clock import Ids
from azure_durable_py.observer import NOBODY, Observer, StorageRetry

logger = logging.getLogger("azure_durable_py.taskhub")
TOLD_FROM = 0.5
"""Who waits for less than so many seconds does not make it worth a line: one lost answer is no outage."""
SOON = 0.5
"""How soon others try again, in seconds, when one has got an answer."""


class Outage:
    """The waiting for a storage that gives no answer, of all parts of one hub.

    :param ids: source of jitter.
    :param observer: told of each wait.
    """

    def __init__(self, ids: Ids, observer: Observer = NOBODY) -> None:
        self.ids = ids
        self.observer = observer
        self._waiting: dict[object, _Alarm | None] = {}
        self._since = 0.0
        self._is_told = False

    @property
    def is_told(self) -> bool:
        """Whether people know that storage does not answer: details of it are no news."""
        return self._is_told

    async def wait(self, waiter: object, what: str, error: Exception, pause: float) -> None:
        """Wait before the next try, for `pause` seconds (more or less) or until somebody else has got an answer.

        :param waiter: who waits; from now until `over`, `leave` or its cancellation.
        :param what: what waits, for the log.
        """
        now = asyncio.get_running_loop().time()
        if not self._waiting:
            self._since = now
        if pause >= TOLD_FROM and not self._is_told:
            self._is_told = True
            logger.warning("Storage does not answer (%s). What needs it waits.", str(error).rstrip("."))
        pause = self.ids.jitter(pause)
        self.observer.retry(StorageRetry(what, error, pause))
        alarm = self._waiting[waiter] = _Alarm(pause)
        try:
            await alarm.rings
            self._waiting[waiter] = None
        except BaseException:
            self.leave(waiter)
            raise
        finally:
            alarm.stop()

    def over(self, waiter: object) -> None:
        """It has got an answer. Idempotent."""
        if waiter not in self._waiting:
            return
        del self._waiting[waiter]
        for alarm in self._waiting.values():
            if alarm is not None:
                alarm.ring_within(self.ids.jitter(SOON))
        if not self._waiting and self._is_told:
            self._is_told = False
            passed = asyncio.get_running_loop().time() - self._since
            logger.info("Storage answers again, after %.0f s.", passed)

    def leave(self, waiter: object) -> None:
        """It waits no longer, and has got no answer. Idempotent."""
        self._waiting.pop(waiter, None)
        if not self._waiting:
            self._is_told = False


class _Alarm:
    """Rings after some seconds, or earlier."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.rings: asyncio.Future[None] = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self._ring)

    def ring_within(self, seconds: float) -> None:
        """Ring in so many seconds at the latest."""
        if self._timer.when() > self._loop.time() + seconds:
            self._timer.cancel()
            self._timer = self._loop.call_later(seconds, self._ring)

    def stop(self) -> None:
        """Ring no more."""
        self._timer.cancel()

    def _ring(self) -> None:
        if not self.rings.done():
            self.rings.set_result(None)
