"""The running of operations on one entity, during one turn."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable

from azure_durable_py.errors import DurableError, FunctionNotFoundError, PayloadTooLargeError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import OperationArrived, PayloadRef
from azure_durable_py.observer import UNOBSERVED, Observation, OperationRun
from azure_durable_py.runtime.entities.live import DELETE, LiveEntity, Operation, Outcome
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.entity_reader import EntityReader
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.taskset import is_ended

SEND_BYTES_PER_OPERATION = 400_000
_LOST = ""
"""Stands for a state that cannot be read: no state is an empty text."""


class Operations:
    """The live entity, or why it cannot be run.

    :param draft: the commit that the turn becomes.
    :param given_up: why the first operation is to fail without being run.
    """

    def __init__(
        self,
        context: WorkerContext,
        instance_id: str,
        reader: EntityReader,
        draft: HeaderDraft,
        given_up: FailureDetails | None,
    ) -> None:
        self._context = context
        self._instance_id = instance_id
        self._name = f"entity {instance_id}"
        self._reader = reader
        self._draft = draft
        self._given_up = given_up
        self._live: LiveEntity | None = None
        self._missing: DurableError | None = None
        self._text: str | None = None
        self.observation: Observation = UNOBSERVED
        """Of the operation that ran last."""
        self.before: str | None = None
        """The state before the turn, as JSON text."""

    @property
    def state(self) -> str | None:
        """The state as it is now, as JSON text; None: the entity does not exist."""
        return self._live.state if self._live is not None else self._text

    async def open(self) -> None:
        """Read the state."""
        try:
            self._live = await self._reader.open(self._draft.columns)
            self.before = self._live.state
        except FunctionNotFoundError as error:
            await self._open_closed(error)
        except CorruptRowError as error:
            self._close(error, _LOST)

    async def _open_closed(self, missing: FunctionNotFoundError) -> None:
        try:
            self._close(missing, await self._reader.text(self._draft.columns))
        except CorruptRowError as error:
            self._close(error, _LOST)

    def _close(self, error: DurableError, state: str | None) -> None:
        """No operation can run, for this reason, and the state stays what it is."""
        self._missing = error
        self.before = self._text = state

    async def run_sync(self, call: Callable[[], None]) -> None:
        """Call something where sync code is run."""
        await self._context.run_sync(call, self._name)

    def begun(self, event: OperationArrived) -> Operation | None:
        """A sync operation for `call`. None: it needs `run`, as something is to be read or told before, or awaited."""
        if self._live is None or self._given_up is not None or isinstance(event.input, PayloadRef):
            return None
        if self._context.hub.observer.watches_operations:
            return None
        operation = self._live.begin(event.operation, event.input, self._draft.now)
        return None if operation.is_async else operation

    def call(self, operation: Operation) -> Outcome:
        """Call a sync operation, in the thread of the caller. Whatever goes wrong is its outcome."""
        self.observation = UNOBSERVED
        try:
            try:
                # In a context of its own, as each of them is.
                returned = contextvars.copy_context().run(operation.call)
                self._check_size(operation)
                return operation.succeed(returned)
            except BaseException as error:  # noqa: BLE001 - whatever user code raises fails only the operation
                return operation.fail(error)
        except PayloadTooLargeError as error:
            return Outcome(None, FailureDetails.from_exception(error))

    async def run(self, event: OperationArrived, trace: TraceContext | None) -> Outcome:
        """Run one operation. Whatever goes wrong is its outcome.

        :param trace: the span that asked for it.
        """
        self.observation = UNOBSERVED
        if self._given_up is not None:
            failure, self._given_up = self._given_up, None
            return Outcome(None, failure)
        if self._live is None and event.operation == DELETE:
            self._text = None
            return Outcome(None, None)
        if self._live is None:
            error = self._missing or FunctionNotFoundError(f"no entity {self._instance_id}")
            return Outcome(None, FailureDetails.from_exception(error))
        try:
            filled = await self._reader.filled(event)
        except CorruptRowError as error:
            return Outcome(None, FailureDetails.from_exception(error))
        assert isinstance(filled, OperationArrived)
        text = filled.input if isinstance(filled.input, str) else None
        run = OperationRun(
            self._instance_id, event.operation, text, event.caller, event.timestamp, event.signal_time, trace
        )
        self.observation = self._context.hub.observer.operation(run)
        with self.observation as watch:
            try:
                outcome = await self._perform(self._live.begin(event.operation, text, self._draft.now))
            except PayloadTooLargeError as error:
                outcome = Outcome(None, FailureDetails.from_exception(error))
            watch.ended(outcome.result, outcome.failure)
        return outcome

    async def _perform(self, operation: Operation) -> Outcome:
        try:
            if operation.is_async:
                returned = await self._context.watchdog.steps(operation.call_async(), lambda: self._name)
            else:
                returned = await self._context.run_sync(operation.call, self._name)
            self._check_size(operation)
            return operation.succeed(returned)
        except asyncio.CancelledError as error:
            if is_ended(asyncio.current_task()):
                raise
            return operation.fail(error)
        except BaseException as error:  # noqa: BLE001 - whatever user code raises fails only the operation
            return operation.fail(error)

    def _check_size(self, operation: Operation) -> None:
        size = sum(min(len(action.input or ""), 16_384) + 500 for action in operation.actions)
        if size > SEND_BYTES_PER_OPERATION:
            raise PayloadTooLargeError(
                f"One operation of entity {self._instance_id} sends {len(operation.actions)} messages of about "
                f"{size} bytes, more than one commit can hold. Send less at a time, or let an orchestration do it."
            )
