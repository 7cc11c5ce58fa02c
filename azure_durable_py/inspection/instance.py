"""One instance as a person wants to see it: what it is, what it waits for and since when, and what is wrong with it."""

from __future__ import annotations

from datetime import datetime

from azure_durable_py.inspection.evidence import Evidence, approvals_of, gather
from azure_durable_py.inspection.findings import failure_of, findings_of
from azure_durable_py.inspection.report import (
    DamagedRow,
    Finding,
    InboxEntry,
    Inspection,
    OutboxEntry,
    Waiting,
)
from azure_durable_py.inspection.rows import backlog_entries
from azure_durable_py.inspection.timeline import Seen
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.hub import TaskHub, decode_tags
from azure_durable_py.taskhub.protocol import Columns, Kind

__all__ = ["DamagedRow", "Finding", "InboxEntry", "Inspection", "OutboxEntry", "Waiting", "inspect_instance"]

MOST_SHOWN = 100
"""Entries of each list that are given."""


async def inspect_instance(hub: TaskHub, instance_id: str, *, known: Seen | None = None) -> Inspection | None:
    """Look at an instance (an orchestration, or an entity as `@name@key`) without changing anything.

    Never fails for what is damaged: it says so. It reads the header with the beginning of the inbox, the reasons of
    what is in quarantine, and the history; where something is late, also up to three instances that it waits for, and
    the counts of the queues. Values in payload rows are not read.

    :param known: what was seen of it before (see `timeline.see`): while its header is the same, no history is read.
    :raises StorageError: storage refuses, or gives no answer.
    """
    found = await gather(hub, instance_id, known)
    return None if found is None else inspection_of(found)


def inspection_of(found: Evidence) -> Inspection:
    """What the evidence comes to (see `inspect_instance`)."""
    header, state, entity = found.look.header, found.look.state, found.entity
    columns = header.columns
    is_entity = columns.kind is Kind.entity
    large = [name for name, payload in _payloads(columns) if payload is not None]
    suspended = found.joined.suspended if columns.runtime_status == "Suspended" else None
    return Inspection(
        instance_id=header.instance_id,
        kind=columns.kind.value,
        name=columns.name,
        runtime_status=columns.runtime_status,
        created_time=_known(columns.created_time),
        last_updated_time=_known(columns.last_updated_time),
        completed_time=columns.completed_time,
        execution_id=columns.execution_id,
        generation=columns.generation,
        attempt=0 if state is None else state.attempt,
        version=columns.version,
        tags=decode_tags(columns.tags),
        parent_instance_id=columns.parent_instance_id,
        # That of an entity is the summary of it that listings show; null is what one that was taken back leaves.
        custom_status=None if is_entity or columns.custom_status == "null" else columns.custom_status,
        input=columns.input,
        output=columns.output,
        large=tuple(large),
        failure=failure_of(found) if columns.runtime_status == "Failed" else None,
        start_at=None if state is None else state.start_at,
        next_wake=columns.wake_time,
        suspended_since=None if suspended is None else suspended.timestamp,
        lock=entity.holder.instance_id if entity is not None and entity.holder is not None else None,
        approvals=approvals_of(found),
        waits=found.waits[:MOST_SHOWN],
        waits_left_out=max(0, len(found.waits) - MOST_SHOWN),
        outbox=found.outbox[:MOST_SHOWN],
        outbox_left_out=max(0, len(found.outbox) - MOST_SHOWN),
        inbox=found.inbox[:MOST_SHOWN],
        inbox_size=len(found.inbox),
        inbox_goes_on=found.look.more,
        backlog=() if entity is None else tuple(backlog_entries(entity))[:MOST_SHOWN],
        backlog_size=0 if entity is None else entity.backlog_size,
        damaged=found.damaged[:MOST_SHOWN],
        findings=findings_of(found),
    )


def _payloads(columns: Columns) -> tuple[tuple[str, str | None], ...]:
    return (("input", columns.input_payload), ("output", columns.output_payload))


def _known(moment: datetime) -> datetime | None:
    return None if moment == UNKNOWN_TIME else moment
