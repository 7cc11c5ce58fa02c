"""How an active instance takes a turn: fence, run, commit, hand over.

Owns the order of these, and what is done in place of a turn that cannot be stored. What is run is the business of
`OrchestrationTurn` and `EntityTurn`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta

from azure_durable_py.errors import ConcurrencyConflictError, PayloadTooLargeError
from azure_durable_py.history.events import ExecutionTerminated
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.naming import is_control
from azure_durable_py.taskhub.protocol import Commit, InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.given_up import after_attempts
from azure_durable_py.worker.instance.header_draft import HeaderDraft, begun_before
from azure_durable_py.worker.instance.instance import Instance
from azure_durable_py.worker.instance.kinds import Hand
from azure_durable_py.worker.instance.results import LookAgainError
from azure_durable_py.worker.instance.strays import is_wanted
from azure_durable_py.worker.instance.telling import tell
from azure_durable_py.worker.intake.delivery import Delivery

logger = logging.getLogger("azure_durable_py.worker")
LATE_START = timedelta(minutes=5)


class Turns:
    """The turns of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._it = instance

    async def take(self) -> None:
        """Take one turn, if there is anything to do, and commit it.

        :raises ConcurrencyConflictError: another worker changed the header.
        :raises LookAgainError: what is known may be old.
        """
        beginning = self._beginning()
        if not beginning:
            await self._run_and_commit()
            return
        async with self._lane(beginning):
            await self._note_beginning(beginning)
            await self._run_and_commit()

    # --- work that may have ended processes ------------------------------------------------------------

    def _beginning(self) -> list[Delivery]:
        """The messages whose work, perhaps begun before by a process that died of it, begins now."""
        suspects = self._it.guards.suspects
        if not suspects:
            return suspects
        _, state = self._it.current
        return [delivery for delivery in suspects if self._is_beginning(delivery, state)]

    def _is_beginning(self, delivery: Delivery, state: InstanceState) -> bool:
        """Whether what a message asks for, and was perhaps begun before by a process that died of it, begins now."""
        again = delivery.deliveries > 1 or delivery.poisoned
        return again and (delivery.item or self._has_work(state))

    def _lane(self, beginning: Iterable[Delivery]) -> AbstractAsyncContextManager[object]:
        """Of what was under way when processes ended before, one runs at a time.

        So the next end of a process is counted against who is likely to have caused it, and against nobody who only
        happens to be served at the same time. Once may be chance: all that a process had in hand is begun together.
        """
        limit = self._it.context.settings.max_dequeue_count
        _, state = self._it.current
        attempt = max(2 + begun_before(state, delivery.id, delivery.rank, delivery.poisoned) for delivery in beginning)
        return self._it.context.suspected if attempt >= min(3, limit) else nullcontext()

    async def _note_beginning(self, beginning: Iterable[Delivery]) -> None:
        """Count the attempt in the header before it is made: whoever comes after a death knows then (PROTOCOL I12)."""
        draft = self._it.draft()
        limit = self._it.context.settings.max_dequeue_count
        for delivery in beginning:
            delivery.attempt = draft.begin(delivery.id, delivery.rank, delivery.poisoned)
            if not delivery.item:
                delivery.last = delivery.attempt >= limit
                given_up = after_attempts(f"instance {self._it.id!r}", delivery.attempt, limit)
                delivery.failure = delivery.failure or given_up
        self._it.fence(draft)
        await self._it.commit(draft)
        self._it.guards.trust()

    # --- a turn --------------------------------------------------------------------------------------

    async def _run_and_commit(self) -> None:
        it = self._it
        before, state = it.current
        begun = it.context.hub.clock.monotonic()
        draft = it.draft()
        it.fence(draft)
        guard = it.chosen()
        it.dispatcher.drop_into(draft, settled=it.is_settled)
        abandoned = it.dispatcher.is_abandoned(draft)
        it.restraint.parked = self._is_early(state, draft)
        if not it.restraint.parked and not it.restraint.full:
            if await self._is_unwanted_child(state, draft):
                return
            draft = await self._advance(draft, guard)
        if it.is_being_repaired:
            it.dispatcher.repair(draft, guard.id)
        elif abandoned and draft.changed:
            it.dispatcher.take_over(draft, guard.id)
        it.see_to_timers(draft, guard)
        if it.is_worth_a_commit(draft):
            draft = await self._commit(draft, guard)
            tell(it.context.hub, before, state, draft, begun)
        else:
            it.results.forget_taken()
        it.guards.trust()
        # Older entries to the same targets go first (PROTOCOL R9).
        await it.claim(draft.outbox.numbers)
        it.dispatcher.dispatch_new(draft, it.known.sender, guard.id)

    def _hand(self, guard: Delivery) -> Hand:
        it = self._it
        header, _ = it.current
        rows, at_most = it.known.next_rows(), it.restraint.at_most
        return Hand(header, it.clock, it.known.sender, guard.id, it.guards, rows, it.results, at_most)

    async def _advance(self, draft: HeaderDraft, guard: Delivery) -> HeaderDraft:
        """Run what there is to run, and write it into a draft."""
        kind = self._it.kind
        # Replay is what is worth to be spared: what an entity has to do, it finds out faster by itself.
        if kind.can_fail and not self._has_work(draft.state):
            return draft
        try:
            await kind.take_turn(draft, self._hand(guard))
        except PayloadTooLargeError as error:
            if not kind.can_fail:
                raise
            self._take_apart(len(draft.taken), error)
            return await self._fail_instead(draft, guard, error)
        return draft

    def _has_work(self, state: InstanceState) -> bool:
        """Whether there is anything to show to the function: a commit that only drops or fences needs no replay."""
        it = self._it
        due = state.earliest is not None and state.earliest <= it.clock.now()
        given = it.known.rows or len(it.results) or state.pending
        return bool(given or due or it.guards.failure or it.is_unfinished)

    def _is_early(self, state: InstanceState, draft: HeaderDraft) -> bool:
        """Whether a delayed start is not due, and nobody asked to end the instance before."""
        if state.start_at is None or draft.now >= state.start_at:
            return False
        return not any(_is_termination(row) for row in self._it.known.rows if is_control(row.key))

    async def _is_unwanted_child(self, state: InstanceState, draft: HeaderDraft) -> bool:
        """Delete a child that begins late and that its parent does not wait for any more (PROTOCOL R14)."""
        parent = state.parent
        begins = state.pending and not (state.generation or state.attempt)
        if parent is None or not begins or draft.now - parent.sent_at < LATE_START:
            return False
        store = self._it.context.hub.store
        if await is_wanted(store, parent):
            return False
        logger.warning("Sub-orchestration %r is not started: its parent no longer waits for it.", self._it.id)
        header, _ = self._it.current
        await store.commit(Commit(self._it.id, None, header.etag))
        raise LookAgainError

    # --- its commit ------------------------------------------------------------------------------------

    async def _commit(self, draft: HeaderDraft, guard: Delivery) -> HeaderDraft:
        """Make a turn true, or what takes its place; returns which."""
        it = self._it
        for delivery in it.guards if draft.state.marks else ():
            # At its last attempt a message is served step by step, and each further step may be the one.
            if not delivery.item and not delivery.last:
                draft.end(delivery.id)
        if guard.lost:
            raise ConcurrencyConflictError("the message that was to guard a turn went to another worker")
        try:
            await it.commit(draft)
        except PayloadTooLargeError as error:
            if not it.kind.can_fail:
                return await self._wait_for_room(error)
            self._take_apart(len(draft.taken) - 1, error)
            draft = await self._fail_instead(draft, guard, error)
            await it.commit(draft)
        return draft

    def _take_apart(self, before: int, error: PayloadTooLargeError) -> None:
        """Have the turns before one that does not fit be a commit of their own: it shall not be told of the first.

        :param before: how many turns the draft records before it.
        :raises LookAgainError: they are to be taken anew.
        """
        if before < 1:
            return
        self._it.restraint.at_most = before
        self._it.kind.reader.forget()
        raise LookAgainError from error

    async def _fail_instead(self, draft: HeaderDraft, guard: Delivery, error: PayloadTooLargeError) -> HeaderDraft:
        """A turn that cannot be stored fails the instance, never its doorbell (PROTOCOL R19)."""
        self._it.kind.reader.forget()
        failing = self._it.draft()
        failing.state.marks = draft.state.marks
        failing.consume(draft.rows.consumed)
        await self._it.kind.fail(failing, self._hand(guard), error)
        self._it.see_to_timers(failing, guard)
        return failing

    async def _wait_for_room(self, error: PayloadTooLargeError) -> HeaderDraft:
        """An entity cannot fail: what does not fit beside what it still has to send waits until that is handed over.

        :raises PayloadTooLargeError: it has nothing to send, or another worker sends it.
        """
        it = self._it
        _, state = it.current
        if not state.has_sends or state.queue_guard not in it.guards.ids:
            raise error
        logger.warning("Entity %s takes nothing more before it has sent what it has to send: %s", it.id, error)
        it.kind.reader.forget()
        draft = it.draft()
        it.fence(draft)
        it.dispatcher.drop_into(draft, settled=it.is_settled)
        it.restraint.full = True
        if it.is_worth_a_commit(draft):
            await it.commit(draft)
        return draft


def _is_termination(row: InboxRow) -> bool:
    try:
        return isinstance(InboxEvent.decode(row.body).event, ExecutionTerminated)
    except (MalformedMessageError, NewerFormatError):
        return False
