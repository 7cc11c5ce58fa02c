"""The statements on the messages of the hub's queues.

Every function takes part in a transaction of its caller. A message in hand names the open store that
received it, its owner, so that it can be let go when that owner is known to be dead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.sqlite.values import duration, taken, to_text, to_time

_INSERT = "INSERT INTO messages (queue, visible_at, dequeue_count, receipt, inserted, body) VALUES (?, ?, 0, 0, ?, ?)"
_NEXT_VISIBLE = "SELECT min(visible_at) FROM messages WHERE queue = ?"
_IS_ANY_VISIBLE = "SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ? LIMIT 1"
_SELECT_VISIBLE = (
    "SELECT id, receipt + 1, dequeue_count + 1, inserted, body FROM messages "
    "WHERE queue = ? AND visible_at <= ? ORDER BY visible_at, id LIMIT ?"
)
_TAKE = "UPDATE messages SET visible_at = ?, owner = ?, receipt = ?, dequeue_count = ? WHERE id = ?"
_EXTEND = (
    "UPDATE messages SET visible_at = ?, owner = ?, receipt = receipt + 1 WHERE id = ? AND queue = ? AND receipt = ?"
)
_DELETE = "DELETE FROM messages WHERE id = ? AND queue = ? AND receipt = ?"
_DELETE_SOME = "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE queue = ? LIMIT ?)"
_COUNT = "SELECT count(*) FROM messages WHERE queue = ?"
_COUNT_VISIBLE = "SELECT count(*) FROM (SELECT 1 FROM messages WHERE queue = ? AND visible_at <= ? LIMIT ?)"
_LET_GO = "UPDATE messages SET visible_at = min(visible_at, ?), owner = NULL WHERE owner = ?"


class Handle(NamedTuple):
    """Names one delivery of a message: the receipt changes whenever the message is taken or extended."""

    id: int
    receipt: int


def put(db: sqlite3.Connection, queue: str, body: str, delay: float, now: int) -> QueueMessage:
    """Put a message that is invisible for `delay` seconds."""
    inserted = db.execute(_INSERT, (queue, now + duration(delay), now, body))
    return QueueMessage(queue, body, 0, Handle(inserted.lastrowid or 0, 0), to_time(now))


def next_visible(db: sqlite3.Connection, queue: str) -> int | None:
    """When the first message is or becomes visible; None: there is no message."""
    return db.execute(_NEXT_VISIBLE, (queue,)).fetchone()[0]


def is_any_visible(db: sqlite3.Connection, queue: str, now: int) -> bool:
    """Whether there is a message to receive."""
    return db.execute(_IS_ANY_VISIBLE, (queue, now)).fetchone() is not None


def receive(
    db: sqlite3.Connection, queue: str, limit: int, visibility: float, now: int, owner: str | None
) -> list[QueueMessage]:
    """Take up to `limit` messages, the longest visible first."""
    rows = db.execute(_SELECT_VISIBLE, (queue, now, limit)).fetchall()
    until = now + duration(visibility)
    db.executemany(_TAKE, [(until, owner, receipt, count, number) for number, receipt, count, *_ in rows])
    return [
        QueueMessage(queue, to_text(body), count, Handle(number, receipt), taken(inserted))
        for number, receipt, count, inserted, body in rows
    ]


def extend(
    db: sqlite3.Connection, message: QueueMessage, visibility: float, now: int, owner: str | None
) -> QueueMessage:
    """Keep a message invisible for `visibility` seconds from now, in the hand of an owner.

    :raises MessageLostError: it was deleted or taken by somebody else; nothing was written.
    """
    handle = Handle(*message.handle)
    values = (now + duration(visibility), owner, handle.id, message.queue, handle.receipt)
    if db.execute(_EXTEND, values).rowcount == 0:
        raise limits.message_lost(message.queue)
    extended = Handle(handle.id, handle.receipt + 1)
    return QueueMessage(message.queue, message.body, message.dequeue_count, extended, message.inserted_on)


def delete(db: sqlite3.Connection, message: QueueMessage) -> None:
    """Delete a message in hand.

    :raises MessageLostError: it was deleted or taken by somebody else; nothing was written.
    """
    handle = Handle(*message.handle)
    if db.execute(_DELETE, (handle.id, message.queue, handle.receipt)).rowcount == 0:
        raise limits.message_lost(message.queue)


def delete_some(db: sqlite3.Connection, names: Iterable[str], limit: int) -> int:
    """Delete up to so many messages of each queue; returns how many there were."""
    return sum(db.execute(_DELETE_SOME, (queue, limit)).rowcount for queue in names)


def count(db: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """How many messages each queue holds."""
    return {queue: db.execute(_COUNT, (queue,)).fetchone()[0] for queue in names}


def count_visible(db: sqlite3.Connection, names: Iterable[str], now: int) -> dict[str, int]:
    """How many messages of each queue could be taken, up to as many as are taken at once."""
    return {queue: db.execute(_COUNT_VISIBLE, (queue, now, limits.MAX_RECEIVE)).fetchone()[0] for queue in names}


def let_go(db: sqlite3.Connection, owner: str, now: int) -> int:
    """Make visible what an owner has in hand; returns how many messages that were."""
    return db.execute(_LET_GO, (now, owner)).rowcount
