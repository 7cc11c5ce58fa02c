"""Gives back locks that were granted to an execution that is not there any more (PROTOCOL R21)."""

from __future__ import annotations

from azure_durable_py.history.events import EntityLockGranted, LockReleaseArrived
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent


async def give_back(hub: TaskHub, granted: InboxEvent) -> None:
    """Release the lock that an event grants, if it is one, and nobody runs who wants it."""
    event = granted.event
    if not isinstance(event, EntityLockGranted):
        return
    release = LockReleaseArrived(event.timestamp, event.section)
    answer = InboxEvent(release, f"release:{event.section}", 0, event.timestamp)
    await hub.retry(lambda: hub.deliver(event.instance_id, [answer], "lock not wanted"))
