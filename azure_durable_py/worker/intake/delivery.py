"""Queue messages that this process holds: the guards of unfinished work.

Owns `Delivery`, one message in hand with the ways to settle it, and `Holder`, which keeps
messages of our own pumps invisible to others while they are held.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from azure_durable_py.errors import MessageLostError, StorageError, StorageUnavailableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import Cause
from azure_durable_py.taskhub.naming import BEHIND_ALL
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.state import Rank
from azure_durable_py.wakeup import Wakeup
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")


class Settlement(Protocol):
    """How one message in hand is settled. Where settling fails, the message is delivered again."""

    @property
    def lost(self) -> bool:
        """Whether it is known to have gone to another receiver."""
        ...

    @property
    def overdue(self) -> bool:
        """Whether it may have gone to another receiver without our knowing, as it was visible for some time."""
        ...

    async def confirm(self) -> bool:
        """Whether it is still ours, as storage says.

        :raises StorageError: storage does not say.
        """
        ...

    async def ack(self) -> None:
        """The message has done its work: delete it."""
        ...

    async def put_back(self, delay: float) -> None:
        """Have it delivered again, by the same id, after `delay` seconds (PROTOCOL R3)."""
        ...

    async def release(self) -> None:
        """Let go of it in good order: it is to be delivered again soon, to anybody, as if for the first time."""
        ...


UNSEEN = BEHIND_ALL
"""The horizon of a delivery before anything was loaded for it: behind all keys."""


@dataclass(slots=True, eq=False)
class Delivery:
    """One delivery of a doorbell or work item.

    `rank` orders the deliveries of messages under one id. `cause` is the doorbell's, None that of a work item.
    `suspect`: it may not be the first delivery, and nothing in the header says yet
    that it is the newest (PROTOCOL R1). `outranked`: the header says that it is not. `horizon` is the
    inbox key behind which rows are none of its business. `last`: host.json allows no other delivery.
    `failure`: why to run no more of what it asks for, but to fail it. `item`: it is a work item. `attempt`: which
    beginning of what it asks for this is, as far as is known; those before did not come to their end. `poisoned`: a
    Functions host had given the message up, and it was put back.
    """

    id: str
    rank: Rank
    settlement: Settlement
    cause: Cause | None = None
    failure: FailureDetails | None = None
    last: bool = False
    item: bool = False
    attempt: int = 1
    poisoned: bool = False
    horizon: str = UNSEEN
    outranked: bool = False
    suspect: bool = field(init=False)

    def __post_init__(self) -> None:
        again, _, count = self.rank
        self.suspect = again > 0 or count > 1

    @property
    def lost(self) -> bool:
        """Whether another delivery took over: it must not be named as guard, and what it guards is another's."""
        return self.outranked or self.settlement.lost

    @property
    def deliveries(self) -> int:
        """How often the message was delivered since it was put (back)."""
        return self.rank[2]


@dataclass(slots=True, eq=False)
class Held:
    """A message of our own pump: kept invisible until it is settled.

    `settled`: it is being deleted, or let go of.
    """

    holder: Holder
    message: QueueMessage
    visibility: float
    again: Callable[[], str]
    instance_id: str
    lost: bool = False
    settled: bool = False
    renew_at: float = 0.0
    expires_at: float = 0.0
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def overdue(self) -> bool:
        return self.holder.hub.clock.monotonic() >= self.expires_at

    async def ack(self) -> None:
        self.settled = True
        self.holder.forget(self)
        await self._quietly(lambda: self.holder.hub.store.delete_message(self.message))

    async def put_back(self, delay: float) -> None:
        await self._put_anew(delay)

    async def release(self) -> None:
        # Made visible it would count as one more delivery, as if this process had died with it.
        if self.lost or not await self._put_anew(0.0, attempts=3):
            self.settled = True
            self.holder.forget(self)
            await self._quietly(lambda: self.holder.hub.store.extend_message(self.message, 0))

    async def _put_anew(self, delay: float, attempts: int = 8) -> bool:
        # A new message first: were it the other way round, a crash between would lose the guard. Without telling our
        # own pumps, which would be there first each time: another worker may be the one that can do what we cannot.
        hub = self.holder.hub
        try:
            await hub.retry(lambda: hub.put(self.message.queue, self.again(), delay, hold=True), attempts=attempts)
        except StorageError as error:
            if not hub.outage.is_told:
                logger.warning(
                    "A message in %s is not put back and comes again as it is: %s", self.message.queue, error
                )
            return False
        else:
            await self.ack()
            return True
        finally:
            self.holder.forget(self)

    async def confirm(self) -> bool:
        try:
            await self.renew()
        except MessageLostError:
            self.lost = True
        return not self.lost

    async def renew(self) -> None:
        """Keep it invisible for another `visibility` seconds, unless it was settled meanwhile."""
        async with self.changing:
            if self.settled:
                return
            asked_at = self.holder.hub.clock.monotonic()
            self.message = await self.holder.hub.store.extend_message(self.message, self.visibility)
            self.expires_at = asked_at + self.visibility

    async def _quietly(self, call: Callable[[], Awaitable[object]]) -> None:
        # Failing to settle is harmless: the message is delivered again and finds nothing to do.
        # The lock waits for a renewal under way, which changes the receipt that settling needs.
        try:
            async with self.changing:
                if not self.lost:
                    await self.holder.hub.retry(call, attempts=3)
        except MessageLostError:
            self.lost = True
        except StorageError as error:
            if not self.holder.hub.outage.is_told:
                logger.warning(
                    "A message in %s is not settled and will be delivered again: %s", self.message.queue, error
                )


class Holder:
    """Renews the visibility of every message in hand at a third of its time, each on its own.

    :param lost: told of the instance whose message is found to have gone to another receiver.
    :param on_failure: told of a renewal that failed in a way that nobody foresaw.
    """

    def __init__(
        self, hub: TaskHub, lost: Callable[[str], None], on_failure: Callable[[str, BaseException], None]
    ) -> None:
        self.hub = hub
        self._held: dict[Held, None] = {}
        self._renewing = TaskSet(on_failure=on_failure)
        self._changed = Wakeup()
        self._asleep_until = -math.inf
        self._lost = lost

    def hold(
        self, message: QueueMessage, asked_at: float, visibility: float, again: Callable[[], str], instance_id: str
    ) -> Held:
        """Keep a message for an instance that was just received.

        :param asked_at: when it was asked for, by the monotonic clock: since then at the latest it is invisible.
        :param visibility: seconds for which it is.
        :param again: gives its body for putting it back.
        """
        held = Held(self, message, visibility, again, instance_id, expires_at=asked_at + visibility)
        held.renew_at = self.hub.clock.monotonic() + visibility / 3
        self._held[held] = None
        self._see_to(held)
        return held

    def _see_to(self, held: Held) -> None:
        """Renew it in time. Most are settled before that, and are not worth to wake for."""
        if held.renew_at < self._asleep_until:
            self._changed.set()

    def forget(self, held: Held) -> None:
        """Renew it no longer."""
        self._held.pop(held, None)

    def forget_message(self, message: QueueMessage) -> None:
        """Renew a message no longer that was held and not settled."""
        for held in [held for held in self._held if held.message is message]:
            self.forget(held)

    async def run(self) -> None:
        """Renew until cancelled."""
        try:
            while True:
                self._changed.clear()
                now = self.hub.clock.monotonic()
                for held in [held for held in self._held if held.renew_at <= now]:
                    held.renew_at = math.inf
                    self._renewing.start(self._renew(held), "renew hold")
                until = self._asleep_until = min((held.renew_at for held in self._held), default=math.inf)
                await self._changed.wait(None if until == math.inf else until - now)
        finally:
            await self._renewing.cancel()

    async def _renew(self, held: Held) -> None:
        pause = held.visibility / 10
        try:
            await held.renew()
            pause = held.visibility / 3
        except MessageLostError:
            held.lost = True
            self.forget(held)
            logger.warning("A message in %s went to another worker while it was held here.", held.message.queue)
            self._lost(held.instance_id)
        except StorageUnavailableError as error:
            if not self.hub.outage.is_told:
                logger.warning(
                    "A hold on a message in %s is not renewed (%s); trying again.", held.message.queue, error
                )
        except StorageError as error:
            pause = held.visibility / 3
            logger.error("The hold on a message in %s cannot be renewed: %s", held.message.queue, error)
        finally:
            held.renew_at = self.hub.clock.monotonic() + pause
            self._see_to(held)
