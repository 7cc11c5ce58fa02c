"""The golden files: which there are, how today's code writes each, and how it reads it back.

A file is named after what it holds and the version of it: `doorbell-told.v1.json`. Files of older versions stay for as
long as a hub may hold such a record.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.taskhub.azure import rows
from azure_durable_py.taskhub.azure.tables import _marker_row
from azure_durable_py.taskhub.columns import read_columns
from azure_durable_py.taskhub.keyring import Keyring
from azure_durable_py.taskhub.messages import Doorbell, InboxEvent, WorkItem
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.outgoing import Deliver, from_message, to_message
from azure_durable_py.taskhub.payloads import from_blobs, to_blobs, unpack
from azure_durable_py.taskhub.protocol import FORMAT_VERSION, Header, HubInfo
from azure_durable_py.taskhub.sqlite import database, values
from azure_durable_py.taskhub.state import InstanceState, OutboxMessage, SendKind
from azure_durable_py.taskhub.upgrades import VERSIONS, Record
from tests.format import samples

FOLDER = Path(__file__).parent / "golden"
_MARKER = HubInfo(FORMAT_VERSION, 1, bytes(range(32)))


@dataclass(frozen=True, slots=True)
class Golden:
    """Something that is stored.

    :param version: in which it is written.
    :param ending: of its file.
    :param write: what today's code makes of the sample.
    :param read: what today's code reads, from such bytes.
    :param sample: what that should be.
    :param raise_it: where its version is raised.
    :param packed: what record its bytes are packed as. zlib may pack the same text otherwise elsewhere, and whether a
        text is worth compressing is no matter of the format: every version reads both.
    """

    version: int
    ending: str
    write: Callable[[], bytes]
    read: Callable[[bytes], Any]
    sample: Any
    raise_it: str
    packed: Record | None = None

    def text(self, content: bytes) -> bytes:
        """What is compared of a file."""
        return content if self.packed is None else content[:2] + unpack(content, self.packed).encode()


def path_of(name: str) -> Path:
    """The file of the version that is written today."""
    golden = GOLDEN[name]
    return FOLDER / f"{name}.v{golden.version}.{golden.ending}"


def older(name: str) -> list[Path]:
    """The files of all versions of something."""
    return sorted(FOLDER.glob(f"{name}.v*"))


def _record(
    record: Record, ending: str, write: Callable[[], bytes], read: Callable[[bytes], Any], sample: Any
) -> Golden:
    advice = f"VERSIONS[Record.{record.name}] and STEPS in azure_durable_py/taskhub/upgrades.py"
    return Golden(VERSIONS[record], ending, write, read, sample, advice, record if ending == "bin" else None)


def _pretty(data: Any) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


# --- one at a time -----------------------------------------------------------------------------------


def _header(state: InstanceState) -> Golden:
    return _record(Record.header, "bin", state.encode, InstanceState.decode, state)


def _rows(record: Record, key: str, text: str, decode: Callable[[str], Any], sample: Any) -> Golden:
    def write() -> bytes:
        [row] = to_blobs(key, text)[1]
        return row.body

    return _record(record, "bin", write, lambda body: decode(from_blobs(key, 1, {chunk_keys(key, 1)[0]: body})), sample)


def _history() -> Golden:
    text = "\n".join(map(encode_event, samples.HISTORY))
    return _rows(
        Record.history,
        "20-history-00000002-turn3-0000",
        text,
        lambda text: tuple(map(decode_event, text.split("\n"))),
        samples.HISTORY,
    )


def _outbox(name: str) -> Golden:
    send = samples.SENDS[name]

    def write() -> bytes:
        message = to_message(send)
        return _pretty([message.number, message.target, message.kind.value, message.body])

    def read(content: bytes) -> Any:
        sequence, target, kind, body = json.loads(content)
        return from_message(OutboxMessage(sequence, target, SendKind(kind), body))

    record = Record.inbox_event if isinstance(send, Deliver) else Record.outbox_start
    return _record(record, "json", write, read, send)


_TYPES: dict[type, str] = {str: "String", int: "Int32", bool: "Boolean", datetime: "DateTime", bytes: "Binary"}


def _azure_columns(name: str) -> Golden:
    columns = samples.COLUMNS[name]
    instance_id = "order-17" if name == "orchestration" else "@stock@tea"

    def write() -> bytes:
        row = rows.header_row(Header(instance_id, columns, b"..."))
        return _pretty({column: [_TYPES[type(value)], _plain(value)] for column, value in row.items()})

    def read(content: bytes) -> Any:
        found: dict[str, Any] = {}
        for column, (kind, value) in json.loads(content).items():
            found[column] = datetime.fromisoformat(value) if kind == "DateTime" else value
        return rows._columns_of(instance_id, found)

    return _record(Record.header, "json", write, read, (columns, ""))


def _sqlite_columns(name: str) -> Golden:
    columns = samples.COLUMNS[name]

    def write() -> bytes:
        return _pretty(dict(zip(values._NAMES, values.to_row(columns), strict=True)))

    def read(content: bytes) -> Any:
        return read_columns("order-17", json.loads(content), values.to_time)

    return _record(Record.header, "json", write, read, (columns, ""))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.decode() if isinstance(value, bytes) else value


def _azure_schema() -> bytes:
    """Every column of a header, and its type."""
    row = rows.header_row(Header("x" * 500, samples.COLUMNS["orchestration"], b""))
    row |= rows.header_row(Header("x", samples.COLUMNS["entity"], b"b" * 65_537))
    row |= {"InstanceId": "x", "InputPayload": "{}"}
    return _pretty({column: _TYPES[type(value)] for column, value in sorted(row.items())})


def _sqlite_schema() -> bytes:
    db = database.open_memory()
    try:
        numbers = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")}
        found = [sql for name, sql in db.execute(_STATEMENTS) if name not in database.INDEXES]
    finally:
        db.close()
    lines = [*(f"PRAGMA {name} = {number}" for name, number in numbers.items()), *found]
    return "".join(f"{line};\n" for line in lines).encode()


# Of an index that only makes listings quicker no version tells: with it or without, every version can use the file.
_STATEMENTS = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY name"


def _run(script: bytes) -> list[str]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(script.decode())
        return sorted(name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
    finally:
        db.close()


def _marker() -> bytes:
    row = {name: [_TYPES[type(value)], value] for name, value in _marker_row(_MARKER).items()}
    return _pretty({**row, "SigningKey": ["Binary", _MARKER.signing_key.hex()]})


def _read_marker(content: bytes) -> HubInfo:
    row = {name: value for name, (_, value) in json.loads(content).items()}
    return HubInfo(row["FormatVersion"], row["QueueCount"], bytes.fromhex(row["SigningKey"]))


_FORMAT = (
    "FORMAT_VERSION in azure_durable_py/taskhub/protocol.py and MARKER_STEPS in azure_durable_py/taskhub/upgrades.py"
)
_SCHEMA = (
    "_SCHEMA_VERSION in azure_durable_py/taskhub/sqlite/database.py and SCHEMA_STEPS in "
    "azure_durable_py/taskhub/upgrades.py"
)


# --- all of them -------------------------------------------------------------------------------------

GOLDEN: dict[str, Golden] = {
    **{f"header-{name}": _header(state) for name, state in samples.STATES.items()},
    **{f"columns-azure-{name}": _azure_columns(name) for name in samples.COLUMNS},
    **{f"columns-sqlite-{name}": _sqlite_columns(name) for name in samples.COLUMNS},
    **{
        f"inbox-{name}": _record(
            Record.inbox_event,
            "json",
            samples.arrival(name).encode,
            InboxEvent.decode,
            samples.arrival(name),
        )
        for name in samples.ARRIVALS
    },
    **{
        f"doorbell-{name}": _record(
            Record.doorbell,
            "json",
            lambda doorbell=doorbell: doorbell.encode().encode(),
            lambda body: Doorbell.decode(body.decode()),
            doorbell,
        )
        for name, doorbell in samples.DOORBELLS.items()
    },
    **{
        f"work-item-{name}": _record(
            Record.work_item,
            "json",
            lambda item=item: item.encode().encode(),
            lambda body: WorkItem.decode(body.decode()),
            item,
        )
        for name, item in samples.WORK_ITEMS.items()
    },
    **{f"outbox-{name}": _outbox(name) for name in samples.SENDS},
    "history-page": _history(),
    "payload": _rows(Record.payload, "30-payload-turn1-0000", '"tea"' * 10_000, str, '"tea"' * 10_000),
    "senders": _rows(Record.senders, "50-senders-turn4", '{"order-1:e1": 3}', json.loads, {"order-1:e1": 3}),
    "backlog": _rows(Record.backlog, "60-backlog-turn5", "\n".join(samples.ENTITY.tail), str, samples.ENTITY.tail[0]),
    "keyring": _record(Record.keyring, "json", samples.KEYRING.encode, Keyring.decode, samples.KEYRING),
    "marker": Golden(FORMAT_VERSION, "json", _marker, _read_marker, _MARKER, _FORMAT),
    "keys": Golden(FORMAT_VERSION, "json", lambda: _pretty(samples.KEYS), json.loads, samples.KEYS, _FORMAT),
    "schema-azure": Golden(FORMAT_VERSION, "json", _azure_schema, json.loads, json.loads(_azure_schema()), _FORMAT),
    "schema-sqlite": Golden(
        database._SCHEMA_VERSION,
        "sql",
        _sqlite_schema,
        _run,
        ["blobs", "hubs", "inbox", "instances", "messages", "sqlite_sequence"],
        _SCHEMA,
    ),
}
