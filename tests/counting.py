"""A store that counts: what each call would cost on Azure Storage, by kind of request and by method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from azure_durable_py.taskhub.limits import MAX_TRANSACTION_ROWS, transactions
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper


class CountingStore(StoreWrapper):
    """Wraps a store. A request counts when it is sent, whether or not it succeeds.

    `queue_operations` and `table_operations` count the requests that the Azure store sends while
    nothing goes wrong; `calls` counts calls by method name. Deleting the hub is a call, but no operation:
    budgets are about a hub at work. `next_visible` and `watch` send nothing and do not count.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        self.calls: Counter[str] = Counter()
        self.queue_operations = 0
        self.table_operations = 0
        super().__init__(inner)

    def reset(self) -> None:
        """Count from zero again."""
        self.calls.clear()
        self.queue_operations = self.table_operations = 0

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if name == "next_visible":
            return call

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.count(name, args)
            return await call(*args, **kwargs)

        return counted

    def count(self, name: str, args: tuple[Any, ...]) -> None:
        """Count a call."""
        self.calls[name] += 1
        if name in _QUEUE:
            self.queue_operations += len(self.instance_queues) + 1 if name in _OF_EACH_QUEUE else 1
        elif name != "delete_hub":
            self.table_operations += _REQUESTS[name](args[-1]) if name in _REQUESTS else 1


def _deletes(keys: Any) -> int:
    return -(-len(set(keys)) // MAX_TRANSACTION_ROWS)


_OF_EACH_QUEUE = ("message_counts", "untaken_counts", "poison_counts")
_QUEUE = ("put_message", "receive_messages", "extend_message", "delete_message", *_OF_EACH_QUEUE)
_REQUESTS: dict[str, Callable[[Any], int]] = {
    "insert_inbox": lambda rows: 1 if rows else 0,
    "put_blobs": lambda rows: len(list(transactions(rows))),
    "get_blobs": len,
    "delete_inbox": _deletes,
    "delete_blobs": _deletes,
    "claim_scan": lambda _: 2,
}
"""Requests to the table by what a call is about, where they are not one."""
