"""Activities by way of the queue: the putting of a work item, and the running of one that came."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from azure_durable_py.errors import DurableError, StorageError, UnstorableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event, TaskFailed
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, Target, WorkItem
from azure_durable_py.taskhub.naming import work_writer
from azure_durable_py.taskhub.outgoing import RunActivity, Sender
from azure_durable_py.taskhub.payloads import Spill
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.activities.local_runs import LocalRuns, Offer
from azure_durable_py.worker.context import ActivityJob, TaskResult
from azure_durable_py.worker.given_up import after_attempts
from azure_durable_py.worker.intake.delivery import Delivery, Holder
from azure_durable_py.worker.supervision import Supervisor

logger = logging.getLogger("azure_durable_py.worker")
ACTIVITIES = "activities"
"""What the running of activities is called in the worker's health."""
SUSPECT_DELAY = 2.0
MOST_DOUBLINGS = 8
"""How often the delay doubles of a work item that is put off: to 256 seconds."""


@dataclass(frozen=True, slots=True)
class Taken:
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


class WorkItems:
    """The work items of one worker.

    :param runs: runs the activity of one.
    :param live: the actor of an instance, if this process has one that is live.
    :param adopt: gives a delivery to the actor of an instance, made for it if need be.
    :param most_deliveries: how often an activity is begun that ends its process each time.
    """

    def __init__(
        self,
        hub: TaskHub,
        runs: LocalRuns,
        holder: Holder,
        visibility: float,
        live: Callable[[str], ActivityJob | None],
        adopt: Callable[[str, Delivery], None],
        supervisor: Supervisor,
        most_deliveries: int,
    ) -> None:
        self._hub = hub
        self._runs = runs
        self._holder = holder
        self._visibility = visibility
        self._live = live
        self._adopt = adopt
        self._supervisor = supervisor
        self._most_deliveries = most_deliveries

    # --- to the queue --------------------------------------------------------------------------------------

    async def put(self, offer: Offer) -> None:
        """Put an activity into the queue, and tell its instance."""
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
            trace=sender.task(activity.task_id),
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

    def receive(self, message: QueueMessage, asked_at: float) -> Taken:
        """Take a message of the queue in hand.

        :raises MalformedMessageError: it is none of ours.
        :raises NewerFormatError: it is of a version to come.
        """
        item = WorkItem.decode(message.body)
        ids = self._hub.ids
        again = lambda: item.put_back(ids.short()).encode()  # noqa: E731
        held = self._holder.hold(message, asked_at, self._visibility, again, item.instance_id)
        delivery = Delivery(item.id, (item.again, item.tag, message.dequeue_count), held, item=True)
        return Taken(item, delivery, item.ready_at or self._hub.clock.now())

    async def run(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None = None) -> None:
        """Run a work item and give its result to whoever awaits it; settles the delivery."""
        what = f"Activity {item.name!r} of instance {item.instance_id!r}"
        try:
            if delivery.suspect:
                # The delivery before this one may have died between inserting its result and ringing.
                await self._hub.patiently(lambda: self._hub.ring(item.instance_id, "work item again"), what)
                if not await self._may_run_again(item, delivery, what):
                    await delivery.settlement.ack()
                    return
            elif item.tries and not await self._hub.patiently(lambda: self._is_unanswered(item), what):
                # Who put it was not the first to have the activity: the result may have come by another message.
                await self._leave(item, delivery, what)
                return
            failure = failure or self._given_up(item, delivery)
            if failure is None:
                activity = RunActivity(item.task_id, item.name, item.input)
                ready_at = item.ready_at or self._hub.clock.now()
                tries = item.tries + delivery.attempt - 1
                event = await self._runs.run(_sender_of(item), activity, ready_at, tries, item.trace)
            else:
                event = TaskFailed(self._hub.clock.now(), item.task_id, failure)
            if event is None:
                await self._leave(item, delivery, what)
            else:
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

    async def _leave(self, item: WorkItem, delivery: Delivery, what: str) -> None:
        """Settle what has no answer, and guards nothing that its instance still has to hand over (PROTOCOL R25)."""
        header = await self._hub.patiently(lambda: self._hub.store.load_header(item.instance_id), what)
        if header is not None and InstanceState.decode(header.body).names(item.id):
            await _put_off(item, delivery)
        else:
            await delivery.settlement.ack()

    def _given_up(self, item: WorkItem, delivery: Delivery) -> FailureDetails | None:
        """Why not to begin once more what has ended its process each time."""
        what, attempt = item.subject, item.tries + delivery.attempt
        reason = after_attempts(what, attempt, self._most_deliveries)
        if reason is not None:
            logger.error("The %s is given up: %s", what, reason.message)
        if attempt > self._most_deliveries + 1:
            # It was told before that the activity has failed, and its process ended with that, too.
            delivery.failure = reason
        return reason

    async def _may_run_again(self, item: WorkItem, delivery: Delivery, what: str) -> bool:
        """Have what the item guards handed over (PROTOCOL R4), and look whether a result is still wanted (I6)."""
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
        # What has ended stays so: only of others does a newer header say more.
        return not header.is_terminal and await self._hub.patiently(lambda: self._is_unanswered(item), what)

    async def _is_unanswered(self, item: WorkItem) -> bool:
        """Whether the instance still waits for a result: its header names an activity until it has one (PROTOCOL R7).

        The delivery before this one may have brought it, and then have been kept as the guard of what came next: a
        process that died of that leaves an item of which the activity is done.
        """
        header = await self._hub.store.load_header(item.instance_id)
        if header is None or header.is_terminal:
            return False
        state = InstanceState.decode(header.body)
        current = (state.execution_id, state.generation, state.attempt)
        return current == (item.execution_id, item.generation, item.attempt) and any(
            item.task_id in group.ids for group in state.activities
        )

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


def _sender_of(item: WorkItem) -> Sender:
    """On whose behalf a work item is run; its name is not known."""
    return Sender(item.instance_id, "", item.execution_id, item.generation, item.attempt)


async def _put_off(item: WorkItem, delivery: Delivery) -> None:
    """Have a work item come again later, each time twice as late as before (PROTOCOL R3)."""
    await delivery.settlement.put_back(2.0 ** min(item.again, MOST_DOUBLINGS))
