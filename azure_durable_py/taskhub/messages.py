"""What instances and queues are told: inbox events, doorbells, work items, and their encoding.

Owns the three envelopes. They are read from storage, where anybody may have written:
decoding checks every field and raises `MalformedMessageError`, never anything else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from azure_durable_py.errors import DurableError
from azure_durable_py.history import (
    EntityCaller,
    Event,
    ParentInstance,
    Value,
    decode_time,
    decode_value,
    encode_time,
    encode_value,
    event_from_json,
    event_to_json,
)
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
        data = _parse(body, "inbox row")
        try:
            return cls(
                event=event_from_json(data["event"]),
                sender=_text(data["sender"]),
                sequence=int(data["sequence"]),
                sent_at=decode_time(data["sentAt"]),
                target=Target(*data["target"]),
                control=bool(data["control"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedMessageError(f"not an inbox event of this hub: {error!r}") from error


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
        data = _parse(body, "doorbell")
        try:
            return cls(
                _text(data["instanceId"]),
                _text(data["id"]),
                str(data.get("why", "")),
                None if data.get("due") is None else decode_time(data["due"]),
                int(data.get("again", 0)),
                str(data.get("tag", "")),
                int(data.get("poisoned", 0)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MalformedMessageError(f"not a doorbell of this hub: {error!r}") from error


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
        data = _parse(body, "work item")
        try:
            return cls(
                id=_text(data["id"]),
                instance_id=_text(data["instanceId"]),
                execution_id=_text(data["executionId"]),
                generation=int(data["generation"]),
                attempt=int(data["attempt"]),
                task_id=int(data["taskId"]),
                name=_text(data["name"]),
                input=decode_value(data["input"]),
                ready_at=None if data.get("readyAt") is None else decode_time(data["readyAt"]),
                tries=int(data.get("tries", 0)),
                again=int(data.get("again", 0)),
                tag=str(data.get("tag", "")),
                poisoned=int(data.get("poisoned", 0)),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MalformedMessageError(f"not a work item of this hub: {error!r}") from error


def _again(message: Doorbell | WorkItem) -> dict[str, Any]:
    fields = {"again": message.again, "tag": message.tag, "poisoned": message.poisoned}
    return {name: value for name, value in fields.items() if value}


def _dump(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _parse(body: str | bytes, what: str) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedMessageError(f"a {what} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise MalformedMessageError(f"a {what} is not a JSON object.")
    return cast("dict[str, Any]", data)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected a non-empty string, found {value!r}")
    return value
