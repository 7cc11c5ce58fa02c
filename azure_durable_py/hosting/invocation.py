"""Calls user functions: coroutine functions on the event loop, others in a bounded pool of threads.

Owns the pool. It knows nothing of triggers; whoever calls says with what arguments.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from azure_durable_py.errors import SettingsError

_THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"


class Invoker:
    """Runs functions. Close it when the host stops.

    :param app_settings: `PYTHON_THREADPOOL_THREAD_COUNT` bounds the threads, as in the Functions worker.
    :raises SettingsError: that setting is not a number from 1 to 1000.
    """

    def __init__(self, app_settings: Mapping[str, str]) -> None:
        self._pool = ThreadPoolExecutor(_thread_count(app_settings), thread_name_prefix="function")

    async def call(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call a function by keyword and wait for its result; what it raises is raised."""
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        context = contextvars.copy_context()
        call = functools.partial(context.run, functools.partial(function, **arguments))
        return await asyncio.get_running_loop().run_in_executor(self._pool, call)

    def close(self) -> None:
        """Take no more calls. Calls that still run are left to end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _thread_count(app_settings: Mapping[str, str]) -> int:
    text = app_settings.get(_THREADS, "")
    if not text:
        return min(32, (os.cpu_count() or 1) + 4)
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise SettingsError(f"App setting {_THREADS} is {text!r}; accepted is a whole number from 1 to 1000.")
    return int(text)
