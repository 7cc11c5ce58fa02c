"""The hub's queues: putting, taking, keeping and deleting messages.

Owns every call on a queue, and the encoding of message texts.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

from azure.storage.queue.aio import QueueClient

from azure_durable_py.errors import DurableError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.azure import answers
from azure_durable_py.taskhub.azure.messages import QueueWire
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import QueueMessage

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_LOST = frozenset({"MessageNotFound", "PopReceiptMismatch", "QueueNotFound"})


class _Handle(NamedTuple):
    id: str
    receipt: str


class HubQueues:
    """The queues of one hub.

    :param client: makes the client of a queue, which creates, counts and deletes it.
    :param wire: requests about messages.
    :param names: the hub's queues.
    :param where: the account, for messages.
    :param base64_texts: whether message texts are Base64, as the Functions host expects by default.
    """

    def __init__(
        self,
        client: Callable[[str], QueueClient],
        wire: QueueWire,
        names: Sequence[str],
        where: str,
        *,
        base64_texts: bool,
    ) -> None:
        self._make_client = client
        self._wire = wire
        self._names = names
        self._where = where
        self._base64 = base64_texts
        self._clients: dict[str, QueueClient] = {}

    async def open(self) -> None:
        """Create the queues that are missing."""
        await asyncio.gather(*(self._create(name) for name in self._names))

    async def delete(self) -> None:
        """Delete the queues. Idempotent."""
        await asyncio.gather(*(self._delete_queue(name) for name in self._names))

    async def put(self, queue: str, body: str, delay: float) -> QueueMessage:
        """Put a message. Azure takes whole seconds: the delay is rounded up."""
        text = base64.b64encode(body.encode()).decode() if self._base64 else body

        sent = await self._call(queue, "Putting a message into", lambda: self._wire.put(queue, text, math.ceil(delay)))
        return QueueMessage(queue, body, 0, _Handle(sent.id, sent.receipt), sent.inserted_on)

    async def receive(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take messages, by one request."""
        found = await self._call(
            queue, "Receiving from", lambda: self._wire.take(queue, limit, max(1, math.ceil(visibility)))
        )
        return [
            QueueMessage(
                queue,
                self._decode(message.text),
                message.dequeue_count,
                _Handle(message.id, message.receipt),
                message.inserted_on,
            )
            for message in found
        ]

    async def extend(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible. Azure takes whole seconds: the time is rounded up."""
        handle = _Handle(*message.handle)

        receipt = await self._held(
            message,
            "Extending a message of",
            self._wire.extend(message.queue, handle.id, handle.receipt, math.ceil(visibility)),
        )
        extended = _Handle(handle.id, receipt)
        return QueueMessage(message.queue, message.body, message.dequeue_count, extended, message.inserted_on)

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold."""
        handle = _Handle(*message.handle)

        await self._held(message, "Deleting a message of", self._wire.delete(message.queue, handle.id, handle.receipt))

    async def counts(self) -> dict[str, int]:
        """About how many messages each queue holds."""
        return dict(zip(self._names, await asyncio.gather(*map(self._count, self._names)), strict=True))

    async def untaken_counts(self) -> dict[str, int]:
        """How many messages of each queue are visible, as far as one look shows them."""
        return dict(zip(self._names, await asyncio.gather(*map(self._count_visible, self._names)), strict=True))

    async def poison_counts(self) -> dict[str, int]:
        """About how many messages each poison queue holds; one that does not exist holds none."""
        names = [poison_queue(name) for name in self._names]
        return dict(zip(names, await asyncio.gather(*map(self._count_if_there, names)), strict=True))

    async def _count(self, queue: str) -> int:
        return await self._call(queue, "Counting the messages of", lambda: self._messages(queue))

    async def _count_visible(self, queue: str) -> int:
        async def call() -> int:
            return len(await self._client(queue).peek_messages(limits.MAX_RECEIVE))

        return await self._call(queue, "Looking into", call)

    async def _count_if_there(self, queue: str) -> int:
        try:
            return await self._messages(queue)
        except answers.TROUBLE as error:
            if answers.is_gone(error):
                return 0
            raise self._translate(error, "Counting the messages of", queue) from error

    async def _messages(self, queue: str) -> int:
        return (await self._client(queue).get_queue_properties()).approximate_message_count or 0

    # --- texts ---------------------------------------------------------------------------------------

    def _decode(self, text: str) -> str:
        if not self._base64:
            return text
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            # Not ours: whoever reads it says so with the text at hand.
            return text

    # --- requests ------------------------------------------------------------------------------------

    def _client(self, queue: str) -> QueueClient:
        client = self._clients.get(queue)
        if client is None:
            client = self._clients[queue] = self._make_client(queue)
        return client

    async def _create(self, queue: str) -> None:
        try:
            await self._client(queue).create_queue()
        except answers.TROUBLE as error:
            # Also the answer when the queue exists with other metadata, which does not matter here.
            if answers.code(error) != "QueueAlreadyExists":
                raise self._translate(error, "Creating", queue) from error

    async def _delete_queue(self, queue: str) -> None:
        try:
            await self._client(queue).delete_queue()
        except answers.TROUBLE as error:
            if not answers.is_gone(error):
                raise self._translate(error, "Deleting", queue) from error

    async def _call(self, queue: str, what: str, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """Make a call; once more with a new queue, if it was deleted meanwhile, or is for poison and new."""
        try:
            return await call()
        except answers.TROUBLE as error:
            if not answers.is_gone(error):
                raise self._translate(error, what, queue) from error
        if queue in self._names:
            logger.warning("Queue %s was deleted while in use; creating it again.", queue)
        await self._create(queue)
        try:
            return await call()
        except answers.TROUBLE as error:
            raise self._translate(error, what, queue) from error

    async def _held(self, message: QueueMessage, what: str, call: Awaitable[_Result]) -> _Result:
        try:
            return await call
        except answers.TROUBLE as error:
            if answers.code(error) in _LOST:
                raise limits.message_lost(message.queue) from error
            raise self._translate(error, what, message.queue) from error

    def _translate(self, error: BaseException, what: str, queue: str) -> DurableError:
        return answers.translate(error, f"{what} queue {queue!r} of {self._where}")
