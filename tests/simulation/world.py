"""A simulated world: one hub, several workers that crash and come back, one seed.

Everything random comes from the seed and time is virtual, so that a run can be had again.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Coroutine
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.history import (
    ContinuedAsNew,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
)
from azure_durable_py.registry import Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.instance import InstanceState
from azure_durable_py.taskhub.lifecycle import read_history
from azure_durable_py.taskhub.messages import ANY, InboxEvent, Target
from azure_durable_py.taskhub.protocol import Header, InstanceQuery, Kind, Listed
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.worker.activities import run_inline
from azure_durable_py.worker.worker import Worker
from tests.simulation.faults import CALM, Faults, FaultyStore, Process

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
STORM = 600.0
"""Virtual seconds for which faults happen; afterwards everything must come to rest."""
REST = 3 * 3600.0

current_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar("current_process", default=None)


def factory(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:
    """Every task belongs to the process that made it, so that killing the process ends it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **kwargs)
    process = current_process.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(lambda done: process.tasks.pop(done, None))
        if process.dead:
            task.cancel()
    return task


class World:
    """The hub and who works on it."""

    def __init__(self, seed: int, registry: Registry, settings: Settings, workers: int, faults: Faults) -> None:
        self.dice = random.Random(seed)
        self.clock = loop_clock(EPOCH)
        self.registry = registry
        self.settings = settings
        self.storm = faults
        self.calm = False
        self.store = SqliteStore(None, hub_name="Simulated", now=self.clock.now, ids=Ids(random.Random(seed + 1)))
        self.hub = TaskHub(self.store, self.clock, Ids(random.Random(seed + 2)))
        self.crashes = 0
        self._workers = workers
        self._sent: dict[str, int] = {}

    async def open(self) -> None:
        """Start the world's workers; each is started again some time after it died."""
        asyncio.get_running_loop().set_task_factory(factory)
        await self.hub.open()
        for number in range(self._workers):
            asyncio.get_running_loop().create_task(self._keep_alive(f"W{number + 1}"))

    def faults(self) -> Faults:
        """The faults of this moment."""
        over = self.calm or asyncio.get_running_loop().time() > STORM
        return CALM if over else self.storm

    async def _keep_alive(self, name: str) -> None:
        while True:
            process = Process(name)
            token = current_process.set(process)
            store = FaultyStore(self.store, process, self.dice, self.faults)
            hub = TaskHub(store, self.clock, Ids(random.Random(self.dice.getrandbits(64))))  # type: ignore[arg-type]
            worker = Worker(hub, self.registry, self.settings, run_sync=run_inline, repair=False)
            await worker.start()
            current_process.reset(token)
            await process.died.wait()
            self.crashes += 1
            await asyncio.sleep(self.dice.uniform(0.0, 40.0))

    # --- what clients do -------------------------------------------------------------------------------

    async def start(self, name: str, instance_id: str, text: str | None = None, **more: Any) -> None:
        """Start an instance, as a client does whose own calls do not fail."""
        request = StartRequest(instance_id, self.hub.ids.new(), name, self.clock.now(), text, **more)
        other = await self.hub.start(request)
        assert other is None, f"{instance_id} exists"

    async def send(self, instance_id: str, event: Event, *, control: bool = False) -> None:
        """Send an event to an instance; sometimes twice, as a client does that got no answer."""
        sequence = self._sent[instance_id] = self._sent.get(instance_id, -1) + 1
        header = await self.store.load_header(instance_id)
        target = Target(header.columns.execution_id) if header is not None and control else ANY
        message = InboxEvent(event, "client:simulated", sequence, self.clock.now(), target, control)
        await self.hub.deliver(instance_id, [message], "client")
        if self.dice.random() < 0.2:
            asyncio.get_running_loop().create_task(self._send_again(instance_id, message))

    async def _send_again(self, instance_id: str, message: InboxEvent) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, 240.0))
        await self.hub.deliver(instance_id, [message], "client, again")

    async def raise_event(self, instance_id: str, name: str, data: str | None = None) -> None:
        """Raise an external event with JSON data."""
        await self.send(instance_id, EventRaised(self.clock.now(), name, data))

    async def terminate(self, instance_id: str, *, recurse: bool = False) -> None:
        await self.send(instance_id, ExecutionTerminated(self.clock.now(), "by request", recurse), control=True)

    async def suspend(self, instance_id: str) -> None:
        await self.send(instance_id, ExecutionSuspended(self.clock.now()), control=True)

    async def resume(self, instance_id: str) -> None:
        await self.send(instance_id, ExecutionResumed(self.clock.now()), control=True)

    async def nap(self, longest: float) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.dice.uniform(0.0, longest))

    # --- what must be true in the end ------------------------------------------------------------------

    async def finished(self, *instance_ids: str) -> list[Header]:
        """Wait until these instances are finished; fails when the world is at rest and they are not."""
        headers: list[Header] = []
        for instance_id in instance_ids:
            while True:
                header = await self.store.load_header(instance_id)
                if header is not None and header.columns.completed_time is not None:
                    headers.append(header)
                    break
                assert asyncio.get_running_loop().time() < STORM + REST, await self._stuck(instance_id, header)
                await asyncio.sleep(5.0)
        return headers

    async def _stuck(self, instance_id: str, header: Header | None) -> str:
        counts = await self.store.message_counts()
        loaded = await self.store.load(instance_id)
        state = InstanceState.decode(header.body) if header else None
        return f"{instance_id} is stuck: {header and header.columns}\ninbox {loaded.inbox}\n{state}\nqueues {counts}"

    async def at_rest(self) -> None:
        """Wait until every queue is empty, then look that nothing of a finished instance is left."""
        self.calm = True
        while any((await self.store.message_counts()).values()):
            assert asyncio.get_running_loop().time() < STORM + 2 * REST, await self.store.message_counts()
            await asyncio.sleep(30.0)
        for kind in Kind:
            page = await self.store.query(InstanceQuery(kind=kind, page_size=1000))
            for listed in page.items:
                await self._nothing_left(listed)

    async def story(self) -> list[tuple[str, str, str | None]]:
        """What became of every orchestration: equal for two runs that went the same way."""
        page = await self.store.query(InstanceQuery(page_size=1000))
        return [(item.instance_id, item.columns.turn_id, item.columns.output) for item in page.items]

    async def _nothing_left(self, listed: Listed) -> None:
        """A row that storage took late, after its repetition was consumed, may be left: it must be inert."""
        loaded = await self.store.load(listed.instance_id)
        if loaded.inbox:
            await self.hub.ring(listed.instance_id, "look again")
            while any((await self.store.message_counts()).values()):
                await asyncio.sleep(30.0)
            loaded = await self.store.load(listed.instance_id)
        assert not loaded.inbox, f"left in the inbox of {listed.instance_id}: {loaded.inbox}"
        assert loaded.header is not None
        assert loaded.header.columns.runtime_status == listed.columns.runtime_status
        await self._history_is_sound(loaded.header)

    async def _history_is_sound(self, header: Header) -> None:
        """Every task was decided once and answered at most once; there is one end."""
        events = await read_history(self.store, header.instance_id, InstanceState.decode(header.body))
        decided = [event.id for event in events if hasattr(event, "id")]
        answered = [event.task_id for event in events if hasattr(event, "task_id")]
        ends = [event for event in events if isinstance(event, (ExecutionCompleted, ContinuedAsNew))]
        assert len(set(decided)) == len(decided), f"{header.instance_id} decided twice: {decided}"
        assert len(set(answered)) == len(answered), f"{header.instance_id} was answered twice: {answered}"
        assert len(ends) <= 1, f"{header.instance_id} ended twice: {ends}"


def settings() -> Settings:
    """Few slots and short visibility: the surplus goes to the queue, and what is dropped comes back soon."""
    return Settings(
        max_concurrent_activities=3,
        max_concurrent_orchestrators=4,
        instance_visibility_timeout=10.0,
        activity_visibility_timeout=10.0,
        max_queue_polling_interval=5.0,
        extended_session_idle_timeout=8.0,
        # The storm kills and stalls whole processes so often that this says nothing about the code they ran.
        max_dequeue_count=1000,
    )


def at(seconds: float) -> datetime:
    """A moment of virtual time."""
    return EPOCH + timedelta(seconds=seconds)
