"""A simulated world: one hub, workers that crash and come back, clients that fail, one seed.

Everything random comes from the seed and time is virtual, so that a run can be had again.

How a run goes. A scenario (see `scenarios`) starts instances while a *storm* goes on: for `STORM` virtual seconds
storage calls fail, processes die, and so on, as the run's weather has it (see `weather`, `faults`). Then faults
end, everything must come to rest, and `invariants` looks at what is left. A scenario may let hours pass and call
the next storm with `World.storm_again`.

How to add a scenario: write `async def name(world: World) -> None` in one of the modules that `scenarios`
collects; start and steer instances through `world`; say with assertions how all must end. A scenario that needs a
world of a certain kind has `bends(...)` above it. `make simulate SEEDS=0-500 SCENARIOS=name` plays it in 501
worlds.

How to read a failing run: `make simulate SEEDS=7-7 SCENARIOS=name` repeats it and prints the story of the world
(its set-up, and what the engine logged, with virtual times) up to the violation.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.history.events import (
    Event,
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
)
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.registry import Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.messages import ANY, InboxEvent, Target
from azure_durable_py.taskhub.protocol import Header, InstanceQuery, Kind
from azure_durable_py.testing.virtual.memory import MemoryStore
from azure_durable_py.testing.virtual.scripted_http import AnswerHttp, ScriptedTransport
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.intake.invocations import HostLimits, Invocations
from azure_durable_py.worker.lifeless import ring_lifeless
from azure_durable_py.worker.worker import Worker
from tests.simulation import invariants, looking
from tests.simulation.clients import SimulatedClient
from tests.simulation.faults import FaultyStore, Process, Sky, within
from tests.simulation.functions_host import FunctionsHost
from tests.simulation.weather import STORM as STORMY
from tests.simulation.weather import Weather, draw_weather

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
STORM = 600.0
"""Virtual seconds for which faults happen; afterwards everything must come to rest."""
REST = 3 * 3600.0
LONGEST_REST = 8 * 24 * 3600.0
"""Doorbells of timers far away are put for days."""
LOOK_WITHIN = 5.0
"""The longest time, in seconds, until a worker with room looks for a message that became visible."""

Play = Callable[["World"], Awaitable[None]]
the_world: contextvars.ContextVar[World] = contextvars.ContextVar("the_world")


def settings() -> Settings:
    """Few slots and short visibility: the surplus goes to the queue, and what is dropped comes back soon."""
    # Processes die so often here that honest work may be delivered more often than anywhere else.
    patient = {"max_dequeue_count": 100} if "max_dequeue_count" in Settings.__dataclass_fields__ else {}
    return Settings(
        hub_name="Simulated",
        **patient,
        max_concurrent_activities=3,
        max_concurrent_orchestrators=4,
        max_concurrent_entities=4,
        instance_visibility_timeout=10.0,
        activity_visibility_timeout=10.0,
        # Polling is simulated: workers hear of what became visible some seconds later (see `World._announce`).
        max_queue_polling_interval=3600.0,
        extended_session_idle_timeout=8.0,
    )


@dataclass
class Plan:
    """How the world of a run is set up. Drawn from the seed, then bent to what the scenario needs."""

    workers: int = 1
    functions: bool = False
    weather: Weather = STORMY
    skew: float = 0.0
    """How far clocks of workers are apart, in seconds."""
    short_pages: float = 0.0
    redeploys: float = 0.0
    """Seconds between graceful stops of a worker, about; 0: never."""
    repair: bool = False
    tells: bool = False
    """Whether the store can tell when the next message is visible."""
    settings: Settings = field(default_factory=settings)


def draw_plan(dice: random.Random) -> Plan:
    """The set-up of a run."""
    plan = Plan(workers=dice.randint(1, 3), weather=draw_weather(dice))
    plan.functions = dice.random() < 0.15
    plan.skew = dice.choice((0.0, 0.0, 0.3, 3.0, 60.0))
    plan.short_pages = dice.choice((0.0, 0.0, 0.3))
    plan.redeploys = dice.choice((0.0, 0.0, 0.0, 60.0, 200.0))
    plan.tells = dice.random() < 0.5
    plan.repair = dice.random() < 0.15
    changes: dict[str, Any] = {}
    if dice.random() < 0.3:
        changes["max_concurrent_activities"] = dice.choice((1, 10, 50))
    if dice.random() < 0.1:
        changes["extended_sessions"] = False
    if dice.random() < 0.2:
        changes["instance_visibility_timeout"] = changes["activity_visibility_timeout"] = 30.0
    plan.settings = replace(plan.settings, **changes)
    return plan


class SimulatedHub(TaskHub):
    """A hub whose worker the world can tell of messages that others put, in place of polling."""

    def __init__(self, store: Any, clock: Clock, ids: Ids, observer: Observer) -> None:
        super().__init__(store, clock, ids, observer=observer)
        self.heard: list[Callable[[str, float], None]] = []

    def listen(self, listener: Callable[[str, float], None]) -> Callable[[], None]:
        self.heard.append(listener)
        stop = super().listen(listener)

        def unlisten() -> None:
            self.heard.remove(listener)
            stop()

        return unlisten


@dataclass
class Life:
    """One process with a worker in it."""

    process: Process
    hub: SimulatedHub
    worker: Worker
    stopped: bool = False
    """Whether it was asked to end."""


def bends(bend: Callable[[Plan], None]) -> Callable[[Play], Play]:
    """Above a scenario: what it changes in the set-up of every world that it is played in."""

    def mark(play: Play) -> Play:
        play.bend = bend  # type: ignore[attr-defined]
        return play

    return mark


class World:
    """The hub and who works on it.

    :param seed: anything; the same gives the same run.
    """

    def __init__(self, seed: str, registry: Registry, plan: Plan) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock(lambda: EPOCH + timedelta(seconds=self.sky.loop.time()))
        self.registry = registry
        self.plan = plan
        self.until = STORM
        self.calm = False
        self.crashes = 0
        self.effects: Counter[Any] = Counter()
        """What user code did, by a key of its own."""
        self.lives: dict[str, Life] = {}
        self.observer: Observer = NOBODY
        """What hears of all that workers do."""
        self.answer_http: AnswerHttp | None = None
        """What answers the requests of `call_http`."""
        self.others: dict[str, tuple[Registry, Settings]] = {}
        """Workers that run another version of the app, by name."""
        self.sky = Sky(self.dice, self._weather)
        self.sky.short_pages = plan.short_pages
        self.store = MemoryStore(
            hub_name="Simulated",
            now=self.clock.now,
            ids=Ids(random.Random(f"{seed} store")),
            visible=self._visible,
            tells=plan.tells,
        )
        self.hub = TaskHub(self.store, self.clock, Ids(random.Random(f"{seed} hub")))
        self._sent: dict[str, int] = {}
        self._next_look: dict[str, float] = {}

    async def open(self) -> None:
        """Start the world's workers; each is started again some time after it died."""
        the_world.set(self)
        self.sky.loop = asyncio.get_running_loop()
        await self.hub.open()
        self._plan_spells()
        for number in range(self.plan.workers):
            within(None, self._keep_alive(f"W{number + 1}"))

    async def close(self) -> None:
        """End it all."""
        for life in self.lives.values():
            life.stopped = True
            life.process.kill()
        await self.hub.close()

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.sky.loop.time()

    def did(self, *what: Any) -> None:
        """User code had an effect."""
        self.effects[what] += 1

    # --- weather ---------------------------------------------------------------------------------------

    def _weather(self) -> Weather | None:
        return None if self.calm or self.now > self.until else self.plan.weather

    def _plan_spells(self) -> None:
        weather = self.plan.weather
        for kind, lengths in (("outage", weather.outages), ("refused", weather.refusals)):
            for length in lengths:
                start = self.now + self.dice.uniform(0.0, STORM / 2)
                whose = self.dice.choice(("", "", *(f"W{number + 1}" for number in range(self.plan.workers))))
                self.sky.spells.append((start, min(start + length, self.until), kind, whose))

    def storm_again(self, seconds: float = STORM / 2) -> None:
        """Let faults happen again for a time."""
        self.calm = False
        self.until = self.now + seconds
        self._plan_spells()

    # --- workers ---------------------------------------------------------------------------------------

    async def _keep_alive(self, name: str) -> None:
        while True:
            life = await self._begin(name)
            within(life.process, self._redeploy(life))
            await life.process.died.wait()
            self.crashes += not life.stopped
            await asyncio.sleep(self.dice.uniform(0.0, 40.0))

    async def _begin(self, name: str) -> Life:
        process = Process(name)
        store: Any = FaultyStore(self.store, process, self.sky)
        apart = timedelta(seconds=self.dice.uniform(-self.plan.skew, self.plan.skew))
        clock = Clock(lambda: self.clock.now() + apart) if apart else self.clock
        hub = SimulatedHub(store, clock, Ids(random.Random(self.dice.getrandbits(64))), self.observer)
        registry, chosen = self.others.get(name, (self.registry, self.plan.settings))
        invocations = Invocations(HostLimits())
        worker = Worker(
            hub,
            registry,
            chosen,
            run_sync=run_inline,
            repair=self.plan.repair,
            http=ScriptedTransport(self.answer_http),
            intake=invocations if self.plan.functions else None,
        )
        life = self.lives[name] = Life(process, hub, worker)
        await within(process, worker.start())
        if self.plan.functions:
            within(process, FunctionsHost(self.store, store, invocations, process, self.dice, hub.heard).run())
        return life

    async def _redeploy(self, life: Life) -> None:
        """Stop a worker as a deployment does: asked first, killed when it takes long."""
        if not self.plan.redeploys:
            return
        await asyncio.sleep(self.dice.uniform(0.2, 2.0) * self.plan.redeploys)
        if not self.calm and self.now < self.until:
            await self.stop(life)

    async def stop(self, life: Life) -> None:
        """Stop a worker gracefully; it is started again some time later."""
        life.stopped = True
        stopping = within(life.process, life.worker.stop(self.dice.choice((0.0, 5.0, 10.0))))
        await asyncio.wait([stopping], timeout=60.0)
        life.process.kill()

    # --- polling ---------------------------------------------------------------------------------------

    def _visible(self, queue: str, moment: datetime) -> None:
        """A message becomes visible: look for it then."""
        due = (moment - EPOCH).total_seconds()
        if due < self._next_look.get(queue, float("inf")):
            self._next_look[queue] = due
            self.sky.loop.call_at(due + 1e-5, self._look, queue, due)

    def _look(self, queue: str, due: float) -> None:
        if self._next_look.get(queue) != due:
            return  # An earlier look was asked for meanwhile.
        del self._next_look[queue]
        first = self.store.queue(queue).first()
        if first is None:
            return
        if first.visible_at > self.clock.now():
            self._visible(queue, first.visible_at)
            return
        # In place of polling every few seconds, which would be most of what a run does.
        for life in self.lives.values():
            if not life.process.dead:
                for listener in life.hub.heard:
                    listener(queue, self.dice.uniform(0.0, LOOK_WITHIN))
        self._visible(queue, self.clock.now() + timedelta(seconds=2 * LOOK_WITHIN))

    # --- what clients do whose own calls do not fail ---------------------------------------------------

    async def start(self, name: str, instance_id: str, text: str | None = None, **more: Any) -> None:
        """Start an instance."""
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
        if self.dice.random() < 0.2 and not self.plan.weather.is_fair:
            within(None, self._send_again(instance_id, message))

    async def _send_again(self, instance_id: str, message: InboxEvent) -> None:
        self.sky.late += 1
        await asyncio.sleep(self.dice.uniform(0.0, 240.0))
        self.sky.came_late.add(message.key)
        await self.hub.deliver(instance_id, [message], "client, again")
        self.sky.late -= 1

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

    def client(self, name: str = "C") -> SimulatedClient:
        """A client whose own calls may fail."""
        return SimulatedClient(self, name)

    async def repair(self, *, quiet: timedelta = timedelta(0)) -> int:
        """Ring what shows no life, as the repair scan does."""
        return await ring_lifeless(self.hub, quiet=quiet)

    def lose_messages(self) -> int:
        """Somebody empties the queues of doorbells. (A work item is in no header: who deletes one, loses it.)"""
        lost = 0
        for name in self.store.instance_queues:
            queue = self.store.queue(name)
            lost += len(queue.messages)
            queue.messages.clear()
        return lost

    # --- what must be true in the end ------------------------------------------------------------------

    async def finished(self, *instance_ids: str, within: float = REST) -> list[Header]:
        """Wait until these instances are finished.

        :param within: how many seconds after the storm they may take.
        """
        headers: list[Header] = []
        for instance_id in instance_ids:
            began, deadline = self.now, max(self.until, self.now) + within
            while True:
                header = await self.store.load_header(instance_id)
                if header is not None and header.columns.completed_time is not None:
                    headers.append(header)
                    break
                assert self.now < deadline, await self.stuck(instance_id)
                # Who waits for days need not look every second.
                await asyncio.sleep(5.0 + (self.now - began) / 50)
        return headers

    async def settled(self, instance_id: str, wanted: Any) -> Any:
        """The state of an entity once it is as wanted, or when there has been time enough for that."""
        deadline = self.until + REST
        while self.now < deadline:
            if await self.exists(instance_id) and await self.state_of(instance_id) == wanted:
                break
            await asyncio.sleep(10.0)
        await self.at_rest()
        return await self.state_of(instance_id)

    async def exists(self, instance_id: str) -> bool:
        """Whether there is such an instance."""
        return await self.store.load_header(instance_id) is not None

    async def headers(self) -> list[Header]:
        """The headers of all orchestrations."""
        found = [partition.header for partition in self.store.partitions.values() if partition.header is not None]
        return [header for header in found if header.columns.kind is Kind.orchestration]

    async def state_of(self, instance_id: str) -> Any:
        """The state of an entity; None if there is none."""
        header = await self.store.load_header(instance_id)
        return None if header is None else await self.value_of(header)

    async def value_of(self, header: Header) -> Any:
        """What an instance returned, or the state of an entity."""
        return await looking.output(self.store, header)

    async def settle(self) -> None:
        """End the storm, and ring what clients left without a ring when they died."""
        self.calm = True
        await invariants.quiet(self)
        await self.repair()
        await invariants.quiet(self)

    async def stuck(self, instance_id: str) -> str:
        """What is known of an instance that should be further."""
        loaded = await self.store.load(instance_id)
        return (
            f"{instance_id} is stuck at {self.now:.0f} s: {looking.describe(loaded.header)}\ninbox {loaded.inbox}\n"
            f"queues {await self.store.message_counts()}"
        )

    async def at_rest(self) -> None:
        """Wait until nothing is under way, then look that nothing is left that nobody needs."""
        self.calm = True
        await invariants.come_to_rest(self)

    async def story(self) -> list[tuple[str, str, str | None]]:
        """What became of every orchestration: equal for two runs that went the same way."""
        page = await self.store.query(InstanceQuery(page_size=1000))
        return [(item.instance_id, item.columns.turn_id, item.columns.output) for item in page.items]


def at(seconds: float) -> datetime:
    """A moment of virtual time."""
    return EPOCH + timedelta(seconds=seconds)
