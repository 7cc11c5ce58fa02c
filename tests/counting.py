"""A store that counts: what each call would cost on Azure Storage, by kind of request and by method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from azure_durable_py.taskhub.limits import MAX_TRANSACTION_ROWS, transactions
from azure_durable_py.taskhub.protocol import (
    BlobRow,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Loaded,
    Page,
    QueueMessage,
    TaskHubStore,
)


class CountingStore:
    """Wraps a store. A request counts when it is sent, whether or not it succeeds.

    `queue_operations` and `table_operations` count the requests that the Azure store sends while
    nothing goes wrong; `calls` counts calls by method name. Opening and deleting the hub are
    calls, but no operations: budgets are about a hub at work. `next_visible` and `watch` send
    nothing and do not count.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.queue_operations = 0
        self.table_operations = 0

    def reset(self) -> None:
        """Count from zero again."""
        self.calls.clear()
        self.queue_operations = self.table_operations = 0

    def _table(self, method: str, requests: int = 1) -> None:
        self.calls[method] += 1
        self.table_operations += requests

    def _queue(self, method: str, requests: int = 1) -> None:
        self.calls[method] += 1
        self.queue_operations += requests

    @property
    def description(self) -> str:
        return self.inner.description

    @property
    def instance_queues(self) -> tuple[str, ...]:
        return self.inner.instance_queues

    @property
    def activity_queue(self) -> str:
        return self.inner.activity_queue

    def instance_queue(self, instance_id: str) -> str:
        return self.inner.instance_queue(instance_id)

    async def open(self) -> HubInfo:
        self.calls["open"] += 1
        return await self.inner.open()

    async def close(self) -> None:
        self.calls["close"] += 1
        await self.inner.close()

    async def delete_hub(self) -> None:
        self.calls["delete_hub"] += 1
        await self.inner.delete_hub()

    async def load(self, instance_id: str) -> Loaded:
        self._table("load")
        return await self.inner.load(instance_id)

    async def load_header(self, instance_id: str) -> Header | None:
        self._table("load_header")
        return await self.inner.load_header(instance_id)

    async def commit(self, commit: Commit) -> str:
        self._table("commit")
        return await self.inner.commit(commit)

    async def insert_inbox(self, instance_id: str, rows: Sequence[InboxRow]) -> frozenset[str]:
        self._table("insert_inbox", 1 if rows else 0)
        return await self.inner.insert_inbox(instance_id, rows)

    async def delete_inbox(self, instance_id: str, keys: Sequence[str]) -> None:
        self._table("delete_inbox", _deletes(keys))
        await self.inner.delete_inbox(instance_id, keys)

    async def put_blobs(self, instance_id: str, rows: Sequence[BlobRow]) -> None:
        self._table("put_blobs", len(list(transactions(rows))))
        await self.inner.put_blobs(instance_id, rows)

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        self._table("get_blobs", len(keys))
        return await self.inner.get_blobs(instance_id, keys)

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        self._table("list_blobs")
        return await self.inner.list_blobs(instance_id, prefix)

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        self._table("blob_keys")
        return await self.inner.blob_keys(instance_id)

    async def delete_blobs(self, instance_id: str, keys: Sequence[str]) -> None:
        self._table("delete_blobs", _deletes(keys))
        await self.inner.delete_blobs(instance_id, keys)

    async def query(self, query: InstanceQuery) -> Page:
        self._table("query")
        return await self.inner.query(query)

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        self._table("instances_with_inbox")
        return await self.inner.instances_with_inbox(before)

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        self._queue("put_message")
        return await self.inner.put_message(queue, body, delay)

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        self._queue("receive_messages")
        return await self.inner.receive_messages(queue, limit, visibility)

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        self._queue("extend_message")
        return await self.inner.extend_message(message, visibility)

    async def delete_message(self, message: QueueMessage) -> None:
        self._queue("delete_message")
        await self.inner.delete_message(message)

    async def next_visible(self, queue: str) -> float | None:
        return await self.inner.next_visible(queue)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        return self.inner.watch(changed)

    async def message_counts(self) -> dict[str, int]:
        self._queue("message_counts", len(self.inner.instance_queues) + 1)
        return await self.inner.message_counts()


def _deletes(keys: Sequence[str]) -> int:
    return -(-len(set(keys)) // MAX_TRANSACTION_ROWS)
