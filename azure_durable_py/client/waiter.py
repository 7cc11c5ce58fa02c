"""Waits for instances: looks when this process says that one is there, and else again and again, ever less often."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from azure_durable_py.client.links import HttpAnswer, json_answer
from azure_durable_py.client.messenger import Messenger
from azure_durable_py.client.reader import Reader
from azure_durable_py.client.starter import Starter
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import InstanceNotFoundError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.damage import Found
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.wakeup import Wakeup

_FIRST_POLL, _LONGEST_POLL = 0.05, 1.0
_LOOKS_A_SECOND = 200.0
"""How often all who wait in this process look, together: a thousand that wait would else keep storage from the work."""


class Waiter:
    """Waits on behalf of one client."""

    def __init__(self, hub: TaskHub, messenger: Messenger, starter: Starter, reader: Reader) -> None:
        self._hub = hub
        self._clock = hub.clock
        self._messenger = messenger
        self._starter = starter
        self._reader = reader

    async def until(
        self,
        instance_id: str,
        timeout: float | None,
        done: Callable[[OrchestrationRuntimeStatus], bool],
        longest_poll: float = _LONGEST_POLL,
        output_type: Any = None,
    ) -> DurableOrchestrationStatus:
        """Look until the runtime status is what `done` wants; returns the status with its input.

        :param timeout: how long at most, in seconds; None: without limit.
        :param longest_poll: how long between two looks at most, in seconds.
        :param output_type: the type of its `output`.
        :raises InstanceNotFoundError: there is no such instance (any more).
        :raises TimeoutError: the time is over.
        :raises CorruptRowError: its header cannot be read.
        """
        deadline = math.inf if timeout is None else self._clock.monotonic() + timeout
        delay = min(_FIRST_POLL, longest_poll)
        there = Wakeup()
        told: list[Found] = []

        def look(header: Header, state: InstanceState) -> None:
            if done(OrchestrationRuntimeStatus(header.columns.runtime_status)):
                told.append(Found(header, state=state))
                there.set()

        async def pause() -> None:
            began = self._clock.monotonic()
            while True:
                # More may have come to wait meanwhile.
                until = min(began + max(delay, self._hub.watched / _LOOKS_A_SECOND), deadline)
                left = until - self._clock.monotonic()
                if left <= 0 or await there.wait(left):
                    return

        # Watched before it is looked at: no commit falls in between. Those of other processes tell nobody.
        unwatch = self._hub.watch(instance_id, look)
        try:
            if instance_id in self._hub.inserted:
                # It was pending a moment ago: to be told costs nothing, and to look does.
                await pause()
            while not told:
                header = await self._messenger.find(instance_id)
                if done(OrchestrationRuntimeStatus(header.columns.runtime_status)):
                    return await self._reader.status(Found(header), show_input=True, output_type=output_type)
                await self._starter.ring_if_overdue(header)
                if self._clock.monotonic() >= deadline:
                    raise TimeoutError(
                        f"Instance {instance_id!r} is still {header.columns.runtime_status} after {timeout:g} s. "
                        "Is a worker running on this task hub?"
                    )
                await pause()
                delay = min(1.5 * delay, longest_poll)
            return await self._reader.status(told[-1], show_input=True, output_type=output_type)
        finally:
            unwatch()

    async def finished(
        self, instance_id: str, timeout: float, longest_poll: float
    ) -> DurableOrchestrationStatus | None:
        """The status of an instance that is finished, or None if it is not in time, or is not there.

        :param timeout: how long to wait, in seconds.
        :param longest_poll: how long between two looks at most, in seconds.
        """
        try:
            return await self.until(instance_id, timeout, lambda status: status.is_terminal, longest_poll)
        except (TimeoutError, InstanceNotFoundError):
            return None


def completed_answer(status: DurableOrchestrationStatus) -> HttpAnswer | None:
    """200 with the output of an instance that has completed; None if it has ended in another way."""
    if status.runtime_status is not OrchestrationRuntimeStatus.Completed or status.damaged is not None:
        return None
    return json_answer(200, "null" if status.output_json is None else status.output_json)


def outcome_answer(status: DurableOrchestrationStatus) -> HttpAnswer:
    """What a finished instance came to.

    200 with the output (Completed), 200 with the status (Terminated, Canceled), 500 with the
    status (Failed, or it cannot be read).
    """
    failed = status.runtime_status is OrchestrationRuntimeStatus.Failed or status.damaged is not None
    return completed_answer(status) or json_answer(500 if failed else 200, json.dumps(status.to_json()))
