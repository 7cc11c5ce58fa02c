"""One turn of an entity: what arrived is run, held back behind a lock, or kept until its time.

Owns the order of operations (FIFO per sender, locks in the order of asking) and the bounds of a
turn. All of it is one commit: the effects of the operations and what they send stand or fall
together.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import (
    EntityLockGranted,
    Event,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
)
from azure_durable_py.observer import OperationDone
from azure_durable_py.runtime.entities.live import Operation, Outcome
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import BlobRow, InboxRow
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.backlog import Backlog
from azure_durable_py.worker.instance.entity_draft import EntityDraft
from azure_durable_py.worker.instance.entity_reader import EntityReader
from azure_durable_py.worker.instance.header_draft import HeaderDraft, OperationsRecord
from azure_durable_py.worker.instance.inbox import accept
from azure_durable_py.worker.instance.operations import Operations

logger = logging.getLogger("azure_durable_py.worker")
SEND_BYTES_PER_TURN = 262_144
"""A turn takes no further operation once what it sends has so many bytes (PROTOCOL R19)."""
SECONDS_PER_TURN = 5.0
_Begun: TypeAlias = tuple[OperationArrived, Operation]
"""A sync operation that can be called, and the event that asks for it."""


class Bounds:
    """How much one turn may do.

    :param operations: how many operations it may take at the most.
    """

    def __init__(self, operations: int) -> None:
        # Of the loop itself: it is asked for in other threads, too, where no loop runs.
        self._monotonic = asyncio.get_running_loop().time
        self._deadline = self._monotonic() + SECONDS_PER_TURN
        self._most = operations
        self.operations = 0
        """How many it has taken."""

    def are_reached(self, bytes_sent: int) -> bool:
        """Whether it is to take nothing more."""
        return self.operations >= self._most or bytes_sent >= SEND_BYTES_PER_TURN or self._monotonic() >= self._deadline


class EntityTurn:
    """One turn of one entity.

    :param header: the commit that the turn becomes.
    :param sender: on whose behalf the entity sends.
    :param given_up: why the first operation is to fail without being run.
    :param one_by_one: whether to take one operation only, so that the one that kills the process will be the first.
    """

    def __init__(
        self,
        context: WorkerContext,
        reader: EntityReader,
        header: HeaderDraft,
        sender: Sender,
        *,
        given_up: FailureDetails | None = None,
        one_by_one: bool = False,
    ) -> None:
        self._instance_id = sender.instance_id
        self._reader = reader
        self._header = header
        self._draft = EntityDraft(header, context, sender)
        self._entity = EntityState.of(header.state)
        self._backlog = Backlog(sender.instance_id, self._entity, reader, header)
        self._operations = Operations(context, sender.instance_id, reader, header, given_up)
        self._bounds = Bounds(1 if one_by_one else context.settings.max_entity_operation_batch_size)
        self._drained = False
        self._done: list[OperationDone] = []
        self._rows: deque[InboxRow] = deque()
        self._ahead: InboxEvent | None = None
        self._consumed: list[str] = []
        self._quarantined: list[BlobRow] = []

    async def run(self, rows: Sequence[InboxRow]) -> bool:
        """Take what there is, as far as the bounds of a turn allow. Tells whether anything changed."""
        await self._operations.open()
        await self._drain()
        await self._take_due()
        await self._reader.senders.recall(self._header.state, rows)
        self._rows.extend(rows)
        while (arrived := self._next()) is not None:
            begun = self._begun(arrived.event)
            if begun is None:
                await self._take(arrived.event, arrived.trace)
            else:
                await self._run_stretch(begun)
        self._header.consume(self._consumed, self._quarantined)
        return bool(self._consumed or self._bounds.operations or self._drained)

    def record(self, guard: str) -> None:
        """Write the turn into the draft, under a guard."""
        self._backlog.seal()
        self._draft.record(self._entity, self._operations.before, self._operations.state, guard)
        self._header.taken.append(OperationsRecord(tuple(self._done), self._operations.state is not None))

    @property
    def _is_full(self) -> bool:
        return self._bounds.are_reached(self._draft.bytes_sent)

    # --- what arrives -------------------------------------------------------------------------------

    def _next(self) -> InboxEvent | None:
        """Take the next event that has an effect; None: there is none, or nothing more is to be taken."""
        if self._ahead is not None:
            arrived, self._ahead = self._ahead, None
            return arrived
        while self._rows and not self._is_full and not self._entity.is_runnable:
            try:
                accepted = accept(self._instance_id, self._header.state, [self._rows[0]], _never, self._header.now)
            except NewerFormatError:
                if not (self._consumed or self._bounds.operations or self._drained):
                    raise
                return None
            self._rows.popleft()
            self._consumed += accepted.consumed
            self._quarantined += accepted.quarantined
            if accepted.events:
                return accepted.events[0]
            self._header.state.garbage += accepted.spent
        return None

    def _begun(self, event: Event) -> _Begun | None:
        """The operation that an event asks for, if it can be called now, and nothing is to be done for it before."""
        if not isinstance(event, OperationArrived) or self._is_early(event) or not self._is_admitted(event):
            return None
        operation = self._operations.begun(event)
        return None if operation is None else (event, operation)

    async def _run_stretch(self, first: _Begun) -> None:
        """Run an operation, and those behind it as far as they need nothing but to be run, where sync code is run.

        One way there and back for all of them: for each of them, it would take longer than what most of them do.
        """

        def run() -> None:
            begun: _Begun | None = first
            while begun is not None:
                event, operation = begun
                self._done_with(event, self._operations.call(operation))
                arrived = self._next()
                begun = None if arrived is None else self._begun(arrived.event)
                if begun is None:
                    self._ahead = arrived

        try:
            await self._operations.run_sync(run)
        except BaseException:
            # Who runs them is not interrupted: it comes to the end of one, and finds no other.
            self._rows.clear()
            raise

    async def _take(self, event: Event, trace: TraceContext | None) -> None:
        entity = self._entity
        match event:
            case OperationArrived(signal_time=moment) if moment is not None and self._is_early(event):
                text = entity.scheduled[self._draft.wake_at(moment)] = encode_event(event)
                entity.keep_trace(text, trace)
            case OperationArrived():
                await self._admit(event, trace)
            case LockRequestArrived():
                entity.waiters[event.section] = event.caller.instance_id
                self._backlog.hold(event)
                await self._drain()
            case LockReleaseArrived(section=section):
                entity.waiters.pop(section, None)
                if entity.holder is not None and entity.holder.section == section:
                    entity.holder = None
                    await self._drain()
            case _:
                logger.warning(
                    "Entity %s was sent %s, which is for orchestrations: it has no effect.",
                    self._instance_id,
                    type(event).__name__,
                )

    def _is_early(self, event: OperationArrived) -> bool:
        return event.signal_time is not None and event.signal_time > self._header.now

    def _is_admitted(self, event: OperationArrived) -> bool:
        """Whether it is its turn, by the lock and by what waits for that."""
        holder = self._entity.holder
        return not self._entity.is_runnable if holder is None else holder.section == event.section

    async def _admit(self, event: OperationArrived, trace: TraceContext | None) -> None:
        if self._is_admitted(event):
            await self._operate(event, trace)
        else:
            self._backlog.hold(event, trace)

    async def _take_due(self) -> None:
        """Take the scheduled signals that are due, earliest first."""
        state = self._header.state
        due = sorted((fire_at, number) for number, fire_at in state.timers.items() if fire_at <= self._header.now)
        for _, number in due:
            if self._is_full:
                return
            del state.timers[number]
            self._bounds.operations += 1
            text = self._entity.scheduled.pop(number, None)
            if text is None:
                continue
            event, trace = self._backlog.decoded(text)
            if isinstance(event, OperationArrived):
                await self._admit(event, trace)

    async def _drain(self) -> None:
        """Run what was held back, until the next lock is given."""
        while self._entity.is_runnable and not self._is_full:
            self._drained = True
            event, trace = await self._backlog.take()
            if isinstance(event, LockRequestArrived):
                self._grant(event)
            elif isinstance(event, OperationArrived):
                await self._operate(event, trace)

    def _grant(self, request: LockRequestArrived) -> None:
        if self._entity.waiters.pop(request.section, None) is None:
            return  # Given up before it was its turn.
        caller, now = request.caller, self._header.now
        self._entity.holder = LockHolder(request.section, caller.instance_id, caller.execution_id, now)
        self._draft.answer(caller, EntityLockGranted(now, caller.task_id, self._instance_id, request.section))

    async def _operate(self, event: OperationArrived, trace: TraceContext | None) -> None:
        self._done_with(event, await self._operations.run(event, trace))

    def _done_with(self, event: OperationArrived, outcome: Outcome) -> None:
        self._bounds.operations += 1
        self._entity.last_operation = self._header.now
        self._done.append(OperationDone(event.operation, event.caller, outcome.failure))
        self._draft.throw_away([event])
        self._draft.send(outcome.actions, self._operations.observation)
        if event.caller is not None:
            self._draft.answer_call(event.caller, outcome)


def _never(_task_id: int) -> bool:
    return False
