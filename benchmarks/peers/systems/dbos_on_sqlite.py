"""DBOS on SQLite, its default system database: workflows, steps and the client are all in one process."""

# The type checker does not see the environment that this runs in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dbos import DBOS, DBOSConfig, WorkflowHandleAsync

from benchmarks.peers.measuring import CITIES, Acts, at_once, greeting, main

POLL = 0.01
"""Seconds between two looks for messages: SQLite tells nobody. The default of 1 would be all that is measured."""


@DBOS.step()
async def say_hello(name: str) -> str:
    return greeting(name)


@DBOS.workflow()
async def hello_cities() -> list[str]:
    return [await say_hello(city) for city in CITIES]


@DBOS.workflow()
async def chain(length: int) -> int:
    got = [await say_hello(CITIES[0]) for _ in range(length)]
    return len(got)


@DBOS.workflow()
async def fan_out(width: int) -> int:
    got = await asyncio.gather(*(say_hello(str(number)) for number in range(width)), return_exceptions=True)
    return sum(isinstance(each, str) for each in got)


@DBOS.workflow()
async def child(name: str) -> str:
    return await say_hello(name)


@DBOS.workflow()
async def parent(count: int) -> int:
    handles = [await DBOS.start_workflow_async(child, str(number)) for number in range(count)]
    return len([await handle.get_result() for handle in handles])


@DBOS.workflow()
async def waiting() -> str:
    return await DBOS.recv_async()


@DBOS.workflow()
async def counter(count: int) -> int:
    """The nearest to an entity: a workflow that adds up so many messages, one after the other."""
    total = 0
    for _ in range(count):
        total += await DBOS.recv_async()
    return total


class Dbos(Acts):
    """A client in the process of the workflows."""

    def __init__(self) -> None:
        self.counters: list[WorkflowHandleAsync[int]] = []

    async def hello_cities(self) -> Sequence[str]:
        return await (await DBOS.start_workflow_async(hello_cities)).get_result()

    async def chain(self, length: int) -> int:
        return await (await DBOS.start_workflow_async(chain, length)).get_result()

    async def fan_out(self, width: int) -> int:
        return await (await DBOS.start_workflow_async(fan_out, width)).get_result()

    async def children(self, count: int) -> int:
        return await (await DBOS.start_workflow_async(parent, count)).get_result()

    async def signal(self, count: int) -> None:
        handle = await DBOS.start_workflow_async(counter, count)
        self.counters.append(handle)
        await at_once(count, lambda: DBOS.send_async(handle.get_workflow_id(), 1))

    async def total(self, expected: int) -> int:
        del expected  # All that was sent has taken effect when those that receive it have ended.
        return sum([await handle.get_result() for handle in self.counters])

    async def wait_for_event(self) -> str:
        return (await DBOS.start_workflow_async(waiting)).get_workflow_id()

    async def send_event(self, instance_id: str) -> str:
        await DBOS.send_async(instance_id, greeting("event"))
        return await (await DBOS.retrieve_workflow_async(instance_id)).get_result(polling_interval_sec=POLL)


@asynccontextmanager
async def on_sqlite() -> AsyncIterator[Dbos]:
    """DBOS with its defaults, on a new file of the current directory."""
    config: DBOSConfig = {
        "name": "peers",
        "system_database_url": f"sqlite:///{Path('dbos.sqlite').absolute()}",
        "log_level": "ERROR",
        "notification_listener_polling_interval_sec": POLL,
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        yield Dbos()
    finally:
        DBOS.destroy(workflow_completion_timeout_sec=0)


if __name__ == "__main__":
    main({"sqlite": on_sqlite})
