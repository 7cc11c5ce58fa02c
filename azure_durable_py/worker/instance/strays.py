"""What strangers sent: locks granted to an execution that is not there any more, children that nobody waits for.

A child may have run, have been purged, and be inserted once more by a start that storage took late.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure_durable_py.history.events import (
    EntityLockGranted,
    LockReleaseArrived,
    ParentInstance,
    SubOrchestrationCompleted,
    SubOrchestrationFailed,
)
from azure_durable_py.history.rewinding import standing
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.protocol import CorruptRowError, TaskHubStore
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.state import InstanceState


async def give_locks_back(hub: TaskHub, events: Iterable[InboxEvent]) -> None:
    """Release every lock that these events grant: nobody runs who wants it (PROTOCOL R21)."""
    for granted in events:
        if isinstance(granted.event, EntityLockGranted):
            await _give_back(hub, granted.event)


async def _give_back(hub: TaskHub, granted: EntityLockGranted) -> None:
    release = LockReleaseArrived(granted.timestamp, granted.section)
    answer = InboxEvent(release, f"release:{granted.section}", 0, granted.timestamp)
    await hub.retry(lambda: hub.deliver(granted.instance_id, [answer], "lock not wanted"))


async def is_wanted(store: TaskHubStore, parent: ParentInstance) -> bool:
    """Whether a child of this origin is still to run (PROTOCOL R14).

    A parent that ended, was rewound or began another generation without an answer wanted it to run all the same.

    :raises StorageUnavailableError: storage gives no answer.
    """
    try:
        found = await store.load_header(parent.instance_id)
        if found is None:
            return False
        state = InstanceState.decode(found.body)
    except CorruptRowError:
        return True  # Better run it twice than never.
    if state.execution_id != parent.execution_id:
        return False
    if state.generation != parent.generation:
        return True
    if found.is_terminal or state.attempt != parent.attempt:
        return not await _was_answered(store, parent, state)
    return parent.task_id in state.children


async def _was_answered(store: TaskHubStore, parent: ParentInstance, state: InstanceState) -> bool:
    try:
        events = await read_history(store, parent.instance_id, state)
    except CorruptRowError:
        return False  # Better run it twice than never.
    answer = standing(events).answers.get(parent.task_id)
    return isinstance(answer, (SubOrchestrationCompleted, SubOrchestrationFailed))
