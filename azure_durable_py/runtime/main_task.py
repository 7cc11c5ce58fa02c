"""The orchestrator function as asyncio sees it: the current task while it runs."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import IO, Any


class MainTask(asyncio.Future[Any]):
    """Stands for the orchestrator function where asyncio asks for the current task.

    The driver steps the function itself: that costs nothing where it only awaits tasks of the engine. What
    timeouts, task groups and libraries ask of a task is here; it is an `asyncio.Future`, but no `asyncio.Task`.

    :param interrupt: raises `CancelledError` with a message in the function, where it waits. False: it does not wait.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: contextvars.Context,
        loop: asyncio.AbstractEventLoop,
        interrupt: Callable[[Any], bool],
    ) -> None:
        super().__init__(loop=loop)
        self._coroutine = coroutine
        self._context = context
        self._interrupt = interrupt
        self._name = "orchestrator"
        self._requests = 0
        self._message: Any = None
        self._must_cancel = False
        # anyio looks for this name, and the one before.
        self._fut_waiter: asyncio.Future[Any] | None = None

    def cancel(self, msg: Any = None) -> bool:
        """Raise `CancelledError` in the function where it waits, or when it next does."""
        self._requests += 1
        self._message = msg
        if not self._interrupt(msg):
            self._must_cancel = True
        return True

    def close(self) -> None:
        """The function is dropped: it waits for nothing any more."""
        self._interrupt = _waits_for_nothing

    @property
    def waits_for(self) -> asyncio.Future[Any] | None:
        """The future that the function waits for."""
        return self._fut_waiter

    def wait(self, future: asyncio.Future[Any]) -> None:
        """The function waits for a future. A cancellation that is due is the future's."""
        self._fut_waiter = future
        if self._must_cancel and future.cancel(self._message):
            self._must_cancel = False

    def go_on(self) -> asyncio.CancelledError | None:
        """The function takes its next step; what is to be raised there, if it is cancelled."""
        self._fut_waiter = None
        if not self._must_cancel:
            return None
        self._must_cancel = False
        return cancellation(self._message)

    def cancelling(self) -> int:
        """How many cancellations are not taken back."""
        return self._requests

    def uncancel(self) -> int:
        """Take one cancellation back; returns how many are left."""
        self._requests = max(0, self._requests - 1)
        if not self._requests:
            self._must_cancel = False
        return self._requests

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """The coroutine of the function."""
        return self._coroutine

    def get_context(self) -> contextvars.Context:
        """The context that the function runs in."""
        return self._context

    def get_name(self) -> str:
        """The name of the task."""
        return self._name

    def set_name(self, value: object) -> None:
        """Give it another name."""
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        """The frame of the function, if it waits."""
        frame = self._coroutine.cr_frame  # type: ignore[attr-defined]
        return [] if frame is None or limit == 0 else [frame]

    def print_stack(self, *, limit: int | None = None, file: IO[str] | None = None) -> None:
        """Print where the function waits."""
        for frame in self.get_stack(limit=limit):
            print(f'File "{frame.f_code.co_filename}", line {frame.f_lineno}, in {frame.f_code.co_name}', file=file)


def _waits_for_nothing(_: Any) -> bool:
    return False


def cancellation(message: Any) -> asyncio.CancelledError:
    """The error of a cancellation with this message."""
    return asyncio.CancelledError() if message is None else asyncio.CancelledError(message)
