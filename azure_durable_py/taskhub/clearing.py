"""Taking away what has ended: finished instances, empty entities, locks whose holder is gone.

Everything here may be repeated, by anybody, after a crash at any point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from azure_durable_py.errors import ConcurrencyConflictError, InstanceAlreadyExistsError
from azure_durable_py.history.events import LockReleaseArrived
from azure_durable_py.status import TERMINAL_NAMES
from azure_durable_py.taskhub.entity_state import EMPTY, EntityState
from azure_durable_py.taskhub.handing_over import STAGED_FOR, clear, hand_over_rest, is_ours, load_readable
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit, CorruptRowError, Header, InstanceQuery
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError


async def purge(hub: TaskHub, instance_id: str, unchanged_since: datetime | None = None) -> bool:
    """Delete a finished instance with everything of it; tells whether there was one.

    :param unchanged_since: one that changed after this time stays.
    :raises InstanceAlreadyExistsError: it is not finished.
    """
    seen: str | None = None
    while True:
        try:
            loaded = await load_readable(hub, instance_id)
            execution = None if loaded.header is None else loaded.header.columns.execution_id
            if loaded.header is None or (seen is not None and execution != seen):
                # What was there is gone: by our hand if the answer was lost, or by another's at the same time.
                return seen is not None
            changed = loaded.header.columns.last_updated_time
            # Clearing changes it, and is to be ended once it has begun.
            if seen is None and unchanged_since is not None and changed > unchanged_since:
                return False
            header, rest = await clear(hub, loaded)
            seen = execution
            deletion = Commit(instance_id, None, header.etag, rest.inbox, (), rest.blobs)
            await hub.reliable.commit(deletion)
            return True
        except ConcurrencyConflictError:
            continue


_PAGE = 1_000
_PARALLEL_PURGES = 4


async def purge_unchanged(hub: TaskHub, since: datetime) -> int:
    """Delete all finished orchestrations that have not changed after a time; returns how many.

    It goes page by page, so that a process that ends on the way leaves the rest to the next. What is damaged stays.
    """
    query = InstanceQuery(runtime_status=sorted(TERMINAL_NAMES), updated_to=since, with_values=False, page_size=_PAGE)
    purged = 0
    while True:
        page = await hub.reliable.query(query)
        ids = [item.instance_id for item in page.items if not item.damaged]
        for at in range(0, len(ids), _PARALLEL_PURGES):
            group = ids[at : at + _PARALLEL_PURGES]
            purged += sum(await asyncio.gather(*(_purge_if_unchanged(hub, each, since) for each in group)))
        if page.continuation_token is None:
            return purged
        query = replace(query, continuation_token=page.continuation_token)


async def _purge_if_unchanged(hub: TaskHub, instance_id: str, since: datetime) -> bool:
    try:
        return await purge(hub, instance_id, since)
    except InstanceAlreadyExistsError:
        return False  # Started again since it was listed.


QUIET = timedelta(minutes=10)
"""An entity that changed within this time stays: a late repetition of what it took may be under way."""
LONG_QUIET = timedelta(days=30)
"""The same where more senders are remembered than can be asked."""


async def remove_if_empty(hub: TaskHub, instance_id: str) -> bool:
    """Delete an entity that has no state and nothing to remember; tells whether it did. A damaged one stays."""
    try:
        loaded = await hub.reliable.load(instance_id)
        header = loaded.header
        if header is None or loaded.inbox or header.columns.runtime_status != EMPTY:
            return False
        state = InstanceState.decode(header.body)
        entity = EntityState.of(state)
    except (CorruptRowError, NewerFormatError):
        return False
    quiet = hub.clock.now() - header.columns.last_updated_time
    if not entity.is_idle or quiet < (LONG_QUIET if state.sender_pages else QUIET):
        return False
    if await _may_be_repeated(hub, state):
        return False
    await hand_over_rest(hub, header, state)
    found = await hub.reliable.blob_keys(instance_id)
    now = hub.clock.now()
    keys = [key for key, at in found.items() if is_ours(key, _names(state)) or now - at > STAGED_FOR]
    try:
        while len(keys) > MAX_COMMIT_ROWS:
            header = await _drop(hub, header, state, keys[:MAX_COMMIT_ROWS])
            del keys[:MAX_COMMIT_ROWS]
        await hub.reliable.commit(Commit(instance_id, None, header.etag, dropped=tuple(keys)))
    except ConcurrencyConflictError:
        # It came to life again; or it was deleted, and only the answer was lost.
        return await hub.reliable.load_header(instance_id) is None
    return True


def _names(state: InstanceState) -> set[str]:
    return {*state.garbage, state.execution_id}


async def _drop(hub: TaskHub, header: Header, state: InstanceState, keys: Sequence[str]) -> Header:
    """Delete some rows of an entity that has nothing left to know, if its header is still this one."""
    # Should it come to life before the last of them is gone, it must not name what is.
    left = replace(state, sender_pages=[], garbage=[key for key in state.garbage if key not in set(keys)])
    new = Header(header.instance_id, replace(header.columns, turn_id=hub.ids.short()), left.encode())
    etag = await hub.commit(Commit(header.instance_id, new, header.etag, dropped=tuple(keys)))
    return replace(new, etag=etag)


async def _may_be_repeated(hub: TaskHub, state: InstanceState) -> bool:
    """Whether one of those who sent something still has it in the outbox (PROTOCOL R12)."""
    for sender in state.senders:
        instance_id, _, execution_id = sender.rpartition(":")
        header = await hub.salvage(instance_id) if instance_id else None
        if header is not None and header.columns.execution_id == execution_id and header.columns.has_outbox:
            return True
    return False


async def is_orphan(hub: TaskHub, entity: str, section: str, owner: str) -> bool:
    """Whether nobody will release this lock: its owner is gone, finished, or does not know of it.

    :param section: the critical section that holds or waits for the lock.
    :param owner: the instance id of its orchestration.
    """
    header = await hub.salvage(owner)
    if header is None or header.is_terminal:
        return True
    try:
        return (entity, section) not in InstanceState.decode(header.body).locks
    except (CorruptRowError, NewerFormatError):
        return False  # Once it is terminated, its locks are.


async def release_lock(hub: TaskHub, entity: str, section: str) -> None:
    """Have an entity take a lock, or a request for it, back."""
    now = hub.clock.now()
    event = InboxEvent(LockReleaseArrived(now, section), f"release:{section}:{hub.ids.short()}", 0, now)
    await hub.retry(lambda: hub.deliver(entity, [event], "lock released"))
