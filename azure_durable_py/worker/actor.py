"""One active instance: takes its doorbells and results, runs its turns one after the other.

Owns the turn of DESIGN section 4: load, advance, commit, dispatch, acknowledge. Whatever goes
wrong, it goes back to loading; what it holds stays guarded by messages that it has not
acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    PayloadTooLargeError,
    StorageError,
    StorageUnavailableError,
)
from azure_durable_py.history import Event, ExecutionTerminated, TaskFailed
from azure_durable_py.models import FailureDetails
from azure_durable_py.taskhub.entity import is_entity, new_entity_header
from azure_durable_py.taskhub.instance import CorruptRowError, InstanceState
from azure_durable_py.taskhub.lifecycle import commit_once, is_terminal
from azure_durable_py.taskhub.messages import Doorbell, InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit, Header, InboxRow
from azure_durable_py.worker.children import is_wanted
from azure_durable_py.worker.context import TaskResult, WorkerContext
from azure_durable_py.worker.delivery import Delivery
from azure_durable_py.worker.draft import Draft
from azure_durable_py.worker.entity_draft import EntityDraft
from azure_durable_py.worker.entity_execution import EntityExecution
from azure_durable_py.worker.entity_turn import EntityTurn, is_unfinished
from azure_durable_py.worker.entries import entries_of
from azure_durable_py.worker.execution import Execution, due_timers, failed_turn
from azure_durable_py.worker.inbox import accept, completed_task, horizon, matches
from azure_durable_py.worker.locks import give_back
from azure_durable_py.worker.mailroom import Mailroom, parse_timer_reason
from azure_durable_py.worker.outbox import Outbox
from azure_durable_py.worker.repair import REPAIR
from azure_durable_py.worker.versions import may_run, refusal
from azure_durable_py.worker.wakeup import Wakeup

logger = logging.getLogger("azure_durable_py.worker")
ROWS_PER_TURN = 90
BYTES_PER_TURN = 1_000_000
LINGER_SECONDS = 0.5
"""How long results that do not let the function go on may wait for others before they are committed."""
LONGEST_DEFERRAL = 300.0
LATE_START = timedelta(minutes=5)
UNRESOLVED_PAUSE = 5.0


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
        self._held: dict[str, Delivery] = {}
        self._results: list[TaskResult] = []
        self._results_since: float | None = None
        self._results_checked = 0
        self._results_taken = 0
        self._undecided = 0
        self._header: Header | None = None
        self._state: InstanceState | None = None
        self._rows: deque[InboxRow] = deque()
        self._more = False
        self._loaded = False
        self._touched = False
        self._parked = False
        self._stopping = False
        self._orphans: list[str] = []
        self._is_entity = is_entity(instance_id)
        self._execution = EntityExecution(context, instance_id) if self._is_entity else Execution(context, instance_id)
        self._turns = context.entity_turns if self._is_entity else context.turns
        self._mailroom = Mailroom(context, instance_id, self.handed_over, self.finish)
        self._outbox = Outbox(context, self, self._held, self._execution, self._mailroom)

    # --- what others tell it -----------------------------------------------------------------------

    def ring(self, delivery: Delivery) -> None:
        """A message for this instance was delivered; it is a guard until settled."""
        self._hold(delivery)
        self._touch()

    def finish(self, result: TaskResult) -> None:
        """A task was run in this process."""
        self._results.append(result)
        if self._results_since is None:
            self._results_since = self._hub.clock.monotonic()
        if result.delivery is not None:
            result.delivery.seen = True
            self._hold(result.delivery)
        self._wake.set()

    def handed_over(self, sender: Sender, entry: int) -> None:
        """An outbox entry is handed over."""
        if self._is_current(sender):
            self._outbox.hand_over(entry)
            self._touch()

    def wants(self, sender: Sender, entry: int) -> bool:
        """Whether this process is still to hand the entry over."""
        return not self._stopping and self._is_current(sender) and self._outbox.is_open(entry)

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
        return bool(self._held or self._results)

    @property
    def has_results(self) -> bool:
        """Whether results wait to be committed."""
        return bool(self._results)

    @property
    def is_waiting_for_turn(self) -> bool:
        """Whether it has been told something that no turn has taken up yet."""
        return self._touched

    def _hold(self, delivery: Delivery) -> None:
        # The same message again, or its twin from a put whose answer was lost: the newest one guards.
        before = self._held.pop(delivery.id, None)
        self._held[delivery.id] = delivery
        if before is not None and before is not delivery:
            self._context.settling.start(before.settlement.ack(), f"settle twin {delivery.id}")

    def _touch(self) -> None:
        self._touched = True
        self._wake.set()

    # --- its life ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Take steps until there has been nothing to do for a while."""
        failures = 0
        while await self._wait():
            try:
                async with self._turns:
                    await self._step()
                failures = 0
            except ConcurrencyConflictError:
                self._begin_again()
            except StorageUnavailableError as error:
                failures += 1
                pause = self._hub.ids.jitter(min(0.5 * 2 ** min(failures, 10), 30.0))
                logger.warning("Instance %r waits %.1f s for storage: %s", self.instance_id, pause, error)
                self._begin_again()
                await asyncio.sleep(pause)
            except OtherVersionError as error:
                logger.info("Instance %r is left to another worker: %s", self.instance_id, error)
                await self._defer()
            except Exception:
                logger.exception("A turn of instance %r failed; its messages are put back.", self.instance_id)
                await self._defer()

    async def stop(self) -> None:
        """Let go of everything in hand; what was not committed is done again by whoever gets it."""
        self._stopping = True
        await self._mailroom.stop()
        self._execution.forget()
        await asyncio.gather(*(delivery.settlement.release() for delivery in self._held.values()))

    async def _wait(self) -> bool:
        """Wait until there is a step to take. False: it has retired."""
        idle = self._context.settings.extended_session_idle_timeout if self._context.settings.extended_sessions else 0.0
        while True:
            self._wake.clear()
            if self._touched or ((self._rows or self._more) and not self._parked) or self._results_decide():
                self._touched = False
                return True
            timeout = None if self.is_busy or not self._mailroom.is_empty else idle
            if self._results_since is not None:
                timeout = max(0.0, self._results_since + LINGER_SECONDS - self._hub.clock.monotonic())
            if not await self._wake.wait(timeout) and not self.is_busy and self._mailroom.is_empty:
                self._execution.forget()
                self._retired()
                return False

    def _results_decide(self) -> bool:
        """Whether the results in hand are worth a turn now."""
        if not self._results or self._results_since is None:
            return False
        if self._hub.clock.monotonic() - self._results_since >= LINGER_SECONDS:
            return True
        new = self._results[self._undecided :]
        if any(isinstance(result.event, TaskFailed) for result in new):
            return True
        self._undecided = len(self._results)
        return self._execution.decided_by({result.task_id for result in self._results})

    def _begin_again(self) -> None:
        self._loaded = False
        self._touched = True
        self._execution.forget()

    async def _defer(self) -> None:
        """Something is wrong with this instance that trying at once will not mend: put it off (PROTOCOL R3)."""
        held = list(self._held.values())
        self._held.clear()
        self._drop_results()
        self._header = self._state = None
        self._rows.clear()
        self._outbox.forget()
        self._begin_again()
        self._touched = False
        for delivery in held:
            delay = min(2.0 ** min(delivery.again, 10), LONGEST_DEFERRAL)
            await delivery.settlement.put_back(delay)

    # --- a step --------------------------------------------------------------------------------------

    async def _step(self) -> None:
        if not self._loaded or (self._more and not self._rows) or any(not d.seen for d in self._held.values()):
            await self._load()
        if self._header is None and self._is_entity and self._rows:
            # Whoever is first to say something to an entity brings it into being.
            self._header, self._state = new_entity_header(self.instance_id, self._hub.ids.new(), self._hub.clock.now())
        if self._header is None or self._state is None:
            await self._drop_inbox()
            self._drop_results()
            self._trust(self._held.values())
        elif is_terminal(self._header):
            await self._serve_finished(self._header, self._state)
        else:
            await self._take_turn(self._header, self._state)
        if self._state is not None:
            await self._outbox.claim(self._state, self.sender)
        self._settle()

    async def _load(self) -> None:
        arriving = [delivery for delivery in self._held.values() if not delivery.seen]
        results = len(self._results)
        loaded = await self._hub.store.load(self.instance_id)
        for delivery in arriving:
            delivery.seen = True
            delivery.horizon = horizon(loaded, self._hub.clock.now())
        self._rows = deque(loaded.inbox)
        self._more = loaded.more
        self._results_checked = results
        self._outbox.look_again()
        if not self._loaded or _etag(loaded.header) != _etag(self._header):
            self._take_header(loaded.header)
        self._loaded = True

    def _take_header(self, header: Header | None) -> None:
        """The header is another one than we knew: all that we know now comes from it."""
        self._execution.forget()
        before = self._state
        self._header = header
        self._state = None if header is None else InstanceState.decode(header.body)
        if before is None or self._state is None or before.execution_id != self._state.execution_id:
            self._outbox.forget()
        if self._state is None:
            return
        self._outbox.keep(self._state)
        for delivery in self._held.values():
            fence = self._state.fences.get(delivery.id)
            if fence is not None and fence.nonce != delivery.nonce and not delivery.suspect:
                delivery.fenced_off = True

    # --- finished or absent --------------------------------------------------------------------------

    async def _drop_inbox(self) -> None:
        """What an instance that is finished or not there was sent has no effect."""
        await self._give_locks_back(self._rows, None)
        keys = [row.key for row in self._rows]
        for at in range(0, len(keys), MAX_COMMIT_ROWS):
            await self._hub.store.delete_inbox(self.instance_id, keys[at : at + MAX_COMMIT_ROWS])
        if keys:
            logger.info("Dropped %d events for instance %r, which is not running.", len(keys), self.instance_id)
        self._rows.clear()

    async def _give_locks_back(self, rows: Iterable[InboxRow], state: InstanceState | None) -> None:
        """A lock that is given to nobody who runs is given back (PROTOCOL R21)."""
        for row in rows:
            if b"EntityLockGranted" in row.body:
                await give_back(self._hub, row, state)

    def _drop_results(self) -> None:
        self._results.clear()
        self._results_since = None
        self._results_checked = self._undecided = 0

    async def _serve_finished(self, header: Header, state: InstanceState) -> None:
        if self._results_checked < len(self._results):
            await self._load()
            await self._step()
            return
        await self._drop_inbox()
        self._drop_results()
        guards = {guard for guard, _ in entries_of(state)}
        suspects = [delivery for delivery in self._held.values() if delivery.suspect]
        fencing = [delivery for delivery in suspects if delivery.id in guards]
        draft = self._draft(header, state)
        for delivery in fencing:
            draft.fence(delivery.id, delivery.nonce)
        if guards and self._is_being_repaired():
            await self._execution.load_decisions(state)
            self._outbox.tidy(draft, self._newest_guard(), self.sender)
        if draft.changed:
            await self._commit(draft)
            self._outbox.look_again()
        self._trust(suspects)

    @staticmethod
    def _trust(deliveries: Iterable[Delivery]) -> None:
        """They are fenced, or there is nothing that a fence would protect."""
        for delivery in deliveries:
            delivery.suspect = False

    # --- a turn --------------------------------------------------------------------------------------

    async def _take_turn(self, header: Header, state: InstanceState) -> None:
        draft = self._draft(header, state)
        suspects = [delivery for delivery in self._held.values() if delivery.suspect]
        for delivery in suspects:
            draft.fence(delivery.id, delivery.nonce)
        self._parked = self._is_early(state, draft)
        guard: Delivery | None = None
        if not self._parked:
            if await self._is_unwanted_child(state, draft):
                return
            guard = await (self._run_entity(draft) if isinstance(draft, EntityDraft) else self._run_turn(header, draft))
            if not self._loaded:
                return
        if draft.changed or self._is_being_repaired():
            guard = guard or self._newest_guard()
            self._outbox.tidy(draft, guard, self.sender)
        if draft.changed:
            try:
                await self._commit(draft)
            except PayloadTooLargeError as error:
                if self._is_entity:
                    raise
                draft = self._fail_instead(header, state, draft, error)
                await self._commit(draft)
            self._trust(suspects)
            # Older entries to the same targets go first (PROTOCOL R9).
            await self._outbox.claim(draft.state, self.sender, frozenset(entry for entry, _ in draft.new))
            if guard is not None:
                self._outbox.dispatch_new(draft, guard, self.sender)
        else:
            self._forget_taken_results()
            self._trust(suspects)

    def _fail_instead(self, header: Header, state: InstanceState, draft: Draft, error: PayloadTooLargeError) -> Draft:
        """A turn that cannot be stored fails the instance, never its doorbell (PROTOCOL R19)."""
        logger.error("Instance %r fails: %s", self.instance_id, error)
        failing = self._draft(header, state)
        failing.state.fences = draft.state.fences
        failing.consume(draft.consumed)
        guard = self._newest_guard()
        turn = failed_turn(FailureDetails.from_exception(error), failing.now)
        failing.record(turn, self.sender, guard.id if guard else "", self._execution.decision)
        return failing

    async def _run_turn(self, header: Header, draft: Draft) -> Delivery | None:
        """Advance the orchestration over what there is; returns the guard of what it decided."""
        failure = await self._load_execution(header, draft.state)
        rows = self._next_rows()
        await self._give_locks_back(rows, draft.state)
        await self._execution.senders.recall(draft.state, rows)
        accepted = accept(self.instance_id, draft.state, rows, self._execution.is_open, draft.now)
        results = self._usable_results(draft.state, accepted.events)
        if results is None:
            self._loaded, self._touched = False, True
            return None
        draft.consume(accepted.consumed, accepted.quarantined)
        pending = await self._execution.pending(draft.state)
        draft.state.garbage += [*accepted.spent, *pending.spent]
        events: list[Event] = [*pending.events]
        events += await self._execution.filled([event.event for event in accepted.events])
        events += [result.event for result in results]
        events += due_timers(draft.state, draft.now)
        draft.state.start_at = None
        if not events and failure is None:
            return None
        guard = await self._guard()
        sender = self.sender
        turn = failed_turn(failure, draft.now) if failure else self._execution.advance(events, draft.now)
        draft.record(turn, sender, guard.id, self._execution.decision)
        return guard

    async def _run_entity(self, draft: EntityDraft) -> Delivery | None:
        """Run the operations of an entity; returns the guard of what they send."""
        assert isinstance(self._execution, EntityExecution)
        turn = EntityTurn(self._context, self._execution, draft, self.sender)
        if not await turn.run(self._next_rows()):
            return None
        guard = await self._guard()
        turn.record(guard.id)
        return guard

    async def _load_execution(self, header: Header, state: InstanceState) -> FailureDetails | None:
        failure = next((delivery.failure for delivery in self._held.values() if delivery.failure), None)
        failure = failure or self._wrong_version(header)
        if failure is not None:
            logger.error("Instance %r fails: %s", self.instance_id, failure.message)
            return failure
        try:
            await self._execution.load(state)
        except CorruptRowError as error:
            # Another worker may just have replaced the rows that we read.
            current = await self._hub.store.load_header(self.instance_id)
            if _etag(current) != header.etag:
                raise ConcurrencyConflictError("the header changed while its history was read") from error
            logger.error("Instance %r fails: its history cannot be read: %s", self.instance_id, error)
            return FailureDetails.from_exception(error)
        return None

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

    def _usable_results(self, state: InstanceState, accepted: list[InboxEvent]) -> list[TaskResult] | None:
        """The results that answer open tasks. None: one is to be dropped, and that takes a fresh load (I6)."""
        answered = {completed_task(event.event) for event in accepted}
        usable: list[TaskResult] = []
        for number, result in enumerate(self._results):
            if (
                matches(result.target, state)
                and result.task_id not in answered
                and self._execution.is_open(result.task_id)
            ):
                answered.add(result.task_id)
                usable.append(result)
            elif result.delivery is not None and number >= self._results_checked:
                return None
        self._results_taken = len(self._results)
        return usable

    def _is_early(self, state: InstanceState, draft: Draft) -> bool:
        """Whether a delayed start is not due, and nobody asked to end the instance before."""
        if state.start_at is None or draft.now >= state.start_at:
            return False
        return not any(_is_termination(row) for row in self._rows if row.key.startswith("0-"))

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
        self._begin_again()
        return True

    # --- guards and entries --------------------------------------------------------------------------

    def _newest_guard(self) -> Delivery | None:
        return next((d for d in reversed(self._held.values()) if d.seen and not d.lost), None)

    async def _guard(self) -> Delivery:
        """The newest message in hand; where there is none, a doorbell rung for ourselves and held."""
        newest = self._newest_guard()
        if newest is not None:
            return newest
        doorbell = Doorbell(self.instance_id, self._hub.ids.new(), "held")
        queue = self._hub.store.instance_queue(self.instance_id)
        visibility = self._context.settings.instance_visibility_timeout
        message = await self._hub.put(queue, doorbell.encode(), visibility, hold=True)
        held = self._context.holder.hold(message, visibility, lambda: replace(doorbell, again=1).encode())
        delivery = Delivery(doorbell.id, self._hub.ids.short(), suspect=False, settlement=held, seen=True)
        self._held[delivery.id] = delivery
        return delivery

    def _is_being_repaired(self) -> bool:
        """Whether a scan found no life in the instance: what other workers left behind is taken over (PROTOCOL R8)."""
        return any(delivery.why == REPAIR for delivery in self._held.values())

    # --- the commit ------------------------------------------------------------------------------------

    def _draft(self, header: Header, state: InstanceState) -> Draft:
        # Later than the last turn: ids and order are made from the time of turns.
        now = max(self._hub.clock.now(), state.turn_time + timedelta(microseconds=1))
        make = EntityDraft if self._is_entity else Draft
        draft = make(header, state.copy(), self._hub.ids.short(), now)
        draft.state.garbage += self._orphans
        return draft

    async def _commit(self, draft: Draft) -> None:
        """Make a draft true.

        :raises ConcurrencyConflictError: another was quicker; nothing of it is true.
        """
        commit, staged = draft.commit()
        assert commit.header is not None
        try:
            if staged:
                await self._hub.store.put_blobs(self.instance_id, staged)
            etag = await self._resolve(commit)
        except StorageError:
            # The commit never lands, whatever its answer was: its rows go with the next one (PROTOCOL R18).
            self._orphans += [row.key for row in staged]
            raise
        self._orphans = []
        self._header = replace(commit.header, etag=etag)
        self._state = draft.state
        for _ in commit.consumed:
            self._rows.popleft()
        self._outbox.drop(draft)
        self._forget_taken_results()
        if draft.ended_generation:
            self._execution.forget()
            self._touch()
        if self._is_unfinished():
            self._touch()

    async def _resolve(self, commit: Commit) -> str:
        """Commit until the answer is known: nothing else may happen while it is not (PROTOCOL R2)."""
        while True:
            try:
                return await commit_once(self._hub, commit)
            except StorageUnavailableError as error:
                logger.warning("A commit of instance %r is unresolved: %s", self.instance_id, error)
                await asyncio.sleep(self._hub.ids.jitter(UNRESOLVED_PAUSE))

    def _forget_taken_results(self) -> None:
        del self._results[: self._results_taken]
        self._results_checked = max(0, self._results_checked - self._results_taken)
        self._results_taken = self._undecided = 0
        self._results_since = self._hub.clock.monotonic() if self._results else None

    # --- settling --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Acknowledge every message that has nothing left to guard."""
        waiting = {result.delivery.id for result in self._results if result.delivery is not None}
        for delivery in list(self._held.values()):
            if delivery.lost:
                del self._held[delivery.id]
                self._context.settling.start(delivery.settlement.release(), f"let go of {delivery.id}")
            elif delivery.id not in waiting and self._is_done(delivery):
                del self._held[delivery.id]
                delay = self._early_by(delivery)
                settle = delivery.settlement.ack() if delay <= 0 else delivery.settlement.put_back(delay)
                self._context.settling.start(settle, f"settle {delivery.id}")
        self._context.room_made()

    def _is_done(self, delivery: Delivery) -> bool:
        if not delivery.seen or delivery.suspect or self._outbox.waits(delivery.id):
            return False
        if self._parked or self._state is None:
            return True
        if self._state.pending or self._is_unfinished():
            return False
        if self._rows:
            return self._rows[0].key > delivery.horizon
        return not self._more

    def _is_unfinished(self) -> bool:
        """Whether this is an entity that has something to do without being told more."""
        return self._is_entity and self._state is not None and is_unfinished(self._state, self._hub.clock.now())

    def _early_by(self, delivery: Delivery) -> float:
        """Seconds until the timer or delayed start that a doorbell was put for is due (PROTOCOL R16)."""
        state = self._state
        if state is None or self._header is None or is_terminal(self._header):
            return 0.0
        if delivery.why.startswith("start at") and state.start_at is not None:
            return (state.start_at - self._hub.clock.now()).total_seconds()
        timer = parse_timer_reason(delivery.why)
        if timer is None or timer[0] != state.generation or timer[1] not in state.timers:
            return 0.0
        return (state.timers[timer[1]] - self._hub.clock.now()).total_seconds()


def _etag(header: Header | None) -> str | None:
    return None if header is None else header.etag


def _is_termination(row: InboxRow) -> bool:
    try:
        return isinstance(InboxEvent.decode(row.body).event, ExecutionTerminated)
    except MalformedMessageError:
        return False
