"""One turn of an entity: what arrived is run, held back behind a lock, or kept until its time.

Owns the order of operations (FIFO per sender, locks in the order of asking) and the bounds of a
turn. All of it is one commit: the effects of the operations and what they send stand or fall
together.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

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
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder
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


class Bounds:
    """How much one turn may do.

    :param operations: how many operations it may take at the most.
    """

    def __init__(self, context: WorkerContext, operations: int) -> None:
        self._monotonic = context.hub.clock.monotonic
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
        self._bounds = Bounds(context, 1 if one_by_one else context.settings.max_entity_operation_batch_size)
        self._drained = False
        self._done: list[OperationDone] = []

    async def run(self, rows: Sequence[InboxRow]) -> bool:
        """Take what there is, as far as the bounds of a turn allow. Tells whether anything changed."""
        await self._operations.open()
        await self._drain()
        await self._take_due()
        consumed: list[str] = []
        quarantined: list[BlobRow] = []
        for row in rows:
            if self._is_full or self._entity.is_runnable:
                break
            await self._reader.senders.recall(self._header.state, [row])
            try:
                accepted = accept(self._instance_id, self._header.state, [row], _never, self._header.now)
            except NewerFormatError:
                if not (consumed or self._bounds.operations or self._drained):
                    raise
                break
            consumed += accepted.consumed
            quarantined += accepted.quarantined
            if not accepted.events:
                self._header.state.garbage += accepted.spent
            for event in accepted.events:
                await self._take(event.event, event.trace)
        self._header.consume(consumed, quarantined)
        return bool(consumed or self._bounds.operations or self._drained)

    def record(self, guard: str) -> None:
        """Write the turn into the draft, under a guard."""
        self._backlog.seal()
        self._draft.record(self._entity, self._operations.before, self._operations.state, guard)
        self._header.taken = OperationsRecord(tuple(self._done), self._operations.state is not None)

    @property
    def _is_full(self) -> bool:
        return self._bounds.are_reached(self._draft.bytes_sent)

    # --- what arrives -------------------------------------------------------------------------------

    async def _take(self, event: Event, trace: TraceContext | None) -> None:
        entity, now = self._entity, self._header.now
        match event:
            case OperationArrived(signal_time=moment) if moment is not None and moment > now:
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

    async def _admit(self, event: OperationArrived, trace: TraceContext | None) -> None:
        holder = self._entity.holder
        if (holder is None and not self._entity.is_runnable) or (holder and holder.section == event.section):
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
        self._bounds.operations += 1
        self._entity.last_operation = self._header.now
        outcome = await self._operations.run(event, trace)
        self._done.append(OperationDone(event.operation, event.caller, outcome.failure))
        self._draft.throw_away([event])
        self._draft.send(outcome.actions, self._operations.observation)
        if event.caller is not None:
            self._draft.answer_call(event.caller, outcome)


def _never(_task_id: int) -> bool:
    return False
