"""Doorbells and work items that a Functions host delivers, one invocation each.

Owns what is different there from our own pumps: an invocation ends in place of a message being
deleted, a message is put back by putting a fresh one, and no invocation waits long. An exception
leaves an invocation only when storage has been out of reach for so long that nothing else is left:
the host would deliver the message again at once, and five times in two seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.messages import Doorbell, MalformedMessageError, Unread, WorkItem, put_back_unread
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.given_up import after_rounds
from azure_durable_py.worker.intake.delivery import Delivery, Held
from azure_durable_py.worker.intake.poison import pause_before
from azure_durable_py.worker.intake.protocol import Receiver, Terms

logger = logging.getLogger("azure_durable_py.worker")
_Envelope = TypeVar("_Envelope", Doorbell, WorkItem)
KEEP_RETRY_PAUSE = 5.0
SHORT_PATIENCE = 1.0
"""How long an invocation may wait, in seconds, while too many wait already."""
MOST_ROUNDS = 5
"""How often a message may come out of the poison queue before what it is about fails."""
FIRST_POISON_DELAY = 30.0
LONGEST_POISON_DELAY = 3600.0


@dataclass(frozen=True, slots=True)
class HostLimits:
    """What a Functions host bears. Durations are in seconds.

    `held_at_most`: invocations that may wait at once for what their message guards; `patience`:
    how long each of them may; `give_up_after`: how long an invocation outlasts a storage that does
    not answer; `local_bound`: an activity that ran longer than this is a slow one, whose further calls
    go to the queue, where the host knows of them. `drop_after`, `take_over_after`: see `WorkerContext`.
    """

    held_at_most: int = 12
    patience: float = 5.0
    give_up_after: float = 120.0
    local_bound: float = 60.0
    drop_after: float = 0.05
    take_over_after: float = 900.0


class Invocation:
    """How a message is settled that the host deletes when its invocation ends."""

    def __init__(
        self, context: WorkerContext, instance_id: str, queue: str, visibility: float, body: Callable[[int], str]
    ) -> None:
        self._context = context
        self._instance_id = instance_id
        self._queue = queue
        self._visibility = visibility
        self._body = body
        self._puts = 0
        self._kept: Held | None = None
        self._error: StorageError | None = None
        self._over = asyncio.Event()
        self._changing = asyncio.Lock()

    @property
    def lost(self) -> bool:
        return self._kept is not None and self._kept.lost

    @property
    def overdue(self) -> bool:
        return self._kept is not None and self._kept.overdue

    async def confirm(self) -> bool:
        # While its invocation lasts, the host keeps the message.
        return self._kept is None or await self._kept.confirm()

    async def ack(self) -> None:
        async with self._changing:
            if self._kept is not None:
                await self._kept.ack()
            self._over.set()

    async def put_back(self, delay: float) -> None:
        async with self._changing:
            if self._kept is not None:
                await self._kept.put_back(delay)
            elif not self._over.is_set():
                await self._put(delay)
                self._over.set()

    async def release(self) -> None:
        if self._kept is not None:
            await self._kept.release()
        else:
            await self.put_back(0.0)

    async def _put(self, delay: float) -> None:
        hub = self._context.hub
        try:
            await hub.retry(lambda: hub.put(self._queue, self._again(), delay))
        except StorageError as error:
            self._error = error

    def _again(self) -> str:
        self._puts += 1
        return self._body(self._puts)

    async def keep(self) -> None:
        """Let the invocation end: from now on a fresh message with the same id guards, kept by this process.

        :raises StorageError: it cannot be put.
        """
        async with self._changing:
            if self._over.is_set():
                return
            put_at = self._context.hub.clock.monotonic()
            message = await self._context.hub.put(self._queue, self._again(), self._visibility, hold=True)
            self._kept = self._context.holder.hold(message, put_at, self._visibility, self._again, self._instance_id)
            self._over.set()

    async def wait(self, patience: float, give_up_after: float) -> None:
        """Wait until the invocation may end; after `patience` seconds see to it that it may.

        :raises StorageError: storage took no message for `give_up_after` seconds.
        """
        clock = self._context.hub.clock
        give_up_at = clock.monotonic() + give_up_after
        while not await self._is_over(patience):
            try:
                await self.keep()
            except StorageError as error:
                if clock.monotonic() >= give_up_at:
                    raise
                logger.warning("An invocation has to wait, as nothing can be put into %s: %s", self._queue, error)
                patience = KEEP_RETRY_PAUSE
        if self._error is not None:
            raise self._error

    async def _is_over(self, timeout: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), timeout)
        except asyncio.TimeoutError:
            return self._over.is_set()
        return True


class Invocations:
    """Brings a worker the messages that a Functions host delivers.

    :param limits: of the host.
    """

    def __init__(self, limits: HostLimits) -> None:
        self._limits = limits
        self._held = 0
        self._receiver: Receiver | None = None

    @property
    def terms(self) -> Terms:
        """Those of a worker whose host waits for each message to come to its end."""
        # An invocation that waits is one that the host cannot give to others.
        return Terms(self._limits.local_bound, self._limits.drop_after, self._limits.take_over_after)

    def start(self, receiver: Receiver) -> Sequence[asyncio.Task[None]]:
        """Serve invocations from now on."""
        self._receiver = receiver
        return ()

    def stop(self) -> None:
        """Invocations end when the host says so."""

    def instance_room_made(self) -> None:
        """It is the host that knows how much it may deliver."""

    def activity_room_made(self) -> None:
        """It is the host that knows how much it may deliver."""

    @property
    def _worker(self) -> Receiver:
        if self._receiver is None:
            raise RuntimeError("No worker takes these invocations yet: start one with them as its intake.")
        return self._receiver

    @property
    def _context(self) -> WorkerContext:
        return self._worker.context

    async def deliver_doorbell(self, body: str, dequeue_count: int) -> None:
        """Let an instance do what it has to do.

        :param body: the message.
        :param dequeue_count: how often it was delivered, this time included.
        :raises StorageError: storage is out of reach; waited for already.
        """
        doorbell = await self._read(Doorbell, body)
        if doorbell is None:
            return
        hub = self._context.hub
        settlement = Invocation(
            self._context,
            doorbell.instance_id,
            hub.store.instance_queue(doorbell.instance_id),
            self._context.settings.instance_visibility_timeout,
            lambda puts: replace(doorbell, again=doorbell.again + puts, tag=hub.ids.short()).encode(),
        )
        rank = (doorbell.again, doorbell.tag, dequeue_count)
        failure = after_rounds(doorbell.subject, doorbell.poisoned, MOST_ROUNDS)
        delivery = Delivery(doorbell.id, rank, settlement, doorbell.cause, failure, poisoned=doorbell.poisoned > 0)
        self._worker.ring(doorbell.instance_id, delivery)
        await self._wait(settlement)

    async def run_work_item(self, body: str, dequeue_count: int) -> None:
        """Run an activity.

        :param body: the message.
        :param dequeue_count: how often it was delivered, this time included.
        :raises StorageError: storage is out of reach; waited for already.
        """
        item = await self._read(WorkItem, body)
        if item is None:
            return
        hub = self._context.hub
        settlement = Invocation(
            self._context,
            item.instance_id,
            hub.store.activity_queue,
            self._context.settings.activity_visibility_timeout,
            lambda puts: replace(item, again=item.again + puts, tag=hub.ids.short()).encode(),
        )
        rank = (item.again, item.tag, dequeue_count)
        delivery = Delivery(item.id, rank, settlement, item=True, poisoned=item.poisoned > 0)
        failure = after_rounds(item.subject, item.poisoned, MOST_ROUNDS)
        await self._worker.activities.run(item, delivery, failure)
        await self._wait(settlement)

    async def put_back_doorbell(self, body: str) -> None:
        """Take a doorbell out of the poison queue: put it back, ever later.

        :raises StorageError: it cannot be put; waited for already.
        """
        await self._put_back(Doorbell, body)

    async def put_back_work_item(self, body: str) -> None:
        """Take a work item out of the poison queue: put it back, ever later.

        :raises StorageError: it cannot be put; waited for already.
        """
        await self._put_back(WorkItem, body)

    async def _put_back(self, envelope: type[_Envelope], body: str) -> None:
        message = await self._read(envelope, body, poisoned=True)
        if message is None:
            return
        hub = self._context.hub
        again = replace(message.put_back(hub.ids.short()), poisoned=message.poisoned + 1)
        delay = min(FIRST_POISON_DELAY * 2 ** min(again.poisoned - 1, 10), LONGEST_POISON_DELAY)
        logger.error(
            "The message for %s was given up by the host (round %d of %d): deliveries ended with the process, by "
            "functionTimeout, or without storage. It is put back for in %.0f s.",
            again.subject,
            again.poisoned,
            MOST_ROUNDS,
            delay,
        )
        await hub.retry(lambda: hub.put(self._queue_of(envelope, again.instance_id), again.encode(), delay))

    async def _read(self, envelope: type[_Envelope], body: str, *, poisoned: bool = False) -> _Envelope | None:
        """A message; None: it is none of ours, or of a version to come and put back.

        :raises StorageError: it cannot be put; waited for already.
        """
        try:
            try:
                return envelope.decode(body)
            except NewerFormatError as error:
                unread = put_back_unread(body, self._context.hub.ids.short(), poisoned=poisoned)
                await self._leave(unread, self._queue_of(envelope, unread.instance_id), error)
        except MalformedMessageError as error:
            logger.error("A message is not one of this task hub (%s); it is dropped. It begins: %.500r", error, body)
        return None

    async def _leave(self, unread: Unread, queue: str, error: NewerFormatError) -> None:
        # The host would deliver it again at once and give it up after a few times: so a fresh one takes its place.
        hub = self._context.hub
        pause = pause_before(unread.again)
        logger.warning(
            "A message for instance %r is left for another worker, and comes again in %.0f s: %s",
            unread.instance_id,
            pause,
            error,
        )
        await hub.retry(lambda: hub.put(queue, unread.body, pause))

    def _queue_of(self, envelope: type[_Envelope], instance_id: str) -> str:
        store = self._context.hub.store
        return store.instance_queue(instance_id) if envelope is Doorbell else store.activity_queue

    async def _wait(self, settlement: Invocation) -> None:
        with self._one_held() as patience:
            await settlement.wait(patience, self._limits.give_up_after)

    @contextmanager
    def _one_held(self) -> Generator[float]:
        """Count an invocation; gives how long it may wait (PROTOCOL R23)."""
        self._held += 1
        try:
            yield self._limits.patience if self._held <= self._limits.held_at_most else SHORT_PATIENCE
        finally:
            self._held -= 1
