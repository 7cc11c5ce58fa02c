"""`DurableTestEnvironment`: an app with the real engine in memory, at virtual time, for a test to use as it runs.

Owns its life, and what a test does with the whole of it. One instance is the business of its handle.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.schedules import ScheduleClient
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings
from azure_durable_py.testing.apps import App
from azure_durable_py.testing.arguments import check_arguments, seconds_to_skip
from azure_durable_py.testing.environment.base import OnlyAsync
from azure_durable_py.testing.environment.bridged_client import BridgedClient
from azure_durable_py.testing.environment.crashes import Crashes
from azure_durable_py.testing.environment.entity_handle import CALLER, EntityHandle
from azure_durable_py.testing.environment.handle import InstanceHandle
from azure_durable_py.testing.environment.loop_thread import VirtualThread
from azure_durable_py.testing.environment.ordinary_calls import OrdinaryCalls
from azure_durable_py.testing.environment.turns import acts, settle
from azure_durable_py.testing.virtual.hub import EPOCH, VirtualHub, VirtualWorker
from azure_durable_py.testing.virtual.scripted_http import AnswerHttp
from azure_durable_py.testing.virtual.time import PATIENCE
from azure_durable_py.times import UTC, utc

if TYPE_CHECKING:
    from typing_extensions import Self

_LAST = datetime(9999, 1, 1, tzinfo=UTC)
"""Nobody gets further: whoever works looks ahead, and dates end."""


class DurableTestEnvironment(OnlyAsync, OrdinaryCalls):
    """An app that runs in memory with the real engine, at virtual time. An async context manager.

    The engine runs in a thread of its own, and only while a call is awaited. Each call lets happen all that can happen
    without time passing; time passes when a call waits for it (`handle.result()`, `skip`), and between calls it stands
    still. So a month takes milliseconds, and a test is the same each time.

    `DurableTestSyncEnvironment` is the same for tests without `await`.

    :param app: an app, a plain `azure.functions.FunctionApp` or a blueprint.
    :param settings: as from host.json.
    :param seed: decides random ids and jitter.
    :param epoch: the UTC time at which it begins.
    :param workers: how many workers serve the app.
    :param within: how much virtual time one call may wait for at most.
    :param http: answers the requests of `call_http`: gets a `DurableHttpRequest`, gives a `DurableHttpResponse`. It may
        be `async def`. What it raises is what the request fails with. None: such requests fail.
    :param replay: `"every-turn"`: each turn is at once run again from its history; an orchestrator that then does
        something else fails. Slower, for tests that look for such code.
    """

    def __init__(
        self,
        app: App,
        *,
        settings: Settings | None = None,
        seed: int | str = 0,
        epoch: datetime = EPOCH,
        workers: int = 1,
        within: timedelta = PATIENCE,
        http: AnswerHttp | None = None,
        replay: Replay = "when-needed",
    ) -> None:
        check_arguments(settings=settings, epoch=epoch, replay=replay, workers=workers, within=within, http=http)
        self._workers = workers
        self._within = within
        self._crashes = Crashes(self._die)
        self._make = lambda: VirtualHub(
            app, settings, seed=seed, epoch=epoch, workers=0, http=http, observer=self._crashes, replay=replay
        )
        self._replacing: list[asyncio.Future[VirtualWorker]] = []
        self._thread: VirtualThread | None = None
        self._hub: VirtualHub | None = None

    # --- life ----------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        thread = self._begin()
        try:
            await thread.run(self._open())
        except BaseException:
            await thread.close(self._close())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.thread.close(self._close())

    def enter_and_wait(self) -> None:
        """Enter it, for the sync environment."""
        thread = self._begin()
        try:
            thread.run_and_wait(self._open())
        except BaseException:
            thread.close_and_wait(self._close())
            raise

    def exit_and_wait(self) -> None:
        """Leave it, for the sync environment."""
        self.thread.close_and_wait(self._close())

    def _begin(self) -> VirtualThread:
        if self._thread is not None:
            raise RuntimeError("This test environment was entered before. Make one for each `with`: they cost little.")
        self._thread = VirtualThread(self._within, self._prepare)
        return self._thread

    def _prepare(self) -> None:
        if self._hub is not None:
            self._hub.use_here()

    async def _open(self) -> None:
        hub = self._make()
        hub.registry.orchestrators.add_built_in(CALLER)
        await hub.__aenter__()
        hub.ask = lambda work: self.thread.submit(work).done
        self._hub = hub
        # Who takes the place of a dead worker is no part of it.
        self._outside = contextvars.copy_context()
        for _ in range(self._workers):
            await hub.start_worker()

    async def _close(self) -> None:
        if self._hub is not None:
            await self._hub.__aexit__(None, None, None)

    @property
    def thread(self) -> VirtualThread:
        """Where the engine runs."""
        if self._thread is None:
            raise _not_entered()
        return self._thread

    @property
    def hub(self) -> VirtualHub:
        """The hub below. It belongs to the engine's event loop: what is awaited of it is awaited there."""
        if self._hub is None:
            raise _not_entered()
        return self._hub

    @property
    def crashes(self) -> Crashes:
        """The crashes that are still to come."""
        return self._crashes

    # --- instances -----------------------------------------------------------------------------------

    @acts
    async def start(
        self,
        orchestrator: str | Callable[..., Any],
        input: Any = None,
        *,
        instance_id: str | None = None,
        version: str | None = None,
        start_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> InstanceHandle:
        """Start an orchestration.

        :param orchestrator: its name, or the decorated function.
        :param input: its input; None: no input.
        :param instance_id: its id (default: one that the seed decides).
        :param version: its version (default: that of the settings).
        :param start_at: when it begins (default: now).
        :param tags: small texts by name, kept with the instance.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises InstanceAlreadyExistsError: one with this id is under way.
        :raises SerializationError: the input cannot be turned into JSON.
        """
        if isinstance(orchestrator, str):
            self.hub.registry.orchestrators.get(orchestrator)
        started = await self.hub.client.start_new(
            orchestrator, instance_id, input, version, start_at=start_at, tags=tags
        )
        return self.handle(started)

    def handle(self, instance_id: str) -> InstanceHandle:
        """A handle of an instance that something else started: a client, an HTTP function, an orchestrator."""
        return InstanceHandle(self.thread, self.hub, instance_id)

    @property
    def client(self) -> DurableOrchestrationClient:
        """A client of the hub, for the event loop of the test."""
        return BridgedClient(self.hub.client, self.thread)

    @property
    def schedules(self) -> ScheduleClient:
        """The schedules of the hub; they occur as time passes."""
        return self.client.schedules

    def entity(self, entity: str | Callable[..., Any], key: str | None = None, *, create: bool = False) -> EntityHandle:
        """An entity, or all entities of a name: its operations, its state, and what its operations are to do instead.

        :param entity: its name, or the decorated function or class.
        :param key: the key of the entity; None: all of them.
        :param create: for one that the app is still to get. Without a behaviour it is not found.
        :raises FunctionNotFoundError: the app has no such entity; the message lists a near name.
        :raises ValueError: it is to be created, and the app has it.
        """
        return EntityHandle(self.thread, self.hub, self.hub.doubles.entity(entity, key, create=create))

    # --- time ----------------------------------------------------------------------------------------

    @acts
    async def skip(self, duration: timedelta | float) -> None:
        """Let time pass, and everything happen that comes with it: timers that are due by then have fired.

        :param duration: a timedelta, or seconds.
        :raises TypeError: it is neither.
        :raises ValueError: it is negative, or leads beyond the year 9998.
        """
        seconds = seconds_to_skip(duration)
        if seconds > (_LAST - self.now).total_seconds():
            raise ValueError(f"{duration} cannot be skipped: it is {self.now}, and dates end with the year 9999.")
        await settle(self.thread)
        await self.thread.loop.reach(self.thread.loop.time() + seconds)

    @acts
    async def skip_to(self, moment: datetime) -> None:
        """Let time pass until a moment, and everything happen that comes with it.

        :param moment: naive means UTC.
        :raises ValueError: it is over, or beyond the year 9998.
        """
        ahead = utc(moment) - self.now
        if ahead < timedelta(0):
            raise ValueError(f"Time does not go back: {moment} cannot be skipped to, it is {self.now}.")
        if utc(moment) > _LAST:
            raise ValueError(f"{moment} cannot be skipped to: dates end with the year 9999.")
        await settle(self.thread)
        await self.thread.loop.reach((utc(moment) - self.hub.epoch).total_seconds())

    @acts
    async def at_rest(self) -> None:
        """Let time pass until nobody has anything to do any more: no message waits in any queue, no timer is set.

        :raises StuckError: that is not within the environment's time.
        """
        await self.hub.at_rest()

    # --- workers -------------------------------------------------------------------------------------

    @acts
    async def crash(self) -> None:
        """End all workers as `kill -9` does. What they had in hand stays reserved for a while."""
        for worker in self.hub.workers:
            if worker.is_running:
                worker.kill()

    @acts
    async def restart(self, workers: int | None = None) -> None:
        """Stop the workers that run in good order, as a deployment does, and start others.

        :param workers: how many (default: as many as there were at first).
        """
        for worker in self.hub.workers:
            await worker.stop()
        for _ in range(self._workers if workers is None else workers):
            await self.hub.start_worker()

    def _die(self) -> None:
        """Kill the worker that this code runs in, and have another one take its place."""
        for worker in self.hub.workers:
            if worker.is_here:
                worker.kill()
                self._replacing.append(self._outside.run(asyncio.ensure_future, self.hub.start_worker()))


def _not_entered() -> RuntimeError:
    return RuntimeError(
        "This test environment does not run: enter it first, as in `async with DurableTestEnvironment(app) as env:` or "
        "`with DurableTestSyncEnvironment(app) as env:`."
    )
