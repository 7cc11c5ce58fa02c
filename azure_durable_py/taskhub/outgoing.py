"""What an outbox names, resolved to what is to be handed over.

Owns the mapping from decisions in a history to work, doorbells and messages for other
instances, and the numbering of what is sent. It hands nothing over itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeGuard

from azure_durable_py import shape
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import (
    decode_parent,
    decode_value,
    encode_parent,
    encode_value,
    payload_refs,
)
from azure_durable_py.history.events import (
    Decision,
    EntityCaller,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventRaised,
    EventSent,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
    ParentInstance,
    PayloadRef,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    Value,
)
from azure_durable_py.record import record
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.shortening import shorten
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError, Target
from azure_durable_py.taskhub.numbering import number_of
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.state import InstanceState, OutboxMessage, SendKind
from azure_durable_py.taskhub.upgrades import Record, fields_of, stamped
from azure_durable_py.times import to_iso
from azure_durable_py.trace_context import TRACE, TraceContext, encode_trace


@record
class Sender:
    """The incarnation and generation on whose behalf something is sent."""

    instance_id: str
    name: str
    execution_id: str
    generation: int
    attempt: int
    trace: TraceContext | None = None

    @classmethod
    def of(cls, instance_id: str, name: str, state: InstanceState) -> Sender:
        """The sender that a header's state stands for."""
        return cls(instance_id, name, state.execution_id, state.generation, state.attempt, state.trace)

    @property
    def incarnation(self) -> str:
        """The sender's name towards receivers (PROTOCOL R10)."""
        return f"{self.instance_id}:{self.execution_id}"

    def number(self, decision: int) -> int:
        """The number of what decision `decision` of this attempt sends: grows over generations and attempts."""
        return number_of(self.generation, self.attempt, decision)

    def task(self, decision: int, attempt: int | None = None) -> TraceContext | None:
        """The span of what a decision hands over.

        :param attempt: which decided it; None: this one.
        """
        attempt = self.attempt if attempt is None else attempt
        return self.trace and self.trace.task(self.execution_id, self.generation, attempt, decision)

    @property
    def target(self) -> Target:
        """What an answer to this sender must match (PROTOCOL R13)."""
        return Target(self.execution_id, self.generation, self.attempt)


def child_execution(parent: Sender | ParentInstance, task_id: int, attempt: int) -> str:
    """The execution id of the sub-orchestration that a task of this parent starts: whoever starts it, the same one.

    So a parent can say which execution it means before, and without knowing whether, that was started.

    :param attempt: which decided it. It stays the same one when the parent is rewound and waits for it still.
    """
    origin = (parent.instance_id, parent.execution_id, parent.generation, attempt, task_id)
    return hashlib.blake2b(repr(origin).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()


@record
class RunActivity:
    """An activity to run here or to put into the activities queue."""

    task_id: int
    name: str
    input: Value


@record
class StartChild:
    """A sub-orchestration to start. Its input may be a reference into the parent's partition."""

    number: int
    instance_id: str
    name: str
    input: Value
    version: str | None
    parent: ParentInstance
    trace: TraceContext | None = None

    @property
    def target(self) -> str:
        """The instance that it addresses."""
        return self.instance_id

    @property
    def execution_id(self) -> str:
        """The execution of the sub-orchestration."""
        return child_execution(self.parent, self.parent.task_id, self.parent.attempt)

    def fields(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "instanceId": self.instance_id,
            "name": self.name,
            "input": encode_value(self.input),
            "version": self.version,
            "parent": encode_parent(self.parent),
            **encode_trace(self.trace),
        }

    def encode(self) -> str:
        """As the body of an outbox message."""
        return json.dumps(stamped(Record.outbox_start, self.fields()))

    @classmethod
    def decode(cls, number: int, data: Fields) -> StartChild:
        """The start that `encode` wrote.

        :raises ShapeError: it is none.
        """
        parent = data.read("parent", decode_parent)
        if parent is None:
            raise ShapeError("a start without a parent")
        return cls(
            number,
            data.read("instanceId", shape.instance_id),
            data.read("name", shape.text),
            data.read("input", decode_value),
            data.read("version", _VERSION),
            parent,
            data.get(TRACE, TraceContext.decode, None),
        )


@dataclass(frozen=True, slots=True)
class ResumeChild:
    """A sub-orchestration that an earlier attempt decided, and that has not answered: this attempt waits for it.

    `start` starts it, should it not be there; `attempt` is the one that decided it.
    """

    start: StartChild
    attempt: int

    @property
    def number(self) -> int:
        """Its number among what is sent."""
        return self.start.number

    @property
    def target(self) -> str:
        """The instance that it addresses."""
        return self.start.instance_id

    @property
    def execution_id(self) -> str:
        """The execution of the sub-orchestration."""
        return child_execution(self.start.parent, self.start.parent.task_id, self.attempt)

    def encode(self) -> str:
        """As the body of an outbox message."""
        return json.dumps(stamped(Record.outbox_start, {**self.start.fields(), "attempt": self.attempt}))

    @classmethod
    def decode(cls, number: int, data: Fields) -> ResumeChild:
        """What `encode` wrote.

        :raises ShapeError: it is none.
        """
        return cls(StartChild.decode(number, data), data.read("attempt", _ATTEMPT))


@dataclass(frozen=True, slots=True)
class StartNew:
    """An orchestration that an entity starts; nobody waits for it.

    Its execution id is part of the message, so that starting it again is known for what it is.
    """

    number: int
    instance_id: str
    execution_id: str
    name: str
    input: Value
    version: str | None
    sent_at: datetime
    start_at: datetime | None = None
    trace: TraceContext | None = None

    @property
    def target(self) -> str:
        """The instance that it addresses."""
        return self.instance_id

    def encode(self) -> str:
        """As the body of an outbox message."""
        fields = {
            "instanceId": self.instance_id,
            "executionId": self.execution_id,
            "name": self.name,
            "input": encode_value(self.input),
            "version": self.version,
            "sentAt": to_iso(self.sent_at),
            "startAt": None if self.start_at is None else to_iso(self.start_at),
            **encode_trace(self.trace),
        }
        return json.dumps(stamped(Record.outbox_start, fields))

    @classmethod
    def decode(cls, number: int, data: Fields) -> StartNew:
        """The start that `encode` wrote.

        :raises ShapeError: it is none.
        """
        return cls(
            number,
            data.read("instanceId", shape.instance_id),
            data.read("executionId", shape.word(256)),
            data.read("name", shape.text),
            data.read("input", decode_value),
            data.read("version", _VERSION),
            data.read("sentAt", shape.time),
            data.read("startAt", shape.optional(shape.time)),
            data.get(TRACE, TraceContext.decode, None),
        )


@record
class Deliver:
    """An event for another instance's inbox. Its values may be references into the sender's partition."""

    number: int
    target: str
    event: InboxEvent


Send = StartChild | ResumeChild | StartNew | Deliver
Outgoing = RunActivity | Send


def outgoing_of(sender: Sender, decision: Event, committed_at: datetime) -> Outgoing:
    """What a decision of an orchestrator hands over. `committed_at` is the time of its turn."""
    match decision:
        case TaskScheduled(id=task_id, name=name, input=value):
            return RunActivity(task_id, name, value)
        case SubOrchestrationCreated(id=task_id):
            parent = ParentInstance(
                instance_id=sender.instance_id,
                execution_id=sender.execution_id,
                generation=sender.generation,
                attempt=sender.attempt,
                task_id=task_id,
                name=sender.name,
                sent_at=committed_at,
            )
            start = StartChild(
                sender.number(task_id),
                decision.instance_id,
                decision.name,
                decision.input,
                decision.version,
                parent,
                sender.task(task_id, decision.attempt),
            )
            return start if decision.attempt == sender.attempt else ResumeChild(start, decision.attempt)
        case EventSent(id=task_id):
            raised = EventRaised(committed_at, decision.name, decision.data)
            trace = sender.task(task_id)
            event = InboxEvent(raised, sender.incarnation, sender.number(task_id), committed_at, trace=trace)
            return Deliver(event.sequence, decision.instance_id, event)
        case EntityOperationCalled():
            caller = _caller(sender, decision.id)
            called = OperationArrived(
                committed_at, decision.operation, decision.input, caller, section=decision.section
            )
            return _to_entity(sender, decision.id, decision.instance_id, called)
        case EntityOperationSignaled():
            signaled = OperationArrived(
                committed_at, decision.operation, decision.input, signal_time=decision.signal_time
            )
            return _to_entity(sender, decision.id, decision.instance_id, signaled)
        case EntityLockRequested():
            asked = LockRequestArrived(committed_at, decision.section, _caller(sender, decision.id))
            return _to_entity(sender, decision.id, decision.instance_id, asked)
        case EntityLockReleased():
            released = LockReleaseArrived(committed_at, decision.section)
            return _to_entity(sender, decision.id, decision.instance_id, released)
        case _:
            raise TypeError(f"{type(decision).__name__} hands nothing over")


def _caller(sender: Sender, task_id: int) -> EntityCaller:
    return EntityCaller(sender.instance_id, sender.execution_id, sender.generation, sender.attempt, task_id)


def _to_entity(sender: Sender, decision: int, entity: str, event: Event) -> Deliver:
    number = sender.number(decision)
    trace = sender.task(decision) if isinstance(event, OperationArrived) else None
    return Deliver(number, entity, InboxEvent(event, sender.incarnation, number, event.timestamp, trace=trace))


def is_send(decision: Event) -> TypeGuard[Decision]:
    """Whether the decision is handed over to another instance: it goes into the queue of sends."""
    return isinstance(decision, (*_OUTLIVING, EntityLockRequested))


def outlives(decision: Event) -> TypeGuard[Decision]:
    """Whether the decision is to be handed over even when its orchestration has ended."""
    return isinstance(decision, _OUTLIVING)


_OUTLIVING = (SubOrchestrationCreated, EventSent, EntityOperationCalled, EntityOperationSignaled, EntityLockReleased)


def to_message(send: Send) -> OutboxMessage:
    """A send as an outbox message that holds all of it."""
    match send:
        case StartChild():
            return OutboxMessage(send.number, send.target, SendKind.start_child, send.encode())
        case ResumeChild():
            return OutboxMessage(send.number, send.target, SendKind.resume_child, send.encode())
        case StartNew():
            return OutboxMessage(send.number, send.target, SendKind.start_new, send.encode())
        case Deliver():
            return OutboxMessage(send.number, send.target, SendKind.deliver, send.event.encode().decode())


def queued_sends(sender: Sender, state: InstanceState, decision: Callable[[int], Event]) -> list[Send]:
    """The queue of sends of a header, in order.

    :param decision: what was decided under an id.
    :raises CorruptRowError: an entry cannot be read.
    """
    sends: list[Send] = [from_message(message) for message in state.messages]
    for group in state.sends:
        for number in group.ids:
            outgoing = outgoing_of(sender, decision(number), group.sent_at)
            if not isinstance(outgoing, RunActivity):
                sends.append(outgoing)
    return sorted(sends, key=lambda send: send.number)


def replacement(send: Send, error: Exception) -> Deliver | None:
    """What to send in the place of an answer that can never be delivered: a failure of the same task that says so.

    It has the place of the answer in the order of what its sender sends. None: nobody waits for this send.
    """
    if not isinstance(send, Deliver):
        return None
    failure = shorten(FailureDetails.from_exception(error))
    answer = send.event.event
    match answer:
        case SubOrchestrationCompleted() | SubOrchestrationFailed():
            smaller: Event = SubOrchestrationFailed(answer.timestamp, answer.task_id, failure)
        case EntityOperationCompleted() | EntityOperationFailed():
            smaller = EntityOperationFailed(answer.timestamp, answer.task_id, failure)
        case TaskCompleted() | TaskFailed():
            smaller = TaskFailed(answer.timestamp, answer.task_id, failure)
        case _:
            return None
    return replace(send, event=replace(send.event, event=smaller))


def from_message(message: OutboxMessage) -> Send:
    """The send behind an outbox message.

    :raises CorruptRowError: it cannot be read.
    :raises NewerFormatError: it is of a version to come.
    """
    try:
        match message.kind:
            case SendKind.start_child:
                return StartChild.decode(message.number, _start(message))
            case SendKind.resume_child:
                return ResumeChild.decode(message.number, _start(message))
            case SendKind.start_new:
                return StartNew.decode(message.number, _start(message))
            case SendKind.deliver:
                event = InboxEvent.decode(message.body.encode(errors="surrogatepass"))
                return Deliver(message.number, message.target, event)
    except (ShapeError, MalformedMessageError) as error:
        raise CorruptRowError(f"an outbox entry cannot be read: {error}") from error


def _start(message: OutboxMessage) -> Fields:
    return fields_of(Record.outbox_start, shape.parse(message.body))


def refs_of(send: Send) -> list[PayloadRef]:
    """The large values of what is sent: references into the sender's partition."""
    if isinstance(send, Deliver):
        return list(payload_refs([send.event.event]))
    if isinstance(send, ResumeChild):
        send = send.start
    return [send.input] if isinstance(send.input, PayloadRef) else []


def message_refs(message: OutboxMessage) -> list[PayloadRef]:
    """The large values of an outbox message: references into the sender's partition.

    :raises CorruptRowError: it cannot be read.
    :raises NewerFormatError: it is of a version to come.
    """
    return refs_of(from_message(message))


_VERSION = shape.optional(shape.text)
_ATTEMPT = shape.whole(0, 0x7FFFFFFF)
