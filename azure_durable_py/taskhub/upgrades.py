"""In which version each stored record is written, and how one of an older version is read.

A record says in which version it was written. One of today's version is read as it is. An older one is taken through
the steps below, one version at a time, before its fields are looked at; what is written is of today's version. Of a
newer one nothing is read, and it is neither changed nor set aside nor deleted: it waits for a worker that knows it
(`NewerFormatError`). `docs/format.md` tells what a change of the format takes.

Owns the versions and the steps, those of the marker of a hub and of the tables of a SQLite file too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import StorageError
from azure_durable_py.shape import Fields
from azure_durable_py.taskhub.naming import RowKind, kind_of
from azure_durable_py.taskhub.protocol import HubInfo


class Record(str, Enum):
    """What is stored with a version of its own. The value is its name for people."""

    doorbell = "doorbell"
    work_item = "work item"
    inbox_event = "inbox event"
    outbox_start = "start in an outbox"
    header = "header"
    history = "page of a history"
    payload = "payload"
    senders = "page of senders"
    backlog = "page of a backlog"
    keyring = "keyring"


VERSIONS: dict[Record, int] = {
    **dict.fromkeys(Record, 1),
    Record.header: 3,
    Record.history: 3,
    Record.inbox_event: 2,
}
"""The version in which each record is written. One that is raised needs a step from the version before."""

Step = Callable[[Any], Any]

STEPS: dict[tuple[Record, int], Step] = {
    # The second version of both may hold what rewinding brings: the event of it, attempts, sends to children.
    (Record.header, 1): lambda text: text,
    (Record.history, 1): lambda text: text,
    # From these on a failure may say whether and when its task is worth another attempt.
    (Record.header, 2): lambda text: text,
    (Record.history, 2): lambda text: text,
    (Record.inbox_event, 1): lambda fields: fields,
}
"""Makes of a record of this version one of the next. Records with a field `v` are given and returned as a JSON object
without it, all others as the text that they unpack to."""

MARKER_STEPS: dict[int, Callable[[HubInfo], HubInfo]] = {}
"""The same for the marker of a hub, by its format. Who opens an older hub writes the new marker: from then on only
workers that know it can open the hub."""

SCHEMA_STEPS: dict[int, str] = {}
"""The SQL that makes of the tables of a SQLite file of this schema those of the next."""


class NewerFormatError(StorageError):
    """A record was written by a newer version of this package. It is left as it is."""

    def __init__(self, record: Record, version: int) -> None:
        super().__init__(
            f"a {record.value} was written by a newer version of azure-durable-py (version {version} of its format; "
            f"this one knows up to {VERSIONS[record]}). Upgrade azure-durable-py here; until then it waits for a "
            "worker that is upgraded"
        )


def upgraded(record: Record, version: int, data: Any) -> Any:
    """A record of some version as one of today's.

    :raises NewerFormatError: it is of a version to come.
    """
    if version > VERSIONS[record]:
        raise NewerFormatError(record, version)
    for at in range(version, VERSIONS[record]):
        data = STEPS[record, at](data)
    return data


# --- records that are JSON objects -------------------------------------------------------------------

VERSION = "v"
"""The field of a JSON object that tells its version, in every version."""


def stamped(record: Record, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record that is about to be written, with its version."""
    return {VERSION: VERSIONS[record], **fields}


def fields_of(record: Record, data: Any) -> Fields:
    """The fields of a record that was read, as of today's version.

    :raises NewerFormatError: it is of a version to come.
    :raises ShapeError: it is no such record.
    """
    found = Fields(data)
    version = found.read(VERSION, _VERSION)
    return found if version == VERSIONS[record] else Fields(upgraded(record, version, dict(data)))


_VERSION = shape.whole(1, 0x7FFFFFFF)


# --- rows that hold a packed text --------------------------------------------------------------------

_RECORDS = {
    RowKind.header: Record.header,
    RowKind.history: Record.history,
    RowKind.payload: Record.payload,
    RowKind.senders: Record.senders,
    RowKind.backlog: Record.backlog,
}


def record_of(key: str) -> Record:
    """Which record the rows with this key, or stem of a key, hold.

    :raises ShapeError: none of ours.
    """
    kind = kind_of(key)
    record = None if kind is None else _RECORDS.get(kind)
    if record is None:
        raise shape.refused("the key of a page or payload", key)
    return record


def lead_to(today: int, version: int, steps: Collection[int]) -> bool:
    """Whether steps lead from a version to today's."""
    return version <= today and all(at in steps for at in range(version, today))
