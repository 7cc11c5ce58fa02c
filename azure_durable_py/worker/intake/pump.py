"""Takes messages out of one queue, as fast as there is room for them and no oftener than needed.

Owns the pace of polling: while messages come it asks again at once; an empty answer doubles
the pause up to the maximum, but no pause goes past the moment at which the next message becomes
visible, as far as that is known: of what this process puts, always; of everything else if the store
can tell. One that is told of every message has no pause at all: it asks when there is something to be had.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Callable

from azure_durable_py.errors import StorageError, StorageUnavailableError
from azure_durable_py.observer import StorageRetry
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.wakeup import Wakeup

logger = logging.getLogger("azure_durable_py.worker")
FIRST_PAUSE = 0.1
LONGEST_ERROR_PAUSE = 30.0
LONGEST_PAUSE_WITHOUT_ANSWER = 5.0
"""Seconds. Nothing else may be asking meanwhile: so late at most is it noticed that storage is back."""


class Pump:
    """Polls one queue.

    :param handle: takes each message, and the time by the monotonic clock at which it was asked for; must not wait.
    :param room: how many more messages may be taken now.
    :param visibility: seconds for which a received message is ours.
    :param max_pause: longest pause between two polls of an idle queue, in seconds; infinite: the store tells of every
        message, and when it is visible, so that no poll is needed beside.
    :param batch: messages taken at once, 1 to 32.
    """

    def __init__(
        self,
        hub: TaskHub,
        queue: str,
        handle: Callable[[QueueMessage, float], None],
        room: Callable[[], int],
        *,
        visibility: float,
        max_pause: float,
        batch: int,
    ) -> None:
        self._hub = hub
        self._queue = queue
        self._handle = handle
        self._room = room
        self._visibility = visibility
        self._max_pause = max_pause
        self._is_told = max_pause == math.inf
        self._first_pause = math.inf if self._is_told else FIRST_PAUSE
        self._batch = batch
        self._wake = Wakeup()
        self._due: list[float] = []
        self._news = False
        self._lacks_room = False

    def announce(self, queue: str, delay: float) -> None:
        """A message was put by this process: poll when it becomes visible."""
        if queue == self._queue and not self._is_told:
            heapq.heappush(self._due, self._hub.clock.monotonic() + delay)
            self._wake.set()

    def more_room(self) -> None:
        """There is room, where there may have been none."""
        if self._lacks_room:
            self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        unwatch = self._hub.store.watch(self._look)
        try:
            await self._poll()
        finally:
            unwatch()

    def _look(self) -> None:
        """There may be messages that this process does not know of."""
        self._news = True
        self._wake.set()

    async def _poll(self) -> None:
        pause = self._first_pause
        next_poll = self._hub.clock.monotonic()
        while True:
            self._wake.clear()
            if self._news:
                self._news = False
                next_poll = min(next_poll, await self._next_visible())
                continue
            room = min(self._room(), self._batch)
            now = self._hub.clock.monotonic()
            due = min(next_poll, self._due[0]) if self._due else next_poll
            self._lacks_room = room <= 0
            if room <= 0 or due > now:
                await self._wake.wait(None if room <= 0 else due - now)
                continue
            announced = self._forget_due(now)
            messages, asked_at = await self._receive(room)
            for message in messages:
                self._take(message, asked_at)
            pause = self._first_pause if messages or announced else min(2 * pause, self._max_pause)
            if len(messages) == room:
                next_poll = now
                continue
            next_poll = self._hub.clock.monotonic() + self._hub.ids.jitter(pause, 0.1)
            if self._is_told or not messages:
                next_poll = min(next_poll, await self._next_visible())

    def _take(self, message: QueueMessage, asked_at: float) -> None:
        try:
            self._handle(message, asked_at)
        except Exception:
            # One message must not keep this worker from all the others.
            logger.exception("A message in %s could not be taken and will be delivered again.", self._queue)

    async def _next_visible(self) -> float:
        """When to poll so that the next message is taken as soon as it is visible."""
        try:
            seconds = await self._hub.store.next_visible(self._queue)
        except StorageError as error:
            logger.debug("Queue %s cannot be looked at: %s", self._queue, error)
            seconds = LONGEST_PAUSE_WITHOUT_ANSWER
        return math.inf if seconds is None else self._hub.clock.monotonic() + seconds

    def _forget_due(self, now: float) -> bool:
        announced = False
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
            announced = True
        return announced

    async def _receive(self, room: int) -> tuple[list[QueueMessage], float]:
        """Receive, waiting ever longer between tries while storage cannot be reached; tells when it was asked."""
        pause, refused, outage = 1.0, False, self._hub.outage
        while True:
            asked_at = self._hub.clock.monotonic()
            try:
                messages = await self._hub.store.receive_messages(self._queue, room, self._visibility)
            except StorageUnavailableError as error:
                await outage.wait(self, f"queue {self._queue}", error, pause)
                pause = min(2 * pause, LONGEST_PAUSE_WITHOUT_ANSWER)
            except StorageError as error:
                outage.leave(self)
                if not refused:
                    logger.warning("Queue %s cannot be read: %s It is tried again until it can.", self._queue, error)
                refused = True
                jittered = self._hub.ids.jitter(pause)
                self._hub.observer.retry(StorageRetry(f"queue {self._queue}", error, jittered))
                await asyncio.sleep(jittered)
                pause = min(2 * pause, LONGEST_ERROR_PAUSE)
            else:
                outage.over(self)
                if refused:
                    logger.info("Queue %s can be read again.", self._queue)
                return messages, asked_at
