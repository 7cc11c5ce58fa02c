"""The next header of an instance, while it is being written.

Owns what a turn changes in the state of an instance: history, outbox, timers, columns. Pure:
it makes a commit, it does not perform it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event, payload_refs
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityLockReleased,
    EntityLockRequested,
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    LockReleaseArrived,
    PayloadRef,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskScheduled,
    Value,
)
from azure_durable_py.runtime.orchestration import Turn
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import chunk_keys, page_key
from azure_durable_py.taskhub.outgoing import (
    COMPLETION_ID,
    Deliver,
    Outgoing,
    RunActivity,
    Send,
    Sender,
    child_execution,
    is_send,
    outgoing_of,
    outlives,
    to_message,
)
from azure_durable_py.taskhub.payloads import Spill, decode_ref, encode_ref, to_blobs
from azure_durable_py.taskhub.protocol import (
    MAX_COMMIT_BYTES,
    MAX_COMMIT_ROWS,
    BlobRow,
    Columns,
    Commit,
    CorruptRowError,
    Header,
)
from azure_durable_py.taskhub.state import ActivityGroup, Alarm, Arming, InstanceState, Mark, PageRef, Rank, SendGroup
from azure_durable_py.worker.instance.inbox import completed_task, forget_clients
from azure_durable_py.worker.instance.sender_memory import move_senders

SEAL_CHARS = 65_536
"""The tail is sealed into a page when its events take more characters than this."""
MARK_MEMORY = timedelta(days=1)
"""How long a mark is remembered: longer than any process goes on with a message that it has lost."""
ALARM_GRACE = timedelta(minutes=1)
"""An alarm that is overdue by more than this has come, or is lost: it is not counted on."""
SPARE_BYTES = 20_000
"""What a turn after which others will come leaves free in the header: room to say that the next one did not fit."""


class Draft:
    """One commit of one instance in the making.

    :param header: the header that it will replace.
    :param state: a copy of its state; changed in place.
    :param turn_id: names the commit.
    :param now: time of the turn.
    """

    def __init__(self, header: Header, state: InstanceState, turn_id: str, now: datetime) -> None:
        self.state = state
        self.columns = header.columns
        self.now = now
        self.turn_id = turn_id
        self.new: list[tuple[int, Outgoing]] = []
        self.gone: list[int] = []
        self.silenced: list[Alarm] = []
        self.named: set[str] = set()
        self.changed = False
        self.ended_generation = False
        self._spare = 0
        self.consumed: tuple[str, ...] = ()
        self.seen_until: datetime | None = None
        """When a load began whose rows are all consumed with this: what was in the inbox by then is dealt with."""
        self._base = state.generation << 32
        self._header = header
        self._was_finished = header.is_terminal
        self._spill = Spill(turn_id)
        self._quarantined: tuple[BlobRow, ...] = ()

    # --- guards and outbox -------------------------------------------------------------------------

    def mark(self, guard: str, rank: Rank) -> None:
        """Say that this delivery of a guard is the newest one known (PROTOCOL R1)."""
        known = self.state.marks.get(guard)
        if known is None or known.rank < rank:
            self.state.marks[guard] = Mark(rank, self.now, begun_before(self.state, guard, rank))
            self.changed = True

    def begin(self, guard: str, rank: Rank, poisoned: bool = False) -> int:
        """Mark a delivery that begins what others of the same message did not end; returns which attempt it is."""
        begun = begun_before(self.state, guard, rank, poisoned)
        known = self.state.marks.get(guard)
        if known is None or known.rank != rank:
            # Else this very mark was written by a commit that was not answered.
            begun += 1
        self.state.marks[guard] = Mark(rank, self.now, begun)
        self.changed = True
        return 1 + begun

    def end(self, guard: str) -> None:
        """What a message asked for came to its end: what began before ended with its process, and not by it."""
        known = self.state.marks.get(guard)
        if known is not None and known.begun:
            self.state.marks[guard] = dataclasses.replace(known, begun=0)

    def drop(self, entries: Collection[int]) -> None:
        """Take entries that were handed over out of the outbox.

        An activity stays until it has a result, but under no guard any more: its work item is a message of its own.
        """
        queued = [
            ActivityGroup(
                "", group.committed_at, IdSet(number for number in group.ids if self._base | number in entries)
            )
            for group in (self.state.activities if entries else ())
        ]
        for entry in entries:
            self._discard(entry - self._base)
        self.state.activities += queued
        self.state.messages = [message for message in self.state.messages if message.sequence not in entries]
        self.gone += entries
        self.changed = self.changed or bool(entries)
        self._tidy_groups()

    def take_over(self, guard: str) -> None:
        """Put the queue of sends under another guard (PROTOCOL R8)."""
        self.state.queue_guard = guard
        self.changed = True

    def take_activities_over(self, guard: str, before: datetime, in_hand: Collection[str]) -> None:
        """Put activities that were decided before some time, under guards not in hand, under another (PROTOCOL R8)."""
        for group in self.state.activities:
            if group.guard not in in_hand and group.committed_at < before:
                group.guard = guard
                self.changed = True

    def _join_queue(self, guard: str) -> None:
        """Sends are about to be added: only an empty queue gets a guard, another one keeps its own (PROTOCOL R5)."""
        if not self.state.has_sends:
            self.state.queue_guard = guard
        self.state.queued_at = self.now

    def _discard(self, decision: int) -> None:
        for group in (*self.state.activities, *self.state.sends):
            if group.ids.discard(decision):
                self.gone.append(self._base | decision)
                return

    def _tidy_groups(self) -> None:
        self.state.activities = [group for group in self.state.activities if group.ids]
        self.state.sends = [group for group in self.state.sends if group.ids]

    # --- timers --------------------------------------------------------------------------------------

    def set_alarm(self, alarm: Alarm) -> None:
        """The doorbell that the header asked for is put."""
        self._silence()
        self.state.arming, self.state.alarm = None, alarm
        self.named.add(alarm.doorbell)
        self.changed = True

    def see_to_timers(self, guard: str | None, in_hand: Collection[str], *, woken: bool) -> None:
        """Have a doorbell put for the earliest timer, unless one will come in time (PROTOCOL R16).

        :param guard: the message that guards the putting of it.
        :param in_hand: the messages in hand.
        :param woken: whether the doorbell of a timer is in hand: it is the alarm if that has no name, and what
            another worker is putting cannot be counted on, as this may be it.
        """
        state = self.state
        if state.alarm is not None and (state.alarm.doorbell in in_hand or (woken and not state.alarm.doorbell)):
            state.alarm = None
            self.changed = True
        earliest = state.earliest
        if earliest is None:
            self.changed = self.changed or state.alarm is not None or state.arming is not None
            self._silence()
            state.arming = state.alarm = None
        elif state.alarm is not None and self.now - ALARM_GRACE < state.alarm.due <= earliest:
            state.arming = None
        elif guard is not None and earliest > self.now and not self._is_armed(earliest, in_hand, woken=woken):
            state.arming = Arming(guard, earliest)
            self.changed = True

    def _is_armed(self, earliest: datetime, in_hand: Collection[str], *, woken: bool) -> bool:
        arming = self.state.arming
        if arming is None or arming.due > earliest:
            return False
        return arming.guard in in_hand or not (woken or self.changed)

    def _silence(self) -> None:
        if self.state.alarm is not None and self.state.alarm.handle is not None:
            self.silenced.append(self.state.alarm)

    # --- inbox -------------------------------------------------------------------------------------

    def consume(self, keys: Iterable[str], quarantined: Iterable[BlobRow] = ()) -> None:
        """Delete these inbox rows with the commit."""
        self.consumed = tuple(keys)
        self._quarantined = tuple(quarantined)
        self.changed = self.changed or bool(self.consumed)

    # --- turns -------------------------------------------------------------------------------------

    def record(self, turn: Turn, sender: Sender, guard: str, decision: Callable[[int], Event]) -> None:
        """Write down a turn of an orchestration.

        :param guard: the message that guards what the turn decided.
        :param decision: the decision of an earlier turn, by id.
        """
        self.changed = True
        self.state.turn_time = self.now
        self.state.pending = []
        stored = [self._spill.event(event) for event in turn.events]
        self._answer(stored)
        self.state.timers = dict(turn.timers)
        self.state.children = IdSet(turn.children)
        last = stored[-1] if stored else None
        self._spare = 0 if isinstance(last, ExecutionCompleted) else SPARE_BYTES
        self.ended_generation = isinstance(last, (ExecutionCompleted, ContinuedAsNew))
        self._add_entries(stored, sender, guard)
        self._note_locks(stored)
        if self.ended_generation:
            self._release_locks(len(turn.children), sender, guard)
        self._describe(turn)
        if isinstance(last, ContinuedAsNew):
            self._continue_as_new(last, stored, sender, decision)
            return
        self.state.tail += [encode_event(event) for event in stored]
        if isinstance(last, ExecutionCompleted):
            self._finish(turn, stored, sender, guard, decision)
        self._seal()

    def _answer(self, events: Iterable[Event]) -> None:
        """What is answered need not be handed over any more."""
        for event in events:
            task_id = completed_task(event)
            if task_id is not None:
                self._discard(task_id)
        self._tidy_groups()

    def _add_entries(self, events: Iterable[Event], sender: Sender, guard: str) -> None:
        activities, sends = IdSet(), IdSet()
        for event in events:
            if isinstance(event, TaskScheduled) and not self.ended_generation:
                activities.add(event.id)
            elif outlives(event) or (is_send(event) and not self.ended_generation):
                sends.add(_number(event))
            else:
                continue
            number = _number(event)
            self.new.append((sender.sequence(number), outgoing_of(sender, event, self.now)))
        if activities:
            self.state.activities.append(ActivityGroup(guard, self.now, activities))
        if sends:
            self._join_queue(guard)
            self.state.sends.append(SendGroup(self.now, sends))

    def _note_locks(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, EntityLockRequested):
                self.state.locks.append((event.instance_id, event.section))
            elif isinstance(event, EntityLockReleased) and (event.instance_id, event.section) in self.state.locks:
                self.state.locks.remove((event.instance_id, event.section))

    def _release_locks(self, children: int, sender: Sender, guard: str) -> None:
        """Whatever ended the generation, and wherever its code stood: no lock stays behind."""
        locks, self.state.locks = self.state.locks, []
        first = COMPLETION_ID - children - len(locks)
        for order, (entity, section) in enumerate(locks, sender.sequence(first)):
            release = LockReleaseArrived(self.now, section)
            self._send(Deliver(order, entity, InboxEvent(release, sender.incarnation, order, self.now)), guard)

    def _describe(self, turn: Turn) -> None:
        columns: Columns = self.columns
        if turn.custom_status is not None:
            columns = dataclasses.replace(columns, custom_status=turn.custom_status)
        status = turn.status
        if status is OrchestrationRuntimeStatus.ContinuedAsNew:
            status = OrchestrationRuntimeStatus.Running
        if status.is_terminal:
            output = self._output(turn)
            value = self._spill.value(output)
            columns = dataclasses.replace(
                columns,
                completed_time=self.now,
                output=value if isinstance(value, str) else None,
                output_payload=encode_ref(value) if isinstance(value, PayloadRef) else None,
            )
        self.columns = dataclasses.replace(columns, runtime_status=status.value)

    def _output(self, turn: Turn) -> str | None:
        if turn.failure is not None:
            return _json_text(turn.failure.message)
        return turn.output

    def _finish(
        self, turn: Turn, stored: list[Event], sender: Sender, guard: str, decision: Callable[[int], Event]
    ) -> None:
        new = {number for number, _ in self.new}
        for group in self.state.sends:
            for number in list(group.ids):
                if sender.sequence(number) not in new and not _outlives(decision, number):
                    self._discard(number)
        for group in self.state.activities:
            for number in list(group.ids):
                self._discard(number)
        self._tidy_groups()
        self.state.timers = {}
        terminated = next((event for event in stored if isinstance(event, ExecutionTerminated) and event.recurse), None)
        if terminated is not None:
            self._terminate_children(turn, terminated, sender, guard)
        self.state.children = IdSet()
        if self.state.parent is not None:
            self._answer_parent(turn, sender, guard)

    def _terminate_children(self, turn: Turn, terminated: ExecutionTerminated, sender: Sender, guard: str) -> None:
        # Their numbers are behind those of all decisions and before that of the answer to the parent.
        first = COMPLETION_ID - len(turn.children)
        for order, (task_id, child) in enumerate(turn.children.items(), sender.sequence(first)):
            stop = ExecutionTerminated(self.now, terminated.reason, recurse=True)
            # Whoever else may have the id by now is meant by nobody.
            target = Target(child_execution(sender, task_id))
            event = InboxEvent(stop, sender.incarnation, order, self.now, target, control=True)
            self._send(Deliver(order, child, event), guard)

    def _answer_parent(self, turn: Turn, sender: Sender, guard: str) -> None:
        parent = self.state.parent
        assert parent is not None
        answer: Event
        if turn.status is OrchestrationRuntimeStatus.Completed:
            result: Value = self._spill.value(turn.output)
            answer = SubOrchestrationCompleted(self.now, parent.task_id, result)
        else:
            failure = turn.failure or FailureDetails(
                message=f"Sub-orchestration {sender.name!r} ({sender.instance_id}) was terminated.",
                error_type="azure_durable_py.errors.OrchestrationTerminatedError",
                base_types=("azure_durable_py.errors.DurableError", "Exception"),
            )
            answer = SubOrchestrationFailed(self.now, parent.task_id, failure)
        order = sender.sequence(COMPLETION_ID)
        event = InboxEvent(answer, sender.incarnation, order, self.now, Target.answering(parent))
        self._send(Deliver(order, parent.instance_id, event), guard)

    def _send(self, send: Send, guard: str) -> None:
        self._join_queue(guard)
        self.state.messages.append(to_message(send))
        self.new.append((send.sequence, send))

    def _continue_as_new(
        self, last: ContinuedAsNew, stored: list[Event], sender: Sender, decision: Callable[[int], Event]
    ) -> None:
        """Begin the next generation; what was decided but not handed over stays, written out in full."""
        new = dict(self.new)
        for group in self.state.sends:
            for number in group.ids:
                order = sender.sequence(number)
                outgoing = new.get(order) or outgoing_of(sender, self._spill.event(decision(number)), group.sent_at)
                if not isinstance(outgoing, RunActivity):
                    self.state.messages.append(to_message(outgoing))
        self.gone += [sender.sequence(number) for group in self.state.activities for number in group.ids]
        self.state.messages.sort(key=lambda message: message.sequence)
        self._throw_away(stored, last)
        state = self.state
        version = last.new_version or self.columns.version
        started = ExecutionStarted(self.now, self.columns.name, last.input, version, state.parent, _tags(self.columns))
        pending = [encode_event(event) for event in (started, *last.carried)]
        state.pending = pending
        if sum(map(len, pending)) > SEAL_CHARS:
            ref = self._spill.value("\n".join(pending))
            state.pending = ref if isinstance(ref, PayloadRef) else pending
        state.generation += 1
        state.activities, state.sends, state.pages, state.tail = [], [], [], []
        state.timers, state.children = {}, IdSet()
        self.columns = dataclasses.replace(
            self.columns,
            generation=state.generation,
            version=version,
            input=last.input if isinstance(last.input, str) else None,
            input_payload=encode_ref(last.input) if isinstance(last.input, PayloadRef) else None,
        )

    def _throw_away(self, stored: list[Event], last: ContinuedAsNew) -> None:
        """Old pages and values become garbage, except values that live on in the next generation."""
        events = [*(decode_event(text) for text in self.state.tail), *stored]
        refs = {ref.key: ref for ref in payload_refs(events)}
        if self.columns.input_payload is not None:
            shown = decode_ref(self.columns.input_payload)
            refs[shown.key] = shown
        kept = {ref.key for ref in payload_refs([last])}
        kept |= {key for key in refs for message in self.state.messages if key in message.body}
        gone = [name for key in refs if key not in kept for name in chunk_keys(key, refs[key].chunks)]
        never_put = {row.key for row in self._spill.rows}.intersection(gone)
        self._spill.rows = [row for row in self._spill.rows if row.key not in never_put]
        self.state.garbage += [name for name in gone if name not in never_put]
        for page in self.state.pages:
            self.state.garbage += [*chunk_keys(page.key, page.chunks), *page.payloads]

    def _seal(self) -> None:
        tail = self.state.tail
        if sum(map(len, tail)) <= SEAL_CHARS:
            return
        key = page_key(self.state.generation, self.turn_id, len(self.state.pages))
        ref, rows = to_blobs(key, "\n".join(tail))
        payloads = [
            name
            for value in payload_refs(decode_event(text) for text in tail if '"chunks":' in text)
            for name in chunk_keys(value.key, value.chunks)
        ]
        self.state.pages.append(PageRef(key, ref.chunks, len(tail), tuple(payloads)))
        self.state.tail = []
        self._spill.rows += rows

    # --- the commit --------------------------------------------------------------------------------

    def commit(self) -> tuple[Commit, list[BlobRow]]:
        """The commit, and blob rows that are to be put before it because it cannot carry them.

        :raises PayloadTooLargeError: the state does not fit the header.
        """
        state = self.state
        if self.seen_until is not None:
            forget_clients(state, self.seen_until)
        self._spill.rows += move_senders(state, self.turn_id, self.now)
        state.marks = {guard: mark for guard, mark in state.marks.items() if self.now - mark.at < MARK_MEMORY}
        columns = dataclasses.replace(
            self.columns,
            # What a finished instance still has to hand over does not change when it was last at work.
            last_updated_time=self.columns.last_updated_time if self._was_finished else self.now,
            turn_id=self.turn_id,
            wake_time=state.earliest,
            has_outbox=bool(state.has_sends or state.activities or state.arming or state.pending)
            or self._is_unfinished(),
        )
        put = (*self._spill.rows, *self._quarantined)
        staged: list[BlobRow] = []
        room = MAX_COMMIT_ROWS - len(self.consumed)
        if len(put) > room or sum(len(row.body) for row in put) > MAX_COMMIT_BYTES - 1_000_000:
            staged, put = list(put), ()
        dropped = tuple(state.garbage[: room - len(put)])
        state.garbage = state.garbage[len(dropped) :]
        header = Header(self._header.instance_id, columns, state.encode(spare=self._spare))
        expected = self._header.etag or None
        return Commit(self._header.instance_id, header, expected, self.consumed, put, dropped), staged

    def _is_unfinished(self) -> bool:
        """Whether something beside the outbox is still to be done."""
        return False


def begun_before(state: InstanceState, guard: str, rank: Rank, poisoned: bool = False) -> int:
    """How many deliveries of a message are known to have begun what it asks for, and not ended it.

    :param poisoned: it came out of the poison queue: where no delivery came to its end. Else one that was put back was
        let go of in good order, and counts anew.
    """
    known = state.marks.get(guard)
    return known.begun if known is not None and (poisoned or known.rank[:2] == rank[:2]) else 0


def _number(decision: Any) -> int:
    return decision.id


def _outlives(decision: Callable[[int], Event], number: int) -> bool:
    try:
        return outlives(decision(number))
    except CorruptRowError:
        return False  # What cannot be read cannot be sent.


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _tags(columns: Columns) -> dict[str, str] | None:
    return json.loads(columns.tags) if columns.tags else None
