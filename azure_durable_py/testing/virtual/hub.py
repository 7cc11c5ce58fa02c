"""`VirtualHub`: a task hub in memory with workers on it, at virtual time.

Owns their life within one run. It is a host like any other: the engine, the client and the app are the real ones.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, TypeAlias

from azure_durable_py.app import DFApp
from azure_durable_py.clock import Clock, Ids, loop_clock
from azure_durable_py.logs.log import Log
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.observers import joined
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.testing.apps import App, registry_of, whole_app
from azure_durable_py.testing.arguments import check_arguments
from azure_durable_py.testing.doubles.doubles import Doubles
from azure_durable_py.testing.ordinary.triggers import Triggers
from azure_durable_py.testing.run_wide import replay_of
from azure_durable_py.testing.virtual import watchers
from azure_durable_py.testing.virtual.off_loop import run_off_loop
from azure_durable_py.testing.virtual.scripted_http import AnswerHttp, ScriptedTransport
from azure_durable_py.testing.virtual.store import VirtualClient, VirtualStore
from azure_durable_py.testing.virtual.taking_turns import current_bridge, with_turns
from azure_durable_py.testing.virtual.time import Process, VirtualTimeLoop, process_here
from azure_durable_py.testing.virtual.waits import told
from azure_durable_py.times import UTC, utc
from azure_durable_py.worker.worker import Worker

Wrap: TypeAlias = Callable[[Any], Any]
"""Puts a store around a store."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When a run begins, by its own clock, unless it says otherwise."""
_SETTINGS = Settings(
    hub_name="TestHub",
    # Not by the number of processors: a run is to be the same on every machine.
    max_concurrent_activities=10,
    max_concurrent_orchestrators=10,
    max_concurrent_entities=10,
    # What is in hand for days is renewed again and again, which is most of what such a run would do.
    instance_visibility_timeout=300.0,
    activity_visibility_timeout=300.0,
)


class VirtualWorker:
    """One worker of a virtual hub, as if in a process of its own. Made by `VirtualHub.start_worker`.

    `worker` is the engine's, `hub` the task hub as this process sees it.
    """

    def __init__(self, name: str, hub: TaskHub, worker: Worker) -> None:
        self.name = name
        self.hub = hub
        self.worker = worker
        self._process = Process()
        self._is_running = False

    @property
    def is_here(self) -> bool:
        """Whether this code runs in it."""
        return process_here() is self._process

    @property
    def is_running(self) -> bool:
        """Whether it was started, and neither stopped nor killed."""
        return self._is_running

    async def start(self) -> None:
        """Begin to work."""
        await self._process.run(self.worker.start())
        self._is_running = True

    async def stop(self, grace: float = 10.0) -> None:
        """Stop in good order, as a deployment does. Idempotent.

        :param grace: seconds that what runs has to come to an end.
        """
        if self._is_running:
            self._is_running = False
            await self._process.run(self.worker.stop(grace))

    def kill(self) -> None:
        """End it as SIGKILL does: nothing of it runs any more, and what it had in hand stays reserved for a while."""
        self._is_running = False
        self._process.kill()


class VirtualHub:
    """A task hub in memory at virtual time, an app that is served on it, and a client. An async context manager.

    For use inside `play` and `run_virtual`. Ids, jitter and the clock follow from the arguments: the same run
    is the same each time.

    `client` starts, steers and looks at instances. Below it are `task_hub`, with `store`, `clock` and random ids.
    `registry` is what the app declares, `doubles` stand in for functions of it, `triggers` calls what is not durable,
    `settings` are what all work with. It began at `epoch`.

    :param app: what workers run. Its client bindings, whichever hub they name, get this hub's client.
    :param settings: as from host.json. How often an idle queue is looked at is of no account: workers are told. So is
        how long an idle orchestration stays in memory: it stays.
    :param seed: decides random ids and jitter; another one is another run.
    :param epoch: the UTC time at which the run begins.
    :param workers: how many workers to start with.
    :param wrap: puts a store around the one in memory, for the client and all workers.
    :param http: answers the requests of `call_http`; None: they fail.
    :param observer: told what the client and all workers do, beside the log.
    :param replay: `"every-turn"`: each turn is at once run again from its history; an orchestrator that then does
        something else fails with `NonDeterminismError`. `"when-needed"`: only what a worker has no longer in memory.
    """

    def __init__(
        self,
        app: App,
        settings: Settings | None = None,
        *,
        seed: int | str = 0,
        epoch: datetime = EPOCH,
        workers: int = 1,
        wrap: Wrap | None = None,
        http: AnswerHttp | None = None,
        observer: Observer = NOBODY,
        replay: Replay = "when-needed",
    ) -> None:
        check_arguments(settings=settings, epoch=epoch, replay=replay, workers=workers, http=http)
        self._http = http
        self._seed = seed
        self._replay = replay_of(replay)
        self._begin_with = workers
        self._app = whole_app(app)
        self._left = AsyncExitStack()
        self._names = 0
        self.epoch = utc(epoch)
        self.settings = _at_virtual_time(settings or _SETTINGS)
        self.clock: Clock = loop_clock(self.epoch)
        self.doubles = Doubles(self.clock.now)
        self._observer = joined(Log(), self.doubles.observer, observer)
        self._memory = VirtualStore(self.settings, self.clock, self._ids("store"))
        self.store: TaskHubStore = self._memory if wrap is None else wrap(self._memory)
        self.task_hub = TaskHub(self.store, self.clock, self._ids("client"), observer=self._observer, compresses=False)
        self.registry = self.doubles.observed(with_turns(registry_of(self._app)))
        self.client = VirtualClient(self.task_hub, self.settings, self.registry, self._memory)
        self.triggers = Triggers(self._app, self.client)
        """Calls HTTP functions, timer functions and all others that are not durable."""
        self.workers: list[VirtualWorker] = []
        """Every worker that was started, in order."""
        self.ask: Callable[[Coroutine[Any, Any, str]], Future[str]] | None = None
        """Runs a coroutine for another thread, where there is one that has the hub run; None: there is none."""

    def _ids(self, whose: str) -> Ids:
        return Ids(random.Random(f"{self._seed} {whose}"))  # noqa: S311 - repeatable, not secret

    async def __aenter__(self) -> VirtualHub:  # noqa: PYI034 - `Self` came with Python 3.11
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualTimeLoop):
            raise RuntimeError(
                "A VirtualHub needs virtual time: use it in what azure_durable_py.testing.play or run_virtual runs."
            )
        async with AsyncExitStack() as left:
            left.push_async_callback(watchers.left, self)
            await self.task_hub.open()
            if isinstance(self._app, DFApp) and self._app.client_bindings():
                # Whoever has a client may ask for links, which are signed without waiting.
                await self.task_hub.keys.current()
            left.push_async_callback(self.triggers.stop)
            self.doubles.wrong = loop.fail
            loop.witnesses.append(self._tell)
            left.callback(loop.witnesses.remove, self._tell)
            self.use_here()
            left.callback(self._leave)
            left.push_async_callback(self._stop)
            for _ in range(self._begin_with):
                await self.start_worker()
            self._left = left.pop_all()
        watchers.entered(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._left.aclose()

    def use_here(self) -> None:
        """Have the app's client bindings get this hub's client in this context, and in what begins in it."""
        if isinstance(self._app, DFApp):
            self._app.use_clients_here(lambda _: self.client, current_bridge)

    def _leave(self) -> None:
        if isinstance(self._app, DFApp):
            self._app.use_clients_here(None)

    @property
    def now(self) -> datetime:
        """The UTC time of the run."""
        return self.clock.now()

    async def start_worker(
        self,
        name: str | None = None,
        *,
        app: App | None = None,
        settings: Settings | None = None,
        clock: Clock | None = None,
        wrap: Wrap | None = None,
        **options: Any,
    ) -> VirtualWorker:
        """Start another worker, as if in a process of its own.

        :param name: decides its random ids and jitter (default: by number).
        :param app: what it runs (default: the hub's app).
        :param settings: its settings (default: the hub's).
        :param clock: its clock (default: the hub's).
        :param wrap: puts a store around the hub's, for this worker.
        :param options: more arguments of the engine's `Worker`.
        """
        self._names += 1
        name = f"worker {self._names}" if name is None else name
        store = self.store if wrap is None else wrap(self.store)
        hub = TaskHub(store, clock or self.clock, self._ids(name), observer=self._observer, compresses=False)
        await hub.open()
        registry = self.registry if app is None else self.doubles.observed(with_turns(registry_of(app)))
        chosen = self.settings if settings is None else _at_virtual_time(settings)
        given: dict[str, Any] = {
            "run_sync": run_off_loop,
            "repair": False,
            "replay": self._replay,
            "http": ScriptedTransport(self._http),
            **options,
        }
        worker = VirtualWorker(name, hub, Worker(hub, registry, chosen, **given))
        self.workers.append(worker)
        await worker.start()
        return worker

    async def at_rest(self) -> None:
        """Wait until nobody has anything to do any more: no message waits in any queue, no timer is set."""
        await self._memory.until(self._memory.is_at_rest)

    async def _stop(self) -> None:
        for worker in self.workers:
            await worker.stop()

    async def _tell(self) -> str:
        workers = (
            [] if any(worker.is_running for worker in self.workers) else ["No worker runs: restart() starts some."]
        )
        return "\n".join([*workers, await told(self.client)])


def _at_virtual_time(settings: Settings) -> Settings:
    # The store tells of messages: a worker that looked all the same would make months of waiting long. And whoever
    # waits for an hour has done so at once, so that nothing is to be had from forgetting him and replaying him again.
    return replace(settings, max_queue_polling_interval=math.inf, extended_session_idle_timeout=math.inf)
