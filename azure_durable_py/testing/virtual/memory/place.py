"""Where hubs in memory are kept: their rows and their messages. It knows nothing of calls."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from datetime import datetime

from azure_durable_py.taskhub.protocol import BlobRow, Header, HubInfo, InboxRow, StoredKeys


@dataclass(slots=True)
class Partition:
    """All rows of one instance."""

    header: Header | None = None
    damage: str = ""
    """What of the columns of the header cannot be read, and why; empty: all can."""
    inbox: dict[str, InboxRow] = field(default_factory=lambda: {})
    blobs: dict[str, BlobRow] = field(default_factory=lambda: {})

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of it."""
        return self.header is None and not self.inbox and not self.blobs


@dataclass(slots=True)
class Message:
    """One message, visible or not."""

    id: int
    body: str
    visible_at: datetime
    inserted: datetime
    dequeue_count: int = 0
    receipt: int = 0


class Queue:
    """One queue; messages are taken in the order in which they became visible."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self._order: list[tuple[datetime, int]] = []

    def place(self, message: Message) -> None:
        """Put a message in, or note that it becomes visible at another time."""
        self.messages[message.id] = message
        heapq.heappush(self._order, (message.visible_at, message.id))

    def first(self) -> Message | None:
        """The message that is visible first, now or later."""
        while self._order:
            visible_at, number = self._order[0]
            message = self.messages.get(number)
            if message is not None and message.visible_at == visible_at:
                return message
            heapq.heappop(self._order)
        return None

    def take(self, now: datetime) -> Message | None:
        """Take a visible message out; it is to be placed again."""
        message = self.first()
        if message is None or message.visible_at > now:
            return None
        heapq.heappop(self._order)
        return message


class Place:
    """Where hubs are kept: stores that share one see the same."""

    def __init__(self) -> None:
        self.hubs: dict[str, HubInfo] = {}
        self.partitions: dict[str, dict[str, Partition]] = {}
        self.queues: dict[str, Queue] = {}
        self.keys: dict[str, StoredKeys] = {}
        self.messages_made = 0
