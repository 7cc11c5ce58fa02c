"""One worker on a task hub: its intake, actors and activity slots, started and stopped together."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from azure_durable_py.errors import StorageError
from azure_durable_py.observer import Sample
from azure_durable_py.registry import Registry
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.serialization.converter import BoundedConverter, DataConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from azure_durable_py.worker.activities.cancelling import CancellableRuns
from azure_durable_py.worker.activities.local_runs import LocalRuns
from azure_durable_py.worker.activities.runner import ActivityRunner, SyncRunner, run_in_thread
from azure_durable_py.worker.activities.slots import ActivitySlots
from azure_durable_py.worker.activities.work_items import WorkItems
from azure_durable_py.worker.caretaker import EVERY, Caretaker
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.http.activity import HttpTransport, http_activity
from azure_durable_py.worker.http.transport import NetworkTransport
from azure_durable_py.worker.instance.actor import Actor
from azure_durable_py.worker.instance.attention import Crowd
from azure_durable_py.worker.instance.sessions import Sessions
from azure_durable_py.worker.intake.delivery import Delivery, Holder
from azure_durable_py.worker.intake.protocol import Intake, Receiver
from azure_durable_py.worker.intake.pumps import Pumps
from azure_durable_py.worker.supervision import Health, Supervisor
from azure_durable_py.worker.taskset import TaskSet, begin, end, failure_of
from azure_durable_py.worker.watchdog import Watchdog

logger = logging.getLogger("azure_durable_py.worker")
HOLDS = "holds"
"""What the renewal of holds is called in the worker's health."""
WAITING_PER_TURN = 2
"""While so many orchestrations for each that may take a turn wait for theirs, messages are left to other workers."""
WAITING_PER_ENTITY = 100
"""The same for entities. Their operations may take long: what is behind them in the queue is not to wait for them."""
WATCHES = "watches"
"""What the looks at headers are called there, by which what nobody wants any more is cancelled."""


class Worker:
    """Runs the orchestrations, entities and activities of one app on one task hub.

    :param hub: an open task hub.
    :param registry: what the app declares.
    :param settings: limits and timings.
    :param converter: how inputs and results become JSON.
    :param run_sync: how sync activities are called.
    :param repair: whether to look through the hub, at start and daily: for instances without life, and for old ones.
    :param intake: how messages come to it (default: pumps of its own).
    :param http: makes the requests of `call_http` (default: on the network); the worker closes it.
    :param replay: `"every-turn"`: each turn of an orchestration is at once run again from its history, and the instance
        fails with `NonDeterminismError` if it comes to something else. That takes the square of the time, for tests
        and development.
    """

    def __init__(
        self,
        hub: TaskHub,
        registry: Registry,
        settings: Settings,
        *,
        converter: DataConverter | None = None,
        run_sync: SyncRunner = run_in_thread,
        repair: bool = True,
        intake: Intake | None = None,
        http: HttpTransport | None = None,
        replay: Replay = "when-needed",
    ) -> None:
        self._hub = hub
        self._repairs = repair
        self._settings = settings
        self._actors: dict[str, Actor] = {}
        self._actor_tasks: dict[str, asyncio.Task[None]] = {}
        self._supervisor = supervisor = Supervisor(hub)
        self._watchdog = Watchdog(settings.max_turn_time)
        self._holder = Holder(hub, self._look_again, supervisor.reporter(HOLDS, "the hold is renewed later"))
        self._intake = intake = intake or Pumps()
        terms = intake.terms
        converter = BoundedConverter(
            converter or JsonDataConverter(strict_types=registry.strict_types), MAX_PAYLOAD_BYTES
        )
        self._http = http or NetworkTransport(settings)
        activities = registry.activities.with_built_in(http_activity(self._http))
        runner = ActivityRunner(activities, converter, hub.clock.now, run_sync, self._watchdog)
        self._cancellable = CancellableRuns(
            hub.store, self._reload, supervisor.reporter(WATCHES, "what runs is not cancelled")
        )
        runs = LocalRuns(hub, runner, self._cancellable, terms.local_bound)
        items = WorkItems(
            hub,
            runs,
            self._holder,
            settings.activity_visibility_timeout,
            self._actors.get,
            self._ring,
            supervisor,
            settings.max_dequeue_count,
        )
        slots = settings.max_concurrent_activities
        self._slots = ActivitySlots(hub, runs, items, slots, supervisor, intake.activity_room_made)
        self._context = WorkerContext(
            hub=hub,
            registry=registry,
            settings=settings,
            converter=converter,
            activities=self._slots,
            cancellable=self._cancellable,
            holder=self._holder,
            sessions=Sessions(settings.max_extended_sessions),
            supervisor=supervisor,
            watchdog=self._watchdog,
            settling=TaskSet(on_failure=supervisor.reporter("settlements", "its message comes again")),
            turns=asyncio.Semaphore(settings.max_concurrent_orchestrators),
            entity_turns=asyncio.Semaphore(settings.max_concurrent_entities),
            crowd=Crowd(WAITING_PER_TURN * settings.max_concurrent_orchestrators, intake.instance_room_made),
            entity_crowd=Crowd(WAITING_PER_ENTITY * settings.max_concurrent_entities, intake.instance_room_made),
            drop_after=terms.drop_after,
            take_over_after=terms.take_over_after,
            run_sync=run_sync,
            replay=replay,
        )
        self._renewing: asyncio.Task[None] | None = None
        self._loops: list[asyncio.Task[None]] = []

    @property
    def health(self) -> Health:
        """How its tasks are doing."""
        return self._supervisor.health

    # --- start and stop ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to work. Returns at once."""
        self._watchdog.start()
        self._hub.inserted.for_worker = True
        begin = self._supervisor.begin
        self._renewing = begin(HOLDS, self._holder.run, essential=True)
        if self._repairs:
            caretaker = Caretaker(self._hub, self._settings.instance_retention)
            self._loops.append(begin("repair", caretaker.run, longest_pause=EVERY.total_seconds()))
        every = self._hub.observer.samples_every
        if every is not None:
            self._loops.append(begin("samples", lambda: self._sample(every)))
        self._loops += self._intake.start(Receiver(self._context, self._slots, self._ring))

    async def stop(self, grace: float = 10.0) -> None:
        """Stop taking work, let what runs come to an end for up to `grace` seconds, let go of the rest.

        Nothing is lost: what was not committed is delivered again, to another worker or the next start.
        """
        self._intake.stop()
        await end(self._loops)
        await self._slots.drain(grace)
        await self._cancellable.stop()
        await self._let_actors_finish(grace)
        await end(self._actor_tasks.values())
        await asyncio.gather(*(actor.stop() for actor in self._actors.values()))
        await self._context.settling.cancel()
        await end([self._renewing] if self._renewing else [])
        self._actors.clear()
        self._actor_tasks.clear()
        self._loops = []
        await self._http.close()
        self._watchdog.stop()

    async def _let_actors_finish(self, grace: float) -> None:
        """Let results that are in hand be committed."""
        deadline = self._hub.clock.monotonic() + min(grace, 5.0)
        while any(actor.has_results for actor in self._actors.values()):
            if self._hub.clock.monotonic() > deadline:
                break
            await asyncio.sleep(0.01)
        if self._context.settling:
            timeout = max(0.1, deadline - self._hub.clock.monotonic())
            await asyncio.wait(list(self._context.settling), timeout=timeout)

    # --- instances ---------------------------------------------------------------------------------------

    def _ring(self, instance_id: str, delivery: Delivery) -> None:
        actor = self._actors.get(instance_id)
        if actor is None:
            actor = self._actors[instance_id] = Actor(self._context, instance_id, lambda: self._retire(instance_id))
            task = begin(actor.run(), f"instance {instance_id}")
            task.add_done_callback(partial(self._bury, actor))
            self._actor_tasks[instance_id] = task
        actor.ring(delivery)

    def _look_again(self, instance_id: str) -> None:
        """A message of an instance went to another worker: it must not wait for ever with empty hands."""
        actor = self._actors.get(instance_id)
        if actor is not None:
            actor.look_again()

    def _reload(self, instance_id: str) -> None:
        """Another worker has ended what an instance waits for here."""
        actor = self._actors.get(instance_id)
        if actor is not None:
            actor.reload()

    def _retire(self, instance_id: str) -> None:
        del self._actors[instance_id]
        del self._actor_tasks[instance_id]

    def _bury(self, actor: Actor, task: asyncio.Task[None]) -> None:
        """See to what an actor leaves behind that has failed: the next doorbell makes a new one."""
        error = failure_of(task)
        if error is None:
            return
        if self._actors.get(actor.instance_id) is actor:
            self._retire(actor.instance_id)
        self._supervisor.report("instances", f"the messages of {actor.instance_id!r} are put back", error)
        self._supervisor.health.resumed("instances")
        self._context.settling.start(actor.abandon(), f"give up {actor.instance_id}")

    # --- samples -----------------------------------------------------------------------------------------

    async def _sample(self, every: float) -> None:
        """Tell an observer that wants it, each so many seconds, how much there is to do."""
        while True:
            try:
                counts = await self._hub.store.message_counts()
            except StorageError as error:
                logger.debug("Messages in the queues could not be counted: %s", error)
            else:
                self._hub.observer.sampled(Sample(counts, len(self._actors)))
            await asyncio.sleep(every)
