"""The state of an instance, as the body of its header holds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import Enum
from operator import attrgetter
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import PayloadTooLargeError
from azure_durable_py.history.codec import (
    decode_parent,
    decode_value,
    encode_parent,
    encode_value,
    is_encoded,
)
from azure_durable_py.history.events import MAX_CHUNKS, ExecutionRewound, ParentInstance, PayloadRef
from azure_durable_py.record import record
from azure_durable_py.shape import LARGEST, Fields, ShapeError
from azure_durable_py.taskhub.idset import MAX_IDS, IdSet
from azure_durable_py.taskhub.payloads import MAX_STATE_BYTES, compact_json, pack, pack_around, unpack
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, CorruptRowError
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.taskhub.upgrades import Record
from azure_durable_py.times import to_iso
from azure_durable_py.trace_context import TRACE, TraceContext


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
class ActivityGroup:
    """Activities that were decided and have no result yet, under the guard that their turn named.

    Those with an empty guard are in the activities queue, or were when that was last known.
    `ids` are the ids of history events of the current generation; what to run is read from the history.
    """

    guard: str
    committed_at: datetime
    ids: IdSet


@dataclass(slots=True)
class SendGroup:
    """Sends that one turn decided (sub-orchestrations, sent events, entity calls ...), not known to be handed over.

    `ids` are the ids of history events of the current generation; what to send is read from the history.
    """

    sent_at: datetime
    ids: IdSet


class SendKind(str, Enum):
    """What an outbox message is, and so what its body holds."""

    start_child = "startChild"
    """The start of a sub-orchestration."""
    resume_child = "resumeChild"
    """A sub-orchestration that an attempt before a rewind decided, and that is still waited for."""
    start_new = "startNew"
    """The start of an orchestration that nobody waits for."""
    deliver = "deliver"
    """An inbox event."""


@record
class OutboxMessage:
    """One send whose content is not in the history (any more): kept here in full, encoded as its kind says."""

    number: int
    target: str
    kind: SendKind
    body: str


@dataclass(frozen=True, slots=True)
class Arming:
    """A delayed doorbell for the earliest timer is to be put, by whoever holds the message `guard`."""

    guard: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Alarm:
    """The delayed doorbell that was put for the earliest timer: it comes at `due` at the latest.

    `doorbell` is its id; empty for the ring of a delayed start, whose id is not known. `handle` is the
    store's for the message, so that a doorbell which nobody needs any more can be deleted.
    """

    doorbell: str
    due: datetime
    handle: tuple[str | int, ...] | None = None


Rank = tuple[int, str, int]
"""Orders the deliveries of the messages under one id: how often it was put back, a tag that tells apart two messages
that were put back at once, and how often this message was delivered. The higher is the newer."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The newest delivery of a guard that is known to have taken it over (PROTOCOL R1).

    `begun` counts the deliveries of the same message, this one included, that began what it asks for and did not
    end it. The first delivery of a message leaves no mark.
    """

    rank: Rank
    at: datetime
    begun: int = 0


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
    due. `activities` each name their guard; `abandoned` are those of them that the orchestrator was cancelled while it
    waited for, and that may be cancelled for that. `sends` and `messages` together are the queue of sends,
    under the one guard `queue_guard`, last added to at `queued_at`. `arming` and `alarm`: who sees to
    it that the instance is woken for its earliest timer. `timers` (task id to fire time) and `children`
    (task ids) are the open ones. `awaited` are the names of external events that it waits for, with since when: for
    people, nothing is decided by it. `tail` are the newest history events, encoded; `pages` the sealed older ones.
    `locks` are the entities (instance id, critical section) that this generation asked for their lock and has
    not released. `senders` are the numbers taken of other instances, the last heard of last; those that left the
    header are in `sender_pages`; nothing that was taken was sent after `latest_sent`. `garbage` are rows of this
    partition that may be deleted with any later commit.
    `entity` is the JSON-ready state of an entity (see the entity modules). `trace` is the span that started it, if
    the start was traced.
    """

    execution_id: str
    turn_time: datetime
    generation: int = 0
    attempt: int = 0
    sequence: int = 0
    parent: ParentInstance | None = None
    start_at: datetime | None = None
    pending: list[str] | PayloadRef = field(default_factory=lambda: [])
    activities: list[ActivityGroup] = field(default_factory=lambda: [])
    abandoned: IdSet = field(default_factory=IdSet)
    sends: list[SendGroup] = field(default_factory=lambda: [])
    messages: list[OutboxMessage] = field(default_factory=lambda: [])
    queue_guard: str = ""
    queued_at: datetime | None = None
    arming: Arming | None = None
    alarm: Alarm | None = None
    marks: dict[str, Mark] = field(default_factory=lambda: {})
    senders: dict[str, int] = field(default_factory=lambda: {})
    sender_pages: list[SenderPage] = field(default_factory=lambda: [])
    latest_sent: datetime | None = None
    clients: dict[str, ClientMemory] = field(default_factory=lambda: {})
    timers: dict[int, datetime] = field(default_factory=lambda: {})
    children: IdSet = field(default_factory=IdSet)
    awaited: dict[str, datetime] = field(default_factory=lambda: {})
    pages: list[PageRef] = field(default_factory=lambda: [])
    tail: Tail = field(default_factory=Tail)
    locks: list[tuple[str, str]] = field(default_factory=lambda: [])
    garbage: list[str] = field(default_factory=lambda: [])
    entity: dict[str, Any] | None = None
    trace: TraceContext | None = None

    def copy(self) -> InstanceState:
        """An independent copy, for a turn that may come to nothing."""
        made = InstanceState(*[value.copy() if type(value) in _CHANGEABLE else value for value in _VALUES(self)])
        for number, group in enumerate(made.activities):
            made.activities[number] = ActivityGroup(group.guard, group.committed_at, group.ids.copy())
        for number, sends in enumerate(made.sends):
            made.sends[number] = SendGroup(sends.sent_at, sends.ids.copy())
        for name, memory in made.clients.items():
            made.clients[name] = ClientMemory(memory.seen.copy(), memory.last)
        return made

    # --- who guards what -------------------------------------------------------------------------

    @property
    def has_sends(self) -> bool:
        """Whether the queue of sends is not empty."""
        return bool(self.sends or self.messages)

    def names(self, guard: str) -> bool:
        """Whether something is to be done by who holds this message: it must not be deleted."""
        for group in self.activities:
            if group.guard == guard:
                return True
        return (
            (self.queue_guard == guard and self.has_sends)
            or (self.arming is not None and self.arming.guard == guard)
            or (self.alarm is not None and self.alarm.doorbell == guard)
        )

    @property
    def is_rewound(self) -> bool:
        """Whether it was rewound and has taken no turn since: one is due, whatever arrived."""
        return bool(self.tail) and is_encoded(self.tail[-1], ExecutionRewound)

    @property
    def earliest(self) -> datetime | None:
        """When the instance is to be woken: for its earliest timer, or its delayed start."""
        if not self.timers:
            return self.start_at
        earliest = min(self.timers.values())
        return earliest if self.start_at is None else min(earliest, self.start_at)

    # --- encoding --------------------------------------------------------------------------------

    def encode(self, *, spare: int = 0, compress: bool = True) -> bytes:
        """The body of the header.

        :param spare: bytes of a row that are to stay free.
        :param compress: compress it; if not, that is done only where it could else be too large.
        :raises PayloadTooLargeError: it does not fit a row.
        """
        head: dict[str, Any] = {"executionId": self.execution_id, "turnTime": to_iso(self.turn_time)}
        for (name, _, encode), value in zip(_FIELDS, _WRITTEN(self), strict=True):
            if value:
                head[name] = value if encode is None else encode(value)
        if not self.has_sends:
            head.pop("queueGuard", None)
            head.pop("queuedAt", None)
        body = self._pack(compact_json(head), compress=compress)
        if len(body) > MAX_BODY_BYTES - spare:
            raise PayloadTooLargeError(
                f"The state of the instance takes {len(body)} bytes compressed; a header holds "
                f"{MAX_BODY_BYTES - spare}."
            )
        return body

    def _pack(self, head: str, *, compress: bool) -> bytes:
        size = len(head) + self.tail.chars
        if size > MAX_STATE_BYTES // 5 and len(self._text(head).encode("utf-8", "surrogatepass")) > MAX_STATE_BYTES:
            raise PayloadTooLargeError(f"The state of the instance takes over {MAX_STATE_BYTES} bytes.")
        if not compress and size <= MAX_BODY_BYTES // 8:
            return pack(self._text(head), Record.header, compress=False)
        older, newer = self.tail.in_parts()
        if not older.size:
            return pack(self._text(head), Record.header)
        return pack_around(f"[{head},[", older, f"{newer}]]", Record.header)

    def _text(self, head: str) -> str:
        return f"[{head},[{self.tail.to_json()}]]"

    @classmethod
    def decode(cls, body: bytes) -> InstanceState:
        """The state that `encode` wrote.

        :raises CorruptRowError: it is damaged or not ours.
        :raises NewerFormatError: it is of a version to come.
        """
        try:
            head, tail = _BODY(shape.parse(unpack(body, Record.header)))
            data = Fields(head)
            state = cls(
                execution_id=data.read("executionId", _ID),
                turn_time=data.read("turnTime", _turn_time),
                generation=data.get("generation", _COUNT, 0),
                attempt=data.get("attempt", _COUNT, 0),
                sequence=data.get("sequence", _NUMBER, 0),
                parent=data.get("parent", decode_parent, None),
                start_at=data.get("startAt", _MOMENT, None),
                pending=data.get("pending", _pending, []),
                activities=[ActivityGroup(*group) for group in data.get("activities", _ACTIVITIES, [])],
                abandoned=data.get("abandoned", IdSet.from_json, IdSet()),
                sends=[SendGroup(*group) for group in data.get("sends", _SENDS, [])],
                messages=[OutboxMessage(*message) for message in data.get("messages", _MESSAGES, [])],
                queue_guard=data.get("queueGuard", _ID, ""),
                queued_at=data.get("queuedAt", _MOMENT, None),
                arming=data.get("arming", _arming, None),
                alarm=data.get("alarm", _alarm, None),
                marks=data.get("marks", _MARKS, {}),
                senders=data.get("senders", _SENDERS, {}),
                sender_pages=[SenderPage(*page) for page in data.get("senderPages", _SENDER_PAGES, [])],
                latest_sent=data.get("latestSent", _MOMENT, None),
                clients=data.get("clients", _CLIENTS, {}),
                timers=data.get("timers", _timers, {}),
                children=data.get("children", IdSet.from_json, IdSet()),
                awaited=dict(data.get("awaited", _AWAITED, [])),
                pages=[PageRef(*page) for page in data.get("pages", _PAGES, [])],
                tail=Tail(compact_json(event) for event in tail),
                locks=data.get("locks", _LOCKS, []),
                garbage=data.get("garbage", _KEYS, []),
                entity=data.get("entity", _ENTITY, None),
                trace=data.get(TRACE, TraceContext.decode, None),
            )
            _check_totals(state)
            return state
        except (ShapeError, RecursionError) as error:
            raise CorruptRowError(f"the body of the header cannot be read: {error}") from error


_VALUES = attrgetter(*(field.name for field in fields(InstanceState)))
_CHANGEABLE = frozenset({list, dict, IdSet, Tail})
SPARE_BYTES = 20_000
"""What is left free in a header that a turn will follow: room to say that it did not fit, or why it failed."""
MAX_GENERATIONS = 0x7FFFFFFF
"""Generations and attempts of an execution at most: both are in the numbers of what it sends."""
MAX_HISTORY_CHUNKS = 100_000
"""Rows of all sealed pages of one generation at most."""


def _turn_time(value: Any) -> datetime:
    moment = shape.time(value)
    if moment.year >= 9999:
        raise ShapeError(f"a turn in the year {moment.year}: no turn can follow it")
    return moment


def _pending(value: Any) -> list[str] | PayloadRef:
    if isinstance(value, list):
        return _TEXTS(value)
    ref = decode_value(value)
    if not isinstance(ref, PayloadRef):
        raise shape.refused("a list of events, or a reference to one", value)
    return ref


def _arming(value: Any) -> Arming:
    return Arming(*_ARMING(value))


def _alarm(value: Any) -> Alarm:
    return Alarm(*_ALARM(value))


def _mark(value: Any) -> Mark:
    return Mark(*_MARK(value))


def _memory(value: Any) -> ClientMemory:
    return ClientMemory(*_MEMORY(value))


def _seen(value: Any) -> IdSet:
    # A client that lives for long sends any number of events; nobody goes through them one by one.
    return IdSet.from_json(value, highest=LARGEST, most=LARGEST)


def _timers(value: Any) -> dict[int, datetime]:
    groups = _TIMERS(value)
    _check_count((ids for _, ids in groups), "timers")
    return {task_id: fire_at for fire_at, ids in groups for task_id in ids}


def _part_of_handle(value: Any) -> str | int:
    return value if isinstance(value, str) else _NUMBER(value)


def _check_totals(state: InstanceState) -> None:
    """Refuse what is within bounds in each of its parts, but not together.

    :raises ShapeError: there is too much of something.
    """
    if state.generation + state.attempt > MAX_GENERATIONS:
        raise ShapeError(f"{state.generation} generations and {state.attempt} attempts: no number is left for a send")
    _check_count((group.ids for group in state.activities), "activities")
    _check_count((group.ids for group in state.sends), "sends")
    chunks = sum(page.chunks for page in state.pages)
    if chunks > MAX_HISTORY_CHUNKS:
        raise ShapeError(f"a history of {chunks} rows; at most {MAX_HISTORY_CHUNKS} are possible")


def _check_count(sets: Iterable[IdSet], what: str) -> None:
    count = sum(map(len, sets))
    if count > MAX_IDS:
        raise ShapeError(f"{count} {what}; at most {MAX_IDS} are possible")


def _page(value: Any) -> tuple[str, int, int, tuple[str, ...]]:
    key, chunks, events, payloads = _PAGE(value)
    return key, chunks, events, tuple(payloads)


_ID = shape.word(256)
_COUNT = shape.whole(0, 0x7FFFFFFF)
_NUMBER = shape.whole(0, LARGEST)
_MOMENT = shape.optional(shape.time)
_TEXTS = shape.items(shape.text)
_KEYS = shape.items(shape.blob_key)
_ENTITY = shape.optional(shape.mapping(shape.text, shape.anything))
_BODY = shape.row(shape.anything, shape.items(shape.anything))
_ACTIVITIES = shape.items(shape.row(shape.word(256, least=0), shape.time, IdSet.from_json))
_SENDS = shape.items(shape.row(shape.time, IdSet.from_json))
_MESSAGES = shape.items(shape.row(_NUMBER, shape.text, shape.choice(SendKind), shape.text))
_ARMING = shape.row(_ID, shape.time)
_HANDLE = shape.row(_part_of_handle, _part_of_handle)
_ALARM = shape.row(shape.word(256, least=0), shape.time, shape.optional(_HANDLE))
_MARK = shape.row(shape.row(_COUNT, shape.word(256, least=0), _COUNT), shape.time, _COUNT)
_MARKS = shape.mapping(_ID, _mark)
_SENDERS = shape.mapping(shape.text, _NUMBER)
_SENDER_PAGES = shape.items(shape.row(shape.blob_key, shape.whole(1, MAX_CHUNKS), shape.time, shape.time))
_MEMORY = shape.row(_seen, shape.time)
_CLIENTS = shape.mapping(shape.text, _memory)
_TIMERS = shape.items(shape.row(shape.time, IdSet.from_json))
_AWAITED = shape.items(shape.row(shape.text, shape.time))
_PAGE = shape.row(shape.blob_key, shape.whole(1, MAX_CHUNKS), _NUMBER, _KEYS)
_PAGES = shape.items(_page)
_LOCKS = shape.items(shape.row(shape.text, shape.text))


# --- how each field is written -----------------------------------------------------------------------


def _to_json(value: PayloadRef | list[str]) -> Any:
    return encode_value(value) if isinstance(value, PayloadRef) else value


def _by_time(timers: dict[int, datetime]) -> dict[datetime, IdSet]:
    grouped: dict[datetime, IdSet] = {}
    for task_id, fire_at in timers.items():
        grouped.setdefault(fire_at, IdSet()).add(task_id)
    return grouped


_FIELDS: tuple[tuple[str, str, Callable[[Any], Any] | None], ...] = (
    ("generation", "generation", None),
    ("attempt", "attempt", None),
    ("sequence", "sequence", None),
    ("parent", "parent", encode_parent),
    ("startAt", "start_at", to_iso),
    ("pending", "pending", _to_json),
    (
        "activities",
        "activities",
        lambda groups: [[group.guard, to_iso(group.committed_at), group.ids.to_json()] for group in groups],
    ),
    ("abandoned", "abandoned", IdSet.to_json),
    ("sends", "sends", lambda groups: [[to_iso(group.sent_at), group.ids.to_json()] for group in groups]),
    ("messages", "messages", lambda messages: [[m.number, m.target, m.kind.value, m.body] for m in messages]),
    ("queueGuard", "queue_guard", None),
    ("queuedAt", "queued_at", to_iso),
    ("arming", "arming", lambda arming: [arming.guard, to_iso(arming.due)]),
    ("alarm", "alarm", lambda alarm: [alarm.doorbell, to_iso(alarm.due), alarm.handle]),
    (
        "marks",
        "marks",
        lambda marks: {guard: [mark.rank, to_iso(mark.at), mark.begun] for guard, mark in marks.items()},
    ),
    ("senders", "senders", None),
    (
        "senderPages",
        "sender_pages",
        lambda pages: [[page.key, page.chunks, to_iso(page.until), to_iso(page.moved_at)] for page in pages],
    ),
    ("latestSent", "latest_sent", to_iso),
    (
        "clients",
        "clients",
        lambda clients: {name: [memory.seen.to_json(), to_iso(memory.last)] for name, memory in clients.items()},
    ),
    ("timers", "timers", lambda timers: [[to_iso(at), ids.to_json()] for at, ids in _by_time(timers).items()]),
    ("children", "children", IdSet.to_json),
    ("awaited", "awaited", lambda awaited: [[name, to_iso(since)] for name, since in awaited.items()]),
    ("pages", "pages", lambda pages: [[page.key, page.chunks, page.events, page.payloads] for page in pages]),
    ("locks", "locks", None),
    ("garbage", "garbage", None),
    ("entity", "entity", None),
    (TRACE, "trace", TraceContext.encode),
)
"""Name in the header, attribute, and how it is written where it is not JSON already. What is empty is left out."""
_WRITTEN = attrgetter(*(attribute for _, attribute, _ in _FIELDS))
