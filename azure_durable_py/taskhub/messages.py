"""What instances and queues are told: inbox events, doorbells, work items, and their encoding.

Owns the three envelopes and their shapes. They are read from storage, where anybody may have written:
decoding checks every field and raises `MalformedMessageError`, never anything else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import DurableError
from azure_durable_py.history.codec import decode_value, encode_time, encode_value, event_from_json, event_to_json
from azure_durable_py.history.events import EntityCaller, Event, ParentInstance, Value
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.taskhub.protocol import InboxRow


class MalformedMessageError(DurableError):
    """A message or row is not one of ours, or is damaged."""


@dataclass(frozen=True, slots=True)
class Target:
    """Which incarnation of an instance a message is for. None in a field matches any."""

    execution_id: str | None = None
    generation: int | None = None
    attempt: int | None = None

    @classmethod
    def answering(cls, asker: ParentInstance | EntityCaller) -> Target:
        """What an answer must match to reach the incarnation that asked, and no other (PROTOCOL R13)."""
        return cls(asker.execution_id, asker.generation, asker.attempt)


ANY = Target()


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """One event on its way to an instance.

    `sender` and `sequence` make it unique (PROTOCOL R10, R12). A sender that begins with
    `CLIENT_SENDER` is a client: its sequence counts what it sent to this target, and may
    arrive in any order. All other senders are instances (`{instance id}:{incarnation}`), whose
    events arrive in sequence. `control` sorts it before all ordinary events (R15).
    """

    event: Event
    sender: str
    sequence: int
    sent_at: datetime
    target: Target = ANY
    control: bool = False

    @property
    def key(self) -> str:
        """The inbox key: sorts by time, then by sequence within a sender; the same on every attempt."""
        rank = "0" if self.control else "1"
        digest = hashlib.blake2b(self.sender.encode(), digest_size=8).hexdigest()
        return f"{rank}-{self.sent_at:%Y%m%dT%H%M%S%f}-{digest}-{self.sequence:020d}"

    def encode(self) -> bytes:
        """The body of its inbox row."""
        return _dump(
            {
                "event": event_to_json(self.event),
                "sender": self.sender,
                "sequence": self.sequence,
                "sentAt": encode_time(self.sent_at),
                "target": [self.target.execution_id, self.target.generation, self.target.attempt],
                "control": self.control,
            }
        ).encode()

    def row(self) -> InboxRow:
        """The inbox row that carries it."""
        return InboxRow(self.key, self.encode())

    @classmethod
    def decode(cls, body: bytes) -> InboxEvent:
        """The inbox event that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        """
        try:
            data = Fields(shape.parse(body))
            return cls(
                event=data.read("event", event_from_json),
                sender=data.read("sender", _SENDER),
                sequence=data.read("sequence", _SEQUENCE),
                sent_at=data.read("sentAt", shape.time),
                target=Target(*data.read("target", _TARGET)),
                control=data.read("control", shape.flag),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not an inbox event of this hub: {error}") from error


CLIENT_SENDER = "client:"


@dataclass(frozen=True, slots=True)
class Doorbell:
    """The message "instance X has something to do". Its id never changes, however often it is put back (R3).

    `why` is for people. `due`: it was put for a timer, and comes when that is due. `again` counts how
    often it was put back and `tag` tells apart two that were put back at once: both rank its deliveries.
    `poisoned` counts how often it came out of the poison queue of a Functions host.
    """

    instance_id: str
    id: str
    why: str = ""
    due: datetime | None = None
    again: int = 0
    tag: str = ""
    poisoned: int = 0

    def put_back(self, tag: str) -> Doorbell:
        """The message to put in the place of this one."""
        return replace(self, again=self.again + 1, tag=tag)

    def encode(self) -> str:
        """The body of its queue message."""
        message = {"instanceId": self.instance_id, "id": self.id, "why": self.why}
        if self.due is not None:
            message["due"] = encode_time(self.due)
        return _dump(message | _again(self))

    @classmethod
    def decode(cls, body: str) -> Doorbell:
        """The doorbell that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        """
        try:
            data = Fields(shape.parse(body))
            return cls(
                data.read("instanceId", shape.instance_id),
                data.read("id", _ID),
                data.get("why", _WHY, ""),
                data.get("due", shape.optional(shape.time), None),
                data.get("again", _COUNT, 0),
                data.get("tag", _TAG, ""),
                data.get("poisoned", _COUNT, 0),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not a doorbell of this hub: {error}") from error


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One activity that any worker may run, and which execution awaits it.

    `id` is unique to the putting of it and never changes when it is put back. A large `input`
    is a reference into the payload rows of the instance's partition. `ready_at`: when the activity was
    decided. `tries`: how often it was begun before it was put, by processes that did not end it.
    """

    id: str
    instance_id: str
    execution_id: str
    generation: int
    attempt: int
    task_id: int
    name: str
    input: Value = None
    ready_at: datetime | None = None
    tries: int = 0
    again: int = 0
    tag: str = ""
    poisoned: int = 0

    def put_back(self, tag: str) -> WorkItem:
        """The message to put in the place of this one."""
        return replace(self, again=self.again + 1, tag=tag)

    def encode(self) -> str:
        """The body of its queue message."""
        return _dump(
            {
                "id": self.id,
                "instanceId": self.instance_id,
                "executionId": self.execution_id,
                "generation": self.generation,
                "attempt": self.attempt,
                "taskId": self.task_id,
                "name": self.name,
                "input": encode_value(self.input),
                "readyAt": None if self.ready_at is None else encode_time(self.ready_at),
                "tries": self.tries,
                **_again(self),
            }
        )

    @classmethod
    def decode(cls, body: str) -> WorkItem:
        """The work item that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        """
        try:
            data = Fields(shape.parse(body))
            return cls(
                id=data.read("id", _ID),
                instance_id=data.read("instanceId", shape.instance_id),
                execution_id=data.read("executionId", _ID),
                generation=data.read("generation", _COUNT),
                attempt=data.read("attempt", _COUNT),
                task_id=data.read("taskId", _TASK_ID),
                name=data.read("name", shape.text),
                input=data.read("input", decode_value),
                ready_at=data.get("readyAt", shape.optional(shape.time), None),
                tries=data.get("tries", _COUNT, 0),
                again=data.get("again", _COUNT, 0),
                tag=data.get("tag", _TAG, ""),
                poisoned=data.get("poisoned", _COUNT, 0),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not a work item of this hub: {error}") from error


def _again(message: Doorbell | WorkItem) -> dict[str, Any]:
    fields = {"again": message.again, "tag": message.tag, "poisoned": message.poisoned}
    return {name: value for name, value in fields.items() if value}


def _dump(data: dict[str, Any]) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which user code may put into any text: escaped, every store can keep it.
        return json.dumps(data, separators=(",", ":"))
    return text


# --- shapes ------------------------------------------------------------------------------------------

_ID = shape.word(256)
_TAG = shape.word(256, least=0)
_WHY = shape.word(1_000, least=0)
_SENDER = shape.word(2 * shape.MAX_INSTANCE_ID_CHARS)
_COUNT = shape.whole(0, 0x7FFFFFFF)
_TASK_ID = shape.whole(0, 0xFFFFFFFF)
_SEQUENCE = shape.whole(0, shape.LARGEST)
_TARGET = shape.row(shape.optional(_ID), shape.optional(_COUNT), shape.optional(_COUNT))
