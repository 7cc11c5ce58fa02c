"""The durable client for another event loop than the one that it works on: that of a test.

Owns the way there. Each call runs on the engine's loop, and everything that can happen without time passing has
happened when it returns.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, cast

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.keys import KeyClient
from azure_durable_py.client.schedules import ScheduleClient
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.environment.turns import settle


class _Bridged:
    """What passes the public names of an object on to it, to the loop that it works on."""

    def __init__(self, source: Any, thread: VirtualThread) -> None:
        self._source = source
        self._thread = thread

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        return _bridged(getattr(self._source, name), self._thread)


class BridgedClient(_Bridged, DurableOrchestrationClient):
    """A client for the event loop of a test."""


class _BridgedSchedules(_Bridged, ScheduleClient):
    """The schedules of such a client."""


class _BridgedKeys(_Bridged, KeyClient):
    """The keys of such a client."""


def _bridged(found: Any, thread: VirtualThread) -> Any:
    if isinstance(found, ScheduleClient):
        return _BridgedSchedules(found, thread)
    if isinstance(found, KeyClient):
        return _BridgedKeys(found, thread)
    if inspect.iscoroutinefunction(found):
        return _async(found, thread)
    return _plain(found, thread) if inspect.ismethod(found) else found


def _async(method: Callable[..., Coroutine[Any, Any, Any]], thread: VirtualThread) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        work = method(*args, **kwargs)
        return await (work if thread.is_app_code else thread.run(_settled(work, thread)))

    return call


async def _settled(work: Coroutine[Any, Any, Any], thread: VirtualThread) -> Any:
    result = await work
    await settle(thread)
    return result


def _plain(method: Callable[..., Any], thread: VirtualThread) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True

        async def work() -> Any:
            return method(*args, **kwargs)

        result = method(*args, **kwargs) if thread.is_this else thread.run_and_wait(work())
        return _iterated(cast("AsyncIterator[Any]", result), thread) if isinstance(result, AsyncIterator) else result

    return call


async def _iterated(source: AsyncIterator[Any], thread: VirtualThread) -> AsyncGenerator[Any, None]:
    nothing = object()

    async def step() -> Any:
        return await anext(source, nothing)

    async def leave() -> None:
        if isinstance(source, AsyncGenerator):
            await cast("AsyncGenerator[Any, Any]", source).aclose()

    try:
        while (item := await thread.run(step())) is not nothing:
            yield item
    finally:
        # An engine that has ended has done it.
        with suppress(RuntimeError):
            await thread.run(leave())
