"""What stands between a caller and a task hub store: one base class, and the wrappers of the package.

Owns the delegation of the whole protocol, so that a wrapper says only what it is for. The calls are bound once, when a
wrapper is made: one that it does not touch costs nothing, and a method put on the inner store later is not seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import Any, ParamSpec, TypeAlias, TypeVar

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.observer import Observer, StorageCall
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.outage import Outage
from azure_durable_py.taskhub.protocol import HubInfo, TaskHubStore

_P = ParamSpec("_P")
_R = TypeVar("_R")
Call: TypeAlias = "Callable[_P, CoroutineType[Any, Any, _R]]"
"""A call of a store: what an `async def` is to its caller."""


class StoreWrapper:
    """A store in front of another; implements `TaskHubStore`.

    :param inner: the store that the calls go to.

    A subclass overrides `around`, which is asked once for each call when the wrapper is made, or `open` and `close`.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        self.inner = inner
        self.instance_queue = inner.instance_queue
        self.delete_hub = self.around("delete_hub", inner.delete_hub)
        self.load_keys = self.around("load_keys", inner.load_keys)
        self.save_keys = self.around("save_keys", inner.save_keys)
        self.load = self.around("load", inner.load)
        self.load_header = self.around("load_header", inner.load_header)
        self.commit = self.around("commit", inner.commit)
        self.insert_inbox = self.around("insert_inbox", inner.insert_inbox)
        self.delete_inbox = self.around("delete_inbox", inner.delete_inbox)
        self.put_blobs = self.around("put_blobs", inner.put_blobs)
        self.get_blobs = self.around("get_blobs", inner.get_blobs)
        self.list_blobs = self.around("list_blobs", inner.list_blobs)
        self.blob_keys = self.around("blob_keys", inner.blob_keys)
        self.delete_blobs = self.around("delete_blobs", inner.delete_blobs)
        self.query = self.around("query", inner.query)
        self.instances_with_inbox = self.around("instances_with_inbox", inner.instances_with_inbox)
        self.claim_scan = self.around("claim_scan", inner.claim_scan)
        self.put_message = self.around("put_message", inner.put_message)
        self.receive_messages = self.around("receive_messages", inner.receive_messages)
        self.extend_message = self.around("extend_message", inner.extend_message)
        self.delete_message = self.around("delete_message", inner.delete_message)
        self.next_visible = self.around("next_visible", inner.next_visible)
        self.watch = inner.watch
        self.message_counts = self.around("message_counts", inner.message_counts)
        self.untaken_counts = self.around("untaken_counts", inner.untaken_counts)
        self.poison_counts = self.around("poison_counts", inner.poison_counts)

    def around(self, name: str, call: Call[_P, _R]) -> Call[_P, _R]:
        """What callers get for a call of the inner store, by the name of its method: here the call itself."""
        del name
        return call

    @property
    def description(self) -> str:
        """Where the hub is."""
        return self.inner.description

    @property
    def longest_pause(self) -> float:
        """Seconds between two polls of an idle queue, at most."""
        return self.inner.longest_pause

    @property
    def instance_queues(self) -> tuple[str, ...]:
        """The names of the doorbell queues."""
        return self.inner.instance_queues

    @property
    def activity_queue(self) -> str:
        """The name of the work-item queue."""
        return self.inner.activity_queue

    async def open(self) -> HubInfo:
        """Create what is missing and read the marker."""
        return await self.inner.open()

    async def close(self) -> None:
        """Release connections."""
        await self.inner.close()


class Checked(StoreWrapper):
    """A store that is only asked for what every store can do: the limits of the protocol, for all stores at one place.

    What a check refuses never reaches the store.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        super().__init__(inner)
        # Typed: a check takes what its call takes.
        self.save_keys = _checked(limits.check_keyring, self.save_keys)
        self.load = _checked(limits.check_id, self.load)
        self.load_header = _checked(limits.check_id, self.load_header)
        self.commit = _checked(limits.check_commit, self.commit)
        self.insert_inbox = _checked(limits.check_inbox, self.insert_inbox)
        self.delete_inbox = _checked(limits.check_inbox_deletion, self.delete_inbox)
        self.put_blobs = _checked(limits.check_blobs, self.put_blobs)
        self.get_blobs = _checked(limits.check_blob_keys, self.get_blobs)
        self.list_blobs = _checked(limits.check_blob_prefix, self.list_blobs)
        self.blob_keys = _checked(limits.check_id, self.blob_keys)
        self.delete_blobs = _checked(limits.check_blob_keys, self.delete_blobs)
        self.query = _checked(limits.check_query, self.query)
        self.put_message = _checked(limits.check_put, self.put_message)
        self.receive_messages = _checked(limits.check_receive, self.receive_messages)
        self.extend_message = _checked(limits.check_extension, self.extend_message)


def _checked(check: Callable[_P, None], call: Call[_P, _R]) -> Call[_P, _R]:
    async def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        check(*args, **kwargs)
        return await call(*args, **kwargs)

    return checked


_NOT_REPEATED = frozenset({"delete_hub", "receive_messages", "extend_message"})
"""A message that was received, and the receipt of one that was extended, are lost with the answer."""


class Repeating(StoreWrapper):
    """A store that repeats calls while it gets no answer, as `repeat` does.

    A commit is repeated, too: its ETag keeps it from taking effect twice. But where only the first answer was lost, it
    ends as a conflict. Who writes a header has `TaskHub.commit` resolve that; who deletes one looks whether it is gone.

    :param outage: what those who wait for the same storage know.
    """

    def __init__(self, inner: TaskHubStore, outage: Outage) -> None:
        self._outage = outage
        super().__init__(inner)

    def around(self, name: str, call: Call[_P, _R]) -> Call[_P, _R]:
        """The call, repeated if that does no harm."""
        if name in _NOT_REPEATED:
            return call
        outage = self._outage

        def repeated(*args: _P.args, **kwargs: _P.kwargs) -> CoroutineType[Any, Any, _R]:
            return repeat(lambda: call(*args, **kwargs), outage, name)

        return repeated


async def repeat(call: Callable[[], Awaitable[_R]], outage: Outage, what: str, *, attempts: int = 8) -> _R:
    """Repeat a call that may safely be repeated while storage gives no answer.

    Delays double from 0.1 seconds, up to 10 s, with jitter.

    :param outage: what those who wait for the same storage know.
    :param what: what is repeated, for the log.
    :raises StorageUnavailableError: still no answer after `attempts` calls.
    """
    delay, waiter = 0.1, object()
    for left in range(attempts - 1, -1, -1):
        try:
            result = await call()
        except StorageUnavailableError as error:
            if left == 0:
                outage.leave(waiter)
                raise
            await outage.wait(waiter, what, error, delay)
            delay = min(2 * delay, 10.0)
        except BaseException:
            # An answer all the same, unless it is cancelled.
            outage.leave(waiter)
            raise
        else:
            outage.over(waiter)
            return result
    raise AssertionError("unreachable")


class Observed(StoreWrapper):
    """A store whose calls are told to an observer."""

    def __init__(self, inner: TaskHubStore, observer: Observer) -> None:
        self._observer = observer
        super().__init__(inner)

    def around(self, name: str, call: Call[_P, _R]) -> Call[_P, _R]:
        """The call, and how it went."""
        observer = self._observer

        async def observed(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            now = asyncio.get_running_loop().time
            begun = now()
            try:
                result = await call(*args, **kwargs)
            except BaseException as error:
                observer.storage(StorageCall(name, now() - begun, error))
                raise
            observer.storage(StorageCall(name, now() - begun, None))
            return result

        return observed


class OpenedWhenUsed(StoreWrapper):
    """A store that opens itself before its first use.

    For hubs that user code names while it runs: nobody was there to open them at start.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        self._opening = asyncio.Lock()
        self._info: HubInfo | None = None
        super().__init__(inner)

    def around(self, name: str, call: Call[_P, _R]) -> Call[_P, _R]:
        """The call, on an open store."""
        del name

        async def opened(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            await self.open()
            return await call(*args, **kwargs)

        return opened

    async def open(self) -> HubInfo:
        """Open the store, once."""
        async with self._opening:
            if self._info is None:
                self._info = await self.inner.open()
            return self._info

    async def close(self) -> None:
        """Close the store; it is opened again if it is used again."""
        self._info = None
        await self.inner.close()
