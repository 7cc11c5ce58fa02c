"""The parts of one active instance, as its steps and turns share them.

Owns what takes several of them: beginning a draft, making it true, handing over what it names.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass

from azure_durable_py.errors import StorageError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.taskhub.messages import Cause, InboxEvent
from azure_durable_py.taskhub.protocol import CorruptRowError, Header
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import ActivityJob, TaskResult, WorkerContext
from azure_durable_py.worker.instance.attention import Attention
from azure_durable_py.worker.instance.commits import Commits
from azure_durable_py.worker.instance.dispatcher import Dispatcher
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.instance.kinds import InstanceKind
from azure_durable_py.worker.instance.known import Known
from azure_durable_py.worker.instance.mailroom import Mailroom
from azure_durable_py.worker.instance.orchestration_turn import check_unchanged
from azure_durable_py.worker.instance.results import LookAgainError, Results
from azure_durable_py.worker.instance.turn_clock import TurnClock
from azure_durable_py.worker.intake.delivery import Delivery

logger = logging.getLogger("azure_durable_py.worker")
EARLY_SECONDS = 2.0
"""A timer's doorbell that comes at most so early, by this worker's clock, is kept in hand until it is due."""


@dataclass(slots=True)
class Restraint:
    """Why an instance holds back although there is something for it.

    `parked`: its delayed start is not due. `full`: nothing more fits its header before it has sent what it has to send.
    `early_until`: the doorbell of a timer came before the timer is due, by the clock of this worker. `at_most`: so many
    turns are to be one commit, as that of the generation behind them does not fit it.
    """

    parked: bool = False
    full: bool = False
    early_until: float | None = None
    at_most: int | None = None


class Instance:
    """One active instance.

    :param kind: what it is.
    :param mailroom: where what it sends goes out.
    :param job: the instance, as the activity slots know it.
    """

    def __init__(
        self,
        context: WorkerContext,
        instance_id: str,
        kind: InstanceKind,
        attention: Attention,
        mailroom: Mailroom,
        job: ActivityJob,
    ) -> None:
        self.context = context
        self.id = instance_id
        self.attention = attention
        self.kind = kind
        self.guards = Guards(context.settling)
        self.results = Results(context.hub.clock.monotonic)
        self.known = Known(instance_id, context.hub.clock.now())
        self.commits = Commits(context, instance_id)
        self.clock = TurnClock(context.hub.clock)
        self.restraint = Restraint()
        self.dispatcher = Dispatcher(context, instance_id, job, self.guards, self.kind.reader, mailroom)

    @property
    def current(self) -> tuple[Header, InstanceState]:
        """The header and the state in it, where there is one."""
        assert self.known.header is not None
        assert self.known.state is not None
        return self.known.header, self.known.state

    @property
    def is_settled(self) -> bool:
        """Whether no commit of ours is under way that may still land on the header."""
        return self.commits.is_settled(self.known.header)

    @property
    def is_unfinished(self) -> bool:
        """Whether it has something to do without being told more."""
        state = self.known.state
        return state is not None and self.kind.is_unfinished(state, self.context.hub.clock.now)

    @property
    def is_being_repaired(self) -> bool:
        """Whether a scan found no life in it: what other workers left behind is taken over (PROTOCOL R8)."""
        return self.guards.has(Cause.repair)

    @property
    def has_rows(self) -> bool:
        """Whether a turn would take something from the inbox."""
        return bool(self.known.rows or self.known.more) and not self.restraint.parked and not self.restraint.full

    # --- forgetting ----------------------------------------------------------------------------------

    def forget(self) -> None:
        """Begin again from what storage says."""
        self.known.is_fresh = False
        self.kind.reader.forget()
        self.attention.call()

    def forget_header(self) -> None:
        """What the header said cannot be gone on from."""
        self.known.header = self.known.state = None
        self.kind.reader.forget()

    # --- drafts --------------------------------------------------------------------------------------

    def chosen(self) -> Delivery:
        """The message to name as guard of what is decided.

        :raises LookAgainError: all that was in hand went to others meanwhile.
        """
        guard = self.guards.choose(self.known.state)
        if guard is None:
            raise LookAgainError
        return guard

    def draft(self) -> HeaderDraft:
        """The beginning of the next header."""
        header, state = self.current
        now = self.clock.after(state.turn_time)
        draft = HeaderDraft(header, state.copy(), self.context.hub.ids.short(), now, self.kind.upkeep)
        draft.state.garbage += self.commits.orphans(header, state)
        return draft

    def fence(self, draft: HeaderDraft) -> None:
        """Say of all in hand that may have been delivered before that they are the newest (PROTOCOL R1)."""
        for delivery in self.guards.suspects:
            draft.mark(delivery.id, delivery.rank)

    def see_to_timers(self, draft: HeaderDraft, guard: Delivery) -> None:
        """Have the instance woken for its earliest timer (PROTOCOL R16)."""
        woken = self.guards.has(Cause.timer)
        earliest = draft.state.earliest
        if woken and earliest is not None:
            early = (earliest - draft.now).total_seconds()
            if 0 < early <= EARLY_SECONDS:
                # Clocks differ: what is named as alarm stays in hand until its time has come here, too.
                self.restraint.early_until = self.context.hub.clock.monotonic() + early
                return
        draft.see_to_timers(guard.id, self.guards.ids, woken=woken)

    def is_worth_a_commit(self, draft: HeaderDraft) -> bool:
        """Whether a draft says anything new, or one before it may still land on this header (PROTOCOL I2)."""
        return draft.changed or not self.is_settled

    async def commit(self, draft: HeaderDraft) -> None:
        """Make a draft true.

        :raises ConcurrencyConflictError: another was quicker, or it is not known: nothing of it counts.
        :raises PayloadTooLargeError: no row takes it.
        """
        self.known.committing(draft)
        runs = self.context.cancellable
        newest = runs.newest
        header, consumed = await self.commits.make(draft)
        self.known.committed(header, draft.state, consumed)
        self.dispatcher.committed(draft)
        runs.look(self.id, header, draft.state, newest)
        self.restraint.full = self.restraint.full and not draft.outbox.gone
        self.restraint.at_most = None
        self.results.forget_taken()
        if draft.ended_generation or not self.context.settings.extended_sessions:
            self.kind.reader.forget()
        if draft.state.pending or (self.is_unfinished and not self.restraint.full):
            self.attention.call()

    # --- handing over --------------------------------------------------------------------------------

    async def claim(self, new: Collection[int] = ()) -> None:
        """Hand over what is ours to hand over. If it cannot be read, so can nothing that the instance would do next.

        :param new: numbers of what was committed just now.
        """
        header, state = self.current
        self.dispatcher.claim_arming(state)
        if not self.dispatcher.is_to_claim:
            return
        try:
            await self.dispatcher.claim(state, self.known.sender, new)
        except CorruptRowError as error:
            await check_unchanged(self.context, header, error)
            if header.is_terminal:
                logger.error("What instance %r still had to send is lost: %s", self.id, error)
                self.dispatcher.give_up_unreadable(state)
                await self.dispatcher.claim(state, self.known.sender, new)
                return
            for delivery in self.guards:
                delivery.failure = FailureDetails.from_exception(error)
            raise LookAgainError from error

    # --- results ---------------------------------------------------------------------------------------

    def report(self, result: TaskResult) -> None:
        """Tell the instance of a result by its inbox, as of one that ran anywhere."""
        event = InboxEvent(result.event, f"work:{self.context.hub.ids.new()}", 0, result.event.timestamp, result.target)
        self.context.settling.start(self._deliver(event), f"result for {self.id}")

    async def _deliver(self, event: InboxEvent) -> None:
        hub = self.context.hub
        try:
            await hub.retry(lambda: hub.deliver(self.id, [event], "result"))
        except StorageError as error:
            logger.warning("A result for instance %r is lost, and its task runs again: %s", self.id, error)
