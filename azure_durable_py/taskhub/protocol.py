"""The contract between the engine and a task hub store.

Owns the `TaskHubStore` protocol and the records that cross it. A store keeps, per instance,
one partition of rows (one header, inbox rows, blob rows) and, per hub, named queues of
messages. It never interprets the bodies that it keeps.

Failure modes, for every call:

- `StorageUnavailableError`: no usable answer. The call may have taken effect, or may still.
- `StorageRejectedError`: a definite no; nothing took effect. It says nothing of the future: what is refused now
  (no access, no room on the disk) may be taken later.
- `UnstorableError`: what was to be stored is over a limit below (`PayloadTooLargeError`) or malformed; nothing took
  effect, and nothing ever will. A store need not look for it: every hub asks its store through `wrapping.Checked`.
- `DamagedHeaderError`, where a header is returned: its columns are not ours. A listing goes on.
- Anything else a method raises is listed with it, is definite, and means nothing took effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter
from typing import Any, Protocol

from azure_durable_py.errors import StorageError
from azure_durable_py.record import record
from azure_durable_py.status import TERMINAL_NAMES


class Kind(str, Enum):
    """What an instance is."""

    orchestration = "orchestration"
    entity = "entity"


@record
class Columns:
    """The queryable part of a header. Times are UTC; the texts are JSON.

    `input`/`output` hold the JSON text inline, or None with `input_payload`/`output_payload`
    set to a reference (encoded, see `payloads.encode_ref`) when the text is too large for a column.
    `wake_time` is the fire time of the earliest open timer; `has_outbox` tells that committed
    turns still had something to hand over.
    """

    kind: Kind
    name: str
    runtime_status: str
    created_time: datetime
    last_updated_time: datetime
    execution_id: str
    turn_id: str
    generation: int = 0
    completed_time: datetime | None = None
    custom_status: str | None = None
    input: str | None = None
    input_payload: str | None = None
    output: str | None = None
    output_payload: str | None = None
    version: str | None = None
    tags: str | None = None
    parent_instance_id: str | None = None
    wake_time: datetime | None = None
    has_outbox: bool = False

    def but(self, changes: Mapping[str, Any]) -> Columns:
        """The same with other values of some fields, by name. With `replace` this would be a tenth of a turn."""
        values = list(_VALUES_OF(self))
        for name, value in changes.items():
            values[_PLACE_OF[name]] = value
        return Columns(*values)


_VALUES_OF = attrgetter(*(field.name for field in fields(Columns)))
_PLACE_OF = {field.name: place for place, field in enumerate(fields(Columns))}


@record
class Header:
    """The one row that is the truth about an instance.

    `body` is opaque to the store, at most `MAX_BODY_BYTES`. `etag` is the store's and empty
    in a header that is about to be written.
    """

    instance_id: str
    columns: Columns
    body: bytes
    etag: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether the instance is finished for good."""
        return self.columns.runtime_status in TERMINAL_NAMES


@record
class InboxRow:
    """One event for an instance, not yet consumed.

    Rows sort by `key` (at most 400 characters, any of `[A-Za-z0-9._~!-]`); control events use keys
    that sort before all others. `timestamp` is the time at which storage took the row.
    """

    key: str
    body: bytes
    timestamp: datetime | None = None


@record
class BlobRow:
    """A history page (`20-history-...`) or a chunk of a payload (`30-payload-...`), at most `MAX_BODY_BYTES`.

    `key` is the whole RowKey.
    """

    key: str
    body: bytes
    timestamp: datetime | None = None


@record
class Loaded:
    """Header and inbox as one query response showed them (PROTOCOL R11). `more`: further inbox rows wait."""

    header: Header | None
    inbox: tuple[InboxRow, ...]
    more: bool = False


@record
class Commit:
    """One atomic change of one partition, conditional on the header's ETag.

    `header` None deletes the header. `expected` None inserts it (conflict if one exists).
    `consumed` are inbox keys to delete; `put` blob rows to insert or replace; `dropped` whole
    RowKeys of blob rows to delete. Without rows it is a plain write of the header.
    """

    instance_id: str
    header: Header | None
    expected: str | None
    consumed: tuple[str, ...] = ()
    put: tuple[BlobRow, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstanceQuery:
    """Which headers to list. Every criterion given must hold; bounds of times are inclusive.

    `with_values` also returns input, output and custom status, `with_custom_status` only that. `page_size` is 1 to
    1000. `names` are matched exactly. Entities are listed with `kind=Kind.entity`; then
    `instance_id_prefix` is of the form `@name@keyprefix`.
    """

    kind: Kind = Kind.orchestration
    runtime_status: Collection[str] = ()
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    instance_id_prefix: str | None = None
    names: Collection[str] = ()
    with_outbox: bool | None = None
    with_values: bool = True
    with_custom_status: bool = False
    page_size: int = 100
    continuation_token: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """One header in a listing: its columns, never its body.

    `damaged` tells what of the columns cannot be read, and why; such columns hold nothing (see `columns.py`).
    """

    instance_id: str
    columns: Columns
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; pages may be short. No token: it was the last."""

    items: tuple[Listed, ...]
    continuation_token: str | None


@record
class QueueMessage:
    """A message received, or one that we put and still hold.

    `dequeue_count` is 1 on its first delivery (0 when put by us and never received).
    `handle` is the store's: message id and pop receipt, as texts and numbers, so that a row can keep it.
    """

    queue: str
    body: str
    dequeue_count: int
    handle: tuple[Any, ...] = field(repr=False, compare=False)
    inserted_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """The keys of the hub as one record, opaque to the store: at most `MAX_BODY_BYTES`; keep it out of logs."""

    body: bytes = field(repr=False)
    etag: str


@dataclass(frozen=True, slots=True)
class HubInfo:
    """What the marker row of the hub says. `signing_key` signs management URLs; keep it out of logs."""

    format_version: int
    queue_count: int
    signing_key: bytes = field(repr=False)


FORMAT_VERSION = 2
"""Of what no record can say of itself: keys of rows, names of queues. Raised with a step in `upgrades.py`."""
MAX_BODY_BYTES = 720_000
"""Largest body of a header or blob row: with its columns, and in base64 (which is what Azurite measures), below the
1 MiB that an entity of a table may have."""
MAX_INBOX_BODY_BYTES = 48_000
"""Largest body of an inbox row: it sits in one property (64 KiB); larger values go to payload rows."""
MAX_COMMIT_ROWS = 99
"""Rows that a commit may change beside the header (an entity-group transaction has at most 100)."""
MAX_COMMIT_BYTES = 2_800_000
"""Bytes of bodies in one commit: a transaction has 4 MiB, base64 takes a third of it."""
MAX_MESSAGE_CHARS = 45_000
"""Largest queue message body: 64 KiB after Base64 of its UTF-8 bytes."""
LONGEST_PAUSE = 30.0
"""Longest pause between two polls of an idle queue, in seconds, where polls cost something."""
MAX_DELAY_SECONDS = 6 * 24 * 3600.0
"""Longest delay of a message that we ask for (Azure allows seven days)."""


class TaskHubStore(Protocol):
    """A task hub. Safe for concurrent use from one event loop.

    Opening is explicit: `open` creates what is missing (queues, table, marker) and checks the
    marker; every other method may be called after it. Methods create queues or the table again
    when they were deleted meanwhile.
    """

    @property
    def description(self) -> str:
        """Where the hub is, for people: never contains a secret."""
        ...

    @property
    def longest_pause(self) -> float:
        """Seconds after which an idle queue is asked again at the latest, unless a setting says it."""
        ...

    @property
    def instance_queues(self) -> tuple[str, ...]:
        """The names of the doorbell queues (one unless instanceQueueCount > 1)."""
        ...

    @property
    def activity_queue(self) -> str:
        """The name of the work-item queue."""
        ...

    def instance_queue(self, instance_id: str) -> str:
        """The doorbell queue of an instance: a stable hash of its id picks it."""
        ...

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker.

        :raises HubFormatError: made by a newer format, or with another number of queues.
        """
        ...

    async def close(self) -> None:
        """Release connections. Idempotent."""
        ...

    async def delete_hub(self) -> None:
        """Delete the table and the queues, with everything in them. Idempotent."""
        ...

    async def load_keys(self) -> StoredKeys | None:
        """The keys of the hub; None while nobody has made any."""
        ...

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        """Write the keys of the hub; returns their new ETag.

        :param expected: the ETag of those that are replaced; None: there are none yet.
        :raises ConcurrencyConflictError: theirs is another ETag, there are some, or there are none any more.
        :raises UnstorableError: they are over `MAX_BODY_BYTES`.
        """
        ...

    # --- one partition -----------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        """Header and the first inbox rows (up to about 1,000), in one query, in key order."""
        ...

    async def load_header(self, instance_id: str) -> Header | None:
        """The header alone, in one point read."""
        ...

    async def commit(self, commit: Commit) -> str:
        """Apply a commit; returns the header's new ETag ('' when the header was deleted).

        Deleting an inbox or blob row that is already gone is not an error in itself.

        :raises ConcurrencyConflictError: the header's ETag is not `expected`, or it exists.
        :raises UnstorableError: the commit is over one of the limits above.
        """
        ...

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        """Insert rows (at most `MAX_COMMIT_ROWS`) in order, atomically where none exists.

        A row whose key exists is left as it is. Returns the keys that existed.
        """
        ...

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete inbox rows without touching a header. Missing ones are no error."""
        ...

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows, in as many transactions as it takes (not atomic together)."""
        ...

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of these blob rows; a missing one is absent from the result."""
        ...

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`, in key order, bodies included."""
        ...

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows of an instance, and the time at which storage took each. No bodies are read."""
        ...

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete blob rows without touching a header. Missing ones are no error."""
        ...

    # --- all partitions ------------------------------------------------------------------------

    async def query(self, query: InstanceQuery) -> Page:
        """List headers.

        :raises InvalidRequestError: the continuation token is not one of this store's.
        """
        ...

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances, there or not, with an inbox row that storage took before this time."""
        ...

    async def claim_scan(self, every: timedelta) -> bool:
        """Whether the caller is to look through the whole hub now, on behalf of all workers.

        False: another did so, or began to, less than `every` ago. Where such a look costs little whatever the size of
        the hub (SQLite), it is always granted.
        """
        ...

    # --- queues --------------------------------------------------------------------------------

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message that never expires, invisible for `delay` seconds (<= `MAX_DELAY_SECONDS`).

        Returns it with a handle by which the sender may hold, extend or delete it while
        it is invisible.
        """
        ...

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take up to `limit` (1 to 32) messages, invisible to others for `visibility` seconds."""
        ...

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible for `visibility` seconds from now (0: visible at once).

        :raises MessageLostError: it was deleted or delivered to somebody else.
        """
        ...

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold.

        :raises MessageLostError: it was deleted or delivered to somebody else.
        """
        ...

    async def next_visible(self, queue: str) -> float | None:
        """Seconds until the first message of a queue is visible (0: one is now), by the clock of the store.

        None: there is no message, or the store cannot tell (Azure). An answer may be outdated by any later call;
        it saves polls, and never takes their place.
        """
        ...

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` on the running loop whenever there may be messages that another process put or let go.

        A store that cannot know of other processes (Azure), or that has none (in memory), never calls it. The store
        must be open. Returns the way to stop.
        """
        ...

    async def message_counts(self) -> dict[str, int]:
        """About how many messages each queue holds, invisible ones included, by queue name."""
        ...

    async def untaken_counts(self) -> dict[str, int]:
        """How many messages of each queue are due and in no worker's hands, up to 32 of each."""
        ...

    async def poison_counts(self) -> dict[str, int]:
        """The same of the poison queue of each. One that does not exist holds none, and is not created."""
        ...


class CorruptRowError(StorageError):
    """A row of the hub cannot be read: damaged, or written by something else."""
