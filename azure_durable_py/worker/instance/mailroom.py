"""Hands over what one instance sends, in order per target, and puts the doorbell of its earliest timer.

Owns the order (PROTOCOL R9): one hand-over per target at a time, many targets at once. A refusal by
storage is waited for, for as long as it lasts; only an error about a message itself is final.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from azure_durable_py.errors import DurableError, StorageError
from azure_durable_py.taskhub.handing_over import hand_over
from azure_durable_py.taskhub.outgoing import Send, Sender
from azure_durable_py.taskhub.state import Alarm, Arming
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")


class Item(NamedTuple):
    """One send on its way, on whose behalf, and its number in the outbox."""

    sender: Sender
    number: int
    send: Send


_Waiting = dict[tuple[Sender, int], Item]
"""What is to go to one target, in order. What was taken on a second time meanwhile is there once."""


class Mailroom:
    """What one instance sends.

    :param wants: whether an entry is still ours to hand over.
    :param handed_over: told of each entry that is handed over.
    :param armed: told of the doorbell that was put for a timer.
    :param broken: told of an error that nobody foresaw: what was to be sent is not.
    """

    def __init__(
        self,
        context: WorkerContext,
        instance_id: str,
        *,
        wants: Callable[[Sender, int], bool],
        handed_over: Callable[[Sender, int], None],
        armed: Callable[[Arming, Alarm], None],
        broken: Callable[[str, BaseException], None],
    ) -> None:
        self._context = context
        self._instance_id = instance_id
        self._wants = wants
        self._handed_over = handed_over
        self._armed = armed
        self._waiting: dict[str, _Waiting] = {}
        self._tasks = TaskSet(on_failure=broken)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on its way."""
        return len(self._tasks) == 0

    def close(self) -> None:
        """Know nobody any more to tell of what is sent: nothing is, and nothing will be."""
        self._wants = self._handed_over = self._armed = _nobody
        self._tasks = TaskSet()

    async def stop(self) -> None:
        """Hand nothing over any more."""
        await self._tasks.cancel()

    def send(self, sender: Sender, number: int, send: Send) -> None:
        """Hand over a message or a start, behind what is still to go to the same target."""
        waiting = self._waiting.get(send.target)
        if waiting is None:
            waiting = self._waiting[send.target] = {}
            self._tasks.start(self._deliver(send.target, waiting), f"send to {send.target}")
        waiting.setdefault((sender, number), Item(sender, number, send))

    def arm(self, arming: Arming) -> None:
        """Put the doorbell that wakes the instance for its earliest timer."""
        self._tasks.start(self._arm(arming), f"alarm of {self._instance_id}")

    async def _arm(self, arming: Arming) -> None:
        hub = self._context.hub
        patience = self._context.hub.patience(f"The alarm of {self._instance_id}")
        while True:
            try:
                async with self._context.sends:
                    doorbell, message = await hub.wake(self._instance_id, arming.due)
                break
            except DurableError as error:
                await patience.wait(error)
        patience.over()
        self._armed(arming, Alarm(doorbell.id, arming.due, tuple(message.handle)))

    async def _deliver(self, target: str, waiting: _Waiting) -> None:
        patience = self._context.hub.patience(f"What {self._instance_id} sends to {target}")
        while batch := self._next(waiting):
            try:
                async with self._context.sends:
                    await hand_over(self._context.hub, batch[0].sender, [item.send for item in batch])
            except StorageError as error:
                # What no store can ever take was replaced or dropped: this may be taken later.
                await patience.wait(error)
                continue
            patience.over()
            for item in batch:
                del waiting[item.sender, item.number]
                self._handed_over(item.sender, item.number)
        del self._waiting[target]

    def _next(self, waiting: _Waiting) -> list[Item]:
        """What goes next: all that one sender has, as far as it is still ours to send."""
        for key in [key for key in waiting if not self._wants(*key)]:
            del waiting[key]
        wanted = list(waiting.values())
        return [item for item in wanted if item.sender == wanted[0].sender]


def _nobody(*_: object) -> bool:
    return False
