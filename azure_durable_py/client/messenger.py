"""Sends a client's events to instances: numbering, sending again, giving up.

Owns the client's counters. Every target has a counter under a sender name of its own, so that
the receiver remembers a range of numbers and not every one (PROTOCOL R12). What is sent to a target while something
else is on its way there goes together: in one insert, with one doorbell.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from azure_durable_py.client.gathering import GatheredCall, Gathering
from azure_durable_py.errors import (
    DurableError,
    InstanceCompletedError,
    InstanceNotFoundError,
    StorageUnavailableError,
)
from azure_durable_py.history.events import Event
from azure_durable_py.observer import MessageSent
from azure_durable_py.taskhub.hub import Packed, TaskHub, pack
from azure_durable_py.taskhub.messages import CLIENT_SENDER, InboxEvent, Target
from azure_durable_py.taskhub.protocol import MAX_COMMIT_BYTES, MAX_COMMIT_ROWS, Header
from azure_durable_py.trace_context import TraceContext

GIVE_UP_SECONDS = 300.0
"""A receiver forgets a client's numbers some time after this (PROTOCOL R12): nothing is sent again later."""
MAX_TARGETS = 10_000
_SENT_AGAIN = 60


@dataclass(slots=True)
class _Counter:
    """What numbers the events for one target."""

    sender: str
    next: int = 0


@dataclass(frozen=True, slots=True)
class _Letter:
    """An event to be sent, and until when that is tried, by the monotonic clock."""

    event: Event
    target: Target
    control: bool
    trace: TraceContext | None
    until: float


_Sending: TypeAlias = GatheredCall[_Letter, None]
_Batch: TypeAlias = list[tuple[_Sending, Packed]]


class Messenger:
    """Sends events of one client."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub
        self._counters: OrderedDict[str, _Counter] = OrderedDict()
        self._looks: Gathering[None, Header | None] = Gathering(self._look)
        self._letters: Gathering[_Letter, None] = Gathering(self._post)

    async def find(self, instance_id: str) -> Header:
        """The header of an instance.

        :raises InstanceNotFoundError: there is none.
        """
        return self._found(instance_id, await self._hub.reliable.load_header(instance_id))

    def _found(self, instance_id: str, header: Header | None) -> Header:
        if header is None:
            raise InstanceNotFoundError(
                f"There is no instance {instance_id!r} in this task hub ({self._hub.store.description})."
            )
        return header

    async def find_running(self, instance_id: str) -> Header:
        """The header of an instance that still takes messages. Who asks meanwhile shares one look at it.

        :raises InstanceNotFoundError: there is none.
        :raises InstanceCompletedError: it is finished.
        """
        header = self._found(instance_id, await self._looks.ask(instance_id, None))
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
            until = self._hub.clock.monotonic() + GIVE_UP_SECONDS
            await self._letters.ask(instance_id, _Letter(event, target, control, sending.trace, until))
        self._hub.observer.sent(sent)

    async def _look(self, instance_id: str, calls: Sequence[GatheredCall[None, Header | None]]) -> None:
        header = await self._hub.reliable.load_header(instance_id)
        for call in calls:
            call.answer(header)

    # --- what goes together ------------------------------------------------------------------------

    async def _post(self, instance_id: str, calls: Sequence[_Sending]) -> None:
        """Send what fits one insert: all of it arrives, or none."""
        batch = self._pack(instance_id, calls)
        while batch:
            oldest = batch[0][0].item
            why = type(oldest.event).__name__ + (f" and {len(batch) - 1} more" if len(batch) > 1 else "")
            parcels = [packed for _, packed in batch]
            try:
                await asyncio.wait_for(
                    self._hub.retry(
                        lambda: self._hub.deliver(instance_id, parcels, why),  # noqa: B023 - called at once
                        attempts=_SENT_AGAIN,
                    ),
                    oldest.until - self._hub.clock.monotonic(),
                )
            except asyncio.TimeoutError:
                batch = self._without_late(instance_id, batch)
            except DurableError as error:
                for call, _ in batch:
                    call.fail(error)
                return
            else:
                for call, _ in batch:
                    call.answer(None)
                return

    def _pack(self, instance_id: str, calls: Sequence[_Sending]) -> _Batch:
        """Number calls, in order, as many as go together. What can never be stored fails alone, and has no number."""
        counter, batch, size = self._counter(instance_id), _Batch(), 0
        for call in calls:
            letter = call.item
            event = InboxEvent(
                letter.event,
                counter.sender,
                counter.next,
                letter.event.timestamp,
                letter.target,
                letter.control,
                letter.trace,
            )
            try:
                packed = pack(instance_id, event)
            except DurableError as error:
                call.fail(error)
                continue
            size += packed.size
            if batch and (len(batch) == MAX_COMMIT_ROWS or size > MAX_COMMIT_BYTES):
                break
            counter.next += 1
            batch.append((call, packed))
        return batch

    def _without_late(self, instance_id: str, batch: _Batch) -> _Batch:
        """What is still to be tried: a receiver remembers no longer that the others came (PROTOCOL R12)."""
        now, left = self._hub.clock.monotonic(), _Batch()
        for call, packed in batch:
            if call.item.until > now:
                left.append((call, packed))
                continue
            why = type(call.item.event).__name__
            call.fail(
                StorageUnavailableError(
                    f"Storage gave no answer for {GIVE_UP_SECONDS:g} s; whether {why} reached instance "
                    f"{instance_id!r} is unknown ({self._hub.store.description})."
                )
            )
        return left

    def _counter(self, instance_id: str) -> _Counter:
        # A counter that was dropped must not begin again under its old name.
        counter = self._counters.pop(instance_id, None) or _Counter(CLIENT_SENDER + self._hub.ids.new())
        self._counters[instance_id] = counter
        if len(self._counters) > MAX_TARGETS:
            self._counters.popitem(last=False)
        return counter
