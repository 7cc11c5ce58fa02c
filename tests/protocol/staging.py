"""A stage for exact interleavings: workers on one hub and one virtual clock, each behind a store of its own.

A test says which call of which worker waits, is lost, or is the last thing that its process did.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.errors import StorageError, StorageUnavailableError
from azure_durable_py.history.events import Event, EventRaised, ExecutionTerminated
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.messages import ANY, InboxEvent, Target
from azure_durable_py.taskhub.protocol import Header, HubInfo, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.worker import Worker

EPOCH = datetime(2026, 1, 1, tzinfo=timezone.utc)
PATIENCE = 900.0
"""Virtual seconds after which an instance that has not ended is stuck."""
Routine = Generator[Any, Any, Any]
Matches = Callable[..., bool]


def always(*_: Any, **__: Any) -> bool:
    """Matches any call."""
    return True


class Cue:
    """One call that a test has a say in: `reached` when it is made, made to go on by `go`."""

    def __init__(self, method: str, matches: Matches, play: Callable[[Cue, Callable[[], Awaitable[Any]]], Any]) -> None:
        self.method = method
        self.matches = matches
        self.play = play
        self.times = 1
        self.reached = asyncio.Event()
        self.go = asyncio.Event()


class ScriptedStore(StoreWrapper):
    """The store as one worker sees it."""

    def __init__(self, inner: TaskHubStore) -> None:
        self._cues: list[Cue] = []
        self._running = asyncio.Event()
        self._running.set()
        self._refusal: type[StorageError] | None = None
        self.calls: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        """How long calls take, by method."""
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._call(name, args, lambda: call(*args, **kwargs))

    async def open(self) -> HubInfo:
        return await self._call("open", (), self.inner.open)

    async def close(self) -> None:
        await self._call("close", (), self.inner.close)

    async def _call(self, name: str, args: tuple[Any, ...], real: Callable[[], Awaitable[Any]]) -> Any:
        self.calls[name] += 1
        await self._running.wait()
        await asyncio.sleep(self.seconds.get(name, 0.0))
        if self._refusal is not None:
            raise self._refusal(f"{name} is refused.")
        cue = next((cue for cue in self._cues if cue.method == name and cue.times and cue.matches(*args)), None)
        try:
            result = await (real() if cue is None else self._play(cue, real))
        except StorageError:
            await self._running.wait()
            raise
        await self._running.wait()
        return result

    @staticmethod
    async def _play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
        cue.times -= 1
        cue.reached.set()
        return await cue.play(cue, real)

    # --- the whole process ---------------------------------------------------------------------------

    def freeze(self) -> None:
        """From now on no call begins and no answer arrives. For good, it is the death of the process."""
        self._running.clear()

    def thaw(self) -> None:
        """Go on."""
        self._running.set()

    def refuse_all(self, error: type[StorageError]) -> None:
        """From now on every call is refused, until `serve`."""
        self._refusal = error

    def serve(self) -> None:
        """Refuse no longer."""
        self._refusal = None

    # --- single calls ----------------------------------------------------------------------------------

    def hold(self, method: str, matches: Matches = always) -> Cue:
        """The next such call waits for `go` before it takes effect."""

        async def play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
            await cue.go.wait()
            return await real()

        return self._add(method, matches, play)

    def last(self, method: str, matches: Matches = always) -> Cue:
        """The next such call takes effect and is the last thing that the process does."""

        async def play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
            del cue
            self.freeze()
            return await real()

        return self._add(method, matches, play)

    def refuse(
        self,
        method: str,
        matches: Matches = always,
        *,
        times: int = 1,
        error: type[StorageError] = StorageUnavailableError,
    ) -> Cue:
        """The next such calls take no effect."""

        async def play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
            del cue, real
            raise error(f"{method} does not get through.")

        return self._add(method, matches, play, times)

    def lose_answer(self, method: str, matches: Matches = always, *, times: int = 1) -> Cue:
        """The next such calls take effect, but nobody hears of it."""

        async def play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
            del cue
            await real()
            raise StorageUnavailableError(f"{method} is not answered.")

        return self._add(method, matches, play, times)

    def delay(self, method: str, matches: Matches = always) -> Cue:
        """The next such call is not answered, and takes effect only after `go`."""

        async def land(cue: Cue, real: Callable[[], Awaitable[Any]]) -> None:
            await cue.go.wait()
            try:
                await real()
            except StorageError:
                return

        async def play(cue: Cue, real: Callable[[], Awaitable[Any]]) -> Any:
            cue.landing = asyncio.ensure_future(land(cue, real))  # type: ignore[attr-defined]
            raise StorageUnavailableError(f"{method} is under way.")

        return self._add(method, matches, play)

    def _add(self, method: str, matches: Matches, play: Any, times: int = 1) -> Cue:
        cue = Cue(method, matches, play)
        cue.times = times
        self._cues.append(cue)
        return cue


class Cast:
    """One worker of a stage."""

    def __init__(self, hub: TaskHub, store: ScriptedStore, worker: Worker) -> None:
        self.hub = hub
        self.store = store
        self.worker = worker


_OPEN: list[SqliteStore] = []
"""The stores of the scene that is being played."""


class Stage:
    """One hub, its app, and who works on it. `runs` are the activity runs: (worker, input); `cancelled` some of them.

    Of the activities, `rest` and `muse` take so many seconds as their input says; `muse` may be cancelled.
    """

    def __init__(self, *orchestrators: Callable[[Any], Any]) -> None:
        self.clock = loop_clock(EPOCH)
        self.store = SqliteStore(None, hub_name="Rules", now=self.clock.now, ids=Ids(random.Random(1)))
        _OPEN.append(self.store)
        self.hub = TaskHub(self.store, self.clock, Ids(random.Random(2)))
        self.orchestrators = orchestrators
        self.entities: list[Callable[[Any], Any]] = []
        self.runs: list[tuple[str, Any]] = []
        self.cancelled: list[tuple[str, Any]] = []
        self._sent = 0
        self._casts: list[Cast] = []

    async def worker(self, name: str, *, ahead: float = 0.0, start: bool = True, **more: Any) -> Cast:
        """Start another worker, whose clock is `ahead` by some seconds."""
        store = ScriptedStore(self.store)
        hub = TaskHub(store, loop_clock(EPOCH + timedelta(seconds=ahead)), Ids(random.Random(name)))
        await hub.open()
        options: dict[str, Any] = {
            "instance_visibility_timeout": 10.0,
            "activity_visibility_timeout": 10.0,
            "max_queue_polling_interval": 2.0,
            "max_concurrent_activities": 4,
        }
        settings = Settings(**{**options, **more})
        cast = Cast(hub, store, Worker(hub, self._registry(name), settings, run_sync=run_inline, repair=False))
        # Nobody else refers to what a frozen worker has under way.
        self._casts.append(cast)
        if start:
            await cast.worker.start()
        return cast

    def _registry(self, worker: str) -> Registry:
        async def rest(number: float) -> float:
            """Take so many seconds."""
            self.runs.append((worker, number))
            await asyncio.sleep(number)
            return number

        async def muse(number: float) -> float:
            try:
                return await rest(number)
            except asyncio.CancelledError:
                self.cancelled.append((worker, number))
                raise

        registry = Registry()
        registry.activities.add(ActivityDefinition("rest", rest, "number"))
        registry.activities.add(ActivityDefinition("muse", muse, "number", cancellable=True))
        for function in self.orchestrators:
            registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
        for entity in self.entities:
            registry.entities.add(EntityDefinition(entity.__name__, entity))
        return registry

    # --- what clients do -------------------------------------------------------------------------------

    async def start(
        self, name: str, instance_id: str, value: Any = None, *, by: Cast | None = None, **more: Any
    ) -> None:
        """Start an instance; `by` whose process: its worker hears of it at once."""
        hub = self.hub if by is None else by.hub
        request = StartRequest(instance_id, hub.ids.new(), name, self.clock.now(), json.dumps(value), **more)
        assert await hub.start(request) is None

    async def raise_event(self, instance_id: str, name: str, value: Any = None, *, by: Cast | None = None) -> None:
        """Raise an external event; `by` whose process: its worker hears of it at once."""
        hub = self.hub if by is None else by.hub
        await hub.deliver(instance_id, [self.message(EventRaised(self.clock.now(), name, json.dumps(value)))], "")

    async def terminate(self, instance_id: str, *, recurse: bool = False, by: Cast | None = None) -> None:
        """Terminate an instance that is there."""
        hub = self.hub if by is None else by.hub
        stop = ExecutionTerminated(self.clock.now(), "enough", recurse=recurse)
        target = Target((await self.header(instance_id)).columns.execution_id)
        await hub.deliver(instance_id, [self.message(stop, target, control=True)], "")

    def message(self, event: Event, target: Target = ANY, *, control: bool = False) -> InboxEvent:
        """An event as a client sends it."""
        self._sent += 1
        return InboxEvent(event, "client:test", self._sent, self.clock.now(), target, control)

    # --- what is to be seen ------------------------------------------------------------------------------

    async def header(self, instance_id: str) -> Header:
        """The header of an instance that is there."""
        found = await self.store.load_header(instance_id)
        assert found is not None, f"{instance_id} is gone"
        return found

    async def state(self, instance_id: str) -> InstanceState:
        """What the header of an instance holds."""
        return InstanceState.decode((await self.header(instance_id)).body)

    async def until(self, what: Callable[[], bool], within: float = PATIENCE) -> None:
        """Wait until something is so."""
        deadline = self.clock.monotonic() + within
        while not what():
            assert self.clock.monotonic() < deadline, "it never came to be: stuck"
            await asyncio.sleep(0.05)

    async def until_there(self, instance_id: str) -> None:
        """Wait until there is an instance of this id."""
        deadline = self.clock.monotonic() + PATIENCE
        while await self.store.load_header(instance_id) is None:
            assert self.clock.monotonic() < deadline, f"{instance_id} is never there"
            await asyncio.sleep(0.05)

    async def waiting(self, instance_id: str) -> None:
        """Wait until an instance has taken a turn and runs."""
        deadline = self.clock.monotonic() + PATIENCE
        while (await self.header(instance_id)).columns.runtime_status != "Running":
            assert self.clock.monotonic() < deadline, f"{instance_id} never ran: stuck"
            await asyncio.sleep(0.05)

    async def finished(self, instance_id: str, within: float = PATIENCE) -> Any:
        """The output of an instance, when it has ended."""
        deadline = self.clock.monotonic() + within
        while True:
            header = await self.store.load_header(instance_id)
            if header is not None and header.columns.completed_time is not None:
                return json.loads(header.columns.output or "null")
            assert self.clock.monotonic() < deadline, f"{instance_id} is stuck: {header and header.columns}"
            await asyncio.sleep(1.0)

    async def quiet(self) -> None:
        """Wait until every queue is empty."""
        await self.quiet_but(0)

    async def quiet_but(self, held: int) -> None:
        """Wait until no more than so many messages are in the queues."""
        deadline = self.clock.monotonic() + PATIENCE
        while sum((await self.store.message_counts()).values()) > held:
            assert self.clock.monotonic() < deadline, f"queues are stuck: {await self.store.message_counts()}"
            await asyncio.sleep(1.0)


class Settled:
    """Notes how a message was settled."""

    lost = False
    overdue = False

    def __init__(self) -> None:
        self.how: list[str] = []

    async def confirm(self) -> bool:
        return True

    async def ack(self) -> None:
        self.how.append("deleted")

    async def put_back(self, delay: float) -> None:
        self.how.append(f"put back for {delay}")

    async def release(self) -> None:
        self.how.append("released")


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene at virtual time."""

    async def main() -> None:
        try:
            await scene()
        finally:
            while _OPEN:
                await _OPEN.pop().close()

    run_virtual(main())


# --- what calls are about ------------------------------------------------------------------------------


def commit_of(instance_id: str) -> Matches:
    """Commits of one instance."""
    return lambda commit: commit.instance_id == instance_id


def to(instance_id: str) -> Matches:
    """Calls whose first argument is this instance."""
    return lambda first, *rest: first == instance_id


def doorbell_for(instance_id: str) -> Matches:
    """Puts of doorbells for one instance."""
    return lambda queue, body, *rest: queue.endswith("-instances") and f'"instanceId":"{instance_id}"' in body
