"""The task hub as every layer above shares it: a store, a clock, a source of ids.

Owns the small operations that are the same for clients and workers: ringing a doorbell,
starting an instance, delivering events to an inbox, replacing and purging an instance. It
decides nothing about turns and runs no user code.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.errors import (
    ConcurrencyConflictError,
    PayloadTooLargeError,
    StorageRejectedError,
    StorageUnavailableError,
    UnstorableError,
)
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import ExecutionStarted, ParentInstance, PayloadRef
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.observers import joined
from azure_durable_py.record import record
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.inserted import Inserted
from azure_durable_py.taskhub.keys import HubKeys
from azure_durable_py.taskhub.messages import Cause, Doorbell, InboxEvent
from azure_durable_py.taskhub.naming import staged_message, staged_start
from azure_durable_py.taskhub.outage import Outage
from azure_durable_py.taskhub.patience import FIRST_PAUSE, Patience
from azure_durable_py.taskhub.payloads import Spill, encode_ref
from azure_durable_py.taskhub.protocol import (
    MAX_COMMIT_BYTES,
    MAX_COMMIT_ROWS,
    MAX_DELAY_SECONDS,
    MAX_INBOX_BODY_BYTES,
    BlobRow,
    Columns,
    Commit,
    CorruptRowError,
    Header,
    HubInfo,
    InboxRow,
    Kind,
    QueueMessage,
    TaskHubStore,
)
from azure_durable_py.taskhub.state import Alarm, InstanceState
from azure_durable_py.taskhub.wrapping import Checked, Observed, Repeating, repeat
from azure_durable_py.times import to_iso
from azure_durable_py.trace_context import TraceContext

logger = logging.getLogger("azure_durable_py.taskhub")
_Result = TypeVar("_Result")
Watcher: TypeAlias = Callable[[Header, InstanceState], None]
PENDING_RING_SECONDS = 30.0
LONGEST_WHY = 200
"""Characters of what a doorbell says of itself."""
_MOST_WITH_HEADER = MAX_COMMIT_BYTES - 1_000_000


@record
class StartRequest:
    """A new orchestration instance as it is to be inserted. `input` is JSON text, `trace` the span that starts it."""

    instance_id: str
    execution_id: str
    name: str
    created_at: datetime
    input: str | None = None
    version: str | None = None
    tags: dict[str, str] | None = None
    parent: ParentInstance | None = None
    start_at: datetime | None = None
    trace: TraceContext | None = None


class TaskHub:
    """One task hub. Opened once per process and shared by its worker and clients.

    :param store: where the hub is kept. It is asked only for what keeps to the limits of the protocol (`Checked`).
    :param clock: tells UTC time.
    :param ids: source of unique ids and jitter.
    :param observer: told what clients, workers and the store of this hub do; it cannot harm them, whatever it raises.
    :param compresses: whether states are compressed. Where they never leave the memory, that only takes time.
    """

    def __init__(
        self,
        store: TaskHubStore,
        clock: Clock | None = None,
        ids: Ids | None = None,
        *,
        observer: Observer = NOBODY,
        compresses: bool = True,
    ) -> None:
        self.compresses = compresses
        self.clock = clock or Clock()
        self.ids = ids or Ids()
        self.observer = joined(observer)
        self.store = Checked(Observed(store, self.observer) if self.observer.watches_storage else store)
        self.outage = Outage(self.ids, self.observer)
        self.reliable = Repeating(self.store, self.outage)
        """The same store, which repeats calls while it gives no answer."""
        self.keys = HubKeys(self.store, self.reliable, self.clock, lambda: self.info)
        self._listeners: list[Callable[[str, float], None]] = []
        self._watchers: dict[str, list[Watcher]] = {}
        self.inserted = Inserted()
        self._info: HubInfo | None = None

    @property
    def info(self) -> HubInfo:
        """The marker of the hub; known after `open`."""
        if self._info is None:
            raise RuntimeError("The task hub is not open: call `await hub.open()` first.")
        return self._info

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker. Idempotent.

        :raises HubFormatError: made by a newer format, or with another number of queues.
        """
        if self._info is None:
            self._info = await self.store.open()
        return self._info

    async def close(self) -> None:
        """Release the store's connections."""
        self._info = None
        self.keys.forget()
        await self.store.close()

    # --- queues --------------------------------------------------------------------------------

    def listen(self, listener: Callable[[str, float], None]) -> Callable[[], None]:
        """Call `listener(queue, delay)` whenever this process puts a message; returns the way to stop."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def watch(self, instance_id: str, watcher: Watcher) -> Callable[[], None]:
        """Call `watcher(header, state)` whenever this process commits for an instance; returns the way to stop."""
        self._watchers.setdefault(instance_id, []).append(watcher)

        def stop() -> None:
            watchers = self._watchers[instance_id]
            watchers.remove(watcher)
            if not watchers:
                del self._watchers[instance_id]

        return stop

    @property
    def watched(self) -> int:
        """How many instances are watched."""
        return len(self._watchers)

    def committed(self, header: Header, state: InstanceState) -> None:
        """Tell those who watch an instance what its header is now, and the state in it: not theirs to change."""
        self.inserted.forget(header.instance_id)
        for watcher in self._watchers.get(header.instance_id, ()):
            watcher(header, state)

    async def put(self, queue: str, body: str, delay: float = 0.0, *, hold: bool = False) -> QueueMessage:
        """Put a message and wake this process's own pumps. A held one is not announced."""
        message = await self.store.put_message(queue, body, min(delay, MAX_DELAY_SECONDS))
        if not hold:
            for listener in self._listeners:
                listener(queue, min(delay, MAX_DELAY_SECONDS))
        return message

    async def ring(self, instance_id: str, why: str = "", cause: Cause = Cause.told) -> None:
        """Put a doorbell for an instance. `why` is for people; of a long one they see the beginning."""
        doorbell = Doorbell(instance_id, self.ids.new(), cause, _shown(why))
        await self.put(self.store.instance_queue(instance_id), doorbell.encode())

    async def wake(self, instance_id: str, due: datetime) -> tuple[Doorbell, QueueMessage]:
        """Put a doorbell that wakes an instance when its earliest timer, or its delayed start, is due."""
        doorbell = Doorbell(instance_id, self.ids.new(), Cause.timer, f"due {to_iso(due)}")
        delay = max(0.0, (due - self.clock.now()).total_seconds())
        return doorbell, await self.put(self.store.instance_queue(instance_id), doorbell.encode(), delay)

    # --- starting --------------------------------------------------------------------------------

    async def start(self, request: StartRequest) -> Header | None:
        """Insert the header of a new instance and ring it.

        Returns None when the instance is there as asked (now, or from an earlier attempt),
        else the header of the other instance that has this id.
        """
        return await self._start(request, None, Rows())

    async def replace(self, old: Header, request: StartRequest, rest: Rows | None = None) -> Header | None:
        """Put a new instance in the place of a terminal one.

        :param old: the header as clearing left it.
        :param rest: the rows of the old instance that go with its header.
        Returns like `start`.
        """
        return await self._start(request, old.etag, rest or Rows())

    async def _start(self, request: StartRequest, expected: str | None, rest: Rows) -> Header | None:
        existing = await self._insert(request, expected, rest)
        if existing is not None and not _same_start(existing, request):
            return existing
        await self._ring_start(request)
        return None

    async def _insert(self, request: StartRequest, expected: str | None, rest: Rows) -> Header | None:
        """Write the first header. Returns the header found in its place, if it was not written."""
        header, state, rows = new_header(request, self.ids.short())
        # One request, where that is possible; rows put before the header are left alone by who clears the place.
        together = len(rows) + len(rest) <= MAX_COMMIT_ROWS and sum(len(row.body) for row in rows) <= _MOST_WITH_HEADER
        commit = Commit(request.instance_id, header, expected, rest.inbox, tuple(rows) if together else (), rest.blobs)
        if not together:
            await self.reliable.put_blobs(request.instance_id, rows)
        while True:
            try:
                etag = await self.reliable.commit(commit)
                self.inserted.add(replace(header, etag=etag), state)
                return None
            except ConcurrencyConflictError:
                found = await self.salvage(request.instance_id)
                if found is not None:
                    return found
                # Deleted meanwhile, with its rows: what we wanted to replace is gone, so this is a plain insert.
                commit = replace(commit, expected=None, consumed=(), dropped=())

    async def salvage(self, instance_id: str) -> Header | None:
        """The header of an instance, as far as its columns can be read."""
        try:
            return await self.reliable.load_header(instance_id)
        except DamagedHeaderError as error:
            return error.header

    async def _ring_start(self, request: StartRequest) -> None:
        if request.start_at is None:
            await self.retry(lambda: self.ring(request.instance_id, "new", Cause.started))
        else:
            due = request.start_at
            await self.retry(lambda: self.wake(request.instance_id, due))

    # --- inboxes ---------------------------------------------------------------------------------

    async def deliver(self, target: str, events: Sequence[InboxEvent | Packed], why: str) -> None:
        """Insert events into an inbox, in order, and ring its instance (PROTOCOL R6, R9).

        Repeating it with the same events has no further effect beyond another ring.

        :raises UnstorableError: one of them is too large or malformed; none is inserted.
        """
        await self.insert(target, events)
        await self.ring(target, why)

    async def insert(self, target: str, events: Sequence[InboxEvent | Packed]) -> None:
        """Insert events into an inbox, in order, as many at once as rows and bytes allow; rings nobody.

        :raises UnstorableError: one of them is too large or malformed; none is inserted.
        """
        packed = [event if isinstance(event, Packed) else pack(target, event) for event in events]
        blobs = {each.row.key: each.values for each in packed}
        for rows in limits.transactions([each.row for each in packed], MAX_COMMIT_ROWS):
            values = [value for row in rows for value in blobs[row.key]]
            if values:
                await self.store.put_blobs(target, values)
            await self.store.insert_inbox(target, rows)

    # --- lost answers ------------------------------------------------------------------------------

    async def retry(self, call: Callable[[], Awaitable[_Result]], *, attempts: int = 8) -> _Result:
        """Repeat what takes several calls, and may safely be repeated, while storage gives no answer (see `repeat`).

        A single call is repeated by `reliable`.

        :raises StorageUnavailableError: still no answer after `attempts` calls.
        """
        return await repeat(call, self.outage, "several calls", attempts=attempts)

    async def commit(self, commit: Commit) -> str:
        """Commit a header, resolving a lost answer by its turn id (PROTOCOL I2). Returns the new ETag.

        :raises ConcurrencyConflictError: the header was changed by another.
        :raises StorageUnavailableError: storage gives no answer for long; the commit is unresolved.
        """
        if commit.header is None:
            raise ValueError("only the writing of a header can be resolved by its turn id")
        wanted = commit.header.columns.turn_id
        try:
            return await self.reliable.commit(commit)
        except ConcurrencyConflictError:
            found = await self.reliable.load_header(commit.instance_id)
            if found is not None and found.columns.turn_id == wanted:
                return found.etag
            raise

    def patience(self, what: str, first: float = FIRST_PAUSE) -> Patience:
        """Waits for storage that refuses something.

        :param what: what waits, for the log.
        :param first: the first pause, in seconds.
        """
        return Patience(self.outage, what, first)

    async def patiently(self, call: Callable[[], Awaitable[_Result]], what: str) -> _Result:
        """Repeat a call that may safely be repeated, for as long as storage refuses it or gives no answer.

        Neither says anything about what is asked for, so neither is an answer (PROTOCOL I10). Pauses grow to 30 s.
        Everything else that the call raises is raised.

        :param what: what waits, for the log: told when waiting begins, and when it ends.
        """
        patience = self.patience(what, first=0.1)
        while True:
            try:
                result = await call()
            except (StorageUnavailableError, StorageRejectedError) as error:
                await patience.wait(error)
            else:
                patience.over()
                return result


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one partition, by key: of its inbox (inbox keys), and blob rows (RowKeys)."""

    inbox: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inbox) + len(self.blobs)


@record
class Packed:
    """An event on its way into an inbox: its row, and the rows of its large values."""

    row: InboxRow
    values: list[BlobRow]

    @property
    def size(self) -> int:
        """Bytes of all bodies."""
        return len(self.row.body) + sum(len(row.body) for row in self.values)


def pack(target: str, event: InboxEvent) -> Packed:
    """The rows of an event.

    :raises UnstorableError: it is too large or malformed.
    """
    try:
        key = event.key
        spill = Spill(staged_message(key))
        stored = spill.event(event.event)
        # Most events have no large value, and are stored as they are.
        body = (event if stored is event.event else replace(event, event=stored)).encode()
    except UnicodeEncodeError as error:
        raise UnstorableError(f"An event for {target!r} is not Unicode text: {error}") from error
    if len(body) > MAX_INBOX_BODY_BYTES:
        raise PayloadTooLargeError(
            f"An event for {target!r} takes {len(body)} bytes beside its values, over {MAX_INBOX_BODY_BYTES}."
        )
    return Packed(InboxRow(key, body), spill.rows)


def new_header(request: StartRequest, turn_id: str) -> tuple[Header, InstanceState, list[BlobRow]]:
    """The header of a new, pending instance, the state in it, and the payload rows that it refers to."""
    spill = Spill(staged_start(request.execution_id))
    value = spill.value(request.input)
    started = ExecutionStarted(
        timestamp=request.created_at,
        name=request.name,
        input=value,
        version=request.version,
        parent=request.parent,
        tags=request.tags,
    )
    state = InstanceState(
        execution_id=request.execution_id,
        turn_time=request.created_at,
        parent=request.parent,
        start_at=request.start_at,
        alarm=None if request.start_at is None else Alarm("", request.start_at),
        pending=[encode_event(started)],
        trace=request.trace,
    )
    columns = Columns(
        kind=Kind.orchestration,
        name=request.name,
        runtime_status="Pending",
        created_time=request.created_at,
        last_updated_time=request.created_at,
        execution_id=request.execution_id,
        turn_id=turn_id,
        input=value if isinstance(value, str) else None,
        input_payload=encode_ref(value) if isinstance(value, PayloadRef) else None,
        version=request.version,
        tags=encode_tags(request.tags),
        parent_instance_id=request.parent.instance_id if request.parent else None,
        wake_time=request.start_at,
    )
    return Header(request.instance_id, columns, state.encode()), state, spill.rows


def encode_tags(tags: dict[str, str] | None) -> str | None:
    """Tags as the JSON text of a column."""
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":")) if tags else None


def decode_tags(text: str | None) -> dict[str, str]:
    """The tags behind the text of a column."""
    tags: dict[str, Any] = json.loads(text) if text else {}
    return {str(name): str(value) for name, value in tags.items()}


def _shown(why: str) -> str:
    """A reason that fits a doorbell, whatever names of the user's it is made of: nobody reads one that does not."""
    return why.encode("utf-8", "backslashreplace").decode()[:LONGEST_WHY]


def _same_start(found: Header, request: StartRequest) -> bool:
    if found.columns.execution_id == request.execution_id:
        return True
    if request.parent is None:
        return False
    try:
        origin = InstanceState.decode(found.body).parent
    except CorruptRowError:
        return False
    return origin is not None and (
        (origin.instance_id, origin.execution_id, origin.generation, origin.attempt, origin.task_id)
        == (
            request.parent.instance_id,
            request.parent.execution_id,
            request.parent.generation,
            request.parent.attempt,
            request.parent.task_id,
        )
    )
