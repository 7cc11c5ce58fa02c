"""Where activities run: local slots first, the surplus to the activities queue, items from it.

Owns the slots of this worker. An activity that a turn of ours decided is run here if a slot is
free; what has to wait goes to the queue, newest first. A freed slot takes what became ready first, wherever it
waits: while anything waits here, a few items are taken from the queue ahead of need, to see how old they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from azure_durable_py.errors import DurableError, StorageError, UnstorableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event, TaskCompleted, TaskFailed
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError, Target, WorkItem
from azure_durable_py.taskhub.naming import work_writer
from azure_durable_py.taskhub.outgoing import RunActivity, Sender
from azure_durable_py.taskhub.payloads import Spill
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.reading import read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.worker.activities.runner import ActivityRunner
from azure_durable_py.worker.context import ActivityJob, TaskResult
from azure_durable_py.worker.given_up import after_attempts
from azure_durable_py.worker.intake.delivery import Delivery, Holder
from azure_durable_py.worker.intake.poison import leave, set_aside
from azure_durable_py.worker.supervision import Supervisor
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")
ACTIVITIES = "activities"
"""What the running of activities is called in the worker's health."""
PARALLEL_PUTS = 8
SUSPECT_DELAY = 2.0
MOST_DOUBLINGS = 8
"""How often the delay doubles of a work item that is put off: to 256 seconds."""
MOST_AHEAD = 16
"""Work items that may be taken from the queue although no slot is free for them yet."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """An activity that a turn of ours decided."""

    job: ActivityJob
    sender: Sender
    number: int
    activity: RunActivity
    ready_at: datetime
    tries: int

    @property
    def is_wanted(self) -> bool:
        """Whether it is still to be run or put."""
        return self.job.wants(self.sender, self.number)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A work item that was taken from the queue and waits for a slot."""

    item: WorkItem
    delivery: Delivery
    ready_at: datetime


class _HandBack:
    """Settles a work item that an actor was given to see to what it guards: it comes back to be run."""

    def __init__(self) -> None:
        self.adopted = asyncio.Event()
        self.lost = False
        self.overdue = False

    async def confirm(self) -> bool:
        return True  # It was received just now.

    async def ack(self) -> None:
        self.adopted.set()

    async def put_back(self, delay: float) -> None:
        del delay  # whoever has the work item itself puts it back
        self.lost = True
        self.adopted.set()

    async def release(self) -> None:
        self.lost = True
        self.adopted.set()


class ActivitySlots:
    """Runs activities in a bounded number of slots.

    :param slots: how many run at once.
    :param live: the actor of an instance, if this process has one that is live.
    :param adopt: gives a delivery to the actor of an instance, made for it if need be.
    :param most_deliveries: how often an activity is begun that ends its process each time.
    :param room_made: told when a slot is free that work items of the queue may have.
    :param local_bound: seconds for which an activity may run without a message of its own; None: as long as it takes.
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
        supervisor: Supervisor,
        most_deliveries: int,
        *,
        room_made: Callable[[], None],
        local_bound: float | None,
    ) -> None:
        self._hub = hub
        self._runner = runner
        self._holder = holder
        self._slots = slots
        self._visibility = visibility
        self._live = live
        self._adopt = adopt
        self._supervisor = supervisor
        self._most_deliveries = most_deliveries
        report = supervisor.reporter(ACTIVITIES, "its message comes again")
        self._running = TaskSet(self._freed, report)
        self._putting = TaskSet(self._fill, report)
        self._waiting: deque[_Offer] = deque()
        self._for_queue: deque[_Offer] = deque()
        self._taken: deque[_Taken] = deque()
        self._slow: set[str] = set()
        self._draining = False
        self._room_made = room_made
        self._local_bound = local_bound

    # --- slots -----------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many work items may be taken from the queue now."""
        if self._draining:
            return 0
        ahead = min(MOST_AHEAD, self._slots) if self._waiting else 0
        return max(0, self._slots - len(self._running) + ahead - len(self._taken))

    def offer(self, job: ActivityJob, number: int, activity: RunActivity, *, tries: int, again: bool) -> None:
        """Take an activity that a committed turn decided.

        One that was begun by a process which did not end it goes to the queue: there it has a message of its
        own, whose deliveries are counted. Where local runs are bounded, so does an
        activity whose like took longer, or that may have been begun before.
        """
        elsewhere = tries > 0 or (self._local_bound is not None and (again or activity.name in self._slow))
        offer = _Offer(job, job.sender, number, activity, self._hub.clock.now(), tries)
        (self._for_queue if elsewhere else self._waiting).append(offer)
        self._fill()

    async def drain(self, grace: float) -> None:
        """Start nothing more; wait up to `grace` seconds for what runs, then give it up."""
        self._draining = True
        await self._putting.cancel()
        taken, self._taken = self._taken, deque()
        await asyncio.gather(*(item.delivery.settlement.release() for item in taken))
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
        while not self._draining:
            while self._waiting and not self._waiting[0].is_wanted:
                self._waiting.popleft()
            if not self._waiting and not self._taken:
                return
            if len(self._running) < self._slots:
                self._begin_oldest()
            elif self._waiting and len(self._putting) < PARALLEL_PUTS:
                self._put(self._waiting.pop())
            else:
                return

    def _begin_oldest(self) -> None:
        if self._taken and (not self._waiting or self._taken[0].ready_at <= self._waiting[0].ready_at):
            taken = self._taken.popleft()
            self._running.start(self.run_item(taken.item, taken.delivery), f"activity {taken.item.name}")
        else:
            offer = self._waiting.popleft()
            work = self._supervisor.keep(ACTIVITIES, lambda: self._run_here(offer))
            self._running.start(work, f"activity {offer.activity.name}")

    def _freed(self) -> None:
        self._fill()
        if self.room() > 0:
            self._room_made()

    # --- here --------------------------------------------------------------------------------------------

    async def _run_here(self, offer: _Offer) -> None:
        job, sender, activity = offer.job, offer.sender, offer.activity
        loop = asyncio.get_running_loop()
        bound = None if self._local_bound is None else loop.call_later(self._local_bound, self._slow.add, activity.name)
        try:
            event = await self._run(sender.instance_id, activity)
        finally:
            if bound is not None:
                bound.cancel()
        job.finish(TaskResult(sender.target, activity.task_id, event))

    async def _run(self, instance_id: str, activity: RunActivity) -> TaskCompleted | TaskFailed:
        what = f"Activity {activity.name!r} of instance {instance_id!r}"
        try:
            text = await self._hub.patiently(lambda: read_value(self._hub.store, instance_id, activity.input), what)
        except NewerFormatError:
            raise
        except DurableError as error:
            return TaskFailed(self._hub.clock.now(), activity.task_id, FailureDetails.from_exception(error))
        return await self._runner.run(activity.name, activity.task_id, text)

    # --- to the queue --------------------------------------------------------------------------------------

    def _put(self, offer: _Offer) -> None:
        if offer.is_wanted:
            work = self._supervisor.keep(ACTIVITIES, lambda: self._put_item(offer))
            self._putting.start(work, f"queue {offer.activity.name}")

    async def _put_item(self, offer: _Offer) -> None:
        sender, activity = offer.sender, offer.activity
        item_id = self._hub.ids.new()
        spill = Spill(work_writer(item_id))
        item = WorkItem(
            id=item_id,
            instance_id=sender.instance_id,
            execution_id=sender.execution_id,
            generation=sender.generation,
            attempt=sender.attempt,
            task_id=activity.task_id,
            name=activity.name,
            input=spill.value(activity.input),
            ready_at=offer.ready_at,
            tries=offer.tries,
        )

        async def put() -> None:
            if spill.rows:
                await self._hub.store.put_blobs(sender.instance_id, spill.rows)
            # What may end its process again is not to do so before the header says that it is in the queue.
            delay = SUSPECT_DELAY if offer.tries else 0.0
            await self._hub.put(self._hub.store.activity_queue, item.encode(), delay)

        try:
            await self._hub.patiently(put, f"The queueing of activity {activity.name[:200]!r}")
        except UnstorableError as error:
            # No queue takes it, now or later. The outbox keeps the activity until this answer is committed.
            failed = TaskFailed(self._hub.clock.now(), activity.task_id, FailureDetails.from_exception(error))
            offer.job.finish(TaskResult(sender.target, activity.task_id, failed))
        else:
            offer.job.handed_over(sender, offer.number)

    # --- from the queue --------------------------------------------------------------------------------------

    def take(self, message: QueueMessage, asked_at: float) -> None:
        """Run the activity of a message that was received from the activities queue."""
        try:
            item = WorkItem.decode(message.body)
        except MalformedMessageError as error:
            self._running.start(set_aside(self._hub, message, error), "poison")
            return
        except NewerFormatError as error:
            self._running.start(leave(self._hub, message, error), "leave")
            return
        ids = self._hub.ids
        again = lambda: item.put_back(ids.short()).encode()  # noqa: E731
        held = self._holder.hold(message, asked_at, self._visibility, again, item.instance_id)
        delivery = Delivery(item.id, (item.again, item.tag, message.dequeue_count), held, item=True)
        self._taken.append(_Taken(item, delivery, item.ready_at or self._hub.clock.now()))
        self._fill()

    async def run(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None) -> None:
        """Run a work item in a slot, even if none is free: its message is in hand already.

        :param failure: what to answer in place of running it.
        """
        await asyncio.wait([self._running.start(self.run_item(item, delivery, failure), f"activity {item.name}")])

    async def run_item(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None = None) -> None:
        """Run a work item and give its result to whoever awaits it; settles the delivery."""
        what = f"Activity {item.name!r} of instance {item.instance_id!r}"
        try:
            if delivery.suspect:
                # The delivery before this one may have died between inserting its result and ringing.
                await self._hub.patiently(lambda: self._hub.ring(item.instance_id, "work item again"), what)
                if not await self._may_run_again(item, delivery, what):
                    await delivery.settlement.ack()
                    return
            failure = failure or self._given_up(item, delivery)
            if failure is None:
                event = await self._run(item.instance_id, RunActivity(item.task_id, item.name, item.input))
            else:
                event = TaskFailed(self._hub.clock.now(), item.task_id, failure)
            await self._report(item, event, delivery, what)
        except asyncio.CancelledError:
            await delivery.settlement.release()
            raise
        except DurableError as error:
            logger.error("%s is put off: %s", what, error)
            await _put_off(item, delivery)
        except Exception as error:  # noqa: BLE001 - its message must not be held for ever
            self._supervisor.report(ACTIVITIES, "the message is put back", error)
            self._supervisor.health.resumed(ACTIVITIES)
            await _put_off(item, delivery)

    def _given_up(self, item: WorkItem, delivery: Delivery) -> FailureDetails | None:
        """Why not to begin once more what has ended its process each time."""
        what, attempt = f"activity {item.name!r} of instance {item.instance_id!r}", item.tries + delivery.attempt
        reason = after_attempts(what, attempt, self._most_deliveries)
        if reason is not None:
            logger.error("The %s is given up: %s", what, reason.message)
        if attempt > self._most_deliveries + 1:
            # It was told before that the activity has failed, and its process ended with that, too.
            delivery.failure = reason
        return reason

    async def _may_run_again(self, item: WorkItem, delivery: Delivery, what: str) -> bool:
        """Have what the item guards handed over (PROTOCOL R4), and look whether its result is still wanted (I6)."""
        header = await self._hub.patiently(lambda: self._hub.store.load_header(item.instance_id), what)
        if header is None:
            return False
        state = InstanceState.decode(header.body)
        if not header.is_terminal or state.names(item.id):
            hand_back = _HandBack()
            copy = replace(delivery, settlement=hand_back)
            self._adopt(item.instance_id, copy)
            await hand_back.adopted.wait()
            if copy.outranked:
                return False
            if hand_back.lost:
                raise StorageError("the entries that it guards could not be handed over")
            delivery.attempt = copy.attempt
        delivery.suspect = False
        wanted = (state.execution_id, state.generation, state.attempt)
        return not header.is_terminal and wanted == (item.execution_id, item.generation, item.attempt)

    async def _report(self, item: WorkItem, event: Event, delivery: Delivery, what: str) -> None:
        target = Target(item.execution_id, item.generation, item.attempt)
        live = self._live(item.instance_id)
        if live is not None:
            live.finish(TaskResult(target, item.task_id, event, delivery))
            return
        inbox_event = InboxEvent(event, f"work:{item.id}", 0, event.timestamp, target)
        await self._hub.patiently(
            lambda: self._hub.deliver(item.instance_id, [inbox_event], f"result of {item.name}"), what
        )
        await delivery.settlement.ack()


async def _put_off(item: WorkItem, delivery: Delivery) -> None:
    """Have a work item come again later, each time twice as late as before (PROTOCOL R3)."""
    await delivery.settlement.put_back(2.0 ** min(item.again, MOST_DOUBLINGS))
