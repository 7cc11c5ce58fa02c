"""Where activities run: local slots first, the surplus to the activities queue, items from it.

Owns the slots of this worker. An activity that a turn of ours decided is run here if a slot is
free; what has to wait goes to the queue, newest first, while freed slots take the oldest.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from azure_durable_py.errors import DurableError, StorageError
from azure_durable_py.history import Event, TaskCompleted, TaskFailed
from azure_durable_py.models import FailureDetails
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.instance import InstanceState
from azure_durable_py.taskhub.lifecycle import is_terminal
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError, Target, WorkItem
from azure_durable_py.taskhub.outgoing import RunActivity, Sender
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.values import Spill, read_value
from azure_durable_py.worker.activities import ActivityRunner
from azure_durable_py.worker.context import ActivityJob, TaskResult
from azure_durable_py.worker.delivery import Delivery, Holder
from azure_durable_py.worker.entries import entries_of
from azure_durable_py.worker.poison import set_aside
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")
PARALLEL_PUTS = 8
RETRY_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class _Offer:
    job: ActivityJob
    sender: Sender
    entry: int
    activity: RunActivity

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be run or put."""
        return self.job.wants(self.sender, self.entry)


class _HandBack:
    """Settles a work item that an actor was given to adopt entries under: it comes back to be run."""

    def __init__(self) -> None:
        self.adopted = asyncio.Event()
        self.lost = False

    async def ack(self) -> None:
        self.adopted.set()

    async def put_back(self, delay: float) -> None:
        del delay  # whoever has the work item itself puts it back
        self.lost = True
        self.adopted.set()

    async def release(self) -> None:
        self.lost = True
        self.adopted.set()


class ActivityFeed:
    """Runs activities in a bounded number of slots.

    :param slots: how many run at once.
    :param live: the actor of an instance, if this process has one that is live.
    :param adopt: gives a delivery to the actor of an instance, made for it if need be.
    """

    def __init__(
        self,
        hub: TaskHub,
        runner: ActivityRunner,
        holder: Holder,
        slots: int,
        visibility: float,
        live: Callable[[str], ActivityJob | None],
        adopt: Callable[[str, Delivery], None],
    ) -> None:
        self._hub = hub
        self._runner = runner
        self._holder = holder
        self._slots = slots
        self._visibility = visibility
        self._live = live
        self._adopt = adopt
        self._running = TaskSet(self._freed)
        self._putting = TaskSet(self._fill)
        self._waiting: deque[_Offer] = deque()
        self._for_queue: deque[_Offer] = deque()
        self._slow: set[str] = set()
        self._draining = False
        self.room_made: Callable[[], None] = lambda: None
        self.local_bound: float | None = None

    # --- slots -----------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many work items may be taken from the queue now."""
        return 0 if self._draining else max(0, self._slots - len(self._running))

    def offer(self, job: ActivityJob, entry: int, activity: RunActivity, *, again: bool) -> None:
        """Take an activity that a committed turn decided.

        Where local runs are bounded (`local_bound`, seconds), an activity whose like took longer, or whose
        run before this may have ended with its process, goes to the queue.
        """
        bounded = self.local_bound is not None and (again or activity.name in self._slow)
        (self._for_queue if bounded else self._waiting).append(_Offer(job, job.sender, entry, activity))
        self._fill()

    async def drain(self, grace: float) -> None:
        """Start nothing more; wait up to `grace` seconds for what runs, then give it up."""
        self._draining = True
        await self._putting.cancel()
        if self._running and grace > 0:
            logger.info("Waiting up to %.0f s for %d running activities.", grace, len(self._running))
            await asyncio.wait(list(self._running), timeout=grace)
        if self._running:
            logger.warning(
                "%d activities are still running; they will run again on the next start.", len(self._running)
            )
        await self._running.cancel()

    def _fill(self) -> None:
        while self._for_queue and not self._draining and len(self._putting) < PARALLEL_PUTS:
            self._put(self._for_queue.popleft())
        while self._waiting and not self._draining:
            if not self._waiting[0].is_wanted:
                self._waiting.popleft()
            elif len(self._running) < self._slots:
                offer = self._waiting.popleft()
                self._running.start(self._run_here(offer), f"activity {offer.activity.name}")
            elif len(self._putting) < PARALLEL_PUTS:
                self._put(self._waiting.pop())
            else:
                return

    def _freed(self) -> None:
        self._fill()
        if self.room() > 0:
            self.room_made()

    # --- here --------------------------------------------------------------------------------------------

    async def _run_here(self, offer: _Offer) -> None:
        job, sender, activity = offer.job, offer.sender, offer.activity
        loop = asyncio.get_running_loop()
        bound = None if self.local_bound is None else loop.call_later(self.local_bound, self._slow.add, activity.name)
        try:
            event = await self._run(sender.instance_id, activity)
        finally:
            if bound is not None:
                bound.cancel()
        job.finish(TaskResult(sender.target, activity.task_id, event))

    async def _run(self, instance_id: str, activity: RunActivity) -> TaskCompleted | TaskFailed:
        try:
            text = await self._hub.retry(lambda: read_value(self._hub.store, instance_id, activity.input))
        except StorageError as error:
            return TaskFailed(self._hub.clock.now(), activity.task_id, FailureDetails.from_exception(error))
        return await self._runner.run(activity.name, activity.task_id, text)

    # --- to the queue --------------------------------------------------------------------------------------

    def _put(self, offer: _Offer) -> None:
        if offer.is_wanted:
            self._putting.start(self._put_item(offer), f"queue {offer.activity.name}")

    async def _put_item(self, offer: _Offer) -> None:
        sender, activity = offer.sender, offer.activity
        item_id = self._hub.ids.new()
        spill = Spill(f"work-{item_id}")
        item = WorkItem(
            id=item_id,
            instance_id=sender.instance_id,
            execution_id=sender.execution_id,
            generation=sender.generation,
            attempt=sender.attempt,
            task_id=activity.task_id,
            name=activity.name,
            input=spill.value(activity.input),
        )
        while True:
            try:
                if spill.rows:
                    await self._hub.store.put_blobs(sender.instance_id, spill.rows)
                await self._hub.put(self._hub.store.activity_queue, item.encode())
                break
            except StorageError as error:
                logger.warning("Activity %r is waiting for the queue: %s", activity.name, error)
                await asyncio.sleep(self._hub.ids.jitter(RETRY_PAUSE))
        offer.job.handed_over(sender, offer.entry)

    # --- from the queue --------------------------------------------------------------------------------------

    def take(self, message: QueueMessage) -> None:
        """Run the activity of a message that was received from the activities queue."""
        try:
            item = WorkItem.decode(message.body)
        except MalformedMessageError as error:
            self._running.start(set_aside(self._hub, message, error), "poison")
            return
        again = replace(item, again=item.again + 1)
        held = self._holder.hold(message, self._visibility, again.encode)
        delivery = Delivery(
            item.id,
            self._hub.ids.short(),
            suspect=message.dequeue_count > 1 or item.again > 0,
            settlement=held,
            again=item.again,
        )
        self._running.start(self.run_item(item, delivery), f"activity {item.name}")

    async def run(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None) -> None:
        """Run a work item in a slot, even if none is free: its message is in hand already.

        :param failure: what to answer in place of running it.
        """
        await asyncio.wait([self._running.start(self.run_item(item, delivery, failure), f"activity {item.name}")])

    async def run_item(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None = None) -> None:
        """Run a work item and give its result to whoever awaits it; settles the delivery."""
        try:
            if delivery.suspect:
                # The delivery before this one may have died between inserting its result and ringing.
                await self._hub.retry(lambda: self._hub.ring(item.instance_id, "work item again"))
                if not await self._may_run_again(item, delivery):
                    await delivery.settlement.ack()
                    return
            if failure is None:
                event = await self._run(item.instance_id, RunActivity(item.task_id, item.name, item.input))
            else:
                event = TaskFailed(self._hub.clock.now(), item.task_id, failure)
            await self._report(item, event, delivery)
        except asyncio.CancelledError:
            await delivery.settlement.release()
            raise
        except (StorageError, DurableError) as error:
            delay = min(2.0 ** min(item.again, 8), 300.0)
            logger.error("Work item %r of instance %r is put off: %s", item.name, item.instance_id, error)
            await delivery.settlement.put_back(delay)

    async def _may_run_again(self, item: WorkItem, delivery: Delivery) -> bool:
        """Hand over what the item guards (PROTOCOL R4), and look whether its result is still wanted (I6)."""
        header = await self._hub.retry(lambda: self._hub.store.load_header(item.instance_id))
        if header is None:
            return False
        state = InstanceState.decode(header.body)
        if any(guard == item.id for guard, _ in entries_of(state)):
            hand_back = _HandBack()
            self._adopt(item.instance_id, replace(delivery, settlement=hand_back))
            await hand_back.adopted.wait()
            if hand_back.lost:
                raise StorageError("the entries that it guards could not be handed over")
        delivery.suspect = False
        wanted = (state.execution_id, state.generation, state.attempt)
        return not is_terminal(header) and wanted == (item.execution_id, item.generation, item.attempt)

    async def _report(self, item: WorkItem, event: Event, delivery: Delivery) -> None:
        target = Target(item.execution_id, item.generation, item.attempt)
        live = self._live(item.instance_id)
        if live is not None:
            live.finish(TaskResult(target, item.task_id, event, delivery))
            return
        inbox_event = InboxEvent(event, f"work:{item.id}", 0, event.timestamp, target)
        await self._hub.retry(lambda: self._hub.deliver(item.instance_id, [inbox_event], f"result of {item.name}"))
        await delivery.settlement.ack()
