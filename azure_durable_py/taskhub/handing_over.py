"""Handing over what instances send, and putting new instances in the place of finished ones.

The two belong together: what starts a child may have to clear a finished one first, and that is cleared only after what
it still had to say is handed over. Everything here may be repeated, by anybody, after a crash at any point.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    InstanceAlreadyExistsError,
    RewindNotPossibleError,
    UnstorableError,
)
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, payload_refs
from azure_durable_py.history.events import Event, PayloadRef, SubOrchestrationFailed
from azure_durable_py.history.rewinding import standing
from azure_durable_py.shortening import shorten
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.hub import Rows, StartRequest, TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import is_staged, staged_for
from azure_durable_py.taskhub.outgoing import (
    Deliver,
    ResumeChild,
    Send,
    Sender,
    StartChild,
    StartNew,
    queued_sends,
    replacement,
)
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import MAX_COMMIT_BYTES, MAX_COMMIT_ROWS, Commit, CorruptRowError, Header, Loaded
from azure_durable_py.taskhub.reading import read_events, read_history, read_value
from azure_durable_py.taskhub.rewinding import resume_child
from azure_durable_py.taskhub.state import InstanceState

logger = logging.getLogger("azure_durable_py.taskhub")
STAGED_FOR = timedelta(days=1)
"""What was staged longer ago than this belongs to nobody."""
MOST_NAMES = 30_000


async def hand_over(hub: TaskHub, sender: Sender, sends: Sequence[Send]) -> None:
    """Hand over, in order, what one sender has for one target (PROTOCOL R6, R9).

    Returns when every row is inserted and every ring answered. What no store can take is not waited for: who
    waits for it is told so in its place.

    :raises StorageError: storage refuses, or gives no answer for long; repeat it.
    """
    at = 0
    while at < len(sends):
        first = sends[at]
        if isinstance(first, StartChild):
            await _start_child(hub, sender, first)
            at += 1
        elif isinstance(first, ResumeChild):
            await _resume_child(hub, sender, first)
            at += 1
        elif isinstance(first, StartNew):
            await _start_new(hub, sender, first)
            at += 1
        else:
            run = list(_leading_deliveries(sends[at:]))
            await _deliver(hub, sender, run)
            at += len(run)


def _leading_deliveries(sends: Iterable[Send]) -> Iterable[Deliver]:
    for send in sends:
        if not isinstance(send, Deliver):
            return
        yield send


async def _deliver(hub: TaskHub, sender: Sender, run: Sequence[Deliver]) -> None:
    why = f"from {sender.name}"
    batches = list(_in_memory_together(run))
    for batch in batches:
        try:
            await _insert(hub, sender, batch, why if batch is batches[-1] else None)
        except (UnstorableError, CorruptRowError):
            # One of them is at fault, and the others are not.
            for send in batch:
                await _insert_or_replace(hub, sender, send, why)


def _in_memory_together(run: Sequence[Deliver]) -> Iterable[list[Deliver]]:
    """Deliveries in groups whose values can be held in memory together."""
    batch: list[Deliver] = []
    size = 0
    for send in run:
        chars = sum(ref.size for ref in payload_refs([send.event.event]))
        if batch and (len(batch) == MAX_COMMIT_ROWS or size + chars > MAX_COMMIT_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(send)
        size += chars
    if batch:
        yield batch


async def _insert(hub: TaskHub, sender: Sender, batch: Sequence[Deliver], why: str | None) -> None:
    """Insert events into the inbox of their target, and ring it if there is a reason given."""
    target = batch[0].target
    events = await read_events(hub.reliable, sender.instance_id, [send.event.event for send in batch], everything=True)
    filled = [replace(send.event, event=event) for send, event in zip(batch, events, strict=True)]
    await hub.retry(lambda: hub.insert(target, filled) if why is None else hub.deliver(target, filled, why))


async def _insert_or_replace(hub: TaskHub, sender: Sender, send: Deliver, why: str) -> None:
    try:
        await _insert(hub, sender, [send], why)
    except (UnstorableError, CorruptRowError) as error:
        logger.error("A message from %s to %s can never be handed over: %s", sender.instance_id, send.target, error)
        instead = replacement(send, error)
        if instead is not None:
            await _insert(hub, sender, [instead], why)


async def _start_child(hub: TaskHub, sender: Sender, start: StartChild) -> None:
    try:
        await _start_or_refuse_child(hub, sender, start, start.execution_id)
    except (UnstorableError, CorruptRowError) as error:
        logger.error(
            "Sub-orchestration %r of %s can never be started: %s", start.instance_id, sender.instance_id, error
        )
        await _refuse(hub, start, start.execution_id, shorten(FailureDetails.from_exception(error)))


async def _resume_child(hub: TaskHub, sender: Sender, resume: ResumeChild) -> None:
    start = resume.start
    try:
        if not await resume_child(hub, resume):
            await _start_or_refuse_child(hub, sender, start, resume.execution_id)
    except (UnstorableError, CorruptRowError, RewindNotPossibleError) as error:
        logger.error("Sub-orchestration %r of %s cannot go on: %s", start.instance_id, sender.instance_id, error)
        await _refuse(hub, start, resume.execution_id, shorten(FailureDetails.from_exception(error)))


async def _start_or_refuse_child(hub: TaskHub, sender: Sender, start: StartChild, execution_id: str) -> None:
    text = await read_value(hub.reliable, sender.instance_id, start.input)
    request = StartRequest(
        instance_id=start.instance_id,
        execution_id=execution_id,
        name=start.name,
        created_at=max(hub.clock.now(), start.parent.sent_at),
        input=text,
        version=start.version,
        parent=start.parent,
        trace=start.trace,
    )
    stranger = await hub.start(request)
    while stranger is not None:
        if not stranger.is_terminal:
            await _refuse(hub, start, execution_id, _taken(start))
            return
        stranger = await replace_finished(hub, request)


async def _start_new(hub: TaskHub, sender: Sender, start: StartNew) -> None:
    try:
        await _start_if_free(hub, sender, start)
    except (UnstorableError, CorruptRowError) as error:
        logger.error("Entity %s starts %r, which is not possible: %s", sender.instance_id, start.instance_id, error)


async def _start_if_free(hub: TaskHub, sender: Sender, start: StartNew) -> None:
    text = await read_value(hub.reliable, sender.instance_id, start.input)
    request = StartRequest(
        instance_id=start.instance_id,
        execution_id=start.execution_id,
        name=start.name,
        created_at=max(hub.clock.now(), start.sent_at),
        input=text,
        version=start.version,
        start_at=start.start_at,
        trace=start.trace,
    )
    stranger = await hub.start(request)
    while stranger is not None:
        if not stranger.is_terminal:
            logger.error(
                "Entity %s starts %r as %r, but an instance with this id is %s: it is not started. "
                "Leave the id to the engine, or use one that is free.",
                sender.instance_id,
                start.name,
                start.instance_id,
                stranger.columns.runtime_status,
            )
            return
        stranger = await replace_finished(hub, request)


def _taken(start: StartChild) -> FailureDetails:
    return FailureDetails(
        message=f"Sub-orchestration {start.instance_id!r} was not started: another instance with this id is running.",
        error_type="azure_durable_py.errors.InstanceAlreadyExistsError",
        base_types=("azure_durable_py.errors.DurableError", "Exception"),
    )


async def _refuse(hub: TaskHub, start: StartChild, execution_id: str, failure: FailureDetails) -> None:
    """Tell the parent that its child will not run, and why."""
    parent = start.parent
    event = InboxEvent(
        SubOrchestrationFailed(parent.sent_at, parent.task_id, failure),
        # Not by the child's id, which may be what no store takes.
        sender=f"refused:{execution_id}",
        sequence=start.number,
        sent_at=parent.sent_at,
        target=Target.answering(parent),
    )
    await hub.retry(lambda: hub.deliver(parent.instance_id, [event], f"{start.instance_id} not started"))


async def hand_over_rest(hub: TaskHub, header: Header, state: InstanceState) -> None:
    """Hand over everything that the outbox of a header names and that can be read, whoever may have done so before."""
    sender = Sender.of(header.instance_id, header.columns.name, state)
    try:
        sends = await _queue(hub, sender, state)
    except CorruptRowError as error:
        logger.error("What %r still had to say is lost: %s", header.instance_id, error)
        return
    by_target: dict[str, list[Send]] = {}
    for send in sends:
        by_target.setdefault(send.target, []).append(send)
    for target, group in by_target.items():
        try:
            await hand_over(hub, sender, group)
        except CorruptRowError as error:
            logger.error("What %r still had to say to %r is lost: %s", header.instance_id, target, error)


async def _queue(hub: TaskHub, sender: Sender, state: InstanceState) -> list[Send]:
    decisions: dict[int, Event] = {}
    if state.sends:
        events = await read_history(hub.store, sender.instance_id, state)
        decisions = {**standing(events).decisions}

    def decision(number: int) -> Event:
        if number not in decisions:
            raise CorruptRowError(f"the history of {sender.instance_id!r} has no decision {number}")
        return decisions[number]

    return queued_sends(sender, state, decision)


async def replace_finished(hub: TaskHub, request: StartRequest, only: str | None = None) -> Header | None:
    """Start an instance in the place of a finished one. Returns like `TaskHub.start`.

    :param only: replace the instance with this execution id, and no other.
    """
    while True:
        try:
            loaded = await load_readable(hub, request.instance_id)
            found = loaded.header
            if found is None or found.columns.execution_id == request.execution_id:
                return await hub.start(request)
            if not found.is_terminal or only not in (None, found.columns.execution_id):
                return found
            header, rest = await clear(hub, loaded)
            return await hub.replace(header, request, rest)
        except ConcurrencyConflictError:
            continue


async def load_readable(hub: TaskHub, instance_id: str) -> Loaded:
    """An instance as it is now. A finished one whose columns are damaged is made readable for that.

    :raises ConcurrencyConflictError: somebody else changed it meanwhile.
    """
    try:
        return await hub.reliable.load(instance_id)
    except DamagedHeaderError as error:
        header = error.header
        if not header.is_terminal:
            return Loaded(header, ())
        columns = replace(
            header.columns,
            name=header.columns.name or "?",
            execution_id=header.columns.execution_id or hub.ids.new(),
            turn_id=hub.ids.short(),
        )
        await hub.commit(Commit(instance_id, Header(instance_id, columns, header.body), header.etag))
        return await hub.reliable.load(instance_id)


async def clear(hub: TaskHub, loaded: Loaded) -> tuple[Header, Rows]:
    """Take away most of a finished instance; the rest goes with its header (PROTOCOL R17).

    What the outbox still names is handed over. Then rows are deleted, each in a transaction that holds the header:
    if anything else has its place by then, nothing is deleted. What fits into one transaction goes with the header.

    :param loaded: the instance as it is now; there is one.
    Returns the header as it is now, to be deleted or replaced by its ETag, and the rows to be deleted in the same
    transaction.

    :raises InstanceAlreadyExistsError: it is not finished.
    :raises ConcurrencyConflictError: somebody else changed the header; begin again.
    """
    header = loaded.header
    if header is None:
        raise ValueError("there is nothing to clear")
    if not header.is_terminal:
        status = header.columns.runtime_status or "in a state that cannot be read"
        raise InstanceAlreadyExistsError(
            f"Instance {header.instance_id!r} is {status}: terminate it before purging or replacing it."
        )
    instance_id, state = header.instance_id, await _hand_over_last(hub, header)
    found = await hub.reliable.blob_keys(instance_id)
    names = _named(header, state)
    while True:
        inbox = [row.key for row in loaded.inbox]
        names |= set(inbox)
        blobs = [key for key, at in found.items() if is_ours(key, names) or hub.clock.now() - at > STAGED_FOR]
        if not loaded.more:
            break
        for at in range(0, len(inbox), MAX_COMMIT_ROWS):
            header = await _delete(hub, header, state, Rows(tuple(inbox[at : at + MAX_COMMIT_ROWS])), blobs)
        loaded = await hub.reliable.load(instance_id)
    while len(inbox) + len(blobs) > MAX_COMMIT_ROWS:
        first, inbox = inbox[:MAX_COMMIT_ROWS], inbox[MAX_COMMIT_ROWS:]
        room = MAX_COMMIT_ROWS - len(first)
        dropped, blobs = blobs[:room], blobs[room:]
        header = await _delete(hub, header, state, Rows(tuple(first), tuple(dropped)), blobs)
    return header, Rows(tuple(inbox), tuple(blobs))


async def _hand_over_last(hub: TaskHub, header: Header) -> InstanceState:
    try:
        state = InstanceState.decode(header.body)
        await hand_over_rest(hub, header, state)
        return state
    except CorruptRowError as error:
        # What cannot be read can be sent by nobody, and must not keep the instance for ever.
        logger.error("What instance %r still had to send is lost: %s", header.instance_id, error)
        return InstanceState(header.columns.execution_id, header.columns.last_updated_time)


def is_ours(key: str, names: Collection[str]) -> bool:
    """Whether a row of a partition belongs to the instance that is there (PROTOCOL R18).

    The other rows are on their way: put for an inbox event or a start that is not written yet.

    :param names: the RowKeys that the instance names, the keys of its inbox, its execution id.
    """
    what = staged_for(key)
    return what is None or key in names or what in names


def _named(header: Header, state: InstanceState) -> set[str]:
    """What a header names of the rows that were staged before they came to belong to it."""
    pending = [] if isinstance(state.pending, PayloadRef) else state.pending
    names = set(payload_rows(_readable([*state.tail, *pending])))
    return names.union(state.garbage, *(page.payloads for page in state.pages), [header.columns.execution_id])


def _readable(texts: Iterable[str]) -> Iterable[Event]:
    for text in texts:
        try:
            yield decode_event(text)
        except ValueError:
            continue


async def _delete(hub: TaskHub, header: Header, state: InstanceState, rows: Rows, left: Sequence[str]) -> Header:
    """Delete some rows of a finished instance, if its header is still this one. Returns the header as marked.

    :param left: the RowKeys that are still to be deleted.
    """
    marked = InstanceState(
        state.execution_id,
        state.turn_time,
        state.generation,
        state.attempt,
        parent=state.parent,
        # Who finishes this if we die must still know that these are not another's.
        garbage=[key for key in left if is_staged(key)][:MOST_NAMES],
    )
    columns = replace(
        header.columns,
        turn_id=hub.ids.short(),
        input_payload=None,
        output_payload=None,
        wake_time=None,
        has_outbox=False,
    )
    new = Header(header.instance_id, columns, marked.encode())
    etag = await hub.commit(Commit(header.instance_id, new, header.etag, rows.inbox, (), rows.blobs))
    return replace(new, etag=etag)
