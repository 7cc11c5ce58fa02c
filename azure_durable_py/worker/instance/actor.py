"""One active instance: takes its doorbells and results, runs its turns one after the other.

Theory of operation
-------------------
Any number of workers may be told of one instance at once; the ETag of its header decides who changes it.
What keeps work from being lost is that every piece of it is named in the header together with a message that
is in a queue or in somebody's hands, its guard. The rules, in the order in which a step applies them:

*Load* after each receipt, before anything else: what is known from before a message came says nothing about it.
A message that another delivery outranks, by a mark in the header, is deleted and forgotten: the other one is
responsible (R1). A worker with no message in hand knows nothing and commits nothing (R2).

*Fence* a message that may have been delivered before: the commit says by a mark that this delivery is the newest.
Whoever had it before conflicts with that, loads, and finds itself outranked.

*Turn*: what it decides is named with a guard. Activities name any message in hand. Sends go to the end of one
queue that has one guard; who finds the queue empty gives it one (R5). Timers are one delayed doorbell for
the earliest of them (R16).

*Commit*: a conflict or a lost answer means: load, and decide again from what is true (I1, I2).

*Hand over* what the header names under messages in hand, and nothing else. *Drop* what was handed over with
the next commit, or with one of its own.

*Delete* a message only when the newest header that was loaded or committed after its receipt names nothing under
it, and the rows that it was rung for are consumed (R2).

Whatever goes wrong, it goes back to loading.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import datetime, timedelta

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    PayloadTooLargeError,
    StorageError,
    StorageUnavailableError,
)
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event, ExecutionTerminated
from azure_durable_py.taskhub.entity_state import is_entity, is_vain, new_entity_header
from azure_durable_py.taskhub.messages import Cause, InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.naming import is_control
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit, CorruptRowError, Header, InboxRow
from azure_durable_py.taskhub.references import named_rows
from azure_durable_py.taskhub.state import Alarm, Arming, InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.context import TaskResult, WorkerContext
from azure_durable_py.worker.given_up import after_attempts
from azure_durable_py.worker.instance.children import is_wanted
from azure_durable_py.worker.instance.dispatcher import Outbox
from azure_durable_py.worker.instance.entity_draft import EntityDraft
from azure_durable_py.worker.instance.entity_reader import EntityExecution
from azure_durable_py.worker.instance.entity_turn import EntityTurn, is_unfinished
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.inbox import accept, completed_task, horizon, readable, without_lost
from azure_durable_py.worker.instance.locks import give_back
from azure_durable_py.worker.instance.mailroom import Mailroom, Pauses
from azure_durable_py.worker.instance.orchestration_draft import Draft, begun_before
from azure_durable_py.worker.instance.orchestration_reader import Execution, due_timers, failed_turn
from azure_durable_py.worker.instance.results import LookAgainError, Results
from azure_durable_py.worker.intake.delivery import UNSEEN, Delivery
from azure_durable_py.worker.versions import may_run, refusal
from azure_durable_py.worker.wakeup import Wakeup

logger = logging.getLogger("azure_durable_py.worker")
ROWS_PER_TURN = 90
BYTES_PER_TURN = 1_000_000
LONGEST_DEFERRAL = 300.0
LATE_START = timedelta(minutes=5)
NOT_LOADED = "~"
"""The execution before anything was loaded; None is that of an instance that is not there."""
EARLY_SECONDS = 2.0
"""A timer's doorbell that comes at most so early, by this worker's clock, is kept in hand until it is due."""


class OtherVersionError(Exception):
    """The instance is of a version that this worker may not run."""


class Actor:
    """Runs one instance while there is something to do for it.

    :param retired: told when it has nothing more to do; from then on it takes nothing.
    """

    def __init__(self, context: WorkerContext, instance_id: str, retired: Callable[[], None]) -> None:
        self.instance_id = instance_id
        self._context = context
        self._hub = context.hub
        self._retired = retired
        self._wake = Wakeup()
        self._arrived: list[Delivery] = []
        self._guards = Guards(context.settling)
        self._results = Results(context.hub.clock.monotonic)
        self._header: Header | None = None
        self._state: InstanceState | None = None
        self._confirmed_for: str | None = NOT_LOADED
        self._rows: deque[InboxRow] = deque()
        self._more = False
        self._loaded = False
        self._touched = False
        self._parked = False
        self._full = False
        self._ending = False
        self._stopping = False
        self._early_until: float | None = None
        self._latest = self._seen_until = context.hub.clock.now()
        self._broken: BaseException | None = None
        self._staged: dict[str, list[str]] = {}
        self._unsettled: str | None = None
        self._is_entity = is_entity(instance_id)
        self._execution = EntityExecution(context, instance_id) if self._is_entity else Execution(context, instance_id)
        self._turns = context.entity_turns if self._is_entity else context.turns
        self._mailroom = Mailroom(
            context,
            instance_id,
            wants=self.wants,
            handed_over=self.handed_over,
            armed=self.armed,
            broken=self._break,
        )
        self._outbox = Outbox(context, instance_id, self, self._guards, self._execution, self._mailroom)

    # --- what others tell it -----------------------------------------------------------------------

    def ring(self, delivery: Delivery) -> None:
        """A message for this instance was delivered; it counts from the next load on."""
        self._arrived.append(delivery)
        self._touch()

    def finish(self, result: TaskResult) -> None:
        """A task was run in this process."""
        if result.delivery is not None:
            self._guards.hold(result.delivery)
        elif not self._guards:
            # Another worker has what guarded it by now, and may run it again; the sooner it hears of this, the better.
            self._report(result)
            return
        self._results.add(result)
        self._wake.set()

    def handed_over(self, sender: Sender, entry: int) -> None:
        """An outbox entry is handed over."""
        # Who has nothing in hand any more knows nothing, and can drop nothing.
        if self._guards and self._is_current(sender):
            self._outbox.hand_over(entry)
            self._wake.set()

    def armed(self, arming: Arming, alarm: Alarm) -> None:
        """The doorbell for the earliest timer is put."""
        if not self._guards or self._state is None or self._state.arming != arming:
            # The instance ended meanwhile, or waits for another time: nobody will name this doorbell.
            self._outbox.silence(alarm)
            return
        self._outbox.armed(arming, alarm)
        self._wake.set()

    def wants(self, sender: Sender, entry: int) -> bool:
        """Whether this process is still to hand the entry over."""
        return not self._stopping and self._is_current(sender) and self._outbox.is_open(entry)

    def look_again(self) -> None:
        """Something that it has in hand is no longer its own."""
        self._touch()

    def end(self) -> None:
        """Leave memory now if there is nothing to do."""
        self._ending = True
        self._wake.set()

    def _is_current(self, sender: Sender) -> bool:
        """Whether it is still the execution that sent something; a replaced one counts from the start again."""
        return self._state is not None and self._state.execution_id == sender.execution_id

    @property
    def sender(self) -> Sender:
        """The incarnation that the newest header stands for."""
        assert self._header is not None
        assert self._state is not None
        return Sender.of(self.instance_id, self._header.columns.name, self._state)

    @property
    def is_busy(self) -> bool:
        """Whether it has anything in hand."""
        return bool(self._arrived or len(self._guards) or len(self._results))

    @property
    def has_results(self) -> bool:
        """Whether results wait to be committed."""
        return bool(len(self._results))

    def _break(self, _task: str, error: BaseException) -> None:
        """A part of it has failed in a way that nobody foresaw: so has the whole."""
        self._broken = error
        self._wake.set()

    def _touch(self) -> None:
        if not self._touched:
            self._touched = True
            self._context.touched += 1
        self._wake.set()

    def _untouch(self) -> None:
        if self._touched:
            self._touched = False
            self._context.touched -= 1

    # --- its life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take steps until there has been nothing to do for a while."""
        pauses = Pauses(self._context, f"Instance {self.instance_id!r}")
        while await self._wait():
            try:
                async with self._turns:
                    await self._step()
                pauses.over()
            except LookAgainError:
                self._loaded = False
                self._touch()
            except ConcurrencyConflictError:
                self._begin_again()
            except NewerFormatError as error:
                logger.warning("Instance %r is left to a worker that is upgraded: %s", self.instance_id, error)
                await self._defer()
            except CorruptRowError:
                logger.exception("Instance %r cannot be read; its messages are put back.", self.instance_id)
                await self._defer()
            except StorageError as error:
                self._begin_again()
                await pauses.wait(error)
            except OtherVersionError as error:
                logger.info("Instance %r is left to another worker: %s", self.instance_id, error)
                await self._defer()
            except Exception:
                logger.exception("A turn of instance %r failed; its messages are put back.", self.instance_id)
                await self._defer()

    async def stop(self) -> None:
        """Let go of everything in hand; what was not committed is done again by whoever gets it."""
        self._stopping = True
        self._untouch()
        self._context.sessions.leave(self)
        await self._mailroom.stop()
        self._execution.forget()
        held = [*self._guards.let_go(), *self._arrived]
        await asyncio.gather(*(delivery.settlement.release() for delivery in held))

    async def _wait(self) -> bool:
        """Wait until there is a step to take. False: it has retired."""
        monotonic = self._hub.clock.monotonic
        while True:
            self._wake.clear()
            if self._broken is not None:
                raise self._broken
            if self._touched or self._has_rows() or self._results.worth_a_turn(self._execution.decided_by):
                self._untouch()
                return True
            deadline = min((at for at in self._deadlines() if at is not None), default=None)
            if deadline is not None and deadline <= monotonic():
                return True
            if self.is_busy:
                await self._wake.wait(None if deadline is None else deadline - monotonic())
            elif not await self._is_woken_from_idleness():
                self._execution.forget()
                self._retired()
                return False

    async def _is_woken_from_idleness(self) -> bool:
        self._context.sessions.idle(self)
        try:
            woken = not self._ending and await self._wake.wait(self._idle_seconds())
            # What comes at the moment at which it is told to leave keeps it.
            return self._touched or self.is_busy or (woken and not self._ending)
        finally:
            self._ending = False
            self._context.sessions.leave(self)

    def _idle_seconds(self) -> float:
        settings = self._context.settings
        ended = self._header is None or self._header.is_terminal
        return settings.extended_session_idle_timeout if settings.extended_sessions and not ended else 0.0

    def _has_rows(self) -> bool:
        return bool(self._rows or self._more) and not self._parked and not self._full

    def _deadlines(self) -> Iterator[float | None]:
        """When there is something to do although nothing has happened."""
        yield self._results.deadline
        yield self._early_until
        finished = self._header is not None and self._header.is_terminal
        yield self._outbox.drop_at(self._state, finished=finished)

    def _begin_again(self) -> None:
        self._loaded = False
        self._execution.forget()
        self._touch()

    def _is_settled(self, header: Header | None) -> bool:
        """Whether no commit of ours is under way that may still land on this header."""
        return header is None or self._unsettled != header.etag

    def _let_go(self, *, known: bool = True) -> None:
        """The hands are empty: nothing that is known counts any more, but as a copy of what the header said."""
        self._outbox.forget(self._state, settled=known and self._is_settled(self._header))
        self._rows.clear()
        self._more = self._loaded = self._parked = self._full = False
        for result in self._results.clear():
            if result.delivery is None:
                self._report(result)

    def _report(self, result: TaskResult) -> None:
        """Tell the instance of a result by its inbox, as of one that ran anywhere."""
        event = InboxEvent(result.event, f"work:{self._hub.ids.new()}", 0, result.event.timestamp, result.target)
        self._context.settling.start(self._deliver(event), f"result for {self.instance_id}")

    async def _deliver(self, event: InboxEvent) -> None:
        try:
            await self._hub.retry(lambda: self._hub.deliver(self.instance_id, [event], "result"))
        except StorageError as error:
            logger.warning("A result for instance %r is lost, and its task runs again: %s", self.instance_id, error)

    async def _defer(self) -> None:
        """Something is wrong with this instance that trying at once will not mend: put it off (PROTOCOL R3)."""
        held = self._guards.let_go()
        self._header = self._state = None
        self._execution.forget()
        self._let_go(known=False)
        await self._put_back(held)

    async def abandon(self) -> None:
        """It has failed in a way that nobody foresaw: what it has in hand comes again, later each time, to another."""
        self._stopping = True
        self._untouch()
        self._context.sessions.leave(self)
        await self._mailroom.stop()
        await self._put_back([*self._guards.let_go(), *self._arrived])
        self._execution.forget()

    async def _put_back(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            delay = min(2.0 ** min(delivery.rank[0], 10), LONGEST_DEFERRAL)
            await delivery.settlement.put_back(delay)

    # --- a step --------------------------------------------------------------------------------------

    async def _step(self) -> None:
        self._early_until = None
        self._results.give_back()
        if not self.is_busy:
            return
        if self._arrived or not self._loaded or (self._more and not self._rows):
            await self._load()
        if not self._guards:
            self._let_go()
            return
        if self._header is None and self._is_entity and self._rows:
            # Whoever is first to say something to an entity brings it into being.
            self._header, self._state = new_entity_header(self.instance_id, self._hub.ids.new(), self._hub.clock.now())
        if self._header is None or self._state is None:
            await self._serve_absent()
        elif self._header.is_terminal:
            await self._serve_finished(self._header, self._state)
        else:
            await self._take_turn(self._header, self._state)
        if self._state is not None:
            await self._claim(self._state)
        await self._remove_if_vain()
        self._settle()

    async def _load(self) -> None:
        arrived, self._arrived = self._arrived, []
        for delivery in arrived:
            self._guards.hold(delivery)
        results = self._results.look()
        self._loaded = False
        began = self._hub.clock.now()
        loaded = await self._hub.store.load(self.instance_id)
        behind = horizon(loaded, self._hub.clock.now())
        # Not only those that have just arrived: a load before this one may have failed.
        unseen = [delivery for delivery in self._guards if delivery.horizon == UNSEEN]
        self._rows = deque(loaded.inbox)
        self._more = loaded.more
        self._seen_until = began
        self._results.looked(results)
        if self._state is None or _etag(loaded.header) != _etag(self._header):
            self._take_header(loaded.header)
        execution = None if self._state is None else self._state.execution_id
        another = self._confirmed_for not in (NOT_LOADED, execution)
        await self._guards.confirm(self._guards if another else [each for each in unseen if each.settlement.overdue])
        self._confirmed_for = execution
        for delivery in unseen:
            delivery.horizon = behind
        self._guards.outrank({} if self._state is None else self._state.marks)
        if self._state is not None:
            self._outbox.keep(self._state)
        self._outbox.look_again()
        self._loaded = True

    def _take_header(self, header: Header | None) -> None:
        """The header is another one than we knew: all that we know now comes from it."""
        self._execution.forget()
        self._full = False
        before = self._state
        self._header = header
        self._state = None if header is None else InstanceState.decode(header.body)
        if before is None or self._state is None or before.execution_id != self._state.execution_id:
            self._outbox.forget(self._state, settled=self._is_settled(header))

    # --- finished or absent --------------------------------------------------------------------------

    async def _serve_absent(self) -> None:
        """What an instance that is not there was sent has no effect."""
        events = readable(self._rows)
        await self._give_locks_back(events)
        keys = [row.key for row in self._rows]
        for at in range(0, len(keys), MAX_COMMIT_ROWS):
            await self._hub.store.delete_inbox(self.instance_id, keys[at : at + MAX_COMMIT_ROWS])
        values = payload_rows(event.event for event in events)
        if values:
            await self._hub.store.delete_blobs(self.instance_id, values)
        if keys:
            logger.info("Dropped %d events for instance %r, which is not there.", len(keys), self.instance_id)
        self._rows.clear()
        self._results.clear()
        self._guards.trust()

    async def _serve_finished(self, header: Header, state: InstanceState) -> None:
        """What an instance that has ended was sent has no effect; what it still has to say goes out."""
        if self._results.need_a_look:
            raise LookAgainError
        self._results.clear()
        draft = self._draft(header, state)
        for delivery in self._guards.suspects:
            # An instance that has ended decides nothing: only what the header names can need the fence.
            if state.names(delivery.id):
                draft.mark(delivery.id, delivery.rank)
        guard = self._chosen(state)
        self._outbox.drop_into(draft, settled=self._is_settled(header))
        rows = self._next_rows()
        events = readable(rows)
        await self._give_locks_back(events)
        draft.consume([row.key for row in rows])
        draft.state.garbage += payload_rows(event.event for event in events)
        if self._is_being_repaired():
            self._outbox.repair(draft, guard.id)
        self._see_to_timers(draft, guard)
        if self._is_worth_a_commit(draft, header):
            await self._commit(draft)
            if rows:
                logger.info("Dropped %d events for instance %r, which has ended.", len(rows), self.instance_id)
        self._guards.trust()

    async def _remove_if_vain(self) -> None:
        """Leave nothing of an entity that the app does not have: it can do nothing, so nothing can be done twice."""
        header, state = self._header, self._state
        if (
            not self._is_entity
            or header is None
            or state is None
            or header.columns.name in self._context.registry.entities
        ):
            return
        if header.etag and is_vain(header, state) and not self._rows and not self._more:
            await self._hub.store.commit(Commit(self.instance_id, None, header.etag, dropped=tuple(state.garbage[:90])))
            self._header = self._state = None
            self._guards.trust()

    async def _give_locks_back(self, events: Iterable[InboxEvent]) -> None:
        """A lock that is given to nobody who runs is given back (PROTOCOL R21)."""
        for event in events:
            await give_back(self._hub, event)

    # --- a turn --------------------------------------------------------------------------------------

    async def _take_turn(self, header: Header, state: InstanceState) -> None:
        beginning = [delivery for delivery in self._guards.suspects if self._is_beginning(delivery, state)]
        if not beginning:
            await self._run_and_commit(header, state)
            return
        async with self._lane(beginning, state):
            header, state = await self._note_beginning(header, state, beginning)
            await self._run_and_commit(header, state)

    def _lane(self, beginning: Iterable[Delivery], state: InstanceState) -> AbstractAsyncContextManager[object]:
        """Of what was under way when processes ended before, one runs at a time.

        So the next end of a process is counted against who is likely to have caused it, and against nobody who only
        happens to be served at the same time. Once may be chance: all that a process had in hand is begun together.
        """
        limit = self._context.settings.max_dequeue_count
        attempt = max(2 + begun_before(state, delivery.id, delivery.rank, delivery.poisoned) for delivery in beginning)
        return self._context.suspected if attempt >= min(3, limit) else nullcontext()

    async def _run_and_commit(self, header: Header, state: InstanceState) -> None:
        draft = self._draft(header, state)
        self._fence(draft)
        guard = self._chosen(state)
        self._outbox.drop_into(draft, settled=self._is_settled(header))
        abandoned = self._outbox.is_abandoned(draft)
        self._parked = self._is_early(state, draft)
        if not self._parked and not self._full:
            if await self._is_unwanted_child(state, draft):
                return
            draft = await self._advance(header, state, draft, guard)
        if self._is_being_repaired():
            self._outbox.repair(draft, guard.id)
        elif abandoned and draft.changed:
            self._outbox.take_over(draft, guard.id)
        self._see_to_timers(draft, guard)
        if self._is_worth_a_commit(draft, header):
            draft = await self._commit_turn(header, state, draft, guard)
        else:
            self._results.forget_taken()
        self._guards.trust()
        # Older entries to the same targets go first (PROTOCOL R9).
        await self._claim(draft.state, frozenset(entry for entry, _ in draft.new))
        self._outbox.dispatch_new(draft, self.sender, guard.id)

    async def _claim(self, state: InstanceState, new: frozenset[int] = frozenset()) -> None:
        """Hand over what is ours to hand over. If it cannot be read, so can nothing that the instance would do next."""
        try:
            await self._outbox.claim(state, self.sender, new)
        except CorruptRowError as error:
            header = self._header
            assert header is not None
            await self._check_unchanged(header, error)
            if header.is_terminal:
                logger.error("What instance %r still had to send is lost: %s", self.instance_id, error)
                self._outbox.give_up_unreadable(state)
                await self._outbox.claim(state, self.sender, new)
                return
            for delivery in self._guards:
                delivery.failure = FailureDetails.from_exception(error)
            raise LookAgainError from error

    async def _check_unchanged(self, header: Header, error: CorruptRowError) -> None:
        """See whether what was read and is missing was there to be read.

        :raises ConcurrencyConflictError: another worker has just replaced it.
        """
        if _etag(await self._hub.store.load_header(self.instance_id)) != header.etag:
            raise ConcurrencyConflictError("the header changed while its history was read") from error

    async def _commit_turn(self, header: Header, state: InstanceState, draft: Draft, guard: Delivery) -> Draft:
        """Make a turn true, or what takes its place; returns which."""
        for delivery in self._guards:
            # At its last attempt a message is served step by step, and each further step may be the one.
            if not delivery.item and not delivery.last:
                draft.end(delivery.id)
        if guard.lost:
            raise ConcurrencyConflictError("the message that was to guard a turn went to another worker")
        try:
            await self._commit(draft)
        except PayloadTooLargeError as error:
            if self._is_entity:
                return await self._wait_for_room(header, state, error)
            draft = await self._fail_instead(header, state, draft, guard, error)
            await self._commit(draft)
        return draft

    async def _wait_for_room(self, header: Header, state: InstanceState, error: PayloadTooLargeError) -> Draft:
        """An entity cannot fail: what does not fit beside what it still has to send waits until that is handed over.

        :raises PayloadTooLargeError: it has nothing to send, or another worker sends it.
        """
        if not state.has_sends or state.queue_guard not in self._guards.ids:
            raise error
        logger.warning(
            "Entity %s takes nothing more before it has sent what it has to send: %s", header.instance_id, error
        )
        self._execution.forget()
        draft = self._draft(header, state)
        self._fence(draft)
        self._outbox.drop_into(draft, settled=self._is_settled(header))
        self._full = True
        if self._is_worth_a_commit(draft, header):
            await self._commit(draft)
        return draft

    def _fence(self, draft: Draft) -> None:
        """Say of all in hand that may have been delivered before that they are the newest (PROTOCOL R1)."""
        for delivery in self._guards.suspects:
            draft.mark(delivery.id, delivery.rank)

    def _is_worth_a_commit(self, draft: Draft, header: Header) -> bool:
        """Whether a draft says anything new, or one before it may still land on this header (PROTOCOL I2)."""
        return draft.changed or not self._is_settled(header)

    def _is_beginning(self, delivery: Delivery, state: InstanceState) -> bool:
        """Whether what a message asks for, and was perhaps begun before by a process that died of it, begins now."""
        again = delivery.deliveries > 1 or delivery.poisoned
        return again and (delivery.item or self._has_work(state))

    async def _note_beginning(
        self, header: Header, state: InstanceState, beginning: Iterable[Delivery]
    ) -> tuple[Header, InstanceState]:
        """Count the attempt in the header before it is made: whoever comes after a death knows then (PROTOCOL I12)."""
        draft = self._draft(header, state)
        limit = self._context.settings.max_dequeue_count
        for delivery in beginning:
            delivery.attempt = draft.begin(delivery.id, delivery.rank, delivery.poisoned)
            if not delivery.item:
                delivery.last = delivery.attempt >= limit
                given_up = after_attempts(f"instance {self.instance_id!r}", delivery.attempt, limit)
                delivery.failure = delivery.failure or given_up
        self._fence(draft)
        await self._commit(draft)
        self._guards.trust()
        assert self._header is not None
        assert self._state is not None
        return self._header, self._state

    async def _advance(self, header: Header, state: InstanceState, draft: Draft, guard: Delivery) -> Draft:
        """Run what there is to run, and write it into a draft."""
        if isinstance(draft, EntityDraft):
            assert isinstance(self._execution, EntityExecution)
            turn = EntityTurn(
                self._context,
                self._execution,
                draft,
                self.sender,
                given_up=self._take_failure(),
                one_by_one=any(delivery.last for delivery in self._guards),
            )
            if await turn.run(self._next_rows()):
                turn.record(guard.id)
            return draft
        if self._has_work(draft.state):
            try:
                await self._run_turn(header, draft, guard)
            except PayloadTooLargeError as error:
                return await self._fail_instead(header, state, draft, guard, error)
        return draft

    def _has_work(self, state: InstanceState) -> bool:
        """Whether there is anything to show to the function: a commit that only drops or fences needs no replay."""
        due = state.earliest is not None and state.earliest <= self._now()
        failing = any(delivery.failure for delivery in self._guards)
        return bool(self._rows or len(self._results) or state.pending or due or failing or self._is_unfinished())

    def _take_failure(self) -> FailureDetails | None:
        """Why to fail what is first now: one operation pays for it, and those behind it are to be run."""
        failure = next((delivery.failure for delivery in self._guards if delivery.failure), None)
        for delivery in self._guards:
            delivery.failure = None
        return failure

    async def _fail_instead(
        self, header: Header, state: InstanceState, draft: Draft, guard: Delivery, error: PayloadTooLargeError
    ) -> Draft:
        """A turn that cannot be stored fails the instance, never its doorbell (PROTOCOL R19)."""
        logger.error("Instance %r fails: %s", self.instance_id, error)
        self._execution.forget()
        await self._read_decisions(state)
        failing = self._draft(header, state)
        failing.state.marks = draft.state.marks
        failing.consume(draft.consumed)
        turn = failed_turn(FailureDetails.from_exception(error), failing.now)
        failing.record(turn, self.sender, guard.id, self._execution.decision)
        self._see_to_timers(failing, guard)
        return failing

    async def _read_decisions(self, state: InstanceState) -> None:
        """Read what an instance that is about to fail has decided: what it still has to send, it sends."""
        try:
            await self._execution.load_decisions(state)
        except CorruptRowError as error:
            logger.error("What instance %r still had to send cannot be read: %s", self.instance_id, error)

    async def _run_turn(self, header: Header, draft: Draft, guard: Delivery) -> None:
        """Advance the orchestration over what there is."""
        events, failure = await self._load_execution(header, draft.state)
        rows = self._next_rows()
        await self._execution.senders.recall(draft.state, rows)
        accepted = accept(self.instance_id, draft.state, rows, self._execution.is_open, draft.now)
        await self._give_locks_back(accepted.vain)
        answered = {task_id for event in accepted.events if (task_id := completed_task(event.event)) is not None}
        results = self._results.usable(draft.state, answered, self._execution.is_open)
        filled = await self._execution.filled([event.event for event in accepted.events])
        events += without_lost(self.instance_id, accepted, filled)
        draft.consume(accepted.consumed, accepted.quarantined)
        draft.state.garbage += accepted.spent
        events += [result.event for result in results]
        events += due_timers(draft.state, draft.now)
        draft.state.start_at = None
        if not events and failure is None:
            return
        turn = failed_turn(failure, draft.now) if failure else self._execution.advance(events, draft.now)
        draft.record(turn, self.sender, guard.id, self._execution.decision)

    async def _load_execution(self, header: Header, state: InstanceState) -> tuple[list[Event], FailureDetails | None]:
        """What the function has not seen yet of its start; or why the instance fails."""
        failure = next((delivery.failure for delivery in self._guards if delivery.failure), None)
        failure = failure or self._wrong_version(header)
        if failure is not None:
            logger.error("Instance %r fails: %s", self.instance_id, failure.message)
            await self._read_decisions(state)
            return [], failure
        try:
            await self._execution.load(state)
            pending = await self._execution.pending(state)
            state.garbage += pending.spent
            return pending.events, None
        except CorruptRowError as error:
            await self._check_unchanged(header, error)
            logger.error("Instance %r fails: its history cannot be read: %s", self.instance_id, error)
            return [], FailureDetails.from_exception(error)

    def _wrong_version(self, header: Header) -> FailureDetails | None:
        """The failure of an instance that this worker may not run.

        :raises OtherVersionError: it is to be left to another worker.
        """
        version, settings = header.columns.version, self._context.settings
        if may_run(version, settings):
            return None
        if settings.version_failure_strategy.lower() != "fail":
            raise OtherVersionError(refusal(version, settings))
        return FailureDetails(refusal(version, settings), "azure_durable_py.errors.VersionMismatchError")

    def _next_rows(self) -> list[InboxRow]:
        rows: list[InboxRow] = []
        size = 0
        for row in self._rows:
            size += len(row.body)
            if len(rows) == ROWS_PER_TURN or (rows and size > BYTES_PER_TURN):
                break
            rows.append(row)
        return rows

    async def _is_unwanted_child(self, state: InstanceState, draft: Draft) -> bool:
        """Delete a child that begins late and that its parent does not wait for any more (PROTOCOL R14)."""
        parent = state.parent
        if parent is None or not state.pending or state.generation or draft.now - parent.sent_at < LATE_START:
            return False
        if await is_wanted(self._hub.store, parent):
            return False
        logger.warning("Sub-orchestration %r is not started: its parent no longer waits for it.", self.instance_id)
        assert self._header is not None
        await self._hub.store.commit(Commit(self.instance_id, None, self._header.etag))
        raise LookAgainError

    # --- guards and timers ---------------------------------------------------------------------------

    def _chosen(self, state: InstanceState) -> Delivery:
        guard = self._guards.choose(state)
        if guard is None:
            raise LookAgainError  # All that was in hand went to others meanwhile.
        return guard

    def _is_being_repaired(self) -> bool:
        """Whether a scan found no life in the instance: what other workers left behind is taken over (PROTOCOL R8)."""
        return any(delivery.cause is Cause.repair for delivery in self._guards)

    def _is_early(self, state: InstanceState, draft: Draft) -> bool:
        """Whether a delayed start is not due, and nobody asked to end the instance before."""
        if state.start_at is None or draft.now >= state.start_at:
            return False
        return not any(_is_termination(row) for row in self._rows if is_control(row.key))

    def _see_to_timers(self, draft: Draft, guard: Delivery) -> None:
        """Have the instance woken for its earliest timer (PROTOCOL R16)."""
        woken = any(delivery.cause is Cause.timer for delivery in self._guards)
        earliest = draft.state.earliest
        if woken and earliest is not None:
            early = (earliest - draft.now).total_seconds()
            if 0 < early <= EARLY_SECONDS:
                # Clocks differ: what is named as alarm stays in hand until its time has come here, too.
                self._early_until = self._hub.clock.monotonic() + early
                return
        draft.see_to_timers(guard.id, self._guards.ids, woken=woken)

    def _now(self) -> datetime:
        # A timer that was due once is due, although the machine's clock may be set back: a commit that fired it may be
        # under way without an answer.
        self._latest = max(self._latest, self._hub.clock.now())
        return self._latest

    # --- the commit ------------------------------------------------------------------------------------

    def _draft(self, header: Header, state: InstanceState) -> Draft:
        # Later than the last turn: ids and order are made from the time of turns.
        now = self._latest = max(self._now(), state.turn_time + timedelta(microseconds=1))
        make = EntityDraft if self._is_entity else Draft
        draft = make(header, state.copy(), self._hub.ids.short(), now)
        draft.state.garbage += self._orphans(header, state)
        return draft

    def _orphans(self, header: Header, state: InstanceState) -> list[str]:
        """Rows of commits that came to nothing, by what the header says now (PROTOCOL R18).

        A commit whose answer was lost may have landed, and others on top of it: then its rows are in use.
        """
        if not self._staged:
            return []
        try:
            named = named_rows(header.columns, state)
        except CorruptRowError:
            return []
        self._staged = {turn_id: keys for turn_id, keys in self._staged.items() if named.isdisjoint(keys)}
        return [key for keys in self._staged.values() for key in keys]

    async def _commit(self, draft: Draft) -> None:
        """Make a draft true.

        :raises ConcurrencyConflictError: another was quicker, or it is not known: nothing of it counts.
        """
        if not self._more and len(draft.consumed) == len(self._rows):
            draft.seen_until = self._seen_until
        commit, staged = draft.commit()
        assert commit.header is not None
        if staged:
            self._staged[draft.turn_id] = [row.key for row in staged]
            await self._hub.store.put_blobs(self.instance_id, staged)
        etag = await self._commit_once(commit, draft.turn_id)
        self._staged = {}
        self._header = replace(commit.header, etag=etag)
        self._state = draft.state
        for _ in commit.consumed:
            self._rows.popleft()
        self._outbox.committed(draft)
        self._full = self._full and not draft.gone
        self._results.forget_taken()
        if draft.ended_generation or not self._context.settings.extended_sessions:
            self._execution.forget()
        if draft.state.pending or (self._is_unfinished() and not self._full):
            self._touch()

    async def _commit_once(self, commit: Commit, turn_id: str) -> str:
        """Commit; a lost answer is looked for in the header, and else is a conflict (PROTOCOL I2).

        While the header is what it was before, the commit may still land: nothing is deleted until another one has
        changed it, if need be one that changes nothing else.
        """
        try:
            return await self._hub.store.commit(commit)
        except StorageUnavailableError as error:
            pauses = Pauses(self._context, f"A commit of instance {self.instance_id!r}")
            await pauses.wait(error)
        while True:
            try:
                found = await self._hub.store.load_header(self.instance_id)
                break
            except StorageError as error:
                await pauses.wait(error)
        pauses.over()
        if found is not None and found.columns.turn_id == turn_id:
            return found.etag
        self._unsettled = None if found is None else found.etag
        raise ConcurrencyConflictError(f"A commit of instance {self.instance_id!r} was not answered.")

    # --- settling --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Delete every message that has nothing left to guard."""
        waiting = self._results.guards
        for delivery in self._guards:
            if delivery.lost or (delivery.id not in waiting and self._is_done(delivery)):
                self._guards.ack(delivery)
        if not self._guards:
            self._let_go()
        self._context.room_made()

    def _is_done(self, delivery: Delivery) -> bool:
        """Whether a message may be deleted (PROTOCOL R2)."""
        state = self._state
        if state is None:
            return True
        if delivery.suspect or state.names(delivery.id) or self._early_until is not None:
            return False
        if delivery.cause is Cause.timer and state.arming is not None and self._guards.is_mine(state.arming.guard):
            # It may be the very doorbell that we are putting, come before its name is known: it must be seen in hand.
            return False
        if self._parked:
            return True
        if state.pending or self._is_unfinished() or self._has_due_timers(state):
            return False
        if self._rows:
            return self._rows[0].key > delivery.horizon
        return not self._more

    def _has_due_timers(self, state: InstanceState) -> bool:
        """Whether a timer fell due since the turn looked at the clock: the next turn fires it."""
        if state.earliest is None or state.earliest > self._now():
            return False
        if not self._full:
            self._touch()
        return True

    def _is_unfinished(self) -> bool:
        """Whether this is an entity that has something to do without being told more."""
        return self._is_entity and self._state is not None and is_unfinished(self._state, self._hub.clock.now())


def _etag(header: Header | None) -> str | None:
    return None if header is None else header.etag


def _is_termination(row: InboxRow) -> bool:
    try:
        return isinstance(InboxEvent.decode(row.body).event, ExecutionTerminated)
    except (MalformedMessageError, NewerFormatError):
        return False
