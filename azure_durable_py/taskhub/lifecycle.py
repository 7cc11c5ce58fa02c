"""Handing over what instances send, and taking finished instances away.

The two belong together: a finished instance is cleared only after what it still had to say is
handed over, and handing over the start of a child may have to clear a finished one first.
Everything here may be repeated, by anybody, after a crash at any point.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from azure_durable_py.errors import ConcurrencyConflictError, InstanceAlreadyExistsError
from azure_durable_py.history import Event, SubOrchestrationFailed, decode_event
from azure_durable_py.models import FailureDetails, OrchestrationRuntimeStatus
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.instance import CorruptRowError, InstanceState, PageRef, chunk_keys, from_blobs
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.outgoing import (
    Deliver,
    Send,
    Sender,
    StartChild,
    StartNew,
    queued_sends,
)
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit, Header, TaskHubStore
from azure_durable_py.taskhub.values import read_events, read_value

logger = logging.getLogger("azure_durable_py.taskhub")
BLOB_PREFIXES = ("20-", "30-", "40-", "50-", "60-")


async def hand_over(hub: TaskHub, sender: Sender, sends: Sequence[Send]) -> None:
    """Hand over, in order, what one sender has for one target (PROTOCOL R6, R9).

    Returns when every row is inserted and every ring answered.

    :raises StorageUnavailableError: storage gives no answer for long; repeat it.
    """
    at = 0
    while at < len(sends):
        first = sends[at]
        if isinstance(first, StartChild):
            await _start_child(hub, sender, first)
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
    events = await hub.retry(
        lambda: read_events(hub.store, sender.instance_id, [send.event.event for send in run], everything=True)
    )
    filled = [replace(send.event, event=event) for send, event in zip(run, events, strict=True)]
    await hub.retry(lambda: hub.deliver(run[0].target, filled, f"from {sender.name}"))


async def _start_child(hub: TaskHub, sender: Sender, start: StartChild) -> None:
    text = await hub.retry(lambda: read_value(hub.store, sender.instance_id, start.input))
    request = StartRequest(
        instance_id=start.instance_id,
        execution_id=hub.ids.new(),
        name=start.name,
        created_at=max(hub.clock.now(), start.parent.sent_at),
        input=text,
        version=start.version,
        parent=start.parent,
    )
    stranger = await hub.start(request)
    while stranger is not None:
        if not is_terminal(stranger):
            await _refuse(hub, start)
            return
        stranger = await replace_finished(hub, request)


async def _start_new(hub: TaskHub, sender: Sender, start: StartNew) -> None:
    text = await hub.retry(lambda: read_value(hub.store, sender.instance_id, start.input))
    request = StartRequest(
        instance_id=start.instance_id,
        execution_id=start.execution_id,
        name=start.name,
        created_at=max(hub.clock.now(), start.sent_at),
        input=text,
        version=start.version,
        start_at=start.start_at,
    )
    stranger = await hub.start(request)
    while stranger is not None:
        if not is_terminal(stranger):
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


async def _refuse(hub: TaskHub, start: StartChild) -> None:
    parent = start.parent
    failure = FailureDetails(
        message=f"Sub-orchestration {start.instance_id!r} was not started: another instance with this id is running.",
        error_type="azure_durable_py.errors.InstanceAlreadyExistsError",
        base_types=("azure_durable_py.errors.DurableError", "Exception"),
    )
    event = InboxEvent(
        SubOrchestrationFailed(parent.sent_at, parent.task_id, failure),
        sender=f"{start.instance_id}:refused",
        sequence=start.sequence,
        sent_at=parent.sent_at,
        target=Target.answering(parent),
    )
    await hub.retry(lambda: hub.deliver(parent.instance_id, [event], f"{start.instance_id} not started"))


# --- finished instances ------------------------------------------------------------------------------


def is_terminal(header: Header) -> bool:
    """Whether the instance of this header is finished for good."""
    return header.columns.runtime_status in _TERMINAL


_TERMINAL = frozenset(status.value for status in OrchestrationRuntimeStatus if status.is_terminal)


async def purge(hub: TaskHub, instance_id: str) -> bool:
    """Delete a finished instance with everything of it; tells whether there was one.

    :raises InstanceAlreadyExistsError: it is not finished.
    """
    while True:
        try:
            header = await clear(hub, instance_id)
            if header is not None:
                deletion = Commit(instance_id, None, header.etag)
                await hub.retry(lambda deletion=deletion: hub.store.commit(deletion))
            return header is not None
        except ConcurrencyConflictError:
            continue


async def replace_finished(hub: TaskHub, request: StartRequest) -> Header | None:
    """Start an instance in the place of a finished one. Returns like `TaskHub.start`."""
    while True:
        try:
            cleared = await clear(hub, request.instance_id)
            return await (hub.start(request) if cleared is None else hub.replace(cleared, request))
        except ConcurrencyConflictError:
            continue
        except InstanceAlreadyExistsError:
            return await hub.salvage(request.instance_id)


async def clear(hub: TaskHub, instance_id: str) -> Header | None:
    """Take everything of a finished instance away but its header (PROTOCOL R17).

    First a mark in the header keeps workers away, then what the outbox still names is handed
    over, then rows are deleted. Returns the header as marked, for deletion or replacement with
    its ETag; None if there is no such instance (left-over rows are deleted).

    :raises InstanceAlreadyExistsError: it is not finished.
    :raises ConcurrencyConflictError: somebody else changed the header; begin again.
    """
    header = await hub.salvage(instance_id)
    if header is None:
        return None
    if not is_terminal(header):
        status = header.columns.runtime_status or "in a state that cannot be read"
        raise InstanceAlreadyExistsError(
            f"Instance {instance_id!r} is {status}: terminate it before purging or replacing it."
        )
    header, state = await _mark(hub, header)
    await hand_over_rest(hub, header, state)
    await _delete_rows(hub, instance_id)
    return header


async def _mark(hub: TaskHub, header: Header) -> tuple[Header, InstanceState]:
    try:
        state = InstanceState.decode(header.body)
    except CorruptRowError as error:
        logger.error("Instance %r is cleared without what it still had to say: %s", header.instance_id, error)
        state = InstanceState(header.columns.execution_id or hub.ids.new(), hub.clock.now())
    if state.purging:
        return header, state
    state.purging = True
    turn_id = hub.ids.short()
    marked = Header(header.instance_id, replace(header.columns, turn_id=turn_id), state.encode())
    etag = await commit_once(hub, Commit(header.instance_id, marked, header.etag))
    return replace(marked, etag=etag), state


async def commit_once(hub: TaskHub, commit: Commit) -> str:
    """Commit a header, resolving a lost answer by its turn id (PROTOCOL I2). Returns the new ETag.

    :raises ConcurrencyConflictError: the header was changed by another.
    :raises StorageUnavailableError: storage gives no answer for long; the commit is unresolved.
    """
    if commit.header is None:
        raise ValueError("only the writing of a header can be resolved by its turn id")
    wanted = commit.header.columns.turn_id
    try:
        return await hub.retry(lambda: hub.store.commit(commit))
    except ConcurrencyConflictError:
        found = await hub.retry(lambda: hub.store.load_header(commit.instance_id))
        if found is not None and found.columns.turn_id == wanted:
            return found.etag
        raise


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
        decisions = {event.id: event for event in events if hasattr(event, "id")}  # type: ignore[attr-defined]

    def decision(number: int) -> Event:
        if number not in decisions:
            raise CorruptRowError(f"the history of {sender.instance_id!r} has no decision {number}")
        return decisions[number]

    return queued_sends(sender, state, decision)


async def _delete_rows(hub: TaskHub, instance_id: str) -> None:
    while True:
        loaded = await hub.retry(lambda: hub.store.load(instance_id))
        keys = [row.key for row in loaded.inbox]
        for at in range(0, len(keys), MAX_COMMIT_ROWS):
            batch = keys[at : at + MAX_COMMIT_ROWS]
            await hub.retry(lambda batch=batch: hub.store.delete_inbox(instance_id, batch))
        if not loaded.more:
            break
    for prefix in BLOB_PREFIXES:
        rows = await hub.retry(lambda prefix=prefix: hub.store.list_blobs(instance_id, prefix))
        if rows:
            await hub.retry(lambda rows=rows: hub.store.delete_blobs(instance_id, [row.key for row in rows]))


# --- history -------------------------------------------------------------------------------------------


async def read_history(store: TaskHubStore, instance_id: str, state: InstanceState) -> list[Event]:
    """All history events of the current generation. Large values stay references.

    :raises CorruptRowError: a page is missing or damaged.
    """
    events = await read_pages(store, instance_id, state.pages)
    try:
        events += [decode_event(text) for text in state.tail]
    except ValueError as error:
        raise CorruptRowError(f"the newest history of {instance_id!r} cannot be read: {error}") from error
    return events


async def read_pages(store: TaskHubStore, instance_id: str, pages: Sequence[PageRef]) -> list[Event]:
    """The events of sealed history pages, in order.

    :raises CorruptRowError: a page is missing or damaged.
    """
    if not pages:
        return []
    names = [name for page in pages for name in chunk_keys(page.key, page.chunks)]
    bodies = await store.get_blobs(instance_id, names)
    events: list[Event] = []
    for page in pages:
        try:
            events += [decode_event(line) for line in from_blobs(page.key, page.chunks, bodies).split("\n")]
        except ValueError as error:
            raise CorruptRowError(f"history page {page.key!r} of {instance_id!r} cannot be read: {error}") from error
    return events
