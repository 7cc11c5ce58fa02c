"""The outbox of one active instance: what this process has to hand over of it.

Only who holds the guard of an entry hands it over, and only who holds it takes it out again, by a commit, before
the guard is deleted (PROTOCOL R2, R5, R7). So what the header names is always guarded by a message that
somebody holds or will get; and what was handed over long ago is in no header, where it could be taken up again.

Owns the claims on entries under the guards in hand, and the way of each entry to where it goes. Commits nothing:
it puts into a draft what is to be dropped.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.numbering import decision_of
from azure_durable_py.taskhub.outgoing import Outgoing, RunActivity, Sender, from_message, outgoing_of
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.state import Alarm, Arming, InstanceState
from azure_durable_py.worker.context import ActivityJob, WorkerContext
from azure_durable_py.worker.instance.claims import Claims, entries_of
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.instance.kinds import InstanceReader
from azure_durable_py.worker.instance.mailroom import Mailroom

TAKE_OVER_ACTIVITIES_AFTER = timedelta(days=1)
"""When an activity that another worker may be running is taken for lost."""
FAR = timedelta(minutes=1)
DROP_AT_MOST_AFTER = 5.0
"""Seconds after which what is handed over is dropped although more is on its way."""


class Dispatcher:
    """What is handed over for one instance.

    :param job: the instance, as the activity slots know it.
    :param guards: the messages that it has in hand.
    :param reader: knows what was decided under an entry's number.
    """

    def __init__(
        self,
        context: WorkerContext,
        instance_id: str,
        job: ActivityJob,
        guards: Guards,
        reader: InstanceReader,
        mailroom: Mailroom,
    ) -> None:
        self._context = context
        self._instance_id = instance_id
        self._job = job
        self._guards = guards
        self._reader = reader
        self._mailroom = mailroom
        self._claims = Claims()
        self._arming: Arming | None = None
        self._armed: list[tuple[Arming, Alarm]] = []
        self._first_done: float | None = None
        self._last_done = 0.0
        self._unclaimed = False

    def close(self) -> None:
        """Know no longer for whom it is: nothing is handed over any more."""
        del self._job

    # --- what is known of entries --------------------------------------------------------------------

    def hand_over(self, number: int) -> None:
        """An entry is handed over."""
        self._claims.hand_over(number)
        self._note_done()

    def armed(self, arming: Arming, alarm: Alarm) -> None:
        """The doorbell for a timer is put."""
        self._armed.append((arming, alarm))
        self._note_done()

    def _note_done(self) -> None:
        self._last_done = self._context.hub.clock.monotonic()
        if self._first_done is None:
            self._first_done = self._last_done

    def is_open(self, number: int) -> bool:
        """Whether it is ours, and still to be handed over."""
        return self._claims.is_open(number)

    def forget(self, header: InstanceState | None, *, settled: bool) -> None:
        """The entries of another execution, or under guards that are gone, mean nothing any more.

        :param header: what the newest header says.
        :param settled: whether no commit is under way that may still land. One could name a doorbell that we put.
        """
        self._claims = Claims()
        for _, alarm in self._armed:
            if settled and not _is_named(alarm, header):
                self.silence(alarm)
        self._armed.clear()
        self._arming = None
        self._first_done = None

    def keep(self, state: InstanceState) -> None:
        """The header or the guards in hand have changed: only what it names is left, and what they guard is ours."""
        entries = list(entries_of(state))
        # What is under way under a message that came once more goes on: it is about to be fenced.
        in_hand = set(self._guards.ids)
        self._claims.keep({number for _, number in entries}, {number for guard, number in entries if guard in in_hand})
        if self._arming != state.arming:
            self._arming = None

    def look_again(self) -> None:
        """The header may name entries under our guards that we do not know of."""
        self._unclaimed = True

    # --- within a turn -------------------------------------------------------------------------------

    def drop_at(self, state: InstanceState | None, *, finished: bool) -> float | None:
        """When to commit that what is handed over is dropped, if no turn does so before; None: there is nothing.

        :param finished: no turn will come.
        """
        if self._first_done is None or state is None or not len(self._guards):
            # With empty hands nothing is committed, whatever arrives.
            return None
        if not self._armed and not self._claims.handed_over:
            self._first_done = None
            return None
        latest = self._first_done + DROP_AT_MOST_AFTER
        if not self._mailroom.is_empty:
            return latest
        return min(latest, self._last_done + (0.0 if finished or self._is_far(state) else self._context.drop_after))

    def _is_far(self, state: InstanceState) -> bool:
        """Whether a doorbell was put that would be left for long if this process died before the header names it."""
        far = state.turn_time + FAR
        return any(arming == state.arming and arming.due > far for arming, _ in self._armed)

    def _droppable(self, state: InstanceState) -> set[int]:
        done = self._claims.handed_over
        if not done:
            return set()
        return {number for guard, number in entries_of(state) if number in done and self._guards.is_mine(guard)}

    def drop_into(self, draft: HeaderDraft, *, settled: bool) -> None:
        """Take out of a draft what is handed over.

        :param settled: see `forget`.
        """
        droppable = self._droppable(draft.state)
        if droppable:
            draft.drop(droppable)
        for arming, alarm in tuple(self._armed):
            if draft.state.arming == arming and self._guards.is_mine(arming.guard):
                draft.set_alarm(alarm)
                continue
            self._armed.remove((arming, alarm))
            if self._arming == arming:
                self._arming = None
            if settled and not _is_named(alarm, draft.state):
                self.silence(alarm)
        if not droppable and not self._armed:
            # What is handed over is another's to drop. Each commit looks again.
            self._first_done = None

    def is_abandoned(self, draft: HeaderDraft) -> bool:
        """Whether the queue of sends is under a message that nobody may have any more (PROTOCOL R8)."""
        state = draft.state
        if not state.has_sends or state.queue_guard in self._guards.ids:
            return False
        return state.queued_at is None or (draft.now - state.queued_at).total_seconds() > self._context.take_over_after

    def take_over(self, draft: HeaderDraft, guard: str) -> None:
        """Put the queue of sends under a message in hand."""
        if draft.state.has_sends and draft.state.queue_guard not in self._guards.ids:
            draft.take_over(guard)
            self.look_again()

    def repair(self, draft: HeaderDraft, guard: str) -> None:
        """A scan found no life in the instance: take over what nobody seems to see to (PROTOCOL R8)."""
        self.take_over(draft, guard)
        draft.take_activities_over(guard, draft.now - TAKE_OVER_ACTIVITIES_AFTER, self._guards.ids)
        self.look_again()

    # --- after a commit or a load ---------------------------------------------------------------------

    def committed(self, draft: HeaderDraft) -> None:
        """A draft is true: what it took out of the header is gone."""
        self._claims.drop(draft.outbox.gone)
        waiting: list[tuple[Arming, Alarm]] = []
        for arming, alarm in self._armed:
            if alarm.doorbell in draft.outbox.named:
                # Should the header ask for the same again, this one has come already, and another is to be put.
                self._arming = None
            elif arming == draft.state.arming:
                # What was put while the draft was in the making waits for the next one.
                waiting.append((arming, alarm))
            elif not _is_named(alarm, draft.state):
                self.silence(alarm)
        self._armed = waiting
        self._first_done = self._last_done if self._armed or self._claims.handed_over else None
        for alarm in draft.outbox.silenced:
            self.silence(alarm)

    def claim_arming(self, state: InstanceState) -> None:
        """Put the doorbell for the earliest timer if the header asks for it under a guard that we hold."""
        arming = state.arming
        if arming is None or arming == self._arming or not self._guards.is_mine(arming.guard):
            return
        if all(arming != armed for armed, _ in self._armed):
            self._arming = arming
            self._mailroom.arm(arming)

    @property
    def is_to_claim(self) -> bool:
        """Whether the header may name entries under our guards that we do not know of."""
        return self._unclaimed

    async def claim(self, state: InstanceState, sender: Sender, new: Collection[int] = ()) -> None:
        """Hand over what the header names under guards that we hold, whoever committed it (PROTOCOL R2).

        :param new: entries that were committed just now.
        """
        guards = self._guards
        messages = {message.number: message for message in state.messages}
        if any(
            guards.is_mine(guard) and number not in messages and self._claims.is_new(number)
            for guard, number in entries_of(state)
        ):
            # Before anything is taken on: should it fail, all is still to be claimed.
            await self._reader.load_decisions(state)
        mine = [(guard, number) for guard, number in entries_of(state) if guards.is_mine(guard)]
        claimed = {number: guard for guard, number in mine if self._claims.claim(number)}
        self._unclaimed = False
        if not claimed:
            return
        times = {decision: group.sent_at for group in state.sends for decision in group.ids}
        times.update((decision, group.committed_at) for group in state.activities for decision in group.ids)
        for number, guard in sorted(claimed.items()):
            if number in messages:
                outgoing: Outgoing = from_message(messages[number])
            else:
                decision = decision_of(number)
                outgoing = outgoing_of(sender, self._reader.decision(decision), times[decision])
            tries = int(number not in new and guards.deliveries(guard) > 1)
            self._dispatch(sender, number, outgoing, tries=tries, again=number not in new)

    def give_up_unreadable(self, state: InstanceState) -> None:
        """What an instance that has ended still had to send cannot be read: it is dropped, and the rest goes out."""
        messages = {message.number for message in state.messages}
        for guard, number in entries_of(state):
            if number not in messages and self._guards.is_mine(guard):
                self.hand_over(number)

    def dispatch_new(self, draft: HeaderDraft, sender: Sender, guard: str) -> None:
        """Hand over what a commit that is true has decided, as far as what guards it is still ours.

        :param guard: the message that the commit named for its activities.
        """
        sends, activities = self._guards.is_mine(draft.state.queue_guard), self._guards.is_mine(guard)
        gone = set(draft.outbox.gone)
        for number, outgoing in draft.outbox.new:
            mine = activities if isinstance(outgoing, RunActivity) else sends
            if mine and number not in gone and self._claims.claim(number):
                self._dispatch(sender, number, outgoing, tries=0, again=False)

    def _dispatch(self, sender: Sender, number: int, outgoing: Outgoing, *, tries: int, again: bool) -> None:
        if isinstance(outgoing, RunActivity):
            self._context.activities.offer(self._job, number, outgoing, tries=tries, again=again)
        else:
            self._mailroom.send(sender, number, outgoing)

    def silence(self, alarm: Alarm) -> None:
        """Delete the doorbell of a timer that nobody needs any more."""
        self._context.settling.start(self._silence(alarm), f"silence {alarm.doorbell}")

    async def _silence(self, alarm: Alarm) -> None:
        store = self._context.hub.store
        if alarm.handle is None:
            return
        message = QueueMessage(store.instance_queue(self._instance_id), "", 0, alarm.handle)
        try:
            await store.delete_message(message)
        except StorageError:
            return  # It comes when it is due, and finds nothing to do.


def _is_named(alarm: Alarm, state: InstanceState | None) -> bool:
    return state is not None and state.alarm is not None and state.alarm.doorbell == alarm.doorbell
