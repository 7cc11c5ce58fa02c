"""What a Azure Functions host does with the queues of an app, and to its worker process.

It takes messages for 10 minutes (renewed while their invocation runs), deletes them when the invocation
ends, makes them visible at once when it raises, moves a message to the poison queue after five deliveries,
and kills the whole process when an invocation takes longer than functionTimeout.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from azure_durable_py.errors import StorageError
from azure_durable_py.taskhub.naming import poison_queue
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.wakeup import Wakeup
from azure_durable_py.worker.intake.invocations import Invocations
from tests.simulation.faults import Process

VISIBILITY = 600.0
RENEW_EVERY = 300.0
FUNCTION_TIMEOUT = 300.0
MOST_DELIVERIES = 5
BATCH = 16
LONGEST_PAUSE = 3600.0
"""It is told of messages (`World._look`); a real host looks every minute."""

Handle = Callable[[str, int], Awaitable[None]]


class FunctionsHost:
    """Drives one worker by its invocations.

    :param hub_store: names the queues.
    :param store: what the host's own calls go to; they fail as the worker's do.
    :param listeners: where it asks to be told of messages.
    """

    def __init__(
        self,
        hub_store: Any,
        store: Any,
        invocations: Invocations,
        process: Process,
        dice: random.Random,
        listeners: list[Callable[[str, float], None]],
    ) -> None:
        self._store = store
        self._process = process
        self._dice = dice
        self._running: dict[str, int] = {}
        self._wakes: dict[str, Wakeup] = {}
        self._handlers: dict[str, Handle] = {}
        for queue in hub_store.instance_queues:
            self._handlers[queue] = invocations.deliver_doorbell
            self._handlers[poison_queue(queue)] = lambda body, _: invocations.put_back_doorbell(body)
        activities = hub_store.activity_queue
        self._handlers[activities] = invocations.run_work_item
        self._handlers[poison_queue(activities)] = lambda body, _: invocations.put_back_work_item(body)
        listeners.append(self._heard)

    def _heard(self, queue: str, delay: float) -> None:
        wake = self._wakes.get(queue)
        if wake is not None:
            asyncio.get_running_loop().call_later(delay, wake.set)

    async def run(self) -> None:
        """Poll every queue until the process ends."""
        await asyncio.gather(*(self._poll(queue, handle) for queue, handle in self._handlers.items()))

    async def _poll(self, queue: str, handle: Handle) -> None:
        wake = self._wakes[queue] = Wakeup()
        wake.set()
        loop = asyncio.get_running_loop()
        running: set[asyncio.Task[None]] = set()

        def ended(task: asyncio.Task[None]) -> None:
            running.discard(task)
            wake.set()

        while True:
            await wake.wait(LONGEST_PAUSE)
            wake.clear()
            if len(running) > BATCH // 2:
                continue  # A new batch is taken when half of the last one is done.
            try:
                messages = await self._store.receive_messages(queue, BATCH, VISIBILITY)
            except StorageError:
                await asyncio.sleep(2.0)
                wake.set()
                continue
            for message in messages:
                task = loop.create_task(self._invoke(message, handle))
                running.add(task)
                task.add_done_callback(ended)
            if messages:
                wake.set()

    async def _invoke(self, message: QueueMessage, handle: Handle) -> None:
        if message.dequeue_count > MOST_DELIVERIES:
            await self._settle(self._store.put_message(poison_queue(message.queue), message.body))
            await self._settle(self._store.delete_message(message))
            return
        loop = asyncio.get_running_loop()
        invocation = loop.create_task(self._call(message, handle))
        started = loop.time()
        while not invocation.done():
            await asyncio.wait([invocation], timeout=RENEW_EVERY)
            if not invocation.done():
                if loop.time() - started >= FUNCTION_TIMEOUT:
                    self._process.kill()
                    await asyncio.sleep(0)
                try:
                    message = await self._store.extend_message(message, VISIBILITY)
                except StorageError:
                    continue
        if invocation.result():
            await self._settle(self._store.delete_message(message))
        else:
            await self._settle(self._store.extend_message(message, 0.0))

    async def _call(self, message: QueueMessage, handle: Handle) -> bool:
        try:
            await handle(message.body, message.dequeue_count)
        except Exception:  # noqa: BLE001 - whatever it is, the host delivers the message again
            return False
        return True

    @staticmethod
    async def _settle(call: Awaitable[object]) -> None:
        try:
            await call
        except StorageError:
            return
