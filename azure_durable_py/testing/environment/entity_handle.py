"""`EntityHandle`: an entity of a test, to be called, looked at, and given something else to do.

Owns how a test calls an operation and waits for its result: no client can, so an orchestration does it, of which
nothing is left afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, TypeVar, overload

from azure_durable_py.client.entities import EntityMetadata
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import BUILT_IN, OrchestratorDefinition
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.failures import task_failed
from azure_durable_py.serialization.converter import JsonDataConverter, JsonText
from azure_durable_py.testing.doubles.behaviours import Execution
from azure_durable_py.testing.doubles.stand_ins import EntityDouble, OperationDouble
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.environment.turns import acts, looks
from azure_durable_py.testing.virtual.hub import VirtualHub

T = TypeVar("T")


class EntityHandle:
    """An entity in a `DurableTestEnvironment`, or all entities of a name. Made by its `entity`.

    :param thread: where its engine runs.
    :param hub: the hub that it is in.
    :param double: stands in for its operations.
    """

    def __init__(self, thread: VirtualThread, hub: VirtualHub, double: EntityDouble) -> None:
        self.thread = thread
        self._hub = hub
        self._double = double

    @property
    def entity_id(self) -> EntityId:
        """Its id.

        :raises ValueError: it stands for all entities of its name.
        """
        if self._double.key is None:
            raise ValueError(
                f"Which entity {self._double.name!r}? Ask the environment for one: entity({self._double.name!r}, key)."
            )
        return EntityId(self._double.name, self._double.key)

    # --- what it is to do, and did -------------------------------------------------------------------

    def operation(self, operation: str | Callable[..., Any]) -> OperationDouble[Any, Any]:
        """The double of an operation: says what it is to do, and tells what it was called with.

        :param operation: its name, or the method of the class.
        :raises FunctionNotFoundError: the class of the entity has no such operation; the message lists a near one.
        """
        return self._double.operation(operation)

    @property
    def received(self) -> list[Execution[Any]]:
        """Each operation since it was first asked for, in the order in which they began."""
        return self._double.received

    # --- doing something with it ---------------------------------------------------------------------

    @acts
    async def signal(self, operation: str, input: Any = None, *, signal_time: datetime | None = None) -> None:
        """Have it perform an operation, now or later. Now, it has been performed when this returns.

        :param signal_time: when (default: now); naive means UTC.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the input cannot be turned into JSON.
        """
        await self._hub.client.signal_entity(self.entity_id, operation, input, signal_time=signal_time)

    @overload
    async def call(self, operation: str, input: Any = None, *, timeout: timedelta | float | None = None) -> Any: ...
    @overload
    async def call(
        self,
        operation: str,
        input: Any = None,
        *,
        timeout: timedelta | float | None = None,
        expected_type: type[T],
    ) -> T: ...
    @acts
    async def call(
        self, operation: str, input: Any = None, *, timeout: timedelta | float | None = None, expected_type: Any = None
    ) -> Any:
        """Have it perform an operation, and return its result, as an orchestration would get it.

        :param timeout: how long to wait at most, in seconds or as a timedelta.
        :param expected_type: the type to build; by default plain JSON values.
        :raises TaskFailedError: the operation failed.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the input cannot be turned into JSON, or the result is not of that type.
        :raises TimeoutError: it has not been performed in time.
        """
        client, entity = self._hub.client, self.entity_id
        text = JsonDataConverter(strict_types=self._hub.registry.strict_types).serialize(input)
        started = await client.start_new(CALLER.name, client_input=[entity.name, entity.key, operation, text])
        status = await client.wait_for_completion(started, timeout, expected_type=expected_type)
        await client.purge_instance_history(started)
        if status.failure is not None:
            failure = status.failure.inner_failure or status.failure
            raise task_failed(f"operation {operation!r} of entity {str(entity)!r}", failure)
        return status.output

    @looks
    async def status(self) -> EntityMetadata:
        """What is known of it: who holds its lock and who waits for that, when it ran last. Falsy if it has no state.

        :raises ValueError: this handle stands for all entities of a name.
        """
        return await self._hub.client.get_entity(self.entity_id)

    @looks
    async def exists(self) -> bool:
        """Whether it has a state.

        :raises ValueError: this handle stands for all entities of a name.
        """
        return (await self._hub.client.read_entity_state(self.entity_id)).entity_exists

    @overload
    async def state(self) -> Any: ...
    @overload
    async def state(self, expected_type: type[T]) -> T | None: ...
    @looks
    async def state(self, expected_type: Any = None) -> Any:
        """Its state; None: it has none.

        :param expected_type: the type to build; by default plain JSON values.
        :raises ValueError: this handle stands for all entities of a name.
        :raises SerializationError: the state is not of that type.
        """
        found = await self._hub.client.read_entity_state(self.entity_id, expected_type=expected_type)
        return found.entity_state


def _call(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    name, key, operation, text = context.get_input()
    return (yield context.call_entity(EntityId(name, key), operation, JsonText(text)))


CALLER = OrchestratorDefinition(f"{BUILT_IN}CallForTest", _call)
"""The orchestrator that calls an operation on behalf of a test."""
