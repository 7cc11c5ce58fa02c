"""Sync code of an app on an event loop at virtual time, as if it ran in a thread of its own.

Owns that the code finds no event loop. In production it runs in a thread, where there is none, and where it may have
one of its own, as by `asyncio.run`.
"""

from __future__ import annotations

import asyncio
from asyncio import tasks
from collections.abc import Callable
from typing import Any, TypeVar, cast

from azure_durable_py.runtime.event_loop import running_loop

T = TypeVar("T")
# What asyncio has for those who write event loops.
_set_running_loop = asyncio._set_running_loop  # pyright: ignore[reportPrivateUsage]
_enter_task = cast("Callable[[Any, Any], None]", tasks._enter_task)
_leave_task = cast("Callable[[Any, Any], None]", tasks._leave_task)


def off_loop(call: Callable[[], T]) -> T:
    """Call sync code, which finds no running event loop."""
    loop = running_loop()
    if loop is None:
        return call()
    task = asyncio.current_task(loop)
    # The task steps back as well: from Python 3.14 on a thread has one current task, whichever loop it is of.
    if task is not None:
        _leave_task(loop, task)
    _set_running_loop(None)
    try:
        return call()
    finally:
        _set_running_loop(loop)
        if task is not None:
            _enter_task(loop, task)


async def run_off_loop(call: Callable[[], Any], name: str) -> Any:
    """Call a sync activity or operation right here: for virtual time, where threads would break determinism."""
    del name
    return off_loop(call)
