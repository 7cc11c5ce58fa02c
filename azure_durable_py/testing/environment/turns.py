"""How the methods of a test environment are called: from the test, and also by code of the app.

Owns what a call is beside what it does: it runs on the engine's loop, and either lets everything happen that is due
before it looks (`looks`), or after what it did (`acts`), or does neither (`waits`). An activity of the app may call the
methods as well: then they run at once, as it must not wait until nobody has anything to do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, Protocol, TypeAlias, TypeVar

from azure_durable_py.testing.environment.loop_thread import VirtualThread

P = ParamSpec("P")
T = TypeVar("T")


class OnThread(Protocol):
    """What has such methods: something whose engine runs in a thread."""

    @property
    def thread(self) -> VirtualThread:
        """Where its engine runs."""
        ...


S = TypeVar("S", bound=OnThread)
Method: TypeAlias = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def acts(method: Method[S, P, T]) -> Method[S, P, T]:
    """A method after which everything has happened that can happen without time passing."""

    async def done(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
        result = await method(self, *args, **kwargs)
        await settle(self.thread)
        return result

    return _called(method, done)


def looks(method: Method[S, P, T]) -> Method[S, P, T]:
    """A method before which everything happens that can happen without time passing."""

    async def done(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
        await settle(self.thread)
        return await method(self, *args, **kwargs)

    return _called(method, done)


def waits(method: Method[S, P, T]) -> Method[S, P, T]:
    """A method that returns at the moment for which it waits, and not later."""
    return _called(method, method)


def _called(plain: Method[S, P, T], whole: Method[S, P, T]) -> Method[S, P, T]:
    @functools.wraps(plain)
    async def call(self: S, *args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True
        if self.thread.is_app_code:
            return await plain(self, *args, **kwargs)
        return await self.thread.run(whole(self, *args, **kwargs))

    return call


async def settle(thread: VirtualThread) -> None:
    """Let everything happen that can happen without time passing."""
    await thread.loop.reach(thread.loop.time())
