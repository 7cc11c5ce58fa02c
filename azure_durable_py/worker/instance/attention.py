"""Whether an instance has been told something that no step has taken up yet, and the way to wait for that."""

from __future__ import annotations

from azure_durable_py.wakeup import Wakeup
from azure_durable_py.worker.context import WorkerContext


class Attention:
    """The attention of one instance. Those who have it are counted: a worker takes no more than it can see to."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self.wake = Wakeup()
        self.is_called = False
        """Whether there is something to do, whatever it is."""

    def call(self) -> None:
        """There is something to do."""
        if not self.is_called:
            self.is_called = True
            self._context.touched += 1
        self.wake.set()

    def answer(self) -> None:
        """It is seen to."""
        if self.is_called:
            self.is_called = False
            self._context.touched -= 1
