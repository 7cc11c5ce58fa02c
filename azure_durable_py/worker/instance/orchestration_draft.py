"""What a turn of an orchestration writes into its next header: history, outbox, timers, columns.

Pure, like the draft that it writes into.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence

from azure_durable_py.failures import readable, sub_orchestration_terminated
from azure_durable_py.history.codec import decode_event, encode_event, may_refer_to_rows, payload_refs
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Decision,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    ExecutionTerminated,
    LockReleaseArrived,
    OperationArrived,
    PayloadRef,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
    TaskScheduled,
    Value,
)
from azure_durable_py.runtime.orchestration import Turn
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.hub import decode_tags
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import chunk_keys, page_key
from azure_durable_py.taskhub.numbering import LAST_DECISION
from azure_durable_py.taskhub.outgoing import (
    Deliver,
    RunActivity,
    Send,
    Sender,
    child_execution,
    from_message,
    is_send,
    message_refs,
    outgoing_of,
    outlives,
    to_message,
)
from azure_durable_py.taskhub.payloads import decode_ref, encode_ref, payload_rows, to_blobs
from azure_durable_py.taskhub.protocol import CorruptRowError, Header
from azure_durable_py.taskhub.state import (
    SPARE_BYTES,
    ActivityGroup,
    InstanceState,
    OutboxMessage,
    PageRef,
    SendGroup,
)
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.worker.instance.header_draft import HeaderDraft, TurnRecord
from azure_durable_py.worker.instance.inbox import completed_task

SEAL_CHARS = 65_536
"""The tail is sealed into a page when its events take more characters than this."""


MOST_NAME_CHARS = 200
"""Characters kept of the name of an event that an instance waits for."""


class OrchestrationUpkeep:
    """The headers of orchestrations: what they send has its rows in the history, which stay until it goes."""

    def rows_of(self, message: OutboxMessage) -> list[str]:
        del message
        return []

    def is_unfinished(self, state: InstanceState) -> bool:
        return state.is_rewound


class OrchestrationDraft:
    """One turn of an orchestration on its way into a header.

    :param draft: the header.
    :param sender: on whose behalf the turn sends.
    :param guard: the message that guards what the turn decided.
    :param decision: the decision of an earlier turn, by id.
    """

    def __init__(self, draft: HeaderDraft, sender: Sender, guard: str, decision: Callable[[int], Event]) -> None:
        self._draft = draft
        self._state = draft.state
        self._now = draft.now
        self._spill = draft.rows.spill
        self._sender = sender
        self._guard = guard
        self._decision = decision

    def record(self, turn: Turn, raised: Sequence[InboxEvent] = (), replayed: int = 0) -> None:
        """Write the turn down.

        :param raised: the external events that arrived.
        :param replayed: how many events of the history were run again for it.
        """
        self._draft.changed = True
        generation = self._state.generation
        self._state.turn_time = self._now
        self._state.pending = []
        stored = [self._spill.event(event) for event in turn.events]
        self._answer(stored)
        self._state.timers = dict(turn.timers)
        self._state.children = IdSet(turn.children)
        self._state.abandoned = IdSet(turn.abandoned)
        self._state.awaited = {name[:MOST_NAME_CHARS]: since for name, since in turn.awaited.items()}
        last = stored[-1] if stored else None
        self._draft.spare = 0 if isinstance(last, ExecutionCompleted) else SPARE_BYTES
        self._draft.ended_generation = isinstance(last, (ExecutionCompleted, ContinuedAsNew))
        self._add_entries([*turn.reopened, *stored])
        self._supersede(turn.reopened)
        self._note_locks(stored)
        if self._draft.ended_generation:
            self._release_locks(len(turn.children))
        status = self._describe(turn)
        if isinstance(last, ContinuedAsNew):
            self._continue_as_new(last, stored)
        else:
            self._state.tail.extend(map(encode_event, stored))
            if isinstance(last, ExecutionCompleted):
                self._finish(turn, stored)
            self._seal()
        shown = [(event.event, event.trace) for event in raised]
        arrived = tuple((event, trace) for event, trace in shown if isinstance(event, EventRaised))
        self._draft.taken.append(TurnRecord(turn, generation, self._now, status, replayed, self._decision, arrived))

    def _answer(self, events: Iterable[Event]) -> None:
        """What is answered need not be handed over any more."""
        for event in events:
            task_id = completed_task(event)
            if task_id is not None:
                self._draft.discard(task_id)
        self._draft.tidy()

    def _add_entries(self, events: Iterable[Event]) -> None:
        activities, sends = IdSet(), IdSet()
        for event in events:
            if isinstance(event, TaskScheduled) and not self._draft.ended_generation:
                activities.add(event.id)
            elif outlives(event) or (is_send(event) and not self._draft.ended_generation):
                sends.add(event.id)
            else:
                continue
            self._draft.add(self._sender.number(event.id), outgoing_of(self._sender, event, self._now))
        if activities:
            self._state.activities.append(ActivityGroup(self._guard, self._now, activities))
        if sends:
            self._draft.join_queue(self._guard)
            self._state.sends.append(SendGroup(self._now, sends))

    def _supersede(self, reopened: Collection[Decision]) -> None:
        """What is called anew, and was not handed over before the rewind, is called once."""
        if not reopened or not self._state.messages:
            return
        called = {
            (event.id, event.instance_id, event.operation)
            for event in reopened
            if isinstance(event, EntityOperationCalled)
        }
        superseded = [message.number for message in self._state.messages if _call_in(message) in called]
        self._state.messages = [message for message in self._state.messages if message.number not in superseded]
        self._draft.outbox.gone += superseded

    def _note_locks(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, EntityLockRequested):
                self._state.locks.append((event.instance_id, event.section))
            elif isinstance(event, EntityLockReleased) and (event.instance_id, event.section) in self._state.locks:
                self._state.locks.remove((event.instance_id, event.section))

    def _release_locks(self, children: int) -> None:
        """Whatever ended the generation, and wherever its code stood: no lock stays behind."""
        if not self._state.locks:
            return
        locks, self._state.locks = self._state.locks, []
        first = LAST_DECISION - children - len(locks)
        for number, (entity, section) in enumerate(locks, self._sender.number(first)):
            release = LockReleaseArrived(self._now, section)
            self._send(Deliver(number, entity, InboxEvent(release, self._sender.incarnation, number, self._now)))

    def _describe(self, turn: Turn) -> str:
        """Have the columns say what came of it; returns the status."""
        described = self._draft.described
        if turn.custom_status is not None:
            described["custom_status"] = turn.custom_status
        status = turn.status
        if status is OrchestrationRuntimeStatus.ContinuedAsNew:
            status = OrchestrationRuntimeStatus.Running
        if status.is_terminal:
            output = self._output(turn)
            value = self._spill.value(output)
            described["completed_time"] = self._now
            described["output"] = value if isinstance(value, str) else None
            described["output_payload"] = encode_ref(value) if isinstance(value, PayloadRef) else None
        described["runtime_status"] = status.value
        return status.value

    def _output(self, turn: Turn) -> str | None:
        if turn.failure is not None:
            return _json_text(readable(turn.failure))
        return turn.output

    def _finish(self, turn: Turn, stored: list[Event]) -> None:
        new = {number for number, _ in self._draft.outbox.new}
        for group in self._state.sends:
            for number in list(group.ids):
                if self._sender.number(number) not in new and not _outlives(self._decision, number):
                    self._draft.discard(number)
        for group in self._state.activities:
            for number in list(group.ids):
                self._draft.discard(number)
        self._draft.tidy()
        self._state.timers = {}
        terminated = next((event for event in stored if isinstance(event, ExecutionTerminated) and event.recurse), None)
        if terminated is not None:
            self._terminate_children(turn, terminated)
        self._state.children = IdSet()
        if self._state.parent is not None:
            self._answer_parent(turn)

    def _terminate_children(self, turn: Turn, terminated: ExecutionTerminated) -> None:
        # Their numbers are behind those of all decisions and before that of the answer to the parent.
        first = LAST_DECISION - len(turn.children)
        for number, (task_id, child) in enumerate(turn.children.items(), self._sender.number(first)):
            stop = ExecutionTerminated(self._now, terminated.reason, recurse=True)
            # Whoever else may have the id by now is meant by nobody.
            target = Target(child_execution(self._sender, task_id, child.attempt))
            event = InboxEvent(stop, self._sender.incarnation, number, self._now, target, control=True)
            self._send(Deliver(number, child.instance_id, event))

    def _answer_parent(self, turn: Turn) -> None:
        parent = self._state.parent
        assert parent is not None
        answer: Event
        if turn.status is OrchestrationRuntimeStatus.Completed:
            result: Value = self._spill.value(turn.output)
            answer = SubOrchestrationCompleted(self._now, parent.task_id, result)
        else:
            failure = turn.failure or sub_orchestration_terminated(self._sender.name, self._sender.instance_id)
            answer = SubOrchestrationFailed(self._now, parent.task_id, failure)
        number = self._sender.number(LAST_DECISION)
        event = InboxEvent(answer, self._sender.incarnation, number, self._now, Target.answering(parent))
        self._send(Deliver(number, parent.instance_id, event))

    def _send(self, send: Send) -> None:
        self._draft.send(send, self._guard)

    def _continue_as_new(self, last: ContinuedAsNew, stored: list[Event]) -> None:
        """Begin the next generation; what was decided but not handed over stays, written out in full."""
        new = dict(self._draft.outbox.new)
        for group in self._state.sends:
            for decision in group.ids:
                outgoing = new.get(self._sender.number(decision))
                if outgoing is None:
                    decided = self._spill.event(self._decision(decision))
                    outgoing = outgoing_of(self._sender, decided, group.sent_at)
                if not isinstance(outgoing, RunActivity):
                    self._state.messages.append(to_message(outgoing))
        self._draft.outbox.gone += [
            self._sender.number(number) for group in self._state.activities for number in group.ids
        ]
        self._state.messages.sort(key=lambda message: message.number)
        self._throw_away(stored, last)
        state, columns = self._state, self._draft.columns
        version = last.new_version or columns.version
        started = ExecutionStarted(
            self._now, columns.name, last.input, version, state.parent, decode_tags(columns.tags) or None
        )
        pending = [encode_event(event) for event in (started, *last.carried)]
        state.pending = pending
        if sum(map(len, pending)) > SEAL_CHARS:
            ref = self._spill.value("\n".join(pending))
            state.pending = ref if isinstance(ref, PayloadRef) else pending
        state.generation += 1
        state.activities, state.sends, state.pages, state.tail = [], [], [], Tail()
        state.timers, state.children = {}, IdSet()
        self._draft.described |= {
            "generation": state.generation,
            "version": version,
            "input": last.input if isinstance(last.input, str) else None,
            "input_payload": encode_ref(last.input) if isinstance(last.input, PayloadRef) else None,
        }

    def _throw_away(self, stored: list[Event], last: ContinuedAsNew) -> None:
        """Old pages and values become garbage, except values that live on in the next generation."""
        events = [*map(decode_event, filter(may_refer_to_rows, self._state.tail)), *stored]
        refs = {ref.key: ref for ref in payload_refs(events)}
        shown = self._draft.described.get("input_payload", self._draft.columns.input_payload)
        if shown is not None:
            ref = decode_ref(shown)
            refs[ref.key] = ref
        if refs:
            self._forget_values(refs, last)
        for page in self._state.pages:
            self._state.garbage += [*chunk_keys(page.key, page.chunks), *page.payloads]

    def _forget_values(self, refs: dict[str, PayloadRef], last: ContinuedAsNew) -> None:
        kept = {ref.key for ref in payload_refs([last])}
        kept |= {ref.key for message in self._state.messages for ref in message_refs(message)}
        gone = [name for key in refs if key not in kept for name in chunk_keys(key, refs[key].chunks)]
        never_put = self._spill.forget(gone)
        self._state.garbage += [name for name in gone if name not in never_put]

    def _seal(self) -> None:
        tail = self._state.tail
        if tail.chars <= SEAL_CHARS:
            return
        key = page_key(self._state.generation, self._draft.turn_id, len(self._state.pages))
        ref, rows = to_blobs(key, "\n".join(tail))
        payloads = payload_rows(map(decode_event, filter(may_refer_to_rows, tail)))
        self._state.pages.append(PageRef(key, ref.chunks, len(tail), tuple(payloads)))
        self._state.tail = Tail()
        self._spill.rows += rows


def is_next_at_hand(draft: HeaderDraft, header: Header) -> bool:
    """Whether a draft ends a generation that asks nothing of anybody, and has all that the next one begins with.

    :param header: the one that the draft will replace.
    """
    state = draft.state
    return (
        draft.ended_generation
        and bool(state.pending)
        and isinstance(state.pending, list)
        and not (draft.outbox.new or state.has_sends)
        and draft.described["version"] == header.columns.version
        # Rows that it would read are not there before the commit.
        and not (draft.rows.spill.rows or any(map(may_refer_to_rows, state.pending)))
    )


def _outlives(decision: Callable[[int], Event], number: int) -> bool:
    try:
        return outlives(decision(number))
    except CorruptRowError:
        return False  # What cannot be read cannot be sent.


def _call_in(message: OutboxMessage) -> tuple[int, str, str] | None:
    """The task, entity and operation of a call in an outbox."""
    try:
        send = from_message(message)
    except CorruptRowError:
        return None
    call = send.event.event if isinstance(send, Deliver) else None
    if not isinstance(call, OperationArrived) or call.caller is None:
        return None
    return call.caller.task_id, message.target, call.operation


def _json_text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
