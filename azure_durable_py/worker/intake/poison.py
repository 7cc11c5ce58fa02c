"""Messages in our queues that this worker cannot read.

What is not ours is set aside where nobody trips over it. What is of a newer version of this package is left where it
is, for a worker that is upgraded.
"""

from __future__ import annotations

import logging

from azure_durable_py.errors import MessageLostError, StorageError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import MalformedMessageError
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import MAX_MESSAGE_CHARS, QueueMessage
from azure_durable_py.taskhub.upgrades import NewerFormatError

logger = logging.getLogger("azure_durable_py.worker")
LONGEST_PAUSE = 60.0
"""How long a message of a version to come is left alone at most, in seconds."""
UNREADABLE = (MalformedMessageError, NewerFormatError)
"""Why a message cannot be read."""


async def turn_away(hub: TaskHub, message: QueueMessage, error: Exception) -> None:
    """See to a message that could not be read (`UNREADABLE`)."""
    if isinstance(error, NewerFormatError):
        await leave(hub, message, error)
    else:
        await set_aside(hub, message, error)


def pause_before(delivery: int) -> float:
    """How long to leave a message of a version to come alone, in seconds, before its delivery of this number."""
    return min(2.0 ** min(delivery - 1, 10), LONGEST_PAUSE)


async def set_aside(hub: TaskHub, message: QueueMessage, error: Exception) -> None:
    """Move a message that cannot be read to the poison queue, and say so."""
    poison = poison_queue(message.queue)
    logger.error(
        "A message in queue %s is not one of this task hub (%s); it is moved to %s. It begins: %.80r",
        message.queue,
        error,
        poison,
        message.body,
    )
    try:
        await hub.reliable.put_message(poison, _copy(message.body))
        await hub.reliable.delete_message(message)
    except MessageLostError:
        return
    except StorageError as failure:
        logger.warning("It could not be moved and will be seen again: %s", failure)


async def leave(hub: TaskHub, message: QueueMessage, error: NewerFormatError) -> None:
    """Let go of a message of a version to come, as it is: it comes again, later each time."""
    pause = pause_before(message.dequeue_count)
    logger.warning(
        "A message in queue %s is left for another worker, and comes again in %.0f s: %s", message.queue, pause, error
    )
    try:
        await hub.retry(lambda: hub.store.extend_message(message, pause))
    except MessageLostError:
        return
    except StorageError as failure:
        logger.warning("It could not be let go, and comes again when its visibility ends: %s", failure)


def _copy(body: str) -> str:
    """A body that every queue takes: what is too long is cut and says so, what is no Unicode is escaped."""
    raw = body.encode(errors="backslashreplace")
    if len(raw) <= MAX_MESSAGE_CHARS:
        return raw.decode()
    note = f" ... (cut; there were {len(body)} characters)"
    return raw[: MAX_MESSAGE_CHARS - len(note)].decode(errors="ignore") + note
