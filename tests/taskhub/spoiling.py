"""Writes to a store behind its back, as another tool or a bug would."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from typing import Any

from azure.data.tables import UpdateMode

from azure_durable_py.taskhub import naming
from azure_durable_py.taskhub.azure import AzureStore, rows
from azure_durable_py.taskhub.columns import body_of, read_columns
from azure_durable_py.taskhub.protocol import InboxRow, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore, values
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.testing.virtual.memory import MemoryStore, Partition

_AZURE_NAMES = {attribute: name for name, attribute in rows._COLUMNS.items()}


def innermost(store: TaskHubStore) -> TaskHubStore:
    """The store that keeps the hub, without what stands before it."""
    while isinstance(store, StoreWrapper):
        store = store.inner
    return store


async def execute(store: SqliteStore, statement: str, *parameters: Any) -> None:
    """Run a statement on the database of a store."""

    def run(db: sqlite3.Connection) -> None:
        db.execute(statement, parameters)

    await store._open.write(run)


async def spoil_columns(store: TaskHubStore, instance_id: str, **columns: Any) -> None:
    """Put something else into columns of a header, by the names of `Columns`."""
    store = innermost(store)
    if isinstance(store, SqliteStore):
        for name, value in columns.items():
            await execute(store, f"UPDATE instances SET {name} = ? WHERE instance_id = ?", value, instance_id)
        return
    if isinstance(store, MemoryStore):
        partition = store.partitions[instance_id]
        assert partition.header is not None
        found = dict(zip(values.COLUMNS.split(", "), values.to_row(partition.header.columns), strict=True)) | columns
        read, partition.damage = read_columns(instance_id, found, values.to_time)
        partition.header = replace(partition.header, columns=read)
        return
    assert isinstance(store, AzureStore)
    row = {"PartitionKey": rows.partition_key(instance_id), "RowKey": naming.HEADER_KEY}
    row |= {_AZURE_NAMES[name]: value for name, value in columns.items()}
    await store._table._client.update_entity(row, mode=UpdateMode.MERGE)


async def spoil_body(store: TaskHubStore, instance_id: str, body: bytes) -> None:
    """Put something else into the body of a header."""
    store = innermost(store)
    if isinstance(store, SqliteStore):
        await execute(store, "UPDATE instances SET body = ? WHERE instance_id = ?", body, instance_id)
        return
    if isinstance(store, MemoryStore):
        partition = store.partitions[instance_id]
        assert partition.header is not None
        partition.header = replace(partition.header, body=body)
        return
    assert isinstance(store, AzureStore)
    row = {
        "PartitionKey": rows.partition_key(instance_id),
        "RowKey": naming.HEADER_KEY,
        **(rows._split(body) or {"B00": b""}),
    }
    await store._table._client.update_entity(row, mode=UpdateMode.MERGE)


async def empty_header(store: TaskHubStore, instance_id: str) -> None:
    """Make a header of a row without anything."""
    store = innermost(store)
    assert isinstance(store, AzureStore)
    await store._table._client.upsert_entity(
        {"PartitionKey": rows.partition_key(instance_id), "RowKey": naming.HEADER_KEY}, mode=UpdateMode.REPLACE
    )


async def insert_row(store: TaskHubStore, instance_id: str, key: str, body: Any) -> None:
    """Put a row into an inbox, whatever its key or body."""
    store = innermost(store)
    if isinstance(store, SqliteStore):
        await execute(store, "INSERT INTO inbox VALUES (?, ?, ?, ?, ?)", store._hub, instance_id, key, "when", body)
        return
    if isinstance(store, MemoryStore):
        store.partitions.setdefault(instance_id, Partition()).inbox[key] = InboxRow(key, body_of(body))
        return
    assert isinstance(store, AzureStore)
    await store._table._client.create_entity(
        {"PartitionKey": rows.partition_key(instance_id), "RowKey": naming.INBOX_PREFIX + key, "B00": body}
    )
