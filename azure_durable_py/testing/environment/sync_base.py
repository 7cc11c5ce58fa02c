"""What the sync test environment is beside its calls, which are generated: its life, and what hangs on it."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from azure_durable_py.client.bridge import LoopBridge
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient, ScheduleSyncClient
from azure_durable_py.testing.environment.base import EnvironmentBase, OnlySync
from azure_durable_py.testing.environment.crashes import Crashes
from azure_durable_py.testing.environment.environment import DurableTestEnvironment
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.virtual.hub import VirtualHub

if TYPE_CHECKING:
    from typing_extensions import Self

_Source = TypeVar("_Source")
_T = TypeVar("_T")


class VirtualBridge(LoopBridge):
    """Has the sync client, and whatever else waits in a thread, work on a loop at virtual time."""

    def __init__(self, thread: VirtualThread) -> None:
        super().__init__(thread.loop)
        self._thread = thread

    def run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine, wait for it, and return or raise what it does."""
        __tracebackhide__ = True
        return self._thread.run_and_wait(coroutine)


class SyncEnvironmentBase(OnlySync, EnvironmentBase):
    """A test environment whose calls wait.

    :param source: does what is asked for.
    """

    def __init__(self, source: DurableTestEnvironment) -> None:
        self._source = source

    def __enter__(self) -> Self:
        self._source.enter_and_wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.exit_and_wait()

    @property
    def thread(self) -> VirtualThread:
        """Where the engine runs."""
        return self._source.thread

    @property
    def hub(self) -> VirtualHub:
        """The hub below. It belongs to the engine's event loop: what is awaited of it is awaited there."""
        return self._source.hub

    @property
    def crashes(self) -> Crashes:
        """The crashes that are still to come."""
        return self._source.crashes

    @property
    def _bridge(self) -> VirtualBridge:
        return VirtualBridge(self._source.thread)

    @property
    def client(self) -> DurableOrchestrationSyncClient:
        """A client of the hub."""
        return DurableOrchestrationSyncClient(self._source.client, self._bridge)

    @property
    def schedules(self) -> ScheduleSyncClient:
        """The schedules of the hub; they occur as time passes."""
        return self.client.schedules


class SyncPart(Generic[_Source]):
    """What a sync test environment gives, and lives as long.

    :param source: does what is asked for.
    :param bridge: leads to the engine's event loop.
    """

    def __init__(self, source: _Source, bridge: VirtualBridge) -> None:
        self._source = source
        self._bridge = bridge
