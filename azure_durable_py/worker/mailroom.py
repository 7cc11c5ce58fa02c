"""Hands over what one instance sends: doorbells for timers, starts and events, in order per target.

Owns the order (PROTOCOL R9): one hand-over per target at a time, many targets at once.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable

from azure_durable_py.errors import DurableError, StorageUnavailableError
from azure_durable_py.history import SubOrchestrationFailed, encode_time
from azure_durable_py.models import FailureDetails
from azure_durable_py.taskhub.lifecycle import hand_over
from azure_durable_py.taskhub.messages import Doorbell, Target
from azure_durable_py.taskhub.outgoing import Send, Sender, StartChild, WakeAt
from azure_durable_py.worker.context import TaskResult, WorkerContext
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")
RETRY_PAUSE = 5.0


class Mailroom:
    """What one instance sends.

    :param handed_over: told of each entry that is handed over.
    :param failed: told of the start of a sub-orchestration that can never succeed.
    """

    def __init__(
        self,
        context: WorkerContext,
        instance_id: str,
        handed_over: Callable[[Sender, int], None],
        failed: Callable[[TaskResult], None],
    ) -> None:
        self._context = context
        self._instance_id = instance_id
        self._handed_over = handed_over
        self._failed = failed
        self._waiting: dict[str, deque[tuple[int, Send]]] = {}
        self._tasks = TaskSet()

    @property
    def is_empty(self) -> bool:
        """Whether everything is handed over."""
        return len(self._tasks) == 0

    async def stop(self) -> None:
        """Hand nothing over any more."""
        await self._tasks.cancel()

    def send(self, sender: Sender, entry: int, send: Send) -> None:
        """Hand over a message or a start, behind what is still to go to the same target."""
        waiting = self._waiting.get(send.target)
        if waiting is None:
            waiting = self._waiting[send.target] = deque()
            self._tasks.start(self._deliver(sender, send.target, waiting), f"send to {send.target}")
        waiting.append((entry, send))

    def wake(self, sender: Sender, entry: int, timer: WakeAt) -> None:
        """Put the delayed doorbell of a timer."""
        self._tasks.start(self._ring(sender, entry, timer), f"timer {timer.task_id} of {self._instance_id}")

    async def _ring(self, sender: Sender, entry: int, timer: WakeAt) -> None:
        hub = self._context.hub
        doorbell = Doorbell(self._instance_id, hub.ids.new(), timer_reason(sender.generation, timer))
        queue = hub.store.instance_queue(self._instance_id)
        while True:
            try:
                async with self._context.sends:
                    delay = max(0.0, (timer.fire_at - hub.clock.now()).total_seconds())
                    await hub.put(queue, doorbell.encode(), delay)
                break
            except StorageUnavailableError as error:
                await self._pause(error)
        self._handed_over(sender, entry)

    async def _deliver(self, sender: Sender, target: str, waiting: deque[tuple[int, Send]]) -> None:
        while waiting:
            batch = list(waiting)
            try:
                async with self._context.sends:
                    await hand_over(self._context.hub, sender, [send for _, send in batch])
            except StorageUnavailableError as error:
                await self._pause(error)
                continue
            except (DurableError, ValueError) as error:
                self._give_up(batch[0], error)
                batch = batch[:1]
            for entry, _ in batch:
                waiting.popleft()
                self._handed_over(sender, entry)
        del self._waiting[target]

    async def _pause(self, error: Exception) -> None:
        logger.warning("What %s sends is waiting for storage: %s", self._instance_id, error)
        await asyncio.sleep(self._context.hub.ids.jitter(RETRY_PAUSE))

    def _give_up(self, item: tuple[int, Send], error: Exception) -> None:
        _, send = item
        logger.error("A message from %s to %s can never be handed over: %s", self._instance_id, send.target, error)
        if isinstance(send, StartChild):
            parent = send.parent
            event = SubOrchestrationFailed(parent.sent_at, parent.task_id, FailureDetails.from_exception(error))
            self._failed(TaskResult(Target.answering(parent), parent.task_id, event))


def timer_reason(generation: int, timer: WakeAt) -> str:
    """Why the doorbell of a timer is rung: names the timer, so that its doorbell is kept until it is due."""
    return f"timer {generation} {timer.task_id} {encode_time(timer.fire_at)}"


def parse_timer_reason(why: str) -> tuple[int, int] | None:
    """Generation and task id of the timer behind a doorbell; None if it was rung for something else."""
    match = re.match(r"timer (\d+) (\d+) ", why)
    return None if match is None else (int(match[1]), int(match[2]))
