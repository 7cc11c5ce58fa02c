"""One turn of an entity: what arrived is run, held back behind a lock, or kept until its time.

Owns the order of operations (FIFO per sender, locks in the order of asking) and the bounds of a
turn. All of it is one commit: the effects of the operations and what they send stand or fall
together.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from azure_durable_py.errors import DurableError, FunctionNotFoundError, PayloadTooLargeError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import (
    EntityCaller,
    EntityLockGranted,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    LockReleaseArrived,
    LockRequestArrived,
    OperationArrived,
)
from azure_durable_py.runtime.entities.context import Action, SignalAction
from azure_durable_py.runtime.entities.live import DELETE, LiveEntity, Operation, Outcome
from azure_durable_py.shape import ShapeError
from azure_durable_py.shortening import shorten
from azure_durable_py.taskhub.damage import quarantine
from azure_durable_py.taskhub.entity_state import EntityState, LockHolder, is_runnable
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import backlog_key, chunk_keys
from azure_durable_py.taskhub.outgoing import Deliver, Send, Sender, StartNew
from azure_durable_py.taskhub.payloads import to_blobs
from azure_durable_py.taskhub.protocol import BlobRow, CorruptRowError, InboxRow
from azure_durable_py.taskhub.state import InstanceState, PageRef
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.entity_draft import EntityDraft
from azure_durable_py.worker.instance.entity_reader import EntityExecution
from azure_durable_py.worker.instance.inbox import accept
from azure_durable_py.worker.taskset import is_ended

logger = logging.getLogger("azure_durable_py.worker")
SEND_BYTES_PER_TURN = 262_144
"""A turn takes no further operation once what it sends has so many bytes (PROTOCOL R19)."""
SEND_BYTES_PER_OPERATION = 400_000
SECONDS_PER_TURN = 5.0
SEAL_CHARS = 65_536
"""The backlog is sealed into a page when its events take more characters than this."""
_LOST = ""
"""Stands for a state that cannot be read: no state is an empty text."""


class EntityTurn:
    """One turn of one entity.

    :param draft: the commit that the turn becomes.
    :param sender: on whose behalf the entity sends.
    :param given_up: why the first operation is to fail without being run.
    :param one_by_one: whether to take one operation only, so that the one that kills the process will be the first.
    """

    def __init__(
        self,
        context: WorkerContext,
        execution: EntityExecution,
        draft: EntityDraft,
        sender: Sender,
        *,
        given_up: FailureDetails | None = None,
        one_by_one: bool = False,
    ) -> None:
        self._context = context
        self._given_up = given_up
        self._most_operations = 1 if one_by_one else context.settings.max_entity_operation_batch_size
        self._execution = execution
        self._draft = draft
        self._sender = sender
        self._entity = EntityState.of(draft.state)
        self._deadline = context.hub.clock.monotonic() + SECONDS_PER_TURN
        self._before: str | None = None
        self._live: LiveEntity | None = None
        self._text: str | None = None
        self._missing: DurableError | None = None
        self._operations = 0
        self._drained = False
        self._quarantined = 0
        self._sends: list[Send] = []
        self._bytes = 0
        self._wakes: dict[int, datetime] = {}

    async def run(self, rows: Sequence[InboxRow]) -> bool:
        """Take what there is, as far as the bounds of a turn allow. Tells whether anything changed."""
        await self._open()
        await self._drain()
        await self._take_due()
        consumed: list[str] = []
        quarantined: list[BlobRow] = []
        for row in rows:
            if self._is_full or self._entity.is_runnable:
                break
            await self._execution.senders.recall(self._draft.state, [row])
            try:
                accepted = accept(self._sender.instance_id, self._draft.state, [row], _never, self._draft.now)
            except NewerFormatError:
                if not (consumed or self._operations or self._drained):
                    raise
                break
            consumed += accepted.consumed
            quarantined += accepted.quarantined
            if not accepted.events:
                self._draft.state.garbage += accepted.spent
            for event in accepted.events:
                await self._take(event.event)
        self._draft.consume(consumed, quarantined)
        return bool(consumed or self._operations or self._drained)

    def record(self, guard: str) -> None:
        """Write the turn into the draft, under a guard."""
        self._seal_backlog()
        text = self._live.state if self._live is not None else self._text
        self._draft.record_wakes(self._wakes)
        self._draft.record_entity(self._entity, self._before, text, self._sends, guard)

    async def _open(self) -> None:
        await self._execution.load_decisions(self._draft.state)
        try:
            self._live = await self._execution.open(self._draft.columns)
            self._before = self._live.state
        except FunctionNotFoundError as error:
            await self._open_closed(error)
        except CorruptRowError as error:
            self._close(error, _LOST)

    async def _open_closed(self, missing: FunctionNotFoundError) -> None:
        try:
            self._close(missing, await self._execution.text(self._draft.columns))
        except CorruptRowError as error:
            self._close(error, _LOST)

    def _close(self, error: DurableError, state: str | None) -> None:
        """No operation can run, for this reason, and the state stays what it is."""
        self._missing = error
        self._before = self._text = state

    @property
    def _is_full(self) -> bool:
        return (
            self._operations >= self._most_operations
            or self._bytes >= SEND_BYTES_PER_TURN
            or self._context.hub.clock.monotonic() >= self._deadline
        )

    # --- what arrives -------------------------------------------------------------------------------

    async def _take(self, event: Event) -> None:
        match event:
            case OperationArrived(signal_time=moment) if moment is not None and moment > self._draft.now:
                number = self._draft.number()
                self._wakes[number] = moment
                self._entity.scheduled[number] = encode_event(event)
            case OperationArrived():
                await self._admit(event)
            case LockRequestArrived():
                self._entity.waiters[event.section] = event.caller.instance_id
                self._entity.tail.append(encode_event(event))
                await self._drain()
            case LockReleaseArrived(section=section):
                self._entity.waiters.pop(section, None)
                if self._entity.holder is not None and self._entity.holder.section == section:
                    self._entity.holder = None
                    await self._drain()
            case _:
                logger.warning(
                    "Entity %s was sent %s, which is for orchestrations: it has no effect.",
                    self._sender.instance_id,
                    type(event).__name__,
                )

    async def _admit(self, event: OperationArrived) -> None:
        holder = self._entity.holder
        if (holder is None and not self._entity.is_runnable) or (holder and holder.section == event.section):
            await self._operate(event)
        else:
            self._entity.tail.append(encode_event(event))

    async def _take_due(self) -> None:
        """Take the scheduled signals that are due, earliest first."""
        state = self._draft.state
        due = sorted((fire_at, number) for number, fire_at in state.timers.items() if fire_at <= self._draft.now)
        for _, number in due:
            if self._is_full:
                return
            self._draft.cancel_wake(number)
            self._operations += 1
            text = self._entity.scheduled.pop(number, None)
            event = None if text is None else self._decode(text)
            if isinstance(event, OperationArrived):
                await self._admit(event)

    # --- the backlog --------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Run what was held back, until the next lock is given."""
        entity = self._entity
        while entity.is_runnable and not self._is_full:
            if not entity.front:
                await self._open_page()
            self._drained = True
            if not entity.front:
                continue
            event = self._decode(entity.front.pop(0))
            if isinstance(event, LockRequestArrived):
                self._grant(event)
            elif isinstance(event, OperationArrived):
                await self._operate(event)

    async def _open_page(self) -> None:
        entity = self._entity
        if not entity.pages:
            entity.front, entity.tail = entity.tail, []
            return
        page = entity.pages.pop(0)
        try:
            entity.front = (await self._execution.rows(page.key, page.chunks)).split("\n")
        except CorruptRowError as error:
            logger.error(
                "%d requests that entity %s held back are lost: %s", page.events, self._sender.instance_id, error
            )
            return
        self._draft.state.garbage += chunk_keys(page.key, page.chunks)

    def _decode(self, text: str) -> Event | None:
        """A request that was held back; one that cannot be read is quarantined."""
        try:
            return decode_event(text)
        except ShapeError as error:
            self._quarantined += 1
            name = f"backlog-{self._draft.turn_id}-{self._quarantined:04d}"
            self._draft.put(quarantine(self._sender.instance_id, name, text.encode("utf-8", "surrogatepass"), error))
            return None

    def _seal_backlog(self) -> None:
        entity = self._entity
        if sum(map(len, entity.tail)) > SEAL_CHARS:
            ref, rows = to_blobs(backlog_key(self._draft.turn_id), "\n".join(entity.tail))
            entity.pages.append(PageRef(ref.key, ref.chunks, len(entity.tail)))
            entity.tail = []
            self._draft.put(rows)

    # --- locks --------------------------------------------------------------------------------------

    def _grant(self, request: LockRequestArrived) -> None:
        if self._entity.waiters.pop(request.section, None) is None:
            return  # Given up before it was its turn.
        caller, now = request.caller, self._draft.now
        self._entity.holder = LockHolder(request.section, caller.instance_id, caller.execution_id, now)
        granted = EntityLockGranted(now, caller.task_id, self._sender.instance_id, request.section)
        self._answer(caller, granted, self._draft.number())

    # --- operations ---------------------------------------------------------------------------------

    async def _operate(self, event: OperationArrived) -> None:
        self._operations += 1
        self._entity.last_operation = self._draft.now
        outcome = await self._outcome(event)
        self._draft.throw_away([event])
        for send in self._sends_of(outcome.actions):
            self._send(send)
        if event.caller is not None:
            self._answer_call(event.caller, outcome)
        elif outcome.failure is not None:
            logger.error(
                "Operation %r of entity %s failed, and nobody waits for it: %s: %s\n%s",
                event.operation,
                self._sender.instance_id,
                outcome.failure.error_type,
                outcome.failure.message,
                outcome.failure.stack_trace or "",
            )

    async def _outcome(self, event: OperationArrived) -> Outcome:
        if self._given_up is not None:
            failure, self._given_up = self._given_up, None
            return Outcome(None, failure)
        if self._live is None and event.operation == DELETE:
            self._text = None
            return Outcome(None, None)
        if self._live is None:
            error = self._missing or FunctionNotFoundError(f"no entity {self._sender.instance_id}")
            return Outcome(None, FailureDetails.from_exception(error))
        try:
            [filled] = await self._execution.filled_whole([event])
        except CorruptRowError as error:
            return Outcome(None, FailureDetails.from_exception(error))
        assert isinstance(filled, OperationArrived)
        text = filled.input if isinstance(filled.input, str) else None
        try:
            operation = self._live.begin(event.operation, text, self._draft.now)
            outcome = await self._perform(operation)
        except PayloadTooLargeError as error:
            outcome = Outcome(None, FailureDetails.from_exception(error))
        return outcome

    async def _perform(self, operation: Operation) -> Outcome:
        try:
            if operation.is_async:
                name = self._sender.instance_id
                returned = await self._context.watchdog.steps(operation.call_async(), lambda: f"entity {name}")
            else:
                returned = await self._context.run_sync(operation.call, f"entity {self._sender.instance_id}")
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
                f"One operation of entity {self._sender.instance_id} sends {len(operation.actions)} messages of about "
                f"{size} bytes, more than one commit can hold. Send less at a time, or let an orchestration do it."
            )

    # --- what it sends ------------------------------------------------------------------------------

    def _sends_of(self, actions: Sequence[Action]) -> list[Send]:
        sends: list[Send] = []
        for action in actions:
            number, now = self._draft.number(), self._draft.now
            value = self._draft.spill_message(number, action.input)
            if isinstance(action, SignalAction):
                signal = OperationArrived(now, action.operation, value, signal_time=action.signal_time)
                event = InboxEvent(signal, self._sender.incarnation, number, now)
                sends.append(Deliver(number, str(action.entity_id), event))
            else:
                execution_id = self._context.hub.ids.new()
                version = action.version or self._context.settings.default_version
                sends.append(
                    StartNew(
                        number, action.instance_id, execution_id, action.name, value, version, now, action.start_at
                    )
                )
        return sends

    def _answer_call(self, caller: EntityCaller, outcome: Outcome) -> None:
        number, now = self._draft.number(), self._draft.now
        if outcome.failure is not None:
            answer: Event = EntityOperationFailed(now, caller.task_id, shorten(outcome.failure))
        else:
            answer = EntityOperationCompleted(now, caller.task_id, self._draft.spill_message(number, outcome.result))
        self._answer(caller, answer, number)

    def _answer(self, caller: EntityCaller, answer: Event, number: int) -> None:
        target = Target.answering(caller)
        event = InboxEvent(answer, self._sender.incarnation, number, self._draft.now, target)
        self._send(Deliver(number, caller.instance_id, event))

    def _send(self, send: Send) -> None:
        self._sends.append(send)
        body = send.event.encode() if isinstance(send, Deliver) else send.encode()
        self._bytes += len(body)


def is_unfinished(state: InstanceState, now: datetime) -> bool:
    """Whether an entity has something to do without being told more: a backlog set free, a signal that is due."""
    return any(fire_at <= now for fire_at in state.timers.values()) or is_runnable(state)


def _never(_task_id: int) -> bool:
    return False
