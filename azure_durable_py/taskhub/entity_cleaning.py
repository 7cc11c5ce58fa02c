"""Takes away what is left of entities: empty ones, and locks whose holder is gone.

Everything here may be repeated, by anybody, after a crash at any point.
"""

from __future__ import annotations

from datetime import timedelta

from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.history import LockReleaseArrived
from azure_durable_py.taskhub.entity import EMPTY, EntityState
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.instance import CorruptRowError, InstanceState
from azure_durable_py.taskhub.lifecycle import BLOB_PREFIXES, hand_over_rest, is_terminal
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Commit

QUIET = timedelta(minutes=10)
"""An entity that changed within this time stays: a late repetition of what it took may be under way."""
LONG_QUIET = timedelta(days=30)
"""The same where more senders are remembered than can be asked."""
STAGED = "30-payload-msg-"
"""Rows of messages that may be on their way to the inbox."""
STAGED_FOR = timedelta(days=1)


async def remove_if_empty(hub: TaskHub, instance_id: str) -> bool:
    """Delete an entity that has no state and nothing to remember; tells whether it did. A damaged one stays."""
    try:
        loaded = await hub.retry(lambda: hub.store.load(instance_id))
        header = loaded.header
        if header is None or loaded.inbox or header.columns.runtime_status != EMPTY:
            return False
        state = InstanceState.decode(header.body)
        entity = EntityState.of(state)
    except CorruptRowError:
        return False
    quiet = hub.clock.now() - header.columns.last_updated_time
    if not entity.is_idle or quiet < (LONG_QUIET if entity.senders else QUIET):
        return False
    if await _may_be_repeated(hub, state):
        return False
    await hand_over_rest(hub, header, state)
    rows = [
        row
        for prefix in BLOB_PREFIXES
        for row in await hub.retry(lambda p=prefix: hub.store.list_blobs(instance_id, p))
    ]
    now = hub.clock.now()
    keys = [
        row.key
        for row in rows
        if not row.key.startswith(STAGED) or (row.timestamp is not None and now - row.timestamp > STAGED_FOR)
    ]
    # Rows go with the header or after it: while it stands, it may need them.
    first, rest = keys[: MAX_COMMIT_ROWS - 1], keys[MAX_COMMIT_ROWS - 1 :]
    try:
        await hub.retry(lambda: hub.store.commit(Commit(instance_id, None, header.etag, dropped=tuple(first))))
    except ConcurrencyConflictError:
        return False
    if rest:
        await hub.retry(lambda: hub.store.delete_blobs(instance_id, rest))
    return True


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
    if header is None or is_terminal(header):
        return True
    try:
        return (entity, section) not in InstanceState.decode(header.body).locks
    except CorruptRowError:
        return False  # Once it is terminated, its locks are.


async def release_lock(hub: TaskHub, entity: str, section: str) -> None:
    """Have an entity take a lock, or a request for it, back."""
    now = hub.clock.now()
    event = InboxEvent(LockReleaseArrived(now, section), f"release:{section}:{hub.ids.short()}", 0, now)
    await hub.retry(lambda: hub.deliver(entity, [event], "lock released"))
