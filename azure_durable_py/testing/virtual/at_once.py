"""Runs a coroutine to its end for code that cannot await, whether an event loop runs or not."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from azure_durable_py.runtime.event_loop import running_loop
from azure_durable_py.testing.virtual.time import run_virtual

T = TypeVar("T")


def at_once(made: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What a coroutine returns or raises. Its sleeps take no time: it has an event loop of its own at virtual time.

    :param made: makes the coroutine.
    """
    if running_loop() is None:
        return run_virtual(made())
    # One thread has one running loop, so that another needs another thread. The caller waits for it.
    context = contextvars.copy_context()
    done: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            done.append(context.run(run_virtual, made()))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whatever it is
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return done[0]
