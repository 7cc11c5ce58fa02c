"""`DurableEntityContext`: what the code of an entity may do in one operation.

Owns the names, parameters and types that users see. Nothing here waits or does I/O: what an
operation sends is collected, and leaves with the commit of its effects.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from azure_durable_py.errors import DurableError
from azure_durable_py.ids import EntityId, check_instance_id
from azure_durable_py.runtime.entities.state import StateBox
from azure_durable_py.runtime.names import durable_name
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.times import utc


@dataclass(frozen=True, slots=True)
class SignalAction:
    """An operation signals another entity. `input` is JSON text."""

    entity_id: EntityId
    operation: str
    input: str | None
    signal_time: datetime | None


@dataclass(frozen=True, slots=True)
class StartAction:
    """An operation starts an orchestration. `input` is JSON text."""

    name: str
    instance_id: str
    input: str | None
    version: str | None
    start_at: datetime | None


Action: TypeAlias = SignalAction | StartAction


class DurableEntityContext:
    """What an entity function gets as its argument, and a class entity from `entity_context()`.

    One object serves one operation.
    """

    def __init__(
        self,
        entity_id: EntityId,
        operation: str,
        text: str | None,
        state: StateBox,
        converter: DataConverter,
        now: datetime,
        new_id: Callable[[], str],
    ) -> None:
        self._entity_id = entity_id
        self._operation = operation
        self._input = text
        self._state = state
        self._converter = converter
        self._now = now
        self._new_id = new_id
        self._newly_constructed = not state.exists
        self._result: str | None = None
        self.actions: list[Action] = []

    # --- about this operation -------------------------------------------------------------------

    @property
    def entity_id(self) -> EntityId:
        """The id of this entity."""
        return self._entity_id

    @property
    def entity_name(self) -> str:
        """The name of this entity, in lower case."""
        return self._entity_id.name

    @property
    def entity_key(self) -> str:
        """The key of this entity."""
        return self._entity_id.key

    @property
    def operation_name(self) -> str:
        """The operation to perform."""
        return self._operation

    @property
    def is_newly_constructed(self) -> bool:
        """Whether the entity had no state when the operation began."""
        return self._newly_constructed

    @property
    def current_utc_datetime(self) -> datetime:
        """The time of this operation (UTC, aware)."""
        return self._now

    def get_input(self, expected_type: Any = None) -> Any:
        """The input of the operation, or None if it has none.

        :param expected_type: the type to build.
        :raises SerializationError: the input is not of that type.
        """
        return None if self._input is None else self._converter.deserialize(self._input, expected_type)

    # --- state ------------------------------------------------------------------------------------

    def get_state(self, initializer: Callable[[], Any] | None = None, expected_type: Any = None) -> Any:
        """The state of the entity.

        Changes made in place to a state that was set before are kept. What `initializer` returned is
        kept only if it is given to `set_state`.

        :param initializer: gives the state to begin with, where there is none or it is None.
        :param expected_type: the type to build.
        :raises SerializationError: the state is not of that type.
        """
        state = self._state.value(expected_type)
        if state is None and initializer is not None:
            if not callable(initializer):
                raise DurableError("initializer is a function without parameters that returns the first state.")
            return initializer()
        return state

    def set_state(self, state: Any) -> None:
        """Set the state of the entity; it exists from then on.

        :param state: JSON-serializable.
        """
        self._state.set(state)

    def destruct_on_exit(self) -> None:
        """Delete the state of the entity with the end of this operation, unless it is set again before."""
        self._state.delete()

    def set_result(self, result: Any) -> None:
        """Set what the caller gets.

        :param result: JSON-serializable.
        :raises SerializationError: it is not JSON.
        """
        self._result = self._converter.serialize(result)

    @property
    def result(self) -> str | None:
        """The result as JSON text, if one was set."""
        return self._result

    # --- sending ----------------------------------------------------------------------------------

    def signal_entity(
        self,
        entityId: EntityId,
        operationName: str,
        operationInput: Any = None,
        signal_time: datetime | timedelta | None = None,
    ) -> None:
        """Signal an operation of an entity, this one included. It leaves when this operation has succeeded.

        :param operationInput: JSON-serializable.
        :param signal_time: when to deliver it (naive times are UTC), or how long from now.
        :raises SerializationError: `operationInput` is not JSON.
        """
        when = self._now + signal_time if isinstance(signal_time, timedelta) else signal_time
        text = None if operationInput is None else self._converter.serialize(operationInput)
        self.actions.append(SignalAction(entityId, operationName, text, None if when is None else utc(when)))

    def schedule_new_orchestration(
        self,
        orchestrator: str | Callable[..., Any],
        input_: Any = None,
        instance_id: str | None = None,
        version: str | None = None,
        start_at: datetime | None = None,
    ) -> str:
        """Start an orchestration; returns its instance id. It is started when this operation has succeeded.

        :param orchestrator: its name, or the decorated function.
        :param input_: JSON-serializable.
        :param instance_id: its id (default: a new unique one).
        :param start_at: when it begins (default: at once); naive means UTC.
        :raises OrchestratorError: not an orchestrator. :raises SerializationError: `input_` is not JSON.
        :raises InvalidInstanceIdError: `instance_id` breaks the rules for ids.
        """
        name = durable_name(orchestrator, "orchestrator")
        text = None if input_ is None else self._converter.serialize(input_)
        new_id = self._new_id() if instance_id is None else check_instance_id(instance_id)
        begin = None if start_at is None else utc(start_at)
        self.actions.append(StartAction(name, new_id, text, version, begin))
        return new_id


CURRENT: ContextVar[DurableEntityContext | None] = ContextVar("azure_durable_py_entity", default=None)


def entity_context() -> DurableEntityContext:
    """The context of the entity operation that is running: for the methods of class entities.

    :raises DurableError: no operation is running here.
    """
    context = CURRENT.get()
    if context is None:
        raise DurableError("entity_context() is there only while an entity performs an operation.")
    return context
