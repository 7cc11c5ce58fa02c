"""Sync code of an app that waits for its durable client, on an event loop at virtual time.

Owns the turns that the two take. Such code runs in a thread of its own, and the loop stands still while it does. When
it asks its client for something, the loop runs until that is done, and the thread waits. So they never run at once,
time passes only while the code waits for it, and all is the same each time.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import queue
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from azure_durable_py.client.bridge import LoopBridge
from azure_durable_py.registry import ActivityDefinition, Registry

_T = TypeVar("_T")
_LOOK_SECONDS = 1.0
"""How long the loop waits for a thread without being open to a Ctrl+C on Windows."""
_Asked = tuple[Coroutine[Any, Any, Any], "concurrent.futures.Future[Any]"]


async def call_by_turns(call: Callable[[], Any], name: str) -> Any:
    """Call a function that uses a sync client, and return or raise what it does.

    :param name: names its thread.
    """
    return await _Turns(asyncio.get_running_loop()).of(call, name)


def current_bridge() -> LoopBridge | None:
    """What leads from here to the event loop that runs this code by turns; None: it is not run so."""
    return _here.get()


def with_turns(registry: Registry) -> Registry:
    """The same functions, where activities that ask for a sync client take turns with the loop."""
    activities = [registry.activities.get(name) for name in registry.activities.names()]
    if not any(each.waits for each in activities):
        return registry
    made = Registry(strict_types=registry.strict_types)
    made.orchestrators, made.entities = registry.orchestrators, registry.entities
    for each in activities:
        made.activities.add(_taking_turns(each) if each.waits else each)
    for built_in in registry.activities.built_in():
        made.activities.add_built_in(built_in)
    return made


def _taking_turns(activity: ActivityDefinition) -> ActivityDefinition:
    function = activity.function

    @functools.wraps(function)
    async def call(**arguments: Any) -> Any:
        return await call_by_turns(functools.partial(function, **arguments), f"activity {activity.name}")

    return replace(activity, function=call)


class _Turns(LoopBridge):
    """The turns of one call, and what the sync client takes for its way to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._outcome: concurrent.futures.Future[Any] = concurrent.futures.Future()

    async def of(self, call: Callable[[], Any], name: str) -> Any:
        """Run a function in a thread, and have the loop do what it asks for."""
        context = contextvars.copy_context()
        context.run(_here.set, self)
        threading.Thread(target=context.run, args=(self._work, call), name=name, daemon=True).start()
        while (asked := self._next()) is not None:
            work, done = asked
            try:
                done.set_result(await work)
            except BaseException as error:  # noqa: BLE001 - handed to the thread, whatever it is
                done.set_exception(error)
        return self._outcome.result()

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Have the loop run a coroutine, wait for it in the thread, and return or raise what it does."""
        done: concurrent.futures.Future[_T] = concurrent.futures.Future()
        self._asked.put((coroutine, done))
        return done.result()

    def _work(self, call: Callable[[], Any]) -> None:
        try:
            self._outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for the call
            self._outcome.set_exception(error)
        finally:
            self._asked.put(None)

    def _next(self) -> _Asked | None:
        # The loop stands still: now it is the thread's turn.
        while True:
            try:
                return self._asked.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue


_here: contextvars.ContextVar[LoopBridge | None] = contextvars.ContextVar("taking_turns", default=None)
