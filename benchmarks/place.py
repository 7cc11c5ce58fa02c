"""A task hub on a store of some kind, with a worker on it and every storage operation counted."""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.hosting.collector import Collector
from azure_durable_py.registry import Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Commit, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual.memory import MemoryStore
from azure_durable_py.worker.worker import Worker
from benchmarks import app
from benchmarks.bare import requests, statements
from benchmarks.span import Span
from tests.azurite import Azurite, find
from tests.counting import CountingStore

SYSTEMS: Mapping[str, str] = {
    "memory": "azure_durable_py in memory",
    "sqlite": "azure_durable_py on SQLite",
    "azurite": "azure_durable_py on Azurite",
}
"""What the results call the kinds of stores."""
BARE: Mapping[str, str] = {"sqlite": "bare statements on SQLite", "azurite": "bare requests on Azurite"}
"""The limits beside them."""
SEED = 12
AT_ONCE = 64
"""Calls that one client has in flight: more than any store answers at a time."""

Tape: TypeAlias = "statements.StatementTape | requests.RequestTape"
_WRITES = frozenset(
    {
        *("put_message", "extend_message", "delete_message", "receive_messages"),
        *("commit", "insert_inbox", "delete_inbox", "put_blobs", "delete_blobs"),
    }
)


class BenchStore(CountingStore):
    """Tells when an instance has ended, without asking storage; and how long calls take.

    `last_commit` is when the last commit was answered, by `time.perf_counter`; `asleep` counts those by which an
    instance waits for a timer.
    """

    def __init__(self, inner: TaskHubStore) -> None:
        self._ends: defaultdict[str, asyncio.Future[str]] = defaultdict(asyncio.Future)
        self.seconds_in_calls = 0.0
        self.last_commit = 0.0
        self.asleep = 0
        super().__init__(inner)

    def ended(self, instance_id: str) -> asyncio.Future[str]:
        """The runtime status that an instance ends with."""
        return self._ends[instance_id]

    @property
    def operations(self) -> int:
        """Storage operations so far."""
        return self.queue_operations + self.table_operations

    @property
    def writes(self) -> int:
        """Calls so far that write."""
        return sum(count for name, count in self.calls.items() if name in _WRITES)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The call, counted and timed; a commit that ends an instance is told of."""
        counted = super().around(name, call)
        if name == "next_visible":
            return counted

        async def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                answer = await counted(*args, **kwargs)
            finally:
                self.seconds_in_calls += time.perf_counter() - began
            if name == "commit":
                self._tell(args[0])
            return answer

        return timed

    def _tell(self, commit: Commit) -> None:
        self.last_commit = time.perf_counter()
        header = commit.header
        if header is None:
            return
        self.asleep += header.columns.wake_time is not None
        if header.columns.completed_time and not self.ended(header.instance_id).done():
            self.ended(header.instance_id).set_result(header.columns.runtime_status)


@dataclass
class Bench:
    """A hub at work.

    :param span: what was measured, after `measured`.
    :param started: the ids of all instances, in order.
    """

    store: BenchStore
    client: DurableOrchestrationClient
    registry: Registry
    tape: Tape | None
    is_smoke: bool
    path: Path = field(default_factory=Path)
    """The file of the hub, if it has one."""
    span: Span = field(default_factory=Span)
    started: list[str] = field(default_factory=list[str])
    _ids: random.Random = field(default_factory=lambda: random.Random(SEED))

    def some(self, count: int) -> int:
        """So many, or next to none where it is only to be seen that everything runs."""
        return min(count, 5) if self.is_smoke else count

    def instance_id(self) -> str:
        """Another id: the same ones in each run, so that they fall into the same queues and places."""
        return f"{self._ids.getrandbits(128):032x}"

    async def start(self, name: str, value: object = None) -> str:
        """Start an orchestration; returns its id."""
        instance_id = await self.client.start_new(name, self.instance_id(), value)
        self.started.append(instance_id)
        return instance_id

    async def run(self, name: str, value: object = None) -> str:
        """Start an orchestration and wait for its end; returns its id."""
        instance_id = await self.start(name, value)
        await self.finish(instance_id)
        return instance_id

    async def run_many(self, name: str, count: int, value: object = None) -> None:
        """Start so many at once, and wait for all of them."""
        before = len(self.started)

        async def start(_: int) -> None:
            await self.start(name, value)

        await at_once(start, range(count))
        for instance_id in self.started[before:]:
            await self.finish(instance_id)

    async def finish(self, instance_id: str) -> None:
        """Wait for the end of an instance."""
        status = await self.store.ended(instance_id)
        if status != "Completed":
            raise RuntimeError(f"{instance_id} ended as {status}.")

    @contextmanager
    def measured(self) -> Generator[Span]:
        """What happens within is measured. Garbage of before is collected before; that of within, as it always is."""
        span = self.span = Span()
        gc.collect()
        before, in_calls, writes = self.store.operations, self.store.seconds_in_calls, self.store.writes
        if self.tape is not None:
            self.tape.start()
        span.began, cpu = time.perf_counter(), time.process_time()
        yield span
        span.seconds, span.cpu = time.perf_counter() - span.began, time.process_time() - cpu
        span.operations = self.store.operations - before
        if self.tape is not None:
            self.tape.stop(
                operations=span.operations,
                writes=self.store.writes - writes,
                at_once=(self.store.seconds_in_calls - in_calls) / span.seconds,
            )


async def at_once(call: Callable[[int], Any], numbers: Iterable[int], limit: int = AT_ONCE) -> None:
    """Make calls, so many of them in flight."""
    left = iter(numbers)

    async def work() -> None:
        for number in left:
            await call(number)

    await asyncio.gather(*(work() for _ in range(limit)))


@dataclass(frozen=True)
class Stores:
    """Where the hubs of this run may be.

    :param is_smoke: it is only to be seen that everything runs.
    """

    directory: Path
    azurite: Azurite | None
    is_smoke: bool = False

    @property
    def kinds(self) -> list[str]:
        """The stores that there are."""
        return ["memory", "sqlite", *(["azurite"] if self.azurite else [])]

    def path(self) -> Path:
        """A file that is not there yet."""
        return self.directory / f"{random.randbytes(6).hex()}.db"

    def tape(self, kind: str, hub_name: str) -> Tape | None:
        """An empty tape for a store of a kind, if it has a limit."""
        match kind:
            case "sqlite":
                return statements.StatementTape()
            case "azurite":
                return requests.RequestTape(hub_name)
            case _:
                return None

    async def play(self, tape: Tape) -> Span:
        """Do barely what is on a tape."""
        gc.collect()
        if isinstance(tape, statements.StatementTape):
            path = self.path()
            try:
                return await asyncio.to_thread(tape.play, path)
            finally:
                _remove(path)
        if self.azurite is None:
            raise RuntimeError("There is no Azurite to play requests on.")
        return await tape.play(self.azurite, hub_name())

    @asynccontextmanager
    async def bench(self, kind: str, *, slots: int = 100, taped: bool = False, **others: Any) -> AsyncGenerator[Bench]:
        """A new hub with a worker that has so many activity slots, warm: some instances have run on it.

        :param taped: what reaches storage is kept on the tape of the bench: slower than it is without.
        :param others: other settings of the worker, by name.
        """
        settings = Settings(hub_name=hub_name(), max_concurrent_activities=slots, **others)
        tape = self.tape(kind, settings.hub_name) if taped else None
        path = self.path()
        async with self._store(kind, settings.hub_name, tape, path) as inner:
            store, registry = BenchStore(inner), app.registry()
            hub = TaskHub(store)
            client = DurableOrchestrationClient(hub, settings, registry=registry)
            bench = Bench(store, client, registry, tape, self.is_smoke, path)
            await hub.open()
            # As every host has.
            collector = Collector()
            collector.start()
            worker = Worker(hub, registry, settings, repair=False)
            await worker.start()
            try:
                await bench.run_many("chain", bench.some(20), 2)
                bench.started.clear()
                yield bench
            except BaseException:
                # Who ends a run by force wants no requests for tidiness: the whole place goes away.
                await worker.stop(grace=0.0)
                raise
            else:
                await worker.stop()
                await store.delete_hub()
            finally:
                await collector.stop()
                await hub.close()

    @asynccontextmanager
    async def _store(self, kind: str, hub_name: str, tape: Tape | None, path: Path) -> AsyncGenerator[TaskHubStore]:
        if kind == "memory":
            yield MemoryStore(hub_name=hub_name)
        elif kind == "sqlite":
            try:
                with statements.taping(tape) if isinstance(tape, statements.StatementTape) else nullcontext():
                    yield SqliteStore(str(path), hub_name=hub_name)
            finally:
                _remove(path)
        elif self.azurite is None:
            raise RuntimeError("Azurite is not installed: run npm ci.")
        elif isinstance(tape, requests.RequestTape):
            async with requests.taping(tape, self.azurite) as text:
                yield AzureStore(StorageConnection.from_connection_string(text), hub_name=hub_name)
        else:
            connection = StorageConnection.from_connection_string(self.azurite.connection_string)
            yield AzureStore(connection, hub_name=hub_name)


def hub_name() -> str:
    """A name that no hub has yet."""
    return f"Bench{random.randbytes(6).hex()}"


def _remove(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        if file.is_file():
            file.unlink()


@contextmanager
def stores(kinds: Collection[str] = tuple(SYSTEMS), *, is_smoke: bool = False) -> Generator[Stores]:
    """A directory for files, and an Azurite process if it is wanted and installed; both are gone afterwards.

    :param kinds: those of stores that are wanted.
    :param is_smoke: it is only to be seen that everything runs.
    """
    with tempfile.TemporaryDirectory(prefix="azure-durable-bench-") as text:
        directory = Path(text)
        command = find() if "azurite" in kinds else None
        azurite = None if command is None else Azurite(command, directory)
        try:
            yield Stores(directory, azurite, is_smoke)
        finally:
            if azurite is not None:
                azurite.stop()
