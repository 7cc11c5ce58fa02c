"""Background tasks in the order in which they were begun, so that ending them is repeatable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any
from weakref import WeakSet

ENDED: WeakSet[asyncio.Task[Any]] = WeakSet()
"""Tasks that a worker has ended: what they were doing was not cancelled by user code."""


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        ENDED.add(task)
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


def is_ended(task: asyncio.Task[Any] | None) -> bool:
    """Whether somebody wants a task to end: else a `CancelledError` in it comes from what it does itself."""
    if task is None or task in ENDED:
        return True
    # Python 3.10 cannot tell.
    cancelling = getattr(task, "cancelling", None)
    return cancelling is None or cancelling() > 0


def failure_of(task: asyncio.Task[Any]) -> BaseException | None:
    """What a finished task has failed with; None: it came to its end, or somebody ended it."""
    if not task.cancelled():
        return task.exception()
    return None if is_ended(task) else asyncio.CancelledError()


class TaskSet:
    """Tasks under way; a finished one leaves it by itself.

    :param on_done: told each time one has finished.
    :param on_failure: told the name and the error of each that failed; by default the event loop's handler is.
    """

    def __init__(
        self,
        on_done: Callable[[], None] | None = None,
        on_failure: Callable[[str, BaseException], None] | None = None,
    ) -> None:
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._on_done = on_done
        self._on_failure = on_failure

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[asyncio.Task[None]]:
        return iter(tuple(self._tasks))

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Begin something in the background."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._done)
        return task

    async def cancel(self) -> None:
        """Cancel all of them and wait until they have ended."""
        await end(self)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        error = failure_of(task)
        if error is not None and self._on_failure is not None:
            self._on_failure(task.get_name(), error)
        elif error is not None:
            task.get_loop().call_exception_handler(
                {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            )
        if self._on_done is not None:
            self._on_done()
