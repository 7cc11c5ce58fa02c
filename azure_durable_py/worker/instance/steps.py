"""One step of an active instance: load what is new, do what there is to do, settle what is done.

Theory of operation
-------------------
Any number of workers may be told of one instance at once; the ETag of its header decides who changes it.
What keeps work from being lost is that every piece of it is named in the header together with a message that
is in a queue or in somebody's hands, its guard. The rules, in the order in which a step applies them:

*Load* after each receipt, before anything else: what is known from before a message came says nothing about it.
(But for the first turn of an instance that this process itself has inserted, which nothing but a commit follows.)
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

import logging
from collections.abc import Sequence

from azure_durable_py.history.events import EventRaised
from azure_durable_py.taskhub.messages import Cause, InboxEvent
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit, Header, Loaded
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance.inbox import horizon, readable
from azure_durable_py.worker.instance.instance import Instance
from azure_durable_py.worker.instance.results import LookAgainError
from azure_durable_py.worker.instance.strays import give_locks_back
from azure_durable_py.worker.instance.turns import Turns
from azure_durable_py.worker.intake.delivery import UNSEEN, Delivery

logger = logging.getLogger("azure_durable_py.worker")


class Steps:
    """The steps of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._it = instance
        self._turns = Turns(instance)

    async def take(self, arrived: list[Delivery]) -> None:
        """Take one step.

        :param arrived: messages that came since the last one; those taken in hand leave the list.
        :raises ConcurrencyConflictError: another worker changed the header.
        :raises LookAgainError: what is known may be old.
        :raises CorruptRowError: the header cannot be read.
        """
        it, known = self._it, self._it.known
        it.restraint.early_until = None
        it.results.give_back()
        if not (arrived or len(it.guards) or len(it.results)):
            return
        if arrived or not known.is_fresh or (known.more and not known.rows):
            await self._load(arrived)
        if not it.guards:
            self.let_go()
            return
        if known.header is None and known.rows:
            known.header, known.state = it.kind.first_header() or (None, None)
        if known.header is None or known.state is None:
            await self._serve_absent()
        elif known.header.is_terminal:
            await self._serve_finished(known.state)
        else:
            await self._turns.take()
        if known.state is not None:
            await it.claim()
        await self._remove_if_vain()
        self._settle()

    def let_go(self, *, readable: bool = True) -> None:
        """The hands are empty: nothing that is known counts any more, but as a copy of what the header said.

        :param readable: whether that could be read.
        """
        it = self._it
        it.dispatcher.forget(it.known.state, settled=readable and it.is_settled)
        it.known.forget()
        it.restraint.parked = it.restraint.full = False
        for result in it.results.clear():
            if result.delivery is None:
                it.report(result)

    # --- loading ---------------------------------------------------------------------------------------

    async def _load(self, arrived: list[Delivery]) -> None:
        it, known, clock = self._it, self._it.known, self._it.context.hub.clock
        while arrived:
            it.guards.hold(arrived.pop(0))
        results = it.results.look()
        known.is_fresh = False
        runs = it.context.cancellable
        began, newest = clock.now(), runs.newest
        inserted = self._as_inserted()
        if inserted is None:
            loaded, state = await it.context.hub.store.load(it.id), None
        else:
            header, state = inserted
            loaded = Loaded(header, ())
        behind = horizon(loaded, clock.now())
        # Not only those that have just arrived: a load before this one may have failed.
        unseen = [delivery for delivery in it.guards if delivery.horizon == UNSEEN]
        it.results.looked(results)
        before = known.state
        if known.take(loaded, began, state):
            self._take_header(before)
            if inserted is None:  # Else it may be old.
                runs.look(it.id, known.header, known.state, newest)
        await known.confirm(it.guards)
        for delivery in unseen:
            delivery.horizon = behind
        it.guards.outrank({} if known.state is None else known.state.marks)
        if known.state is not None:
            it.dispatcher.keep(known.state)
        it.dispatcher.look_again()
        known.is_fresh = True

    def _as_inserted(self) -> tuple[Header, InstanceState] | None:
        """A new instance as this process has inserted it, if all there is of it is the doorbell of its start.

        That is not what storage says now, but its first turn is committed in any case: should anything have happened
        to the instance, that conflicts. What came into its inbox since has a doorbell of its own.
        """
        it = self._it
        if it.known.header is not None or len(it.guards) != 1:
            return None
        [delivery] = it.guards
        if delivery.cause is not Cause.started or delivery.suspect:
            return None
        return it.context.hub.inserted.take(it.id)

    def _take_header(self, before: InstanceState | None) -> None:
        """The header is another one than we knew: all that we know now comes from it."""
        it, state = self._it, self._it.known.state
        it.kind.reader.forget()
        it.restraint.full = False
        if before is None or state is None or before.execution_id != state.execution_id:
            it.dispatcher.forget(state, settled=it.is_settled)

    # --- finished or absent ------------------------------------------------------------------------------

    async def _serve_absent(self) -> None:
        """What an instance that is not there was sent has no effect."""
        it, store = self._it, self._it.context.hub.store
        rows = list(it.known.rows)
        events = readable(rows)
        await give_locks_back(it.context.hub, events)
        keys = [row.key for row in rows]
        for at in range(0, len(keys), MAX_COMMIT_ROWS):
            await store.delete_inbox(it.id, keys[at : at + MAX_COMMIT_ROWS])
        values = payload_rows(event.event for event in events)
        if values:
            await store.delete_blobs(it.id, values)
        if keys:
            _tell_dropped(events, it.id, "is not there")
        it.known.rows.clear()
        it.results.clear()
        it.guards.trust()

    async def _serve_finished(self, state: InstanceState) -> None:
        """What an instance that has ended was sent has no effect; what it still has to say goes out."""
        it = self._it
        if it.results.need_a_look:
            raise LookAgainError
        it.results.clear()
        draft = it.draft()
        for delivery in it.guards.suspects:
            # An instance that has ended decides nothing: only what the header names can need the fence.
            if state.names(delivery.id):
                draft.mark(delivery.id, delivery.rank)
        guard = it.chosen()
        it.dispatcher.drop_into(draft, settled=it.is_settled)
        rows = it.known.next_rows()
        events = readable(rows)
        await give_locks_back(it.context.hub, events)
        draft.consume([row.key for row in rows])
        draft.state.garbage += payload_rows(event.event for event in events)
        if it.is_being_repaired:
            it.dispatcher.repair(draft, guard.id)
        it.see_to_timers(draft, guard)
        if it.is_worth_a_commit(draft):
            await it.commit(draft)
            if rows:
                _tell_dropped(events, it.id, "has ended")
        it.guards.trust()

    async def _remove_if_vain(self) -> None:
        """Leave nothing of an entity that the app does not have: it can do nothing, so nothing can be done twice."""
        it, known = self._it, self._it.known
        header, state = known.header, known.state
        if header is None or state is None or known.rows or known.more or not it.kind.is_vain(header, state):
            return
        await it.context.hub.store.commit(Commit(it.id, None, header.etag, dropped=tuple(state.garbage[:90])))
        known.header = known.state = None
        it.guards.trust()

    # --- settling --------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Delete every message that has nothing left to guard."""
        it = self._it
        waiting = it.results.guards
        for delivery in it.guards:
            if delivery.lost or (delivery.id not in waiting and self._is_done(delivery)):
                it.guards.ack(delivery)
        if not it.guards:
            self.let_go()

    def _is_done(self, delivery: Delivery) -> bool:
        """Whether a message may be deleted (PROTOCOL R2).

        The heart of it all: whoever deletes a message too early loses what it guards, and who never does serves it
        for ever. It may go once the header, as it was after the message came, has nothing that hangs on it.
        """
        it, state = self._it, self._it.known.state
        if state is None:
            return True
        if delivery.suspect or state.names(delivery.id) or it.restraint.early_until is not None:
            return False
        if delivery.cause is Cause.timer and state.arming is not None and it.guards.is_mine(state.arming.guard):
            # It may be the very doorbell that we are putting, come before its name is known: it must be seen in hand.
            return False
        if it.restraint.parked:
            return True
        # The rows first: of thousands of doorbells in hand, most were rung for rows that wait for a later turn.
        if state.pending or not it.known.are_rows_done(delivery):
            return False
        return not (it.is_unfinished or self._has_due_timers(state))

    def _has_due_timers(self, state: InstanceState) -> bool:
        """Whether a timer fell due since the turn looked at the clock: the next turn fires it."""
        if state.earliest is None or state.earliest > self._it.clock.now():
            return False
        if not self._it.restraint.full:
            self._it.attention.call()
        return True


def _tell_dropped(events: Sequence[InboxEvent], instance_id: str, why: str) -> None:
    """Tell of what came too late. Answers to tasks that nobody waits for any more are no news."""
    raised = [event.event for event in events if isinstance(event.event, EventRaised)]
    if raised:
        names = ", ".join(sorted({repr(event.name) for event in raised}))
        logger.info("An event for instance %r has no effect, as the instance %s: %s.", instance_id, why, names)
    if len(events) > len(raised):
        logger.debug("%d messages for instance %r have no effect: it %s.", len(events) - len(raised), instance_id, why)
