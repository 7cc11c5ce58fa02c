"""Background tasks in the order in which they were begun, so that ending them is repeatable."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

if sys.version_info >= (3, 11):

    def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Begin something in the background."""
        return asyncio.get_running_loop().create_task(work, name=name)

    def is_ended(task: asyncio.Task[Any] | None) -> bool:
        """Whether somebody wants a task to end: else a `CancelledError` in it comes from what it does itself."""
        return task is None or task.cancelling() > 0

else:

    class _Task(asyncio.Task[None]):
        """A task that knows whether somebody asked it to end, as all do from Python 3.11 on."""

        is_ended = False

        def cancel(self, msg: Any = None) -> bool:
            self.is_ended = True
            return super().cancel(msg)

    def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Begin something in the background."""
        return _Task(work, loop=asyncio.get_running_loop(), name=name)

    def is_ended(task: asyncio.Task[Any] | None) -> bool:
        """Whether somebody wants a task to end: else a `CancelledError` in it comes from what it does itself.

        Of tasks that were begun elsewhere it cannot be told; they are taken to be wanted.
        """
        return task is None or (isinstance(task, _Task) and task.is_ended)


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended."""
    left = [task for task in tasks if not task.done()]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


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
        task = begin(work, name)
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
