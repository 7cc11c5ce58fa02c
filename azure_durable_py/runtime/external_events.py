"""External events: who waits for which, and what arrived before anybody waited.

Owns the matching of events to waits within one generation: names regardless of case, events
in order of arrival, the oldest wait first. It never looks into the data of an event.

A wait that code has dropped (it lost in a `task_any`) takes no event. If code shows interest
in it again - awaits it, or asks whether it is completed - it takes the oldest event that
nobody has taken. A wait that was dropped before code looked at its event gives it back.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from azure_durable_py.history.events import EventRaised, Value
from azure_durable_py.runtime.tasks import AtomicTask, TaskState

T = TypeVar("T")
MOST_NAMES = 50
"""Names of events that are told of one instance."""


class EventTask(AtomicTask[T]):
    """Waits for one external event; its result is the event's data."""

    __slots__ = ("_decode", "_events", "arrival", "given_name", "name", "queued", "since")

    def __init__(
        self, events: ExternalEvents, name: str, number: int, decode: Callable[[Value], T], since: datetime | None
    ) -> None:
        super().__init__(number)
        self._events = events
        self._decode = decode
        self.given_name = name
        self.name = name.lower()
        self.since = since
        self.arrival: int | None = None
        self.queued = False

    def __repr__(self) -> str:
        return f"<wait for event {self.name!r}, {self._state.name.lower()}>"

    @property
    def state(self) -> TaskState:
        """How far the wait is. Asking counts as interest in a wait that was dropped."""
        if self._dropped and self._state is TaskState.RUNNING:
            self._events.claim(self)
        self._observe()
        return self._state

    @property
    def is_completed(self) -> bool:
        """Whether it has an event, or was cancelled. Asking counts as interest, too."""
        return self.state is not TaskState.RUNNING

    def want(self) -> None:
        """Code waits for the event (again)."""
        super().want()
        if self._state is TaskState.RUNNING:
            self._events.enqueue(self)
        self._observe()

    def cancel(self) -> bool:
        """Stop waiting; later events go to other waits. False, without effect, if it is completed."""
        return self._cancel()

    def abandon(self) -> None:
        """Code that waited for the event, or was about to, was cancelled: one that it never saw is given back."""
        super().abandon()
        if self.arrival is not None:
            arrival, self.arrival = self.arrival, None
            event = self._events.unseen(arrival)
            if event is not None:
                self._state, self._value, self._error, self._dropped = TaskState.RUNNING, None, None, True
                self._events.give_back(arrival, event)

    def waits(self) -> bool:
        """Whether it takes the next event of its name."""
        return self._state is TaskState.RUNNING and not self._dropped

    def deliver(self, arrival: int, event: EventRaised) -> None:
        """Complete with an event; `arrival` is its number in order of arrival."""
        self.arrival = arrival
        try:
            value = self._decode(event.data)
        except Exception as error:  # noqa: BLE001 - the error belongs to the code that awaits the task
            self.fail(error)
        else:
            self.settle(value)

    def _observe(self) -> None:
        if self.arrival is not None:
            self._events.consumed(self.arrival)
            self.arrival = None


class ExternalEvents:
    """The events and waits of one generation."""

    def __init__(self) -> None:
        self._arrivals = 0
        self._waits = 0
        self._buffers: dict[str, deque[tuple[int, EventRaised]]] = {}
        self._waiting: dict[str, list[tuple[int, EventTask[Any]]]] = {}
        self._unseen: dict[int, EventRaised] = {}

    def wait(self, name: str, decode: Callable[[Value], T], since: datetime | None = None) -> EventTask[T]:
        """A new wait; it is completed at once if an event is buffered.

        :param since: replay time, for people who ask how long it waits.
        """
        self._waits += 1
        task = EventTask(self, name, self._waits, decode, since)
        self.enqueue(task)
        return task

    def raise_event(self, event: EventRaised) -> None:
        """Hand an event to the oldest wait, or buffer it."""
        task = self._oldest(event.name.lower())
        if task is None:
            self.keep(event)
        else:
            self._arrivals += 1
            self._give(task, self._arrivals, event)

    def keep(self, event: EventRaised) -> None:
        """Buffer an event, whoever waits."""
        self._arrivals += 1
        self._buffers.setdefault(event.name.lower(), deque()).append((self._arrivals, event))

    def enqueue(self, task: EventTask[Any]) -> None:
        """Let a wait take a buffered event, else the next one."""
        if not self.claim(task) and not task.queued:
            task.queued = True
            heapq.heappush(self._waiting.setdefault(task.name, []), (task.number, task))

    def claim(self, task: EventTask[Any]) -> bool:
        """Give a wait the oldest buffered event, if there is one."""
        buffer = self._buffers.get(task.name)
        if not buffer:
            return False
        self._give(task, *buffer.popleft())
        return True

    def awaited(self) -> dict[str, datetime]:
        """The names of the events that would be taken if they came now, as code wrote them, and since when.

        The oldest wait for a name speaks for all of them; of many names only some are told.
        """
        found: dict[str, datetime] = {}
        for waiting in self._waiting.values():
            while waiting and not waiting[0][1].waits():
                heapq.heappop(waiting)[1].queued = False
            if waiting and waiting[0][1].since is not None:
                found[waiting[0][1].given_name] = waiting[0][1].since
            if len(found) == MOST_NAMES:
                break
        return found

    def give_back(self, arrival: int, event: EventRaised) -> None:
        """Hand an event on that its wait did not look at."""
        self.consumed(arrival)
        task = self._oldest(event.name.lower())
        if task is None:
            buffer = self._buffers.setdefault(event.name.lower(), deque())
            buffer.insert(sum(earlier < arrival for earlier, _ in buffer), (arrival, event))
        else:
            self._give(task, arrival, event)

    def unseen(self, arrival: int) -> EventRaised | None:
        """The event of this number, if a wait has it and code has not looked at it."""
        return self._unseen.get(arrival)

    def consumed(self, arrival: int) -> None:
        """Code has seen this event."""
        self._unseen.pop(arrival, None)

    def unconsumed(self) -> tuple[EventRaised, ...]:
        """In order of arrival, the events that nobody took or that code never looked at."""
        left = dict(self._unseen)
        for buffer in self._buffers.values():
            left.update(buffer)
        return tuple(left[arrival] for arrival in sorted(left))

    def _give(self, task: EventTask[Any], arrival: int, event: EventRaised) -> None:
        # Noted before delivery: a composite that the delivery decides counts as looking at it.
        self._unseen[arrival] = event
        held = any(True for _ in task.parents)
        task.deliver(arrival, event)
        if held:
            self.consumed(arrival)

    def _oldest(self, name: str) -> EventTask[Any] | None:
        waiting = self._waiting.get(name, [])
        while waiting:
            _, task = heapq.heappop(waiting)
            task.queued = False
            if task.waits():
                return task
        return None
