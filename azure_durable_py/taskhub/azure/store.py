"""The task hub store on Azure Storage: joins the table and the queues behind the store's protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from azure_durable_py.errors import SettingsError, StorageRejectedError
from azure_durable_py.taskhub.azure.clients import Clients
from azure_durable_py.taskhub.azure.connections import StorageConnection
from azure_durable_py.taskhub.azure.queues import HubQueues
from azure_durable_py.taskhub.azure.tables import HubTable
from azure_durable_py.taskhub.marker import check_marker
from azure_durable_py.taskhub.naming import INBOX_PREFIX, QueueNames, table_name
from azure_durable_py.taskhub.protocol import (
    LONGEST_PAUSE,
    BlobRow,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Loaded,
    Page,
    QueueMessage,
    StoredKeys,
)

EMULATOR_PAUSE = 1.0
"""Longest pause between two polls of an idle queue of an emulator, in seconds: they cost nothing."""


class AzureStore:
    """A task hub on Azure Storage or Azurite; implements `TaskHubStore`.

    :param connection: the storage account.
    :param hub_name: name of the task hub.
    :param instance_queue_count: number of doorbell queues.
    :param message_encoding: `base64` or `none`, as `extensions.queues.messageEncoding` in host.json.
    :raises SettingsError: one of them cannot be used.

    After `delete_hub`, Azure refuses the same names for up to a minute: `open` then raises
    `StorageUnavailableError`.
    """

    def __init__(
        self,
        connection: StorageConnection,
        *,
        hub_name: str,
        instance_queue_count: int = 1,
        message_encoding: str = "base64",
    ) -> None:
        if message_encoding not in ("base64", "none"):
            raise SettingsError(f'messageEncoding is {message_encoding!r}; accepted is "base64" or "none".')
        self._connection = connection
        self._hub_name = hub_name
        self._queue_names = QueueNames(hub_name, instance_queue_count)
        self._base64 = message_encoding == "base64"
        self._clients: Clients | None = None
        self._open_table: HubTable | None = None
        self._open_queues: HubQueues | None = None

    @property
    def description(self) -> str:
        """Where the hub is."""
        return f"task hub {self._hub_name} at {self._connection.host} (connection {self._connection.name})"

    @property
    def longest_pause(self) -> float:
        """Seconds between two polls of an idle queue: each is billed, but by an emulator."""
        return EMULATOR_PAUSE if self._connection.is_emulator else LONGEST_PAUSE

    @property
    def instance_queues(self) -> tuple[str, ...]:
        """The names of the doorbell queues."""
        return self._queue_names.instances

    @property
    def activity_queue(self) -> str:
        """The name of the work-item queue."""
        return self._queue_names.activities

    def instance_queue(self, instance_id: str) -> str:
        """The doorbell queue of an instance."""
        return self._queue_names.of_instance(instance_id)

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker."""
        if self._clients is None:
            self._connect()
        try:
            found = await self._table.open()
            info = check_marker(found, self._hub_name, len(self.instance_queues), self._connection.host)
            if info != found:
                await self._table.mark_anew(info)
            await self._queues.open()
            return info
        except BaseException:
            await self.close()
            raise

    def _connect(self) -> None:
        self._clients = clients = Clients(self._connection)
        table = table_name(self._hub_name)
        where = f"table {table} at {self._connection.host}"
        self._open_table = HubTable(clients.table(table), clients.entities(table), where, len(self.instance_queues))
        self._open_queues = HubQueues(
            clients.queue,
            clients.messages(),
            self._queue_names.all,
            self._connection.name,
            base64_texts=self._base64,
        )

    async def close(self) -> None:
        """Release connections."""
        clients, self._clients = self._clients, None
        self._open_table = self._open_queues = None
        if clients is not None:
            await clients.close()

    async def delete_hub(self) -> None:
        """Delete the table and the queues, with everything in them."""
        await asyncio.gather(self._queues.delete(), self._table.delete())

    async def load_keys(self) -> StoredKeys | None:
        """The keys of the hub; None while nobody has made any."""
        return await self._table.load_keys()

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        """Write the keys of the hub; returns their new ETag."""
        return await self._table.save_keys(body, expected)

    @property
    def _table(self) -> HubTable:
        if self._open_table is None:
            raise self._not_open()
        return self._open_table

    @property
    def _queues(self) -> HubQueues:
        if self._open_queues is None:
            raise self._not_open()
        return self._open_queues

    def _not_open(self) -> StorageRejectedError:
        return StorageRejectedError(f"The {self.description} is not open: call `open` first.")

    # --- one partition -----------------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        """Header and the first inbox rows."""
        return await self._table.load(instance_id)

    async def load_header(self, instance_id: str) -> Header | None:
        """The header alone."""
        return await self._table.load_header(instance_id)

    async def commit(self, commit: Commit) -> str:
        """Apply a commit; returns the header's new ETag ('' when the header was deleted)."""
        return await self._table.commit(commit)

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        """Insert rows in order; returns the keys that existed."""
        return await self._table.insert_inbox(instance_id, rows)

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete inbox rows without touching a header."""
        await self._table.delete_rows(instance_id, [INBOX_PREFIX + key for key in keys])

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows."""
        await self._table.put_blobs(instance_id, rows)

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of these blob rows; a missing one is absent."""
        return await self._table.get_blobs(instance_id, keys)

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`."""
        return await self._table.list_blobs(instance_id, prefix)

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows of an instance, and when each was taken."""
        return await self._table.blob_keys(instance_id)

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete blob rows without touching a header."""
        await self._table.delete_rows(instance_id, keys)

    # --- all partitions ------------------------------------------------------------------------------

    async def query(self, query: InstanceQuery) -> Page:
        """List headers."""
        return await self._table.query(query)

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances with an inbox row that was taken before this time."""
        return await self._table.instances_with_inbox(before)

    async def claim_scan(self, every: timedelta) -> bool:
        """Whether to look through the whole hub now: a scan of the table, which one worker does for all."""
        return await self._table.claim_scan(every)

    # --- queues --------------------------------------------------------------------------------------

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message that never expires, invisible for `delay` seconds."""
        return await self._queues.put(queue, body, delay)

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        """Take up to `limit` messages, invisible to others for `visibility` seconds."""
        return await self._queues.receive(queue, limit, visibility)

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Keep a message invisible for `visibility` seconds from now."""
        return await self._queues.extend(message, visibility)

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message that we hold."""
        await self._queues.delete_message(message)

    async def next_visible(self, queue: str) -> float | None:  # noqa: ARG002
        """None: a queue does not tell when its next message becomes visible."""
        return None

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        """Do nothing: queues tell of no changes."""
        return lambda: None

    async def message_counts(self) -> dict[str, int]:
        """About how many messages each queue holds."""
        return await self._queues.counts()

    async def untaken_counts(self) -> dict[str, int]:
        """How many messages of each queue are visible."""
        return await self._queues.untaken_counts()

    async def poison_counts(self) -> dict[str, int]:
        """About how many messages each poison queue holds."""
        return await self._queues.poison_counts()
