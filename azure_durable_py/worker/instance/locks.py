"""Gives back locks that were granted to an execution that is not there any more (PROTOCOL R21)."""

from __future__ import annotations

from azure_durable_py.history.events import EntityLockGranted, LockReleaseArrived
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.protocol import InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance.inbox import matches


async def give_back(hub: TaskHub, row: InboxRow, state: InstanceState | None) -> None:
    """Release the lock that an inbox row grants, unless it is for the execution of `state`.

    :param state: of the instance that runs; None: none does.
    """
    try:
        granted = InboxEvent.decode(row.body)
    except MalformedMessageError:
        return
    event = granted.event
    if not isinstance(event, EntityLockGranted) or (state is not None and matches(granted.target, state)):
        return
    release = LockReleaseArrived(event.timestamp, event.section)
    answer = InboxEvent(release, f"release:{event.section}", 0, event.timestamp)
    await hub.retry(lambda: hub.deliver(event.instance_id, [answer], "lock not wanted"))
