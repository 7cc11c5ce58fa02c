"""Messages of a queue: requests about them, and their form in XML.

Owns `QueueWire` and the reading of its answers. Texts are passed as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from azure_durable_py.taskhub.azure.answers import NoAnswerError
from azure_durable_py.taskhub.azure.wire import Wire
from azure_durable_py.times import UTC

HEADERS = {"Accept": "application/xml"}
"""What every request to the service has."""

_SENDING = {"Content-Type": "application/xml"}
_NEVER = "-1"
_ROOT = b"<QueueMessagesList"
# A reader of XML takes a plain carriage return for a line's end.
_RETURN = {"\r": "&#13;"}
_NAMES = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"
_MONTHS = {name: number for number, name in enumerate(_NAMES.split(), 1)}


class WireMessage(NamedTuple):
    """A message as the service tells of it: without text and count if it was just put."""

    id: str
    receipt: str
    inserted_on: datetime | None
    text: str = ""
    dequeue_count: int = 0


class QueueWire:
    """The requests about the messages of queues. Delays are whole seconds."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def put(self, queue: str, text: str, delay: int) -> WireMessage:
        """Put a message that never expires."""
        body = f"<QueueMessage><MessageText>{escape(text, _RETURN)}</MessageText></QueueMessage>"
        query = {"visibilitytimeout": str(delay), "messagettl": _NEVER}
        answer = await self._wire.send("POST", f"/{queue}/messages", query, _SENDING, body.encode())
        for message in _messages(answer.body):
            return message
        raise NoAnswerError("an answer without the message that was put")

    async def take(self, queue: str, limit: int, visibility: int) -> list[WireMessage]:
        """Take messages."""
        query = {"numofmessages": str(limit), "visibilitytimeout": str(visibility)}
        answer = await self._wire.send("GET", f"/{queue}/messages", query)
        return list(_messages(answer.body))

    async def extend(self, queue: str, message_id: str, receipt: str, visibility: int) -> str:
        """Keep a message invisible; returns its new receipt."""
        query = {"popreceipt": receipt, "visibilitytimeout": str(visibility)}
        answer = await self._wire.send("PUT", _path(queue, message_id), query)
        return answer.header("x-ms-popreceipt")

    async def delete(self, queue: str, message_id: str, receipt: str) -> None:
        """Delete a message."""
        await self._wire.send("DELETE", _path(queue, message_id), {"popreceipt": receipt})


def _path(queue: str, message_id: str) -> str:
    return f"/{queue}/messages/{quote(message_id, safe='')}"


# --- XML -------------------------------------------------------------------------------------------


def _messages(body: bytes) -> Iterator[WireMessage]:
    start = body.find(_ROOT)
    # What could make a small answer large, entities, would be declared before the root.
    if start < 0 or body.find(b"<!", 0, start) >= 0:
        raise NoAnswerError("an answer that is no list of messages")
    try:
        for node in ET.fromstring(body):  # noqa: S314 - no entities, and bounded in size
            fields = {child.tag: child.text for child in node}
            yield WireMessage(
                fields["MessageId"] or "",
                fields["PopReceipt"] or "",
                _time(fields.get("InsertionTime")),
                fields.get("MessageText") or "",
                int(fields.get("DequeueCount") or 0),
            )
    except (ET.ParseError, KeyError, ValueError) as error:
        raise NoAnswerError(f"a message that cannot be read: {error!r}") from None


def _time(text: str | None) -> datetime | None:
    """A time like `Mon, 30 Nov 2026 18:05:01 GMT`."""
    # `strptime` takes ten times as long, and the names of the locale.
    if not text:
        return None
    _, day, month, year, clock, _ = text.split(" ")
    hour, minute, second = clock.split(":")
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
