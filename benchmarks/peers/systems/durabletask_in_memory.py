"""durabletask: its in-memory backend, which is for tests, with a worker and a client, all in one process.

The package has no other backend of its own: those that keep anything are sidecars and services.
"""

# The type checker does not see the environment that this runs in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from durabletask import task, worker
from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from durabletask.internal import helpers
from durabletask.serialization import JsonDataConverter
from durabletask.testing import create_test_backend

from benchmarks.peers.measuring import CITIES, Acts, at_once, greeting, main

COUNTER = EntityInstanceId("counter", "the")
MAX_HISTORY = 1_000_000
TIMEOUT = 600
STARTS = 100
"""How many starts are under way at once; thousands are cancelled by gRPC."""
WAITS = 4
"""How many waits are under way at once. The backend serves all calls by ten threads: one belongs to the worker, a wait
holds one for as long as it takes, and when waits hold all others nothing moves any more."""


def say_hello(_: Any, name: str) -> str:
    return greeting(name)


def hello_cities(context: Any, _: Any) -> Any:
    got = []
    for city in CITIES:
        got.append((yield context.call_activity(say_hello, input=city)))
    return got


def chain(context: Any, length: int) -> Any:
    got = []
    for _ in range(length):
        got.append((yield context.call_activity(say_hello, input=CITIES[0])))
    return len(got)


def fan_out(context: Any, width: int) -> Any:
    got = yield task.when_all([context.call_activity(say_hello, input=str(number)) for number in range(width)])
    return len(got)


def child(context: Any, name: str) -> Any:
    return (yield context.call_activity(say_hello, input=name))


def parent(context: Any, count: int) -> Any:
    got = yield task.when_all([context.call_sub_orchestrator(child, input=str(number)) for number in range(count)])
    return len(got)


def waiting(context: Any, _: Any) -> Any:
    return (yield context.wait_for_external_event("Go"))


def counter(context: Any, number: int) -> None:
    context.set_state(context.get_state(int, 0) + number)


ORCHESTRATORS = (hello_cities, chain, fan_out, child, parent, waiting)


class Durabletask(Acts):
    """A client of the backend."""

    def __init__(self, client: AsyncTaskHubGrpcClient) -> None:
        self.client = client
        self.starts = asyncio.Semaphore(STARTS)
        self.waits = asyncio.Semaphore(WAITS)

    async def _run(self, orchestrator: Any, given: object = None) -> Any:
        async with self.starts:
            instance_id = await self.client.schedule_new_orchestration(orchestrator, input=given)
        return await self._result(instance_id)

    async def _result(self, instance_id: str) -> Any:
        async with self.waits:
            state = await self.client.wait_for_orchestration_completion(instance_id, timeout=TIMEOUT)
        if state is None or state.runtime_status is not OrchestrationStatus.COMPLETED:
            raise RuntimeError(f"An instance ended as {state}.")
        return state.get_output()

    async def hello_cities(self) -> Sequence[str]:
        return await self._run(hello_cities)

    async def chain(self, length: int) -> int:
        return await self._run(chain, length)

    async def fan_out(self, width: int) -> int:
        return await self._run(fan_out, width)

    async def children(self, count: int) -> int:
        return await self._run(parent, count)

    async def signal(self, count: int) -> None:
        await at_once(count, lambda: self.client.signal_entity(COUNTER, "add", 1))

    async def total(self, expected: int) -> int:
        while True:
            found = await self.client.get_entity(COUNTER)
            if found is not None and (total := int(found.get_state() or 0)) == expected:
                return total
            await asyncio.sleep(0.01)

    async def wait_for_event(self) -> str:
        return await self.client.schedule_new_orchestration(waiting)

    async def send_event(self, instance_id: str) -> str:
        await self.client.raise_orchestration_event(instance_id, "Go", data=greeting("event"))
        return await self._result(instance_id)


@asynccontextmanager
async def in_memory() -> AsyncIterator[Durabletask]:
    """The backend, a worker with its defaults, and a client."""
    logging.disable(logging.INFO)  # Each call of the client would be a line.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    backend = create_test_backend(port=port, max_history_size=MAX_HISTORY)
    address = f"localhost:{port}"
    with worker.TaskHubGrpcWorker(host_address=address) as working:
        for orchestrator in ORCHESTRATORS:
            working.add_orchestrator(orchestrator)
        working.add_activity(say_hello)
        working.add_entity(counter)
        working.start()
        async with AsyncTaskHubGrpcClient(host_address=address) as client:
            yield Durabletask(client)
    backend.stop()


class Replay(Acts):
    """What the worker does with a history that it was sent, before it answers."""

    async def replay(self, *, fan_out: bool, size: int) -> Callable[[], object]:
        registry = worker._Registry()
        for orchestrator in ORCHESTRATORS:
            registry.add_orchestrator(orchestrator)
        registry.add_activity(say_hello)
        name = "fan_out" if fan_out else "chain"
        moment = datetime(2026, 1, 1)  # noqa: DTZ001 - as the package's own helpers have it
        history = [
            helpers.new_orchestrator_started_event(moment),
            helpers.new_execution_started_event(name, "replayed", encoded_input=str(size)),
        ]
        asked = [helpers.new_task_scheduled_event(number, "say_hello", '"x"') for number in range(1, size + 1)]
        answered = [helpers.new_task_completed_event(number, '"Hello!"') for number in range(1, size + 1)]
        if fan_out:
            history += [*asked, helpers.new_orchestrator_started_event(moment), *answered]
        else:
            for one, other in zip(asked, answered, strict=True):
                history += [one, helpers.new_orchestrator_started_event(moment), other]
        executor = worker._OrchestrationExecutor(registry, logging.getLogger("replay"), JsonDataConverter())

        def run() -> object:
            [action] = executor.execute("replayed", history[:-1], history[-1:]).actions
            return int(action.completeOrchestration.result.value)

        return run


@asynccontextmanager
async def replay() -> AsyncIterator[Replay]:
    """No backend: only the part that runs a history."""
    yield Replay()


if __name__ == "__main__":
    main({"memory": in_memory, "replay": replay})
