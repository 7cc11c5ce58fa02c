"""Where sync tools run: in threads of the kind that sync activities have.

Owns that the framework reaches them by way of the event loop, so that a test at virtual time knows of them, and that
none waits for another or holds up the exit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import ParamSpec, TypeVar

from azure_durable_py.worker.activities.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")


class ToolThreads(Executor):
    """As many threads as there are calls under way."""

    def __init__(self) -> None:
        self._threads = Threads()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in a thread."""
        future: Future[T] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the call
                future.set_exception(error)
            else:
                future.set_result(result)

        self._threads.run(call, "tool of an agent")
        return future
