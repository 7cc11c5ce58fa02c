"""One entity and its operations, over a state in memory.

Owns what an operation does to the state and to what is sent, and that a failed one leaves no
trace. Who calls user code, in which thread, is the worker's business; nothing is committed here.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from azure_durable_py.failures import FailureDetails
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import EntityDefinition
from azure_durable_py.runtime.entities.classes import EntityClass
from azure_durable_py.runtime.entities.context import CURRENT, Action, DurableEntityContext
from azure_durable_py.runtime.entities.state import StateBox
from azure_durable_py.serialization.annotations import demanded
from azure_durable_py.serialization.converter import DataConverter

DELETE = "$delete"
"""The operation that takes the state of any entity away without running its code."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation came to: a result (JSON text) or a failure, and what is to be sent."""

    result: str | None
    failure: FailureDetails | None
    actions: tuple[Action, ...] = ()


class LiveEntity:
    """An entity whose operations run one after the other.

    :param text: JSON text of its state; None: it does not exist.
    :param expected: the type to build for an annotation of a class.
    :param rollback: whether a failed operation leaves no trace in state and sends.
    """

    def __init__(
        self,
        entity_id: EntityId,
        definition: EntityDefinition,
        converter: DataConverter,
        text: str | None,
        *,
        rollback: bool,
        new_id: Callable[[], str],
        expected: Callable[[Any], Any] = demanded,
    ) -> None:
        self._entity_id = entity_id
        self._expected = expected
        self._definition = definition
        self._converter = converter
        self._rollback = rollback
        self._new_id = new_id
        self._state = StateBox(text, converter)
        function = definition.function
        self._class = EntityClass.of(function) if isinstance(function, type) else None

    @property
    def state(self) -> str | None:
        """The state as JSON text; None: the entity does not exist."""
        return self._state.text

    def begin(self, operation: str, text: str | None, now: datetime) -> Operation:
        """Prepare an operation.

        :param text: its input as JSON text.
        """
        context = DurableEntityContext(
            self._entity_id, operation, text, self._state, self._converter, now, self._new_id
        )
        return Operation(context, self._state, self._call_of(context), self._converter, rollback=self._rollback)

    def _call_of(self, context: DurableEntityContext) -> Callable[[], Any]:
        if context.operation_name == DELETE:
            return self._state.delete
        if self._class is None:
            call = self._function_call(context)
        else:
            call = self._class.call_of(context, self._state, self._expected)
        around = self._definition.around
        return call if around is None else around(context, call)

    def _function_call(self, context: DurableEntityContext) -> Callable[[], Any]:
        function = self._definition.function
        if inspect.iscoroutinefunction(inspect.unwrap(getattr(function, "function", function))):

            async def run_async() -> None:
                await function(context)

            return run_async

        def run() -> None:
            # What an entity function returns is not its result: that is what it sets.
            function(context)

        return run


class Operation:
    """One operation under way. Call it; then tell it how that went."""

    def __init__(
        self,
        context: DurableEntityContext,
        state: StateBox,
        call: Callable[[], Any],
        converter: DataConverter,
        *,
        rollback: bool,
    ) -> None:
        self._context = context
        self._state = state
        self._call = call
        self._converter = converter
        self._rollback = rollback

    @property
    def is_async(self) -> bool:
        """Whether the user's code is a coroutine function."""
        return inspect.iscoroutinefunction(self._call)

    @property
    def actions(self) -> list[Action]:
        """What the code has sent so far."""
        return self._context.actions

    def call(self) -> Any:
        """Run the code of a sync operation."""
        token = CURRENT.set(self._context)
        try:
            return self._call()
        finally:
            CURRENT.reset(token)

    async def call_async(self) -> Any:
        """Run the code of an async operation."""
        token = CURRENT.set(self._context)
        try:
            made: Awaitable[Any] = self._call()
            return await made
        finally:
            CURRENT.reset(token)

    def succeed(self, returned: Any) -> Outcome:
        """The code has come to its end.

        :raises SerializationError: its result or the state is not JSON; the operation has failed.
        :raises PayloadTooLargeError: the state is larger than the hub stores; the operation has failed.
        """
        result = self._context.result
        if returned is not None:
            result = self._converter.serialize(returned)
        self._state.keep()
        return Outcome(result, None, tuple(self._context.actions))

    def fail(self, error: BaseException) -> Outcome:
        """The code has raised an error."""
        failure = FailureDetails.from_exception(error)
        if not self._rollback:
            try:
                self._state.keep()
                return Outcome(None, failure, tuple(self._context.actions))
            except Exception:  # noqa: BLE001 - a state that cannot be kept is rolled back whatever the setting says
                self._context.actions.clear()
        self._state.restore()
        return Outcome(None, failure)
