"""Starts instances: what happens when the id is taken, and ringing those that nobody woke.

Owns the rules for taken ids and PROTOCOL R8's ring for instances that stay Pending.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta

from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy, default_action
from azure_durable_py.client.messenger import MAX_TARGETS, Messenger
from azure_durable_py.errors import InstanceAlreadyExistsError, InstanceCompletedError, InstanceNotFoundError
from azure_durable_py.history.events import ExecutionTerminated
from azure_durable_py.observer import InstanceStarted
from azure_durable_py.taskhub.damage import end_damaged
from azure_durable_py.taskhub.handing_over import replace_finished
from azure_durable_py.taskhub.hub import PENDING_RING_SECONDS, StartRequest, TaskHub
from azure_durable_py.taskhub.messages import Cause
from azure_durable_py.taskhub.protocol import Header

TERMINATE_SECONDS = 60.0
"""How long a start that replaces a running instance waits for it to stop."""


class Starter:
    """Starts instances for one client.

    :param replace_running: a running instance is terminated and replaced, not an error.
    """

    def __init__(self, hub: TaskHub, messenger: Messenger, *, replace_running: bool) -> None:
        self._hub = hub
        self._messenger = messenger
        self._replace_running = replace_running
        self._rung: OrderedDict[str, float] = OrderedDict()

    async def start(self, request: StartRequest, policy: OrchestrationIdReusePolicy | None = None) -> str:
        """Start an instance, as far as the instance that has its id allows it; returns the id of its execution.

        :param policy: what to do about that instance; None, or nothing said of its state: as host.json says.
        :raises InstanceAlreadyExistsError: another one with this id is not to be replaced, or does not stop.
        :raises PayloadTooLargeError: the input is larger than the hub stores.
        """
        started = InstanceStarted(
            request.instance_id,
            request.execution_id,
            request.name,
            request.version,
            request.tags,
            request.created_at,
            request.start_at,
        )
        with self._hub.observer.sending(started) as sending:
            execution_id = await self._started(replace(request, trace=sending.trace), policy)
        if execution_id == request.execution_id:
            self._hub.observer.started(started)
        return execution_id

    async def _started(self, request: StartRequest, policy: OrchestrationIdReusePolicy | None) -> str:
        """Start an instance; returns the execution that there is then: another one if that is left."""
        existing = await self._hub.start(request)
        while existing is not None:
            status = existing.columns.runtime_status
            asked = None if policy is None else policy.action_for(status)
            action = asked or default_action(status, replace_running=self._replace_running)
            if action != "terminate":
                await self.ring_if_overdue(existing)
            if action == "ignore":
                return existing.columns.execution_id
            if action == "error":
                raise _taken(existing, by_policy=asked is not None)
            if not existing.is_terminal:
                await self._end(existing)
            # Only the one that was judged: another that has come in its place is judged anew.
            existing = await replace_finished(self._hub, request, existing.columns.execution_id)
        return request.execution_id

    async def ring_if_overdue(self, header: Header) -> None:
        """Ring an instance that should have begun long ago: its doorbell may be lost (PROTOCOL R8)."""
        columns = header.columns
        if columns.runtime_status != "Pending":
            return
        # One that was rewound is pending once more.
        due = max(columns.last_updated_time, columns.wake_time or columns.created_time)
        if self._hub.clock.now() - due <= timedelta(seconds=PENDING_RING_SECONDS):
            return
        # A client that polls must not pile up doorbells.
        now, key = self._hub.clock.monotonic(), columns.execution_id
        if now - self._rung.get(key, float("-inf")) < PENDING_RING_SECONDS:
            return
        self._rung[key] = now
        if len(self._rung) > MAX_TARGETS:
            self._rung.popitem(last=False)
        await self._hub.retry(lambda: self._hub.ring(header.instance_id, "still pending", Cause.started))

    async def _end(self, existing: Header) -> None:
        if await end_damaged(self._hub, existing.instance_id, "Replaced by a new start."):
            return
        await self._messenger.control(existing, ExecutionTerminated(self._hub.clock.now(), "Replaced by a new start."))
        await self._wait_until_gone(existing)

    async def _wait_until_gone(self, existing: Header) -> None:
        """Wait until this execution is finished, or not there any more."""
        deadline, delay = self._hub.clock.monotonic() + TERMINATE_SECONDS, 0.05
        while self._hub.clock.monotonic() < deadline:
            await asyncio.sleep(delay)
            delay = min(1.5 * delay, 1.0)
            try:
                found = await self._messenger.find_running(existing.instance_id)
            except (InstanceNotFoundError, InstanceCompletedError):
                return
            if found.columns.execution_id != existing.columns.execution_id:
                return
        raise InstanceAlreadyExistsError(
            f"Instance {existing.instance_id!r} was asked to terminate, so that a new start can replace it, but did "
            f"not stop within {TERMINATE_SECONDS:g} s. Is a worker running on this task hub?"
        )


def _taken(existing: Header, *, by_policy: bool) -> InstanceAlreadyExistsError:
    is_there = f"Instance {existing.instance_id!r} exists and is {existing.columns.runtime_status}"
    if by_policy:
        return InstanceAlreadyExistsError(f"{is_there}, and the id reuse policy of this start does not replace it.")
    return InstanceAlreadyExistsError(
        f"{is_there}. Use another instance id, wait until it finishes, start it with an id reuse policy, or set "
        '"overridableExistingInstanceStates": "AnyState" in host.json to have it terminated and replaced.'
    )
