"""What the sync client is beside its calls, which are generated: whose it is, and when it ends."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from azure_durable_py.client.bridge import LoopBridge, LoopThread

if TYPE_CHECKING:
    from typing_extensions import Self

    from azure_durable_py.client.client import DurableOrchestrationClient

_Part = TypeVar("_Part")


class SyncClientBase:
    """A client whose calls wait.

    :param client: does what is asked for.
    :param bridge: leads to the event loop that `client` works on.
    """

    def __init__(self, client: DurableOrchestrationClient, bridge: LoopBridge) -> None:
        self._client = client
        self._bridge = bridge

    @classmethod
    def _open(cls, context: AbstractAsyncContextManager[DurableOrchestrationClient]) -> Self:
        thread = LoopThread(context, "durable client")
        return cls(thread.entered, thread)

    def close(self) -> None:
        """Let go of the task hub. Idempotent. Calls under way in other threads end with a `RuntimeError`.

        A client that is never closed is closed when the interpreter ends. One that a function app passed to a function
        stays the app's: for that one this does nothing.
        """
        self._bridge.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SyncPartBase(Generic[_Part]):
    """What hangs on a sync client, and lives as long.

    :param client: does what is asked for.
    :param bridge: that of the sync client.
    """

    def __init__(self, client: _Part, bridge: LoopBridge) -> None:
        self._client = client
        self._bridge = bridge
