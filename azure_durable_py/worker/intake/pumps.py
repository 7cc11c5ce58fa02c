"""Messages that a worker takes out of the hub's queues itself: a pump for each queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from azure_durable_py.taskhub.messages import Doorbell
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.worker.intake.delivery import Delivery
from azure_durable_py.worker.intake.poison import UNREADABLE, set_aside, turn_away
from azure_durable_py.worker.intake.protocol import Receiver, Terms
from azure_durable_py.worker.intake.pump import Pump

ITEMS, DOORBELLS = "work items", "doorbells"
"""What the pumps are called in the worker's health."""


class Pumps:
    """Polls the queues, as fast as there is room for what comes."""

    def __init__(self) -> None:
        self._doorbells: list[Pump] = []
        self._items: list[Pump] = []
        self._unlisten: Callable[[], None] | None = None

    @property
    def terms(self) -> Terms:
        """Those of a worker that nobody else waits for."""
        return Terms()

    def start(self, receiver: Receiver) -> Sequence[asyncio.Task[None]]:
        """Begin to poll."""
        context = receiver.context
        settings, store = context.settings, context.hub.store
        take_doorbell = _guarded(receiver, lambda message, asked_at: _take_doorbell(receiver, message, asked_at))
        self._doorbells = [
            _pump(
                receiver,
                queue,
                take_doorbell,
                lambda: context.room,
                settings.instance_visibility_timeout,
            )
            for queue in store.instance_queues
        ]
        activities = receiver.activities
        take_item = _guarded(receiver, activities.take)
        self._items = [
            _pump(receiver, store.activity_queue, take_item, activities.room, settings.activity_visibility_timeout)
        ]
        self._unlisten = context.hub.listen(self._announce)
        named = [(f"{DOORBELLS} {number}", pump) for number, pump in enumerate(self._doorbells, 1)]
        named += [(ITEMS, pump) for pump in self._items]
        return [context.supervisor.begin(name, pump.run, essential=True) for name, pump in named]

    def stop(self) -> None:
        """Hear of no more messages that this process puts."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def instance_room_made(self) -> None:
        """Take doorbells again."""
        for pump in self._doorbells:
            pump.more_room()

    def activity_room_made(self) -> None:
        """Take work items again."""
        for pump in self._items:
            pump.more_room()

    def _announce(self, queue: str, delay: float) -> None:
        for pump in (*self._doorbells, *self._items):
            pump.announce(queue, delay)


_Take = Callable[[QueueMessage, float], None]


def _pump(receiver: Receiver, queue: str, handle: _Take, room: Callable[[], int], visibility: float) -> Pump:
    hub, settings = receiver.context.hub, receiver.context.settings
    max_pause = settings.max_queue_polling_interval
    return Pump(
        hub,
        queue,
        handle,
        room,
        visibility=visibility,
        max_pause=hub.store.longest_pause if max_pause is None else max_pause,
        batch=settings.queue_batch_size,
    )


def _guarded(receiver: Receiver, handle: _Take) -> _Take:
    """What takes a message, such that one that cannot be taken is set aside and stops no other."""
    context = receiver.context

    def take(message: QueueMessage, asked_at: float) -> None:
        try:
            handle(message, asked_at)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message is to be taken
            context.supervisor.report("messages", f"a message of {message.queue} is set aside", error)
            context.supervisor.health.resumed("messages")
            context.holder.forget_message(message)
            context.settling.start(set_aside(context.hub, message, error), "set aside")

    return take


def _take_doorbell(receiver: Receiver, message: QueueMessage, asked_at: float) -> None:
    context = receiver.context
    try:
        doorbell = Doorbell.decode(message.body)
    except UNREADABLE as error:
        context.settling.start(turn_away(context.hub, message, error), "turn away")
        return
    ids = context.hub.ids
    visibility = context.settings.instance_visibility_timeout
    again = lambda: doorbell.put_back(ids.short()).encode()  # noqa: E731
    held = context.holder.hold(message, asked_at, visibility, again, doorbell.instance_id)
    rank = (doorbell.again, doorbell.tag, message.dequeue_count)
    receiver.ring(doorbell.instance_id, Delivery(doorbell.id, rank, held, doorbell.cause))
