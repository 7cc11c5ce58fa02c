"""Sync code of an app on an event loop at virtual time, as if it ran in a thread of its own.

Owns that the code finds no event loop. In production it runs in a thread, where there is none, and where it may have
one of its own, as by `asyncio.run`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from azure_durable_py.runtime.event_loop import running_loop, set_running_loop, swap_current_task

T = TypeVar("T")


def off_loop(call: Callable[[], T]) -> T:
    """Call sync code, which finds no running event loop."""
    loop = running_loop()
    if loop is None:
        return call()
    # The task steps back as well: from Python 3.14 on a thread has one current task, whichever loop it is of.
    task = swap_current_task(loop, None)
    set_running_loop(None)
    try:
        return call()
    finally:
        set_running_loop(loop)
        swap_current_task(loop, task)


async def run_off_loop(call: Callable[[], Any], name: str) -> Any:
    """Call a sync activity or operation right here: for virtual time, where threads would break determinism."""
    del name
    return off_loop(call)
