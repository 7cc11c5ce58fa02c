"""Messages in our queues that are not ours: set aside where nobody trips over them."""

from __future__ import annotations

import logging

from azure_durable_py.errors import MessageLostError, StorageError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import MAX_MESSAGE_CHARS, QueueMessage

logger = logging.getLogger("azure_durable_py.worker")


def poison_queue(queue: str) -> str:
    """The queue for messages of `queue` that cannot be read: the name that Azure Functions uses."""
    return f"{queue}-poison"


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


def _copy(body: str) -> str:
    """A body that every queue takes: what is too long is cut and says so, what is no Unicode is escaped."""
    raw = body.encode(errors="backslashreplace")
    if len(raw) <= MAX_MESSAGE_CHARS:
        return raw.decode()
    note = f" ... (cut; there were {len(body)} characters)"
    return raw[: MAX_MESSAGE_CHARS - len(note)].decode(errors="ignore") + note
