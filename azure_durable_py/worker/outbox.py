"""The outbox of one active instance: what this process has to hand over of it, and takes over.

Owns the claims on entries under the guards in hand, the adoption of entries that another
worker left behind, and the way of each entry to where it goes. Commits nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from azure_durable_py.history import TaskFailed
from azure_durable_py.models import FailureDetails
from azure_durable_py.taskhub.instance import InstanceState
from azure_durable_py.taskhub.outgoing import Outgoing, RunActivity, Sender, WakeAt, from_message, outgoing_of
from azure_durable_py.worker.context import ActivityJob, TaskResult, WorkerContext
from azure_durable_py.worker.delivery import Delivery
from azure_durable_py.worker.draft import Draft
from azure_durable_py.worker.entity_execution import EntityExecution
from azure_durable_py.worker.entries import Entries, entries_of
from azure_durable_py.worker.execution import Execution
from azure_durable_py.worker.mailroom import Mailroom

logger = logging.getLogger("azure_durable_py.worker")
ADOPT_AFTER = timedelta(minutes=2)
ADOPT_ABOVE = 50
ADOPT_ACTIVITY_AFTER = timedelta(days=1)
"""When an activity that another worker may be running locally is taken for lost."""


class Outbox:
    """What is handed over for one instance.

    :param job: the instance, as the activity slots know it.
    :param held: the messages that it has in hand, by id; read here, changed by its owner.
    :param execution: knows what was decided under an entry's number.
    """

    def __init__(
        self,
        context: WorkerContext,
        job: ActivityJob,
        held: Mapping[str, Delivery],
        execution: Execution | EntityExecution,
        mailroom: Mailroom,
    ) -> None:
        self._context = context
        self._job = job
        self._held = held
        self._execution = execution
        self._mailroom = mailroom
        self._entries = Entries()
        self._unclaimed = False

    # --- what is known of entries --------------------------------------------------------------------

    def hand_over(self, entry: int) -> None:
        """An entry is handed over."""
        self._entries.hand_over(entry)

    def is_open(self, entry: int) -> bool:
        """Whether it is under a guard of ours and still to be handed over."""
        return self._entries.is_open(entry)

    def waits(self, guard: str) -> bool:
        """Whether something under this guard is still to be handed over."""
        return self._entries.waits(guard)

    def forget(self) -> None:
        """The entries of another execution, or of a state that is no longer known, mean nothing any more."""
        self._entries = Entries()

    def keep(self, state: InstanceState) -> None:
        """Another worker wrote the header: only what it names is left."""
        self._entries.keep(entry for _, entry in entries_of(state))

    def drop(self, draft: Draft) -> None:
        """A commit is true: what it took out of the header is gone."""
        self._entries.drop(draft.gone)

    def look_again(self) -> None:
        """The header may name entries under our guards that we do not know of."""
        self._unclaimed = True

    # --- within a turn -------------------------------------------------------------------------------

    def tidy(self, draft: Draft, guard: Delivery | None, sender: Sender) -> None:
        """Take out of a draft what is handed over, and take over what others left behind."""
        if guard is not None:
            self._adopt(draft, guard, sender)
        draft.drop(self._entries.handed_over.intersection(entry for _, entry in entries_of(draft.state)))

    def _adopt(self, draft: Draft, guard: Delivery, sender: Sender) -> None:
        """Take over entries that another worker left behind (PROTOCOL R5)."""
        foreign = [
            (entry, committed_at, outgoing)
            for entry, committed_at, outgoing in self._foreign(draft, sender)
            if not isinstance(outgoing, RunActivity) or draft.now - committed_at > ADOPT_ACTIVITY_AFTER
        ]
        addressed = {_target(outgoing) for _, outgoing in draft.new}
        adopted = [
            (entry, outgoing)
            for entry, committed_at, outgoing in foreign
            if len(foreign) > ADOPT_ABOVE or draft.now - committed_at > ADOPT_AFTER or _target(outgoing) in addressed
        ]
        if adopted:
            draft.adopt([entry for entry, _ in adopted], guard.id)
            draft.new[:0] = sorted(adopted, key=lambda item: item[0])

    def _foreign(self, draft: Draft, sender: Sender) -> list[tuple[int, datetime, Outgoing]]:
        """Entries in the outbox that are under no guard of ours, and that we did not hand over."""
        state = draft.state
        new = {entry for entry, _ in draft.new}
        found: list[tuple[int, datetime, Outgoing]] = []
        for group in state.groups:
            if group.guard in self._held or state.generation != sender.generation:
                continue
            for decision in group.ids:
                entry = sender.sequence(decision)
                if entry not in new and not self._entries.knows(entry):
                    outgoing = outgoing_of(sender, self._execution.decision(decision), group.committed_at)
                    found.append((entry, group.committed_at, outgoing))
        for message in state.messages:
            if message.guard in self._held or message.sequence in new or self._entries.knows(message.sequence):
                continue
            found.append((message.sequence, message.committed_at, from_message(message)))
        return found

    # --- after a commit or a load ---------------------------------------------------------------------

    async def claim(self, state: InstanceState, sender: Sender, new: frozenset[int] = frozenset()) -> None:
        """Hand over what the header names under guards that we hold, whoever committed it (PROTOCOL R2).

        :param new: entries that were committed just now.
        """
        if not self._unclaimed:
            return
        claimed = [
            entry
            for guard, entry in entries_of(state)
            if guard in self._held and not self._held[guard].lost and self._entries.claim(guard, entry)
        ]
        self._unclaimed = False
        if not claimed:
            return
        await self._execution.load_decisions(state)
        messages = {message.sequence: message for message in state.messages}
        times = {decision: group.committed_at for group in state.groups for decision in group.ids}
        given_up = self._take_exhausted(state, claimed)
        for entry in sorted(claimed):
            if entry in messages:
                self._dispatch(sender, entry, from_message(messages[entry]), again=entry not in new)
            else:
                number = entry & 0xFFFFFFFF
                outgoing = outgoing_of(sender, self._execution.decision(number), times[number])
                reason = given_up.get(entry)
                if reason is not None and isinstance(outgoing, RunActivity):
                    self._fail(sender, outgoing, reason)
                else:
                    self._dispatch(sender, entry, outgoing, again=entry not in new)

    def _take_exhausted(self, state: InstanceState, claimed: list[int]) -> dict[int, FailureDetails]:
        """Why activities are given up, by entry: their guard was delivered too often. Told once per delivery."""
        wanted = set(claimed)
        guards = {entry: self._held[guard] for guard, entry in entries_of(state) if entry in wanted}
        reasons = {entry: guard.exhausted for entry, guard in guards.items() if guard.exhausted is not None}
        for guard in guards.values():
            guard.exhausted = None
        return reasons

    def _fail(self, sender: Sender, activity: RunActivity, reason: FailureDetails) -> None:
        logger.error("Activity %r of instance %r fails: %s", activity.name, sender.instance_id, reason.message)
        event = TaskFailed(self._context.hub.clock.now(), activity.task_id, reason)
        self._job.finish(TaskResult(sender.target, activity.task_id, event))

    def dispatch_new(self, draft: Draft, guard: Delivery, sender: Sender) -> None:
        """Hand over what a commit that is true has decided."""
        for entry, outgoing in draft.new:
            if entry not in draft.gone and self._entries.claim(guard.id, entry):
                self._dispatch(sender, entry, outgoing, again=False)

    def _dispatch(self, sender: Sender, entry: int, outgoing: Outgoing, *, again: bool) -> None:
        if isinstance(outgoing, RunActivity):
            self._context.activities.offer(self._job, entry, outgoing, again=again)
        elif isinstance(outgoing, WakeAt):
            self._mailroom.wake(sender, entry, outgoing)
        else:
            self._mailroom.send(sender, entry, outgoing)


def _target(outgoing: Outgoing) -> str | None:
    return None if isinstance(outgoing, (RunActivity, WakeAt)) else outgoing.target
