"""Where activities run: local slots first, the surplus to the activities queue, items from it.

Owns the slots of this worker. An activity that a turn of ours decided is run here if a slot is free, or is
likely to be in no time; what has to wait for longer goes to the queue, newest first. A freed slot takes what
became ready first, wherever it waits: while anything waits here, a few items are taken from the queue ahead of
need, to see how old they are.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from azure_durable_py.failures import FailureDetails
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import WorkItem
from azure_durable_py.taskhub.outgoing import RunActivity
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.worker.activities.crowding import Crowding
from azure_durable_py.worker.activities.local_runs import LocalRuns, Offer
from azure_durable_py.worker.activities.turnover import Turnover
from azure_durable_py.worker.activities.work_items import ACTIVITIES, Taken, WorkItems
from azure_durable_py.worker.context import ActivityJob
from azure_durable_py.worker.intake.delivery import Delivery
from azure_durable_py.worker.intake.poison import UNREADABLE, turn_away
from azure_durable_py.worker.supervision import Supervisor
from azure_durable_py.worker.taskset import TaskSet

logger = logging.getLogger("azure_durable_py.worker")
PARALLEL_PUTS = 8
MOST_AHEAD = 16
"""Work items that may be taken from the queue although no slot is free for them yet."""


class ActivitySlots:
    """Runs activities in a bounded number of slots.

    :param slots: how many run at once.
    :param room_made: told when a slot is free that work items of the queue may have.
    """

    def __init__(
        self,
        hub: TaskHub,
        runs: LocalRuns,
        items: WorkItems,
        slots: int,
        supervisor: Supervisor,
        room_made: Callable[[], None],
    ) -> None:
        self._hub = hub
        self._runs = runs
        self._items = items
        self._slots = slots
        self._supervisor = supervisor
        self._room_made = room_made
        report = supervisor.reporter(ACTIVITIES, "its message comes again")
        self._running = TaskSet(self._freed, report)
        self._putting = TaskSet(self._fill, report)
        self._waiting: deque[Offer] = deque()
        self._for_queue: deque[Offer] = deque()
        self._taken: deque[Taken] = deque()
        self._draining = False
        self._crowding = Crowding(slots)
        self._turnover = Turnover(self._fill)

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
        elsewhere = self._runs.is_for_queue(activity, tries=tries, again=again)
        offer = Offer(job, job.sender, number, activity, self._hub.clock.now(), tries)
        (self._for_queue if elsewhere else self._waiting).append(offer)
        self._fill()

    async def drain(self, grace: float) -> None:
        """Start nothing more; wait up to `grace` seconds for what runs, then give it up."""
        self._draining = True
        self._crowding.freed()
        self._turnover.stop()
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
            elif self._turnover.is_surplus(len(self._waiting)) and len(self._putting) < PARALLEL_PUTS:
                self._put(self._waiting.pop())
            else:
                return

    def _begin_oldest(self) -> None:
        if self._taken and (not self._waiting or self._taken[0].ready_at <= self._waiting[0].ready_at):
            taken = self._taken.popleft()
            self._running.start(self._items.run(taken.item, taken.delivery), f"activity {taken.item.name}")
        else:
            offer = self._waiting.popleft()
            work = self._supervisor.keep(ACTIVITIES, lambda: self._runs.run_offer(offer))
            self._running.start(work, f"activity {offer.activity.name}")
        if len(self._running) >= self._slots:
            self._crowding.full()

    def _freed(self) -> None:
        self._crowding.freed()
        self._turnover.freed()
        self._fill()
        if self.room() > 0:
            self._room_made()

    def _put(self, offer: Offer) -> None:
        if offer.is_wanted:
            work = self._supervisor.keep(ACTIVITIES, lambda: self._items.put(offer))
            self._putting.start(work, f"queue {offer.activity.name}")

    # --- from the queue --------------------------------------------------------------------------------------

    def take(self, message: QueueMessage, asked_at: float) -> None:
        """Run the activity of a message that was received from the activities queue."""
        try:
            taken = self._items.receive(message, asked_at)
        except UNREADABLE as error:
            self._running.start(turn_away(self._hub, message, error), "turn away")
        else:
            self._taken.append(taken)
            self._fill()

    async def run(self, item: WorkItem, delivery: Delivery, failure: FailureDetails | None) -> None:
        """Run a work item in a slot, even if none is free: its message is in hand already.

        :param failure: what to answer in place of running it.
        """
        await asyncio.wait([self._running.start(self._items.run(item, delivery, failure), f"activity {item.name}")])
