"""What the simulation knows of the engine's insides, and the only place where it knows it.

Everything else uses the seams that any user of the package has: workers, the hub, the store, the client.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from azure_durable_py.history.events import Event
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.naming import RowKind, kind_of
from azure_durable_py.taskhub.payloads import decode_ref, unpack
from azure_durable_py.taskhub.protocol import Header, TaskHubStore
from azure_durable_py.taskhub.reading import read_history, read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import Record, record_of
from azure_durable_py.testing.virtual.memory import Partition
from azure_durable_py.worker.worker import Worker


def actors(worker: Worker) -> list[str]:
    """The instances that a worker has in memory."""
    return sorted(worker._actors)


def describe(header: Header | None) -> str:
    """What a header says, for people."""
    return "no header" if header is None else f"{header.columns}\n{InstanceState.decode(header.body)}"


async def history(store: TaskHubStore, header: Header) -> list[Event]:
    """The history of an instance."""
    return await read_history(store, header.instance_id, InstanceState.decode(header.body))


def finished(header: Header) -> bool:
    """Whether an instance is finished for good."""
    return header.is_terminal


def unlocked(header: Header) -> bool:
    """Whether an entity is locked by nobody and holds nothing back."""
    return EntityState.of(InstanceState.decode(header.body)).is_idle


def instance_of(message: str) -> str | None:
    """The instance that a queue message is about, if it is one of ours."""
    try:
        found = json.loads(message)["instanceId"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, str) else None


_SET_ASIDE = (RowKind.quarantine, RowKind.reason)


def unnamed_rows(partition: Partition) -> set[str]:
    """Page and payload rows that nothing in the partition names, so that nobody can ever read them."""
    named = "".join(_texts(partition))
    return {
        key
        for key in partition.blobs
        # What was set aside is kept for people.
        if kind_of(key) not in _SET_ASIDE and key not in named and key.rpartition("-")[0] not in named
    }


def _texts(partition: Partition) -> Iterator[str]:
    header = partition.header
    if header is not None:
        yield unpack(header.body, Record.header)
        yield header.columns.input_payload or ""
        yield header.columns.output_payload or ""
    for row in partition.inbox.values():
        yield row.body.decode()
    for key, row in partition.blobs.items():
        if kind_of(key) is RowKind.payload:
            continue  # A payload names no rows, unless user code wrote their names, which it does not here.
        yield _inflated(key, row.body)


def _inflated(key: str, body: bytes) -> str:
    try:
        return unpack(body, record_of(key))
    except (ValueError, OSError):
        return ""


async def output(store: TaskHubStore, header: Header) -> Any:
    """What an instance returned, or the state of an entity, as a value."""
    text = header.columns.output
    if header.columns.output_payload is not None:
        text = await read_value(store, header.instance_id, decode_ref(header.columns.output_payload))
    return None if text is None else json.loads(text)
