"""A task hub in memory that tells of every change, so that nobody need look again and again.

Owns the store and the client of a virtual hub. Were they to poll, a month of waiting would be millions of looks,
and a run in which nothing more can happen could not be told from one that goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from azure_durable_py.client.arguments import seconds
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.clock import Clock, Ids
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.urls import SignedUrls
from azure_durable_py.registry import Registry
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.damage import Found
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Commit, Header, QueueMessage
from azure_durable_py.testing.ordinary.asked import ORIGIN
from azure_durable_py.testing.virtual.memory import MemoryStore
from azure_durable_py.testing.virtual.time import StuckError
from azure_durable_py.triggers.http import WEBHOOKS, to_http_response


@dataclass(slots=True, eq=False)
class _Awaited:
    """Somebody who waits until the header of an instance is as it is to be."""

    holds: Callable[[Header | None], bool]
    done: asyncio.Future[None]


class VirtualStore(MemoryStore):
    """A task hub in memory, shared by everybody in one run.

    :param settings: the hub's name and number of queues.
    :param clock: decides when messages are visible.
    :param ids: source of ETags.
    """

    def __init__(self, settings: Settings, clock: Clock, ids: Ids) -> None:
        count = settings.instance_queue_count
        super().__init__(hub_name=settings.hub_name, instance_queue_count=count, now=clock.now, ids=ids)
        self._watchers: dict[object, Callable[[], None]] = {}
        self._waiters: list[asyncio.Future[None]] = []
        self._awaited: dict[str, list[_Awaited]] = {}

    async def commit(self, commit: Commit) -> str:
        """Apply a commit, and tell of it."""
        etag = await super().commit(commit)
        self._changed()
        for awaited in self._awaited.get(commit.instance_id, ()):
            if not awaited.done.done() and awaited.holds(commit.header):
                awaited.done.set_result(None)
        return etag

    async def put_message(self, queue: str, body: str, delay: float = 0.0) -> QueueMessage:
        """Put a message, and tell of it."""
        message = await super().put_message(queue, body, delay)
        if delay > 0 and len(self._watchers) > 1:
            # All will ask for it at the same moment. Who is first then is chance: else a worker that puts a message off
            # as none of its own would get it again each time.
            watchers = sorted(self._watchers.items(), key=lambda _: self._ids.jitter(1.0))
            self._watchers = dict(watchers)
        self._messages_changed()
        return message

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        """Change when a message is visible, and tell of it."""
        changed = await super().extend_message(message, visibility)
        self._messages_changed()
        return changed

    async def delete_message(self, message: QueueMessage) -> None:
        """Delete a message, and tell of it."""
        await super().delete_message(message)
        self._changed()

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever anybody put a message or let one go."""
        watcher = object()
        self._watchers[watcher] = changed

        def stop() -> None:
            del self._watchers[watcher]

        return stop

    async def until(self, holds: Callable[[], Awaitable[bool]], timeout: float | None = None) -> bool:
        """Wait until something about the hub holds; tells whether it does.

        :param timeout: how long at most, in seconds; None: without limit.
        """
        loop = asyncio.get_running_loop()
        deadline = None if timeout is None else loop.time() + timeout
        while not await holds():
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                return False
            change = loop.create_future()
            self._waiters.append(change)
            await asyncio.wait([change], timeout=left)
        return True

    async def until_header(
        self, instance_id: str, holds: Callable[[Header | None], bool], timeout: float | None = None
    ) -> bool:
        """Wait until the header of one instance is as it is to be, whatever else happens; tells whether it is.

        :param holds: looks at a header; None: there is none.
        :param timeout: how long at most, in seconds; None: without limit.
        """
        if holds(await self.load_header(instance_id)):
            return True
        awaited = _Awaited(holds, asyncio.get_running_loop().create_future())
        waiting = self._awaited.setdefault(instance_id, [])
        waiting.append(awaited)
        try:
            done, _ = await asyncio.wait([awaited.done], timeout=timeout)
        finally:
            waiting.remove(awaited)
            if not waiting:
                self._awaited.pop(instance_id, None)
        return bool(done)

    async def is_at_rest(self) -> bool:
        """Whether every queue is empty: then nothing is left that anybody would do by himself."""
        return not any((await self.message_counts()).values())

    def _changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _messages_changed(self) -> None:
        self._changed()
        for changed in list(self._watchers.values()):
            changed()


class VirtualClient(DurableOrchestrationClient):
    """A client that is told when an instance has begun or ended.

    :param store: who tells.
    """

    def __init__(self, hub: TaskHub, settings: Settings, registry: Registry, store: VirtualStore) -> None:
        urls = SignedUrls(UrlSigner.of(hub, settings), path=WEBHOOKS, origin=lambda: ORIGIN)
        super().__init__(hub, settings, registry=registry, urls=urls, respond=to_http_response)
        self._store = store

    async def wait_for_start(
        self, instance_id: str, timeout: timedelta | float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has begun."""
        await self._reach(instance_id, timeout, lambda status: status is not OrchestrationRuntimeStatus.Pending)
        return await super().wait_for_start(instance_id, timeout)

    async def wait_for_completion(
        self,
        instance_id: str,
        timeout: timedelta | float | None = None,
        *,
        raise_if_failed: bool = False,
        expected_type: Any = None,
    ) -> DurableOrchestrationStatus:
        """Wait until an instance is finished."""
        await self._reach(instance_id, timeout, lambda status: status.is_terminal)
        return await super().wait_for_completion(
            instance_id, timeout, raise_if_failed=raise_if_failed, expected_type=expected_type
        )

    async def wait_for_custom_status(
        self, instance_id: str, wanted: Any | Callable[[Any], bool], timeout: timedelta | float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until an instance has set a custom status; returns its status of that moment.

        :param wanted: the value, or a function that gets the custom status and tells whether it is the one.
        :param timeout: how long at most, in seconds or as a timedelta; None: without limit.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it has not set it in time.
        :raises StuckError: it has ended without.
        """
        is_wanted = cast("Callable[[Any], bool]", wanted) if callable(wanted) else self._equal_to(wanted)
        header: Header | None = None
        seen: Any = None

        async def reached() -> bool:
            nonlocal header, seen
            header = await self._messenger.find(instance_id)
            text = header.columns.custom_status
            seen = None if text is None else self._converter.deserialize(text)
            return is_wanted(seen) or OrchestrationRuntimeStatus(header.columns.runtime_status).is_terminal

        in_time = await self._store.until(reached, seconds(timeout))
        assert header is not None
        if is_wanted(seen):
            return await self._reader.status(Found(header), show_input=True)
        asked = "that is looked for" if callable(wanted) else repr(wanted)
        what = f"Instance {instance_id!r} ({header.columns.name})"
        if in_time:
            ended = header.columns.runtime_status
            raise StuckError(
                f"{what} has ended as {ended} and never had the custom status {asked}. Its last: {seen!r}."
            )
        raise TimeoutError(f"{what} has not had the custom status {asked} after {timeout} (virtual time): {seen!r}.")

    def _equal_to(self, wanted: Any) -> Callable[[Any], bool]:
        plain = self._converter.deserialize(self._converter.serialize(wanted))
        return lambda value: value == plain

    async def _reach(
        self,
        instance_id: str,
        timeout: timedelta | float | None,
        done: Callable[[OrchestrationRuntimeStatus], bool],
    ) -> None:
        """Wait until an instance is where it is to be, or is not there.

        :raises TimeoutError: the time is over.
        """
        seen: OrchestrationRuntimeStatus | None = None

        def reached(header: Header | None) -> bool:
            nonlocal seen
            seen = None if header is None else OrchestrationRuntimeStatus(header.columns.runtime_status)
            return seen is None or done(seen)

        if not await self._store.until_header(instance_id, reached, seconds(timeout)):
            raise TimeoutError(
                f"Instance {instance_id!r} is still {seen and seen.value} after {timeout} (virtual time)."
            )
