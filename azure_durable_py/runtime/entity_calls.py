"""Calls of entities and signals to them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from azure_durable_py.history import EntityOperationCalled, EntityOperationSignaled
from azure_durable_py.models import EntityId, utc
from azure_durable_py.runtime.calls import Calls
from azure_durable_py.runtime.tasks import DecisionTask, Task, done


class EntityCalls(Calls):
    """The part of the context that talks to entities."""

    def call_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        expected_type: Any = None,
    ) -> Task[Any]:
        """Call an operation of an entity and wait for its result.

        :param expected_type: the type to build from the result.
        :raises SerializationError: `operationInput` is not JSON.
        """
        text, now = self._serialize(operationInput), self._execution.now
        task: DecisionTask[Any] = DecisionTask(
            f"operation {operationName!r} of entity {str(entityId)!r}", self._execution.decoder(expected_type)
        )
        self._decisions.make(
            lambda number: EntityOperationCalled(now, number, str(entityId), operationName, text), task
        )
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
        """
        text, now = self._serialize(operationInput), self._execution.now
        when = now + signal_time if isinstance(signal_time, timedelta) else signal_time
        moment = None if when is None else utc(when)
        self._decisions.make(
            lambda number: EntityOperationSignaled(now, number, str(entityId), operationName, text, moment)
        )
        return done(None)
