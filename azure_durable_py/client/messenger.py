"""Sends a client's events to instances: numbering, sending again, giving up.

Owns the client's counters. Every target has a counter under a sender name of its own, so that
the receiver remembers a range of numbers and not every one (PROTOCOL R12).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from azure_durable_py.errors import InstanceCompletedError, InstanceNotFoundError, StorageUnavailableError
from azure_durable_py.history.events import Event
from azure_durable_py.observer import MessageSent
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import CLIENT_SENDER, InboxEvent, Target
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.trace_context import TraceContext

GIVE_UP_SECONDS = 300.0
"""A receiver forgets a client's numbers some time after this (PROTOCOL R12): nothing is sent again later."""
MAX_TARGETS = 10_000
_SENT_AGAIN = 60


class Messenger:
    """Sends events of one client."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub
        self._counters: OrderedDict[str, tuple[str, int]] = OrderedDict()

    async def find(self, instance_id: str) -> Header:
        """The header of an instance.

        :raises InstanceNotFoundError: there is none.
        """
        header = await self._hub.reliable.load_header(instance_id)
        if header is None:
            raise InstanceNotFoundError(
                f"There is no instance {instance_id!r} in this task hub ({self._hub.store.description})."
            )
        return header

    async def find_running(self, instance_id: str) -> Header:
        """The header of an instance that still takes messages.

        :raises InstanceNotFoundError: there is none.
        :raises InstanceCompletedError: it is finished.
        """
        header = await self.find(instance_id)
        if header.is_terminal:
            raise InstanceCompletedError(
                f"Instance {instance_id!r} is {header.columns.runtime_status} and takes no more messages. "
                "Start or restart it first."
            )
        return header

    async def control(self, header: Header, event: Event) -> None:
        """Send a control event to the execution that a header shows.

        :raises StorageUnavailableError: storage gave no answer for 5 minutes.
        """
        await self._send(header.instance_id, event, Target(header.columns.execution_id), control=True)

    async def send(self, instance_id: str, event: Event, execution_id: str | None = None) -> None:
        """Send an ordinary event.

        :param execution_id: the execution that it is for; None: whatever is there when it arrives.
        :raises PayloadTooLargeError: its data is larger than the hub stores.
        :raises StorageUnavailableError: storage gave no answer for 5 minutes.
        """
        await self._send(instance_id, event, Target(execution_id), control=False)

    async def _send(self, instance_id: str, event: Event, target: Target, *, control: bool) -> None:
        sent = MessageSent(instance_id, target.execution_id, event)
        with self._hub.observer.sending(sent) as sending:
            await self._deliver(instance_id, event, target, sending.trace, control=control)
        self._hub.observer.sent(sent)

    async def _deliver(
        self, instance_id: str, event: Event, target: Target, trace: TraceContext | None, *, control: bool
    ) -> None:
        sender, sequence = self._next(instance_id)
        message = InboxEvent(event, sender, sequence, event.timestamp, target, control, trace)
        why = type(event).__name__
        try:
            await asyncio.wait_for(
                self._hub.retry(lambda: self._hub.deliver(instance_id, [message], why), attempts=_SENT_AGAIN),
                GIVE_UP_SECONDS,
            )
        except asyncio.TimeoutError:
            raise StorageUnavailableError(
                f"Storage gave no answer for {GIVE_UP_SECONDS:g} s; whether {why} reached instance {instance_id!r} "
                f"is unknown ({self._hub.store.description})."
            ) from None

    def _next(self, instance_id: str) -> tuple[str, int]:
        # A counter that was dropped must not begin again under its old name.
        sender, sequence = self._counters.pop(instance_id, ("", 0))
        if not sender:
            sender = CLIENT_SENDER + self._hub.ids.new()
        self._counters[instance_id] = (sender, sequence + 1)
        if len(self._counters) > MAX_TARGETS:
            self._counters.popitem(last=False)
        return sender, sequence
