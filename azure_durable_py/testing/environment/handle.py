"""`InstanceHandle`: one orchestration of a test, to be waited for, steered and looked at.

Owns the names and arguments that tests call. What they do, the client does; what they do not tell, the history does.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, overload

from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import InstanceNotFoundError
from azure_durable_py.history.events import Event
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.testing.calls import CallList, read_calls
from azure_durable_py.testing.environment.endings import ending
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.environment.turns import acts, looks, waits
from azure_durable_py.testing.trees import instance_tree
from azure_durable_py.testing.virtual.hub import VirtualHub

T = TypeVar("T")


class InstanceHandle:
    """An orchestration instance in a `DurableTestEnvironment`. Made by its `start` and `handle`.

    Times are virtual: a wait without a `timeout` lasts as long as the environment's `within` allows, and takes no
    real time.

    :param thread: where its engine runs.
    :param hub: the hub that it is in.
    :param instance_id: its id.
    """

    def __init__(self, thread: VirtualThread, hub: VirtualHub, instance_id: str) -> None:
        self.thread = thread
        self._hub = hub
        self._id = instance_id

    @property
    def instance_id(self) -> str:
        """Its id."""
        return self._id

    # --- waiting -------------------------------------------------------------------------------------

    @overload
    async def result(self, timeout: timedelta | float | None = None) -> Any: ...
    @overload
    async def result(self, timeout: timedelta | float | None = None, *, expected_type: type[T]) -> T: ...
    @overload
    async def result(self, timeout: timedelta | float | None = None, *, expected_type: Any) -> Any: ...
    @acts
    async def result(self, timeout: timedelta | float | None = None, *, expected_type: Any = None) -> Any:
        """Wait for its end, and return what it returned.

        :param timeout: how long at most, in seconds or as a timedelta.
        :param expected_type: the type to build; by default plain JSON values.
        :raises OrchestrationFailedError: it failed, or was terminated. It has the `details`, and tells where in the
            code of the app it happened.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished in time.
        :raises StuckError: it waits for what never comes. It says what it waits for.
        """
        status = await self._hub.client.wait_for_completion(self._id, timeout, expected_type=expected_type)
        if status.runtime_status is not OrchestrationRuntimeStatus.Completed:
            raise ending(status)
        return status.output

    @acts
    async def wait(self, timeout: timedelta | float | None = None) -> DurableOrchestrationStatus:
        """Wait for its end, whatever that is, and return its status.

        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it is not finished in time.
        :raises StuckError: it waits for what never comes. It says what it waits for.
        """
        return await self._hub.client.wait_for_completion(self._id, timeout)

    @waits
    async def wait_for_start(self, timeout: timedelta | float | None = None) -> DurableOrchestrationStatus:
        """Wait until it has begun, and return its status.

        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it has not begun in time.
        """
        return await self._hub.client.wait_for_start(self._id, timeout)

    @waits
    async def wait_for_custom_status(
        self, wanted: Any | Callable[[Any], bool], timeout: timedelta | float | None = None
    ) -> DurableOrchestrationStatus:
        """Wait until it has set this custom status, and return its status of that moment.

        :param wanted: the value, or a function that gets the custom status (plain JSON values) and tells whether it is
            the one.
        :param timeout: how long at most, in seconds or as a timedelta.
        :raises InstanceNotFoundError: there is none.
        :raises TimeoutError: it has not set it in time.
        :raises StuckError: it has ended without, or waits for what never comes.
        """
        return await self._hub.client.wait_for_custom_status(self._id, wanted, timeout)

    # --- looking -------------------------------------------------------------------------------------

    @looks
    async def status(self) -> DurableOrchestrationStatus:
        """Its status as it is now, with its input.

        :raises InstanceNotFoundError: there is none.
        """
        status = await self._hub.client.get_status(self._id, show_input=True)
        if not status:
            raise self._not_there()
        return status

    @looks
    async def history(self) -> list[Event]:
        """The events of its current generation.

        :raises InstanceNotFoundError: there is none.
        """
        return await self._hub.client.get_history(self._id)

    @looks
    async def calls(self, *wanted: str | Callable[..., Any]) -> CallList:
        """What its orchestrator has called in its current generation, in order, and what it waits for.

        :param wanted: only calls of these: names, or decorated functions.
        :raises InstanceNotFoundError: there is none.
        """
        calls = await read_calls(self._hub.client, self._id)
        return calls.of(*wanted) if wanted else calls

    @looks
    async def tree(self) -> str:
        """What it and its sub-orchestrations did, and what they wait for: its history as a tree of lines, for people.

        :raises InstanceNotFoundError: there is none.
        """
        tree = await instance_tree(self._hub.task_hub, self._id, self._hub.now)
        if tree is None:
            raise self._not_there()
        return tree

    def _not_there(self) -> InstanceNotFoundError:
        return InstanceNotFoundError(f"There is no instance {self._id!r} in this test environment.")

    # --- steering ------------------------------------------------------------------------------------

    @acts
    async def raise_event(self, name: str, data: Any = None) -> None:
        """Send it an external event.

        :param name: matched regardless of case.
        :param data: what the orchestrator receives.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceCompletedError: it is finished.
        """
        await self._hub.client.raise_event(self._id, name, data)

    @acts
    async def terminate(self, reason: str = "", *, recurse: bool = False) -> bool:
        """Terminate it. False: it had already finished.

        :param reason: becomes its output.
        :param recurse: also its sub-orchestrations.
        :raises InstanceNotFoundError: there is none.
        """
        return await self._hub.client.terminate(self._id, reason, recurse=recurse)

    @acts
    async def suspend(self, reason: str = "") -> bool:
        """Have it pause until it is resumed. False: it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return await self._hub.client.suspend(self._id, reason)

    @acts
    async def resume(self, reason: str = "") -> bool:
        """Have it go on. False: it had already finished.

        :raises InstanceNotFoundError: there is none.
        """
        return await self._hub.client.resume(self._id, reason)

    @acts
    async def rewind(self, reason: str = "") -> None:
        """Have it go on from where it failed.

        :raises InstanceNotFoundError: there is none.
        :raises InstanceNotFailedError: it has not failed.
        """
        await self._hub.client.rewind(self._id, reason)

    @acts
    async def restart(self, *, with_new_id: bool = True) -> InstanceHandle:
        """Start it again with its input; returns the new one.

        :param with_new_id: False: it is started under the same id.
        :raises InstanceNotFoundError: there is none.
        :raises InstanceAlreadyExistsError: the same id is asked for, and it is not finished.
        """
        started = await self._hub.client.restart(self._id, with_new_id)
        return InstanceHandle(self.thread, self._hub, started)
