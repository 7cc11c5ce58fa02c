"""Background tasks in the order in which they were begun, so that ending them is repeatable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any


class TaskSet:
    """Tasks under way; a finished one leaves it by itself.

    :param on_done: told each time one has finished.
    """

    def __init__(self, on_done: Callable[[], None] | None = None) -> None:
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._on_done = on_done

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
        left = tuple(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            )
        if self._on_done is not None:
            self._on_done()
