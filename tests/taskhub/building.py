"""Short ways to say what the tests of stores store, and to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from azure_durable_py.taskhub.protocol import (
    BlobRow,
    Columns,
    Commit,
    Header,
    InboxRow,
    InstanceQuery,
    Kind,
    Listed,
    QueueMessage,
    TaskHubStore,
)
from azure_durable_py.times import UTC

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_Result = TypeVar("_Result")


def header(instance_id: str, body: bytes = b"body", **columns: Any) -> Header:
    given: dict[str, Any] = {
        "kind": Kind.orchestration,
        "name": "Hello",
        "runtime_status": "Running",
        "created_time": T0,
        "last_updated_time": T0,
        "execution_id": "e1",
        "turn_id": "t1",
    }
    return Header(instance_id, Columns(**{**given, **columns}), body)


def inbox(*keys: str, body: bytes = b"event") -> tuple[InboxRow, ...]:
    return tuple(InboxRow(key, body) for key in keys)


def blobs(*keys: str, body: bytes = b"blob") -> tuple[BlobRow, ...]:
    return tuple(BlobRow(key, body) for key in keys)


async def insert(store: TaskHubStore, instance_id: str, body: bytes = b"body", **columns: Any) -> str:
    return await store.commit(Commit(instance_id, header(instance_id, body, **columns), None))


async def keys_in_inbox(store: TaskHubStore, instance_id: str) -> list[str]:
    return [row.key for row in (await store.load(instance_id)).inbox]


async def listed(store: TaskHubStore, **criteria: Any) -> list[Listed]:
    """All pages of a query."""
    found: list[Listed] = []
    token: str | None = None
    while True:
        page = await store.query(InstanceQuery(**criteria, continuation_token=token))
        found += page.items
        token = page.continuation_token
        if token is None:
            return found


async def listed_ids(store: TaskHubStore, **criteria: Any) -> set[str]:
    found = [item.instance_id for item in await listed(store, **criteria)]
    assert len(found) == len(set(found))
    return set(found)


async def receive_one(store: TaskHubStore, queue: str, visibility: float = 30) -> QueueMessage:
    """The next message of a queue, as soon as it is visible."""
    [message] = await until(lambda: store.receive_messages(queue, 1, visibility))
    return message


async def until(look: Callable[[], Awaitable[_Result]], seconds: float = 10) -> _Result:
    """Look again and again until there is something to see."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (seen := await look()):
        assert asyncio.get_running_loop().time() < deadline, f"nothing to see in {seconds} s"
        await asyncio.sleep(0.02)
    return seen


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)
