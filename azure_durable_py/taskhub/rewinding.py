"""Rewinding: a failed orchestration goes on from where it failed.

The header is written in one conditional commit: a turn of its own that says from where the history counts no more, and
a higher attempt, by which answers and numbers of what was sent are told from those of before. Nothing of what is to be
done again is in that commit: the next turn finds out, and names it in its outbox. Of the children it names those that
have not answered, and who hands that over does with each what its state asks for (`resume_child`): so a rewind goes
down as far as there are failed sub-orchestrations. Everything here may be repeated, by anybody, after a crash at any
point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    InstanceNotFailedError,
    InstanceNotFoundError,
    PayloadTooLargeError,
    RewindNotPossibleError,
)
from azure_durable_py.failures import sub_orchestration_terminated
from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import (
    Event,
    ExecutionRewound,
    ExecutionStarted,
    OrchestratorStarted,
    ParentInstance,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
)
from azure_durable_py.history.rewinding import Cut, standing, where_to_rewind
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.hub import TaskHub, decode_tags
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import chunk_keys, page_key
from azure_durable_py.taskhub.outgoing import ResumeChild, Sender, queued_sends, to_message
from azure_durable_py.taskhub.payloads import decode_ref, payload_rows, to_blobs
from azure_durable_py.taskhub.protocol import BlobRow, Columns, Commit, CorruptRowError, Header
from azure_durable_py.taskhub.reading import read_history, read_value
from azure_durable_py.taskhub.state import SPARE_BYTES, InstanceState, OutboxMessage, PageRef
from azure_durable_py.taskhub.tail import Tail

Status = OrchestrationRuntimeStatus


async def rewind(hub: TaskHub, instance_id: str, reason: str | None) -> None:
    """Have a failed orchestration go on from where it failed. One that was rewound and has not gone on yet is rung.

    :raises InstanceNotFoundError: there is none.
    :raises InstanceNotFailedError: it has not failed.
    :raises RewindNotPossibleError: it cannot be gone on from where it failed.
    :raises CorruptRowError: it cannot be read.
    """
    tried: tuple[str, int] | None = None
    while True:
        header = await hub.reliable.load_header(instance_id)
        if header is None:
            raise InstanceNotFoundError(f"There is no instance {instance_id!r} to rewind in this task hub.")
        state = InstanceState.decode(header.body)
        if state.is_rewound or (tried is not None and tried[0] == state.execution_id and tried[1] < state.attempt):
            # By our hand if the answer was lost, or by another's at the same time.
            break
        _check_failed(header)
        tried = (state.execution_id, state.attempt)
        try:
            await _commit(hub, header, state, reason, state.parent)
            break
        except ConcurrencyConflictError:
            continue
    await hub.retry(lambda: hub.ring(instance_id, "rewound"))


def _check_failed(header: Header) -> None:
    status = header.columns.runtime_status
    if status != Status.Failed.value:
        raise InstanceNotFailedError(
            f"Instance {header.instance_id!r} is {status or 'in a state that cannot be read'}: only one that has "
            "Failed can be rewound."
        )


async def resume_child(hub: TaskHub, resume: ResumeChild) -> bool:
    """Have a sub-orchestration that an earlier attempt of its parent decided answer this one.

    Tells whether it is there; if not, it is to be started.

    :raises RewindNotPossibleError: it has failed, and cannot be gone on from where it did.
    :raises CorruptRowError: it cannot be read.
    """
    parent, child = resume.start.parent, resume.target
    while True:
        header = await hub.reliable.load_header(child)
        if header is None or header.columns.execution_id != resume.execution_id:
            return False
        state = InstanceState.decode(header.body)
        if state.parent is None or state.parent.attempt >= parent.attempt:
            break
        try:
            if header.columns.runtime_status == Status.Failed.value:
                reason = f"Its parent {parent.instance_id!r} was rewound."
                await _commit(hub, header, state, reason, parent)
            elif header.is_terminal:
                await _answer_again(hub, header, resume)
                return True
            else:
                await _readdress(hub, header, state, parent)
            break
        except ConcurrencyConflictError:
            continue
    await hub.retry(lambda: hub.ring(child, f"{parent.instance_id} was rewound"))
    return True


async def _readdress(hub: TaskHub, header: Header, state: InstanceState, parent: ParentInstance) -> None:
    """It has not ended: its answer is to go to the attempt that waits for it now."""
    columns = replace(header.columns, turn_id=hub.ids.short())
    new = Header(header.instance_id, columns, replace(state, parent=parent).encode())
    await hub.commit(Commit(header.instance_id, new, header.etag))


async def _answer_again(hub: TaskHub, header: Header, resume: ResumeChild) -> None:
    """It has ended: what it answered an attempt that is gone, it answers this one."""
    parent, columns = resume.start.parent, header.columns
    answer: Event
    if columns.runtime_status == Status.Completed.value:
        payload = columns.output_payload
        value = columns.output if payload is None else decode_ref(payload)
        result = await read_value(hub.reliable, header.instance_id, value)
        answer = SubOrchestrationCompleted(parent.sent_at, parent.task_id, result)
    else:
        failure = sub_orchestration_terminated(columns.name, header.instance_id)
        answer = SubOrchestrationFailed(parent.sent_at, parent.task_id, failure)
    event = InboxEvent(
        answer, f"resumed:{resume.execution_id}", resume.number, parent.sent_at, Target.answering(parent)
    )
    await hub.retry(lambda: hub.deliver(parent.instance_id, [event], f"{header.instance_id} answers again"))


# --- the header ------------------------------------------------------------------------------------------


async def _commit(
    hub: TaskHub, header: Header, state: InstanceState, reason: str | None, parent: ParentInstance | None
) -> None:
    """Rewind the instance, if its header is still this one.

    :param parent: who waits for it from now on.
    :raises ConcurrencyConflictError: it is another one.
    :raises RewindNotPossibleError: it cannot be gone on from where it failed.
    """
    try:
        history = await read_history(hub.reliable, header.instance_id, state)
    except CorruptRowError as error:
        found = await hub.reliable.load_header(header.instance_id)
        if found is None or found.etag != header.etag:
            raise ConcurrencyConflictError("the header changed while its history was read") from error
        raise
    cut = _cut(header, history)
    event = ExecutionRewound(max(hub.clock.now(), state.turn_time), reason, state.attempt + 1, cut.position)
    new = replace(
        state.copy(),
        attempt=event.attempt,
        parent=parent,
        turn_time=event.timestamp,
        pending=[] if cut.is_started else [encode_event(_start(header.columns, parent))],
        activities=[],
        sends=[],
        # They keep the numbers under which they may have been handed over.
        messages=_all_sends(header, state, history),
        timers={},
        children=IdSet(),
        tail=Tail([*state.tail, encode_event(OrchestratorStarted(event.timestamp)), encode_event(event)]),
        garbage=[*state.garbage, *_rows_of_output(header.columns)],
    )
    columns = replace(
        header.columns,
        runtime_status=Status.Pending.value,
        last_updated_time=event.timestamp,
        completed_time=None,
        output=None,
        output_payload=None,
        turn_id=hub.ids.short(),
        wake_time=None,
        has_outbox=True,
    )
    await hub.commit(_fitting(header, columns, new))


def _cut(header: Header, history: Sequence[Event]) -> Cut:
    cut = where_to_rewind(history)
    if cut is None:
        raise RewindNotPossibleError(
            f"Instance {header.instance_id!r} has no history to go on from: it is being purged. Start it anew."
        )
    if cut.locks:
        entities = ", ".join(sorted({entity for entity, _ in cut.locks}))
        raise RewindNotPossibleError(
            f"Instance {header.instance_id!r} failed inside a critical section, and the locks of it ({entities}) were "
            "released then: what others did to these entities since, its code would not know. Restart it instead."
        )
    return cut


def _start(columns: Columns, parent: ParentInstance | None) -> ExecutionStarted:
    """The start of an instance that failed before it was written down."""
    value = columns.input if columns.input_payload is None else decode_ref(columns.input_payload)
    tags = decode_tags(columns.tags) or None
    return ExecutionStarted(columns.created_time, columns.name, value, columns.version, parent, tags)


def _all_sends(header: Header, state: InstanceState, history: Sequence[Event]) -> list[OutboxMessage]:
    """The queue of sends, written out in full: the ids of decisions may soon mean others."""
    sender = Sender.of(header.instance_id, header.columns.name, state)
    decisions = standing(history, state.attempt).decisions

    def decision(number: int) -> Event:
        if number not in decisions:
            raise CorruptRowError(f"the history of {header.instance_id!r} has no decision {number}")
        return decisions[number]

    return [to_message(send) for send in queued_sends(sender, state, decision)]


def _rows_of_output(columns: Columns) -> list[str]:
    if columns.output_payload is None:
        return []
    ref = decode_ref(columns.output_payload)
    return chunk_keys(ref.key, ref.chunks)


def _fitting(header: Header, columns: Columns, state: InstanceState) -> Commit:
    """The commit of a header. What was at the end of the history becomes a page if there is no room for more.

    :raises PayloadTooLargeError: it does not fit all the same.
    """
    rows: list[BlobRow] = []
    try:
        body = state.encode(spare=SPARE_BYTES)
    except PayloadTooLargeError:
        older = state.tail[:-2]
        if older:
            state.tail = Tail(state.tail[-2:])
            ref, rows = to_blobs(page_key(state.generation, columns.turn_id, len(state.pages)), "\n".join(older))
            payloads = payload_rows(map(decode_event, older))
            state.pages = [*state.pages, PageRef(ref.key, ref.chunks, len(older), tuple(payloads))]
        body = state.encode()
    return Commit(header.instance_id, Header(header.instance_id, columns, body), header.etag, put=tuple(rows))
