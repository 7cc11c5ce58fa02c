"""The names of queues and the keys of rows: all there are, each made and read here and nowhere else.

A hub has one table and a few queues. In the table an instance has one partition; what a row is, its key says by how it
begins, and rows sort by that: the header, then the inbox, then everything else (`docs/format.md` shows each).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from enum import Enum

from azure_durable_py.errors import SettingsError


class RowKind(str, Enum):
    """What a row of a partition is. The value is what its key begins with; that of the header is all of it."""

    header = "00-instance"
    inbox = "10-inbox-"
    history = "20-history-"
    payload = "30-payload-"
    quarantine = "40-quarantine-"
    reason = "40-why-"
    senders = "50-senders-"
    backlog = "60-backlog-"


def kind_of(key: str) -> RowKind | None:
    """What the row with this key is; None: none of ours."""
    if key == RowKind.header.value:
        return RowKind.header
    return next((kind for kind in _WITH_NAMES if key.startswith(kind.value)), None)


_WITH_NAMES = tuple(kind for kind in RowKind if kind is not RowKind.header)


# --- the marker of the hub, and headers --------------------------------------------------------------

MARKER_PARTITION = "$hub"
MARKER_KEY = "marker"
KEYRING_KEY = "keys"
"""Of the row beside the marker that holds the keys of the hub."""
SCAN_KEY = "scan"
"""Of the row beside the marker that tells when a worker last began to look through the whole hub."""
HEADER_KEY = RowKind.header.value


# --- inbox rows --------------------------------------------------------------------------------------
# The store puts the prefix before an inbox key, and takes it away: above it, inbox keys have none.

INBOX_PREFIX = RowKind.inbox.value
END_OF_INBOX = "20"
"""Between the last row of an inbox and the first of all others."""
BEHIND_ALL = "~"
"""Sorts behind all inbox keys."""
_CONTROL, _ORDINARY = "0", "1"


def inbox_key(sent_at: datetime, sender: str, sequence: int, *, control: bool = False) -> str:
    """The key of an inbox row: sorts by rank, then by time, then by sequence within a sender.

    :param control: it sorts before everything that is not (PROTOCOL R15).
    """
    digest = hashlib.blake2b(sender.encode(), digest_size=8).hexdigest()
    return f"{_CONTROL if control else _ORDINARY}-{_moment(sent_at)}-{digest}-{sequence:020d}"


def inbox_keys_until(moment: datetime) -> str:
    """Sorts behind the keys of what was sent before this time, and before those of ordinary events sent later."""
    return f"{_ORDINARY}-{_moment(moment)}"


def is_control(key: str) -> bool:
    """Whether an inbox key is that of a control event."""
    return key.startswith(f"{_CONTROL}-")


def _moment(moment: datetime) -> str:
    # Done for every message: by a pattern (`:%Y%m%d`) it takes nearly twice as long.
    m = moment
    return f"{m.year:04d}{m.month:02d}{m.day:02d}T{m.hour:02d}{m.minute:02d}{m.second:02d}{m.microsecond:06d}"


# --- pages and payloads: the stem of a key, and the keys of the rows that its text is cut into -------


def page_key(generation: int, turn_id: str, number: int) -> str:
    """RowKey stem of a history page; the turn that wrote it is part of the name (R18)."""
    return f"{RowKind.history.value}{generation:08d}-{turn_id}-{number:04d}"


def payload_key(writer: str, number: int) -> str:
    """RowKey stem of a payload: `writer` is the id of the turn, work item or client call that wrote it."""
    return f"{RowKind.payload.value}{writer}-{number:04d}"


def senders_key(turn_id: str) -> str:
    """RowKey stem of the numbers of senders that left the header with this turn (PROTOCOL R12)."""
    return f"{RowKind.senders.value}{turn_id}"


def backlog_key(turn_id: str) -> str:
    """RowKey stem of requests that an entity held back, sealed by this turn."""
    return f"{RowKind.backlog.value}{turn_id}"


def chunk_keys(key: str, chunks: int) -> list[str]:
    """The RowKeys of the rows of a page or payload."""
    return [f"{key}-{chunk:04d}" for chunk in range(chunks)]


# --- who writes payloads before what they belong to --------------------------------------------------

_MESSAGE, _START, _WORK = "msg-", "start-", "work-"
_STAGED = tuple(f"{RowKind.payload.value}{writer}" for writer in (_MESSAGE, _START))
_NUMBERS = len("-0000-0000")


def staged_message(inbox_key: str) -> str:
    """The writer of the payload rows of an inbox event; they are put before it."""
    return f"{_MESSAGE}{inbox_key}"


def staged_start(execution_id: str) -> str:
    """The writer of the payload rows of an instance's start; large ones are put before its header."""
    return f"{_START}{execution_id}"


def work_writer(item_id: str) -> str:
    """The writer of the payload rows of a work item; they are put before it."""
    return f"{_WORK}{item_id}"


def is_staged(key: str) -> bool:
    """Whether a row was put before the inbox event or the start that it belongs to."""
    return key.startswith(_STAGED)


def staged_for(key: str) -> str | None:
    """What such a row was put for: the key of an inbox row, or the id of an execution. None: it was not staged."""
    staged = next((prefix for prefix in _STAGED if key.startswith(prefix)), None)
    # It stands between the prefix and the numbers of value and chunk.
    return None if staged is None else key[len(staged) : -_NUMBERS]


# --- what is set aside -------------------------------------------------------------------------------

_UNSAFE = re.compile(r"[^A-Za-z0-9._!-]")
_LONGEST_NAME = 400


def quarantine_name(text: str) -> str:
    """A name for what is set aside that a key can hold, whatever it is made of."""
    return _UNSAFE.sub(lambda match: f"~{ord(match[0]):X}", text)[:_LONGEST_NAME]


def quarantine_keys(name: str, pieces: int) -> list[str]:
    """The RowKeys of what is set aside under a name, in so many pieces."""
    names = [name, *(f"{name}-{number:04d}" for number in range(1, pieces))]
    return [f"{RowKind.quarantine.value}{each}" for each in names]


def reason_key(name: str) -> str:
    """The RowKey of why something was set aside."""
    return f"{RowKind.reason.value}{name}"


# --- the table, and the queues ------------------------------------------------------------------------


_TABLE_SUFFIX = "TaskHub"
_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{2,44}")


def table_name(hub_name: str) -> str:
    """The name of the table of a hub on Azure."""
    return f"{hub_name}{_TABLE_SUFFIX}"


def hub_of_table(table: str) -> str | None:
    """The name of the hub whose table has this name; None: it is none of a hub."""
    name = table.removesuffix(_TABLE_SUFFIX)
    return name if name != table and _HUB_NAME.fullmatch(name) else None


MAX_QUEUES = 16


class QueueNames:
    """The names of a hub's queues.

    :param hub_name: 3 to 45 letters and digits, a letter first; case does not matter.
    :param instance_queue_count: number of doorbell queues, 1 to 16.
    :raises SettingsError: one of them cannot be used.
    """

    def __init__(self, hub_name: str, instance_queue_count: int) -> None:
        if _HUB_NAME.fullmatch(hub_name) is None:
            raise SettingsError(
                f"Task hub name {hub_name!r} cannot be used: it needs 3 to 45 letters and digits, a letter first."
            )
        if not 1 <= instance_queue_count <= MAX_QUEUES:
            raise SettingsError(f"instanceQueueCount is {instance_queue_count}; accepted is 1 to {MAX_QUEUES}.")
        stem = f"{hub_name.lower()}-instances"
        numbered = tuple(f"{stem}-{number:02d}" for number in range(1, instance_queue_count + 1))
        self.instances = (stem,) if instance_queue_count == 1 else numbered
        self.activities = f"{hub_name.lower()}-activities"

    @property
    def all(self) -> tuple[str, ...]:
        """Every queue of the hub."""
        return (*self.instances, self.activities)

    def of_instance(self, instance_id: str) -> str:
        """The doorbell queue of an instance."""
        if len(self.instances) == 1:
            return self.instances[0]
        digest = hashlib.blake2b(instance_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return self.instances[int.from_bytes(digest, "big") % len(self.instances)]


def poison_queue(queue: str) -> str:
    """The queue for messages of `queue` that cannot be read: the name that Azure Functions uses."""
    return f"{queue}-poison"
