"""What cannot be read, set aside: kept as rows where a person can see it, with the reason.

Owns the names of those rows, and the end of an instance whose header is damaged. They are in the
instance's own partition and go with it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from datetime import datetime

from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.failures import sub_orchestration_terminated
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import ExecutionCompleted, SubOrchestrationCreated, SubOrchestrationFailed
from azure_durable_py.history.rewinding import standing
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.entity_state import EntityState, new_entity_header
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.naming import quarantine_keys, quarantine_name, reason_key
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, BlobRow, Columns, Commit, CorruptRowError, Header, Kind
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.taskhub.upgrades import NewerFormatError

logger = logging.getLogger("azure_durable_py.taskhub")
_LONGEST_REASON = 2_000


def quarantine(instance_id: str, name: str, body: bytes, reason: Exception | str) -> list[BlobRow]:
    """The rows that keep something where it disturbs nobody (`40-quarantine-...`), and why (`40-why-...`).

    :param name: what the rows are called after.
    """
    safe = quarantine_name(name)
    logger.error(
        "Something of instance %r cannot be read and is set aside as row '40-quarantine-%s' of its partition: %s",
        instance_id,
        safe,
        reason,
    )
    pieces = [body[at : at + MAX_BODY_BYTES] for at in range(0, len(body), MAX_BODY_BYTES)] or [b""]
    rows = [BlobRow(key, piece) for key, piece in zip(quarantine_keys(safe, len(pieces)), pieces, strict=True)]
    return [*rows, BlobRow(reason_key(safe), str(reason).encode("utf-8", "backslashreplace")[:MAX_BODY_BYTES])]


# --- headers -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """A header as far as it can be read. `damage` says what cannot, and why; empty if all can.

    `state` is what its body holds, where that was read.
    """

    header: Header
    damage: str = ""
    state: InstanceState | None = None


async def look_at(hub: TaskHub, instance_id: str) -> Found | None:
    """The header of an instance, whatever state it is in."""
    try:
        header = await hub.reliable.load_header(instance_id)
    except DamagedHeaderError as error:
        return Found(error.header, error.reason)
    if header is None:
        return None
    try:
        state = InstanceState.decode(header.body)
        if header.columns.kind is Kind.entity:
            EntityState.of(state)
    except CorruptRowError as error:
        return Found(header, str(error))
    except NewerFormatError:
        return Found(header)  # A worker that is upgraded can read it.
    return Found(header, state=state)


async def end_damaged(hub: TaskHub, instance_id: str, reason: str) -> bool:
    """End an instance whose header cannot be read; tells whether it is one that had not ended.

    A terminated orchestration, or an entity without a state, takes its place; what was there is quarantined.
    A parent that waits for it is told.
    """
    while True:
        found = await look_at(hub, instance_id)
        if found is None or not found.damage or found.header.is_terminal:
            return False
        try:
            await _replace(hub, found, reason)
        except ConcurrencyConflictError:
            continue
        return True


async def _replace(hub: TaskHub, found: Found, reason: str) -> None:
    old, now = found.header, hub.clock.now()
    told = f"{reason} (Its header could not be read: {found.damage})".strip()
    kept = quarantine(old.instance_id, f"header-{hub.ids.short()}", old.body, found.damage)
    if old.columns.kind is Kind.entity:
        header, state = new_entity_header(old.instance_id, hub.ids.new(), now)
        columns = header.columns
    else:
        await _tell_parent(hub, old, told)
        columns = _ended(old.columns, told, now)
        ended = ExecutionCompleted(now, columns.runtime_status, columns.output)
        state = InstanceState(columns.execution_id or hub.ids.new(), now, tail=Tail([encode_event(ended)]))
    columns = replace(columns, execution_id=state.execution_id, turn_id=hub.ids.short())
    header = Header(old.instance_id, columns, state.encode())
    await hub.commit(Commit(old.instance_id, header, old.etag, put=tuple(kept)))


def _ended(columns: Columns, output: str, now: datetime) -> Columns:
    return replace(
        columns,
        runtime_status=OrchestrationRuntimeStatus.Terminated.value,
        last_updated_time=now,
        completed_time=now,
        generation=0,
        output=json.dumps(output[:_LONGEST_REASON]),
        output_payload=None,
        wake_time=None,
        has_outbox=False,
    )


async def _tell_parent(hub: TaskHub, header: Header, reason: str) -> None:
    """Answer the task of a parent: which one it is, its history tells."""
    parent_id = header.columns.parent_instance_id
    parent = await look_at(hub, parent_id) if parent_id else None
    if parent is None or parent.damage or parent.header.is_terminal:
        return
    state = InstanceState.decode(parent.header.body)
    try:
        history = await hub.retry(lambda: read_history(hub.store, parent.header.instance_id, state))
    except CorruptRowError:
        return  # It fails of that itself.
    now = hub.clock.now()
    failure = sub_orchestration_terminated(header.columns.name, header.instance_id, reason)
    waiting = (event for event in standing(history).decisions.values() if event.id in state.children)
    answers = [
        InboxEvent(
            SubOrchestrationFailed(now, event.id, failure),
            f"{header.instance_id}:damaged",
            event.id,
            now,
            Target(state.execution_id, state.generation, state.attempt),
        )
        for event in waiting
        if isinstance(event, SubOrchestrationCreated) and event.instance_id == header.instance_id
    ]
    if answers:
        await hub.retry(lambda: hub.deliver(parent.header.instance_id, answers, f"{header.instance_id} terminated"))
