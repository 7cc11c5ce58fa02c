"""Calls of entities, signals to them, and their locks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast, overload

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import (
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    Value,
)
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.calls.base import Calls
from azure_durable_py.runtime.critical_sections import CriticalSection, LockTask
from azure_durable_py.runtime.entities.proxy import EntityProxy, class_of
from azure_durable_py.runtime.generation import Generation
from azure_durable_py.runtime.ids import section_name
from azure_durable_py.runtime.names import FunctionReference
from azure_durable_py.runtime.tasks import DecisionTask, Task, done
from azure_durable_py.times import utc

T = TypeVar("T")


class EntityCalls(Calls):
    """The part of the context that talks to entities."""

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self._sections = 0

    def call_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        expected_type: Any = None,
    ) -> Task[Any]:
        """Call an operation of an entity and wait for its result.

        Inside a critical section, only its entities can be called, each once at a time.

        :param expected_type: the type to build from the result.
        :raises SerializationError: `operationInput` is not JSON.
        :raises OrchestratorError: the critical section does not allow it.
        """
        return self._call(entityId, operationName, operationInput, self._generation.decoder(expected_type))

    def _call(
        self, entity_id: EntityId, operation: str, value: Any, decode: Callable[[Value], Any]
    ) -> DecisionTask[Any]:
        entity, section = str(entity_id), CriticalSection.current(self._generation)
        if section is not None:
            section.admit_call(entity)
        inside = section.name if section is not None and section.is_held else None
        text, now = (
            self._serialize(value, lambda: f"input of operation {operation!r} of entity {entity}"),
            self._generation.now,
        )
        task: DecisionTask[Any] = DecisionTask(f"operation {operation!r} of entity {entity!r}", decode)
        self._decisions.make(lambda number: EntityOperationCalled(now, number, entity, operation, text, inside), task)
        if section is not None:
            section.note_call(entity, task)
        return task

    def signal_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        signal_time: datetime | timedelta | None = None,
    ) -> Task[None]:
        """Signal an operation of an entity. There is nothing to wait for.

        :param signal_time: when to deliver it (naive times are UTC), or how long from now.
        :raises SerializationError: `operationInput` is not JSON.
        :raises OrchestratorError: the entity is locked by this orchestration.
        """
        section = CriticalSection.current(self._generation)
        if section is not None:
            section.admit_signal(str(entityId))
        text, now = (
            self._serialize(operationInput, lambda: f"input of operation {operationName!r} of entity {entityId}"),
            self._generation.now,
        )
        when = now + signal_time if isinstance(signal_time, timedelta) else signal_time
        moment = None if when is None else utc(when)
        number = self._decisions.make(
            lambda number: EntityOperationSignaled(now, number, str(entityId), operationName, text, moment)
        )
        return done(None, number)

    # --- class entities ---------------------------------------------------------------------------

    @overload
    def entity(self, entity: type[T], key: str) -> T: ...
    @overload
    def entity(self, entity: FunctionReference[..., T], key: str) -> T: ...
    def entity(self, entity: Any, key: str) -> Any:
        """A class entity to call: `await context.entity(Counter, "c1").add(5)`.

        Type checkers know it as the class itself, so operations that are `async def` (or marked with
        `operation`) are checked. What a call returns is a `Task`.

        :param entity: the class, as its decorator returned it.
        :param key: the key of the entity.
        :raises OrchestratorError: it is not a class entity.
        """
        name, cls = class_of(entity)
        return EntityProxy(EntityId(name, key), cls, self._call_method)

    @overload
    def entity_signals(self, entity: type[T], key: str) -> T: ...
    @overload
    def entity_signals(self, entity: FunctionReference[..., T], key: str) -> T: ...
    def entity_signals(self, entity: Any, key: str) -> Any:
        """A class entity to signal: `context.entity_signals(Counter, "c1").add(5)`; nothing to wait for.

        The parameters are those of `entity`.
        """
        name, cls = class_of(entity)
        return EntityProxy(EntityId(name, key), cls, self._signal)

    def _call_method(self, entity_id: EntityId, operation: str, value: Any, result_type: Any) -> Task[Any]:
        demand = self._generation.registry.expected(result_type)
        decode = self._annotated(demand, lambda: f"what operation {operation!r} of entity {entity_id} returned")
        return self._call(entity_id, operation, value, decode)

    def _signal(self, entity_id: EntityId, operation: str, value: Any, _result_type: Any) -> Task[None]:
        return self.signal_entity(entity_id, operation, value)

    # --- locks ------------------------------------------------------------------------------------

    def lock(self, entities: Iterable[EntityId]) -> LockTask:
        """Lock entities: `with (yield context.lock([a, b])):`, or `async with context.lock([a, b]):`.

        Nobody else can call or signal them until the block is left; what arrives meanwhile waits.
        Inside, call only the entities of the section, each once at a time, and no sub-orchestrations.
        The locks are released at the end of the block, and whenever the orchestration ends.

        :raises OrchestratorError: no entities, something else than entity ids, or inside a critical section.
        """
        if CriticalSection.current(self._generation) is not None:
            raise OrchestratorError(
                "Critical sections cannot be nested. Lock all entities at once: context.lock([a, b, ...])."
            )
        ids = list(cast("Iterable[Any]", entities))
        if not ids or not all(isinstance(entity, EntityId) for entity in ids):
            raise OrchestratorError("lock takes a list of at least one EntityId.")
        generation = self._generation
        self._sections += 1
        section = CriticalSection(
            section_name(generation.execution_id, generation.number, generation.attempt, self._sections),
            tuple(sorted({str(entity) for entity in ids})),
            self._release_lock,
            generation,
        )
        section.begin()
        return LockTask(section, self._request_lock)

    def lock_entities(self, entities: Iterable[EntityId]) -> LockTask:
        """The same as `lock`."""
        return self.lock(entities)

    def _request_lock(self, entity: str, section: str) -> DecisionTask[Any]:
        now = self._generation.now
        task: DecisionTask[Any] = DecisionTask(f"lock of entity {entity!r}", lambda _: None)
        self._decisions.make(lambda number: EntityLockRequested(now, number, entity, section), task)
        return task

    def _release_lock(self, entity: str, section: str) -> None:
        now = self._generation.now
        self._decisions.make(lambda number: EntityLockReleased(now, number, entity, section))
