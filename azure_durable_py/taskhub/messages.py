"""What instances and queues are told: inbox events, doorbells, work items, and their encoding.

Owns the three envelopes and their shapes. They are read from storage, where anybody may have written:
decoding checks every field and raises `MalformedMessageError`, never anything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import DurableError
from azure_durable_py.history.codec import decode_value, encode_value, event_from_json, event_to_json
from azure_durable_py.history.events import EntityCaller, Event, ParentInstance, Value
from azure_durable_py.record import record
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.taskhub.naming import inbox_key
from azure_durable_py.taskhub.payloads import compact_json
from azure_durable_py.taskhub.protocol import InboxRow
from azure_durable_py.taskhub.upgrades import Record, fields_of, stamped
from azure_durable_py.times import to_iso
from azure_durable_py.trace_context import TRACE, TraceContext, encode_trace


class MalformedMessageError(DurableError):
    """A message or row is not one of ours, or is damaged."""


@record
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


@record
class InboxEvent:
    """One event on its way to an instance.

    `sender` and `sequence` make it unique (PROTOCOL R10, R12). A sender that begins with
    `CLIENT_SENDER` is a client: its sequence counts what it sent to this target, and may
    arrive in any order. All other senders are instances (`{instance id}:{incarnation}`), whose
    events arrive in sequence. `control` sorts it before all ordinary events (R15). `trace` is the span that sent it.
    """

    event: Event
    sender: str
    sequence: int
    sent_at: datetime
    target: Target = ANY
    control: bool = False
    trace: TraceContext | None = None

    @property
    def key(self) -> str:
        """The inbox key: sorts by time, then by sequence within a sender; the same on every attempt."""
        return inbox_key(self.sent_at, self.sender, self.sequence, control=self.control)

    def encode(self) -> bytes:
        """The body of its inbox row."""
        return _dump(
            stamped(
                Record.inbox_event,
                {
                    "event": event_to_json(self.event),
                    "sender": self.sender,
                    "sequence": self.sequence,
                    "sentAt": to_iso(self.sent_at),
                    "target": [self.target.execution_id, self.target.generation, self.target.attempt],
                    "control": self.control,
                    **encode_trace(self.trace),
                },
            )
        ).encode()

    def row(self) -> InboxRow:
        """The inbox row that carries it."""
        return InboxRow(self.key, self.encode())

    @classmethod
    def decode(cls, body: bytes) -> InboxEvent:
        """The inbox event that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        :raises NewerFormatError: it is one of a version to come.
        """
        try:
            data = _fields(Record.inbox_event, body)
            return cls(
                event=data.read("event", event_from_json),
                sender=data.read("sender", _SENDER),
                sequence=data.read("sequence", _SEQUENCE),
                sent_at=data.read("sentAt", shape.time),
                target=Target(*data.read("target", _TARGET)),
                control=data.read("control", shape.flag),
                trace=data.get(TRACE, TraceContext.decode, None),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not an inbox event of this hub: {error}") from error


CLIENT_SENDER = "client:"


class Cause(str, Enum):
    """What a doorbell was put for. Only timers and repairs are treated in a way of their own."""

    started = "started"
    """The instance was inserted, or nobody has taken its start up."""
    told = "told"
    """Something is in its inbox, or may be."""
    timer = "timer"
    """Its earliest timer, or its delayed start, is due (PROTOCOL R16)."""
    repair = "repair"
    """A scan found no life in it: who gets this takes over what it still has to hand over (PROTOCOL R8)."""


@record
class Doorbell:
    """The message "instance X has something to do". Its id never changes, however often it is put back (R3).

    `why` tells people more than `cause`, and nothing is decided by it. `again` counts how
    often it was put back and `tag` tells apart two that were put back at once: both rank its deliveries.
    `poisoned` counts how often it came out of the poison queue of a Functions host.
    """

    instance_id: str
    id: str
    cause: Cause
    why: str = ""
    again: int = 0
    tag: str = ""
    poisoned: int = 0

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        return f"instance {self.instance_id!r}"

    def put_back(self, tag: str) -> Doorbell:
        """The message to put in the place of this one."""
        return replace(self, again=self.again + 1, tag=tag)

    def encode(self) -> str:
        """The body of its queue message."""
        message = {"instanceId": self.instance_id, "id": self.id, "cause": self.cause.value, "why": self.why}
        return _dump(stamped(Record.doorbell, message | _again(self)))

    @classmethod
    def decode(cls, body: str) -> Doorbell:
        """The doorbell that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        :raises NewerFormatError: it is one of a version to come.
        """
        try:
            data = _fields(Record.doorbell, body)
            return cls(
                data.read("instanceId", shape.instance_id),
                data.read("id", _ID),
                data.read("cause", _CAUSE),
                data.read("why", _WHY),
                data.get("again", _COUNT, 0),
                data.get("tag", _TAG, ""),
                data.get("poisoned", _COUNT, 0),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not a doorbell of this hub: {error}") from error


@record
class WorkItem:
    """One activity that any worker may run, and which execution awaits it.

    `id` is unique to the putting of it and never changes when it is put back. A large `input`
    is a reference into the payload rows of the instance's partition. `ready_at`: when the activity was
    decided. `tries`: how often it was begun before it was put, by processes that did not end it. `trace` is the span
    of the call.
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
    trace: TraceContext | None = None

    @property
    def subject(self) -> str:
        """What it is about, for people."""
        return f"activity {self.name!r} of instance {self.instance_id!r}"

    def put_back(self, tag: str) -> WorkItem:
        """The message to put in the place of this one."""
        return replace(self, again=self.again + 1, tag=tag)

    def encode(self) -> str:
        """The body of its queue message."""
        return _dump(
            stamped(
                Record.work_item,
                {
                    "id": self.id,
                    "instanceId": self.instance_id,
                    "executionId": self.execution_id,
                    "generation": self.generation,
                    "attempt": self.attempt,
                    "taskId": self.task_id,
                    "name": self.name,
                    "input": encode_value(self.input),
                    "readyAt": None if self.ready_at is None else to_iso(self.ready_at),
                    "tries": self.tries,
                    **encode_trace(self.trace),
                    **_again(self),
                },
            )
        )

    @classmethod
    def decode(cls, body: str) -> WorkItem:
        """The work item that `encode` wrote.

        :raises MalformedMessageError: it is not one.
        :raises NewerFormatError: it is one of a version to come.
        """
        try:
            data = _fields(Record.work_item, body)
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
                trace=data.get(TRACE, TraceContext.decode, None),
                again=data.get("again", _COUNT, 0),
                tag=data.get("tag", _TAG, ""),
                poisoned=data.get("poisoned", _COUNT, 0),
            )
        except ShapeError as error:
            raise MalformedMessageError(f"not a work item of this hub: {error}") from error


def _again(message: Doorbell | WorkItem) -> dict[str, Any]:
    fields = {"again": message.again, "tag": message.tag, "poisoned": message.poisoned}
    return {name: value for name, value in fields.items() if value}


def _fields(record: Record, body: str | bytes) -> Fields:
    found = shape.parse(body)
    # What has none of these is not of a version to come, but damaged, or somebody else's.
    for name, reader in _IN_EVERY_VERSION[record].items():
        Fields(found).read(name, reader)
    return fields_of(record, found)


def put_back_unread(body: str, tag: str, *, poisoned: bool = False) -> Unread:
    """A queue message of a version to come, to be put in its own place: nothing but its rank is another.

    What that needs is the same in every version of both messages: `instanceId`, `again`, `tag`, `poisoned`.

    :param poisoned: it came out of the poison queue of a Functions host.
    :raises MalformedMessageError: it is none.
    """
    try:
        found: Any = shape.parse(body)
        data = Fields(found)
        unread = Unread(
            data.read("instanceId", shape.instance_id),
            data.get("again", _COUNT, 0) + 1,
            data.get("poisoned", _COUNT, 0) + poisoned,
        )
    except ShapeError as error:
        raise MalformedMessageError(f"not a message of this hub: {error}") from error
    rank = {"again": unread.again, "tag": tag, **({"poisoned": unread.poisoned} if unread.poisoned else {})}
    return replace(unread, body=_dump({**found, **rank}))


@dataclass(frozen=True, slots=True)
class Unread:
    """What is known of a queue message of a version to come, and its new body."""

    instance_id: str
    again: int
    poisoned: int
    body: str = ""


def _dump(data: dict[str, Any]) -> str:
    text = compact_json(data)
    try:
        text.encode()
    except UnicodeEncodeError:
        # A lone surrogate, which user code may put into any text: escaped, every store can keep it.
        return json.dumps(data, separators=(",", ":"))
    return text


# --- shapes ------------------------------------------------------------------------------------------

_ID = shape.word(256)
_TAG = shape.word(256, least=0)
_CAUSE = shape.choice(Cause)
_WHY = shape.word(1_000, least=0)
_SENDER = shape.word(2 * shape.MAX_INSTANCE_ID_CHARS)
_COUNT = shape.whole(0, 0x7FFFFFFF)
_TASK_ID = shape.whole(0, 0xFFFFFFFF)
_SEQUENCE = shape.whole(0, shape.LARGEST)
_IN_EVERY_VERSION: dict[Record, dict[str, shape.Reader[Any]]] = {
    Record.doorbell: {"instanceId": shape.instance_id, "id": _ID},
    Record.work_item: {"instanceId": shape.instance_id, "id": _ID},
    Record.inbox_event: {"sender": _SENDER, "sequence": _SEQUENCE},
}
_TARGET = shape.row(shape.optional(_ID), shape.optional(_COUNT), shape.optional(_COUNT))
