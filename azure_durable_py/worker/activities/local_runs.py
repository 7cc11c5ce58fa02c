"""Activities that run in this process, with the reading of their input."""

from __future__ import annotations

import asyncio
from datetime import datetime

from azure_durable_py.errors import DurableError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import PayloadRef, TaskCompleted, TaskFailed
from azure_durable_py.observer import NOBODY, UNOBSERVED, ActivityRun, Observation
from azure_durable_py.record import record
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.outgoing import RunActivity, Sender
from azure_durable_py.taskhub.reading import read_value
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.activities.cancelling import CancellableRun, CancellableRuns, Fate
from azure_durable_py.worker.activities.runner import ActivityRunner
from azure_durable_py.worker.context import ActivityJob, TaskResult


@record
class Offer:
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


class LocalRuns:
    """Runs activities here.

    :param cancellable: where those are noted that may be cancelled.
    :param bound: seconds for which an activity may run without a message of its own; None: as long as it takes.
    """

    def __init__(self, hub: TaskHub, runner: ActivityRunner, cancellable: CancellableRuns, bound: float | None) -> None:
        self._hub = hub
        self._runner = runner
        self._cancellable = cancellable
        self._bound = bound
        self._slow: set[str] = set()

    def is_for_queue(self, activity: RunActivity, *, tries: int, again: bool) -> bool:
        """Whether an activity is to have a message of its own, although there may be room for it here.

        :param tries: how often it was begun by a process that did not end it, as far as is known.
        :param again: whether it may have been begun before at all.
        """
        return tries > 0 or (self._bound is not None and (again or activity.name in self._slow))

    async def run_offer(self, offer: Offer) -> None:
        """Run what a turn of ours decided, and tell its instance."""
        job, sender, activity = offer.job, offer.sender, offer.activity
        loop = asyncio.get_running_loop()
        bound = None if self._bound is None else loop.call_later(self._bound, self._slow.add, activity.name)
        try:
            trace = sender.task(activity.task_id)
            event = await self.run(sender, activity, offer.ready_at, offer.tries, trace, job)
        finally:
            if bound is not None:
                bound.cancel()
        if event is not None:
            job.finish(TaskResult(sender.target, activity.task_id, event))

    async def run(
        self,
        sender: Sender,
        activity: RunActivity,
        ready_at: datetime,
        tries: int,
        trace: TraceContext | None,
        job: ActivityJob | None = None,
    ) -> TaskCompleted | TaskFailed | None:
        """Run one activity to its answer; None: it was cancelled, and no answer will ever count.

        :param sender: on whose behalf.
        :param ready_at: when it was decided or put into the queue.
        :param tries: how often it was begun by a process that did not end it, as far as is known.
        :param trace: the span of the call.
        :param job: who offered it; None: it came from the queue.
        :raises NewerFormatError: its input is of a version to come.
        """
        if not self._runner.is_cancellable(activity.name):
            return await self._run(sender, activity, ready_at, tries, trace)
        with self._cancellable.begin(sender, activity.task_id, local=job is not None) as run:
            await self._look(run, job)
            if run.fate is None:
                event = await self._run(sender, activity, ready_at, tries, trace, run)
            else:
                event = self._runner.failed(activity.task_id, run.error)
        return None if run.fate is Fate.superseded else event

    async def _look(self, run: CancellableRun, job: ActivityJob | None) -> None:
        """See whether the result of a run that is about to begin is wanted by now."""
        if job is None:
            await self._cancellable.load_and_look(run.sender.instance_id)
        elif job.has_abandoned(run.sender, run.task_id):
            run.cancel(Fate.abandoned)

    async def _run(
        self,
        sender: Sender,
        activity: RunActivity,
        ready_at: datetime,
        tries: int,
        trace: TraceContext | None,
        cancellable: CancellableRun | None = None,
    ) -> TaskCompleted | TaskFailed:
        try:
            text = await self._read(sender, activity)
        except NewerFormatError:
            raise
        except DurableError as error:
            return TaskFailed(self._hub.clock.now(), activity.task_id, FailureDetails.from_exception(error))
        watched = self._watched(sender, activity, text, ready_at, tries, trace)
        return await self._runner.run(activity.name, activity.task_id, text, watched, cancellable)

    async def _read(self, sender: Sender, activity: RunActivity) -> str | None:
        value = activity.input
        if not isinstance(value, PayloadRef):
            return value
        hub, what = self._hub, f"Activity {activity.name!r} of instance {sender.instance_id!r}"
        return await hub.patiently(lambda: read_value(hub.store, sender.instance_id, value), what)

    def _watched(
        self,
        sender: Sender,
        activity: RunActivity,
        text: str | None,
        ready_at: datetime,
        tries: int,
        trace: TraceContext | None,
    ) -> Observation:
        if self._hub.observer is NOBODY:
            return UNOBSERVED
        run = ActivityRun(
            sender.instance_id,
            sender.execution_id,
            sender.generation,
            sender.attempt,
            activity.task_id,
            activity.name,
            text,
            ready_at,
            tries,
            trace,
        )
        return self._hub.observer.activity(run)
