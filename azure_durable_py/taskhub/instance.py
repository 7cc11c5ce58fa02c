"""The body of a header: everything the engine must remember of an instance between turns.

Owns `InstanceState`, its encoding, and the names of rows. It holds no behaviour of turns:
`worker` reads and changes it, a store keeps its bytes.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from azure_durable_py.errors import PayloadTooLargeError, StorageError
from azure_durable_py.history import (
    ParentInstance,
    PayloadRef,
    Value,
    decode_parent,
    decode_time,
    decode_value,
    encode_parent,
    encode_time,
    encode_value,
)
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, BlobRow

MAX_INLINE_BYTES = 16_384
"""A value whose JSON is longer than this (UTF-8) goes to payload rows."""
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
"""Largest value that we store."""


class CorruptRowError(StorageError):
    """A row of the hub cannot be read: damaged, or written by something else."""


@dataclass(frozen=True, slots=True)
class PageRef:
    """A sealed history page: the RowKey stem and number of its rows, and how many events it holds.

    `payloads` are the RowKeys of the payload rows that its events refer to.
    """

    key: str
    chunks: int
    events: int
    payloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SenderPage:
    """Rows with the numbers of senders that were moved out of the header (PROTOCOL R12).

    Nothing that one of these senders had sent by then was sent after `until`.
    """

    key: str
    chunks: int
    until: datetime
    moved_at: datetime


@dataclass(slots=True)
class OutboxGroup:
    """Tasks decided by one or more turns that are still to be handed over, under one guard.

    `ids` are the ids of history events (activities, timers, sub-orchestrations, sent events ...)
    of the current generation; what to hand over is read from the history.
    """

    guard: str
    committed_at: datetime
    ids: IdSet


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message whose content is not in the history (any more): kept here in full.

    `start` tells that `body` is an encoded start of a sub-orchestration, else an inbox event.
    """

    sequence: int
    guard: str
    committed_at: datetime
    target: str
    body: str
    start: bool = False


@dataclass(frozen=True, slots=True)
class Fence:
    """A delivery that may not have been the first took this guard over (PROTOCOL R1)."""

    nonce: str
    at: datetime


@dataclass(slots=True)
class ClientMemory:
    """Which of a client's sequence numbers were consumed; forgotten some time after `last`."""

    seen: IdSet
    last: datetime


@dataclass(slots=True)
class InstanceState:
    """What the body of a header holds.

    `execution_id` names this start of the id; `generation` counts continue-as-new, `attempt`
    rewinds. `turn_time` is the time of the last turn. `sequence` numbers what is sent as
    `messages`. `pending` are events accepted but not yet shown to the function (encoded; the
    start of a generation), or a reference to them. `start_at` is set until a delayed start is
    due. `timers` (task id to fire time) and `children` (task ids) are the open ones. `tail` are
    the newest history events, encoded; `pages` the sealed older ones. `locks` are the entities
    (instance id, critical section) that this generation asked for their lock and has not
    released. `senders` are the numbers taken of other instances, the last heard of last; those that left the
    header are in `sender_pages`; nothing that was taken was sent after `latest_sent`. `garbage` are rows of
    this partition that may be deleted with any later commit.
    `entity` is the JSON-ready state of an entity (see the entity modules).
    """

    execution_id: str
    turn_time: datetime
    generation: int = 0
    attempt: int = 0
    sequence: int = 0
    parent: ParentInstance | None = None
    start_at: datetime | None = None
    pending: list[str] | PayloadRef = field(default_factory=lambda: [])
    groups: list[OutboxGroup] = field(default_factory=lambda: [])
    messages: list[OutboxMessage] = field(default_factory=lambda: [])
    fences: dict[str, Fence] = field(default_factory=lambda: {})
    senders: dict[str, int] = field(default_factory=lambda: {})
    sender_pages: list[SenderPage] = field(default_factory=lambda: [])
    latest_sent: datetime | None = None
    clients: dict[str, ClientMemory] = field(default_factory=lambda: {})
    timers: dict[int, datetime] = field(default_factory=lambda: {})
    children: IdSet = field(default_factory=IdSet)
    pages: list[PageRef] = field(default_factory=lambda: [])
    tail: list[str] = field(default_factory=lambda: [])
    locks: list[tuple[str, str]] = field(default_factory=lambda: [])
    garbage: list[str] = field(default_factory=lambda: [])
    purging: bool = False
    entity: dict[str, Any] | None = None

    def copy(self) -> InstanceState:
        """An independent copy, for a turn that may come to nothing."""
        return replace(
            self,
            pending=self.pending if isinstance(self.pending, PayloadRef) else list(self.pending),
            groups=[OutboxGroup(group.guard, group.committed_at, group.ids.copy()) for group in self.groups],
            messages=list(self.messages),
            fences=dict(self.fences),
            senders=dict(self.senders),
            sender_pages=list(self.sender_pages),
            clients={name: ClientMemory(memory.seen.copy(), memory.last) for name, memory in self.clients.items()},
            timers=dict(self.timers),
            children=self.children.copy(),
            pages=list(self.pages),
            tail=list(self.tail),
            locks=list(self.locks),
            garbage=list(self.garbage),
        )

    def encode(self) -> bytes:
        """The body of the header, compressed.

        :raises PayloadTooLargeError: it does not fit a row.
        """
        state = {
            "executionId": self.execution_id,
            "turnTime": encode_time(self.turn_time),
            "generation": self.generation,
            "attempt": self.attempt,
            "sequence": self.sequence,
            "parent": encode_parent(self.parent),
            "startAt": None if self.start_at is None else encode_time(self.start_at),
            "pending": encode_value(self.pending) if isinstance(self.pending, PayloadRef) else self.pending,
            "groups": [[group.guard, encode_time(group.committed_at), group.ids.to_json()] for group in self.groups],
            "messages": [
                [m.sequence, m.guard, encode_time(m.committed_at), m.target, m.body, m.start] for m in self.messages
            ],
            "fences": {guard: [fence.nonce, encode_time(fence.at)] for guard, fence in self.fences.items()},
            "senders": self.senders,
            "senderPages": [
                [p.key, p.chunks, encode_time(p.until), encode_time(p.moved_at)] for p in self.sender_pages
            ],
            "latestSent": None if self.latest_sent is None else encode_time(self.latest_sent),
            "clients": {name: [c.seen.to_json(), encode_time(c.last)] for name, c in self.clients.items()},
            "timers": [[encode_time(fire_at), ids.to_json()] for fire_at, ids in _by_time(self.timers).items()],
            "children": self.children.to_json(),
            "pages": [[page.key, page.chunks, page.events, page.payloads] for page in self.pages],
            "locks": self.locks,
            "garbage": self.garbage,
            "purging": self.purging,
            "entity": self.entity,
        }
        head = _dump({name: value for name, value in state.items() if value or name == "executionId"})
        body = pack(f"[{head},[{','.join(self.tail)}]]")
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLargeError(
                f"The state of the instance takes {len(body)} bytes compressed; a header holds {MAX_BODY_BYTES}."
            )
        return body

    @classmethod
    def decode(cls, body: bytes) -> InstanceState:
        """The state that `encode` wrote.

        :raises CorruptRowError: it is damaged or not ours.
        """
        try:
            data, tail = json.loads(unpack(body))
            return cls(
                execution_id=str(data["executionId"]),
                turn_time=decode_time(data["turnTime"]),
                generation=data.get("generation", 0),
                attempt=data.get("attempt", 0),
                sequence=data.get("sequence", 0),
                parent=decode_parent(data.get("parent")),
                start_at=decode_time(data["startAt"]) if data.get("startAt") else None,
                pending=_decode_pending(data.get("pending", [])),
                groups=[
                    OutboxGroup(guard, decode_time(at), IdSet.from_json(ids))
                    for guard, at, ids in data.get("groups", ())
                ],
                messages=[
                    OutboxMessage(sequence, guard, decode_time(at), target, text, start)
                    for sequence, guard, at, target, text, start in data.get("messages", ())
                ],
                fences={guard: Fence(nonce, decode_time(at)) for guard, (nonce, at) in data.get("fences", {}).items()},
                senders=data.get("senders", {}),
                sender_pages=[
                    SenderPage(key, chunks, decode_time(until), decode_time(moved_at))
                    for key, chunks, until, moved_at in data.get("senderPages", ())
                ],
                latest_sent=decode_time(data["latestSent"]) if data.get("latestSent") else None,
                clients={
                    name: ClientMemory(IdSet.from_json(seen), decode_time(last))
                    for name, (seen, last) in data.get("clients", {}).items()
                },
                timers={
                    task_id: decode_time(fire_at)
                    for fire_at, ids in data.get("timers", ())
                    for task_id in IdSet.from_json(ids)
                },
                children=IdSet.from_json(data.get("children", [])),
                pages=[PageRef(key, chunks, events, tuple(p)) for key, chunks, events, p in data.get("pages", ())],
                tail=[_dump(event) for event in tail],
                locks=[(entity, section) for entity, section in data.get("locks", ())],
                garbage=data.get("garbage", []),
                purging=data.get("purging", False),
                entity=data.get("entity"),
            )
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
            raise CorruptRowError(f"the body of the header cannot be read: {error!r}") from error


def _by_time(timers: dict[int, datetime]) -> dict[datetime, IdSet]:
    grouped: dict[datetime, IdSet] = {}
    for task_id, fire_at in timers.items():
        grouped.setdefault(fire_at, IdSet()).add(task_id)
    return grouped


def _decode_pending(data: Any) -> list[str] | PayloadRef:
    if isinstance(data, list):
        return [str(item) for item in cast("list[Any]", data)]
    ref = decode_value(data)
    if not isinstance(ref, PayloadRef):
        raise ValueError("pending events are neither a list nor a reference")
    return ref


# --- rows ----------------------------------------------------------------------------------------


def page_key(generation: int, turn_id: str, number: int) -> str:
    """RowKey stem of a history page; the turn that wrote it is part of the name (R18)."""
    return f"20-history-{generation:08d}-{turn_id}-{number:04d}"


def payload_key(writer: str, number: int) -> str:
    """RowKey stem of a payload: `writer` is the id of the turn, work item or client call that wrote it."""
    return f"30-payload-{writer}-{number:04d}"


def chunk_keys(key: str, chunks: int) -> list[str]:
    """The RowKeys of the rows of a page or payload."""
    return [f"{key}-{chunk:04d}" for chunk in range(chunks)]


def to_blobs(key: str, text: str) -> tuple[PayloadRef, list[BlobRow]]:
    """Compress a text into the rows of a page or payload named `key`.

    :raises PayloadTooLargeError: it is over `MAX_PAYLOAD_BYTES`.
    """
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"A value of {len(text)} characters is over the limit of {MAX_PAYLOAD_BYTES}.")
    packed = pack(text)
    pieces = [packed[at : at + MAX_BODY_BYTES] for at in range(0, len(packed), MAX_BODY_BYTES)]
    ref = PayloadRef(key, len(text), len(pieces))
    return ref, [BlobRow(name, piece) for name, piece in zip(chunk_keys(key, len(pieces)), pieces, strict=True)]


def from_blobs(key: str, chunks: int, bodies: dict[str, bytes]) -> str:
    """The text behind `to_blobs`, from the bodies of its rows.

    :raises CorruptRowError: a row is missing or damaged.
    """
    names = chunk_keys(key, chunks)
    missing = [name for name in names if name not in bodies]
    if missing:
        raise CorruptRowError(f"row {missing[0]!r} is missing")
    try:
        return unpack(b"".join(bodies[name] for name in names))
    except (ValueError, zlib.error) as error:
        raise CorruptRowError(f"rows {key!r} cannot be read: {error!r}") from error


def encode_ref(value: PayloadRef) -> str:
    """A reference as the text of a header column."""
    return _dump(cast("dict[str, Any]", encode_value(value)))


def decode_ref(text: str) -> PayloadRef:
    """The reference that `encode_ref` wrote.

    :raises CorruptRowError: it is damaged.
    """
    try:
        value: Value = decode_value(json.loads(text))
    except (ValueError, TypeError) as error:
        raise CorruptRowError(f"a payload reference cannot be read: {error!r}") from error
    if not isinstance(value, PayloadRef):
        raise CorruptRowError(f"not a payload reference: {text[:80]!r}")
    return value


_PLAIN, _ZLIB = b"0", b"1"
_COMPRESS_FROM = 1024


def pack(text: str) -> bytes:
    """UTF-8, compressed when that is worth it; the first byte tells."""
    raw = text.encode("utf-8", "surrogatepass")
    return _PLAIN + raw if len(raw) < _COMPRESS_FROM else _ZLIB + zlib.compress(raw, 1)


def unpack(body: bytes) -> str:
    """The text that `pack` packed.

    :raises ValueError: unknown first byte or bad UTF-8. :raises zlib.error: damaged.
    """
    mark, rest = body[:1], body[1:]
    if mark == _ZLIB:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(rest, 4 * MAX_PAYLOAD_BYTES)
        if not inflate.eof:
            raise ValueError("compressed data is cut off or too large")
        return raw.decode("utf-8", "surrogatepass")
    if mark == _PLAIN:
        return rest.decode("utf-8", "surrogatepass")
    raise ValueError(f"unknown encoding mark {mark!r}")


def _dump(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
