"""Calls user functions: coroutine functions on the event loop, others in a bounded number of threads.

Owns the bound. It knows nothing of triggers; whoever calls says with what arguments.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
from collections.abc import Callable, Mapping
from typing import Any

from azure_durable_py.errors import SettingsError
from azure_durable_py.worker.activities.runner import run_in_thread

_THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"


class Invoker:
    """Runs functions. A call that is still in its thread when the process ends does not hold it up.

    :param app_settings: `PYTHON_THREADPOOL_THREAD_COUNT` bounds the threads, as in the Functions worker.
    :raises SettingsError: that setting is not a number from 1 to 1000.
    """

    def __init__(self, app_settings: Mapping[str, str]) -> None:
        self._threads = asyncio.Semaphore(_thread_count(app_settings))

    async def call(self, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        """Call a function by keyword and wait for its result; what it raises is raised."""
        if inspect.iscoroutinefunction(function):
            return await function(**arguments)
        async with self._threads:
            return await run_in_thread(functools.partial(function, **arguments), f"function {function.__name__}")


def _thread_count(app_settings: Mapping[str, str]) -> int:
    text = app_settings.get(_THREADS, "")
    if not text:
        return min(32, (os.cpu_count() or 1) + 4)
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise SettingsError(f"App setting {_THREADS} is {text!r}; accepted is a whole number from 1 to 1000.")
    return int(text)
