"""Clients whose own calls fail, are answered late, or end with their process between insert and ring."""

from __future__ import annotations

import asyncio
import operator
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.clock import Ids
from azure_durable_py.errors import DurableError, StorageError
from azure_durable_py.taskhub.hub import TaskHub
from tests.simulation.faults import FaultyStore, Process, within

if TYPE_CHECKING:
    from tests.simulation.world import World


@dataclass(frozen=True)
class Answer:
    """What came of a client's call. `done`: it returned. Neither `done` nor `error`: the client died with it."""

    done: bool
    value: Any = None
    error: DurableError | TimeoutError | None = None

    @property
    def unknown(self) -> bool:
        """Whether it may have had its effect or not."""
        return not self.done and (self.error is None or isinstance(self.error, (StorageError, TimeoutError)))


class SimulatedClient:
    """A user's program with a durable client; after it died it is started again for the next call."""

    def __init__(self, world: World, name: str) -> None:
        self._world = world
        self._name = name
        self._process: Process | None = None
        self._client: DurableOrchestrationClient

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Answer:
        """Call a method of the client, or of a part of it (`schedules.pause`), once."""
        if self._process is None or self._process.dead:
            self._begin()
        call = within(self._process, operator.attrgetter(method)(self._client)(*args, **kwargs))
        await asyncio.wait([call])
        if call.cancelled():
            return Answer(False)
        error = call.exception()
        if error is None:
            return Answer(True, call.result())
        if isinstance(error, (DurableError, TimeoutError)):
            return Answer(False, error=error)
        raise error

    async def insist(self, method: str, *args: Any, **kwargs: Any) -> Answer:
        """Call it until there is a definite answer, as a careful user does."""
        while True:
            answer = await self.ask(method, *args, **kwargs)
            if not answer.unknown:
                return answer
            await asyncio.sleep(self._world.dice.uniform(0.1, 10.0))

    def _begin(self) -> None:
        world = self._world
        self._process = Process(self._name)
        store: Any = FaultyStore(world.store, self._process, world.sky)
        hub = TaskHub(store, world.clock, Ids(random.Random(world.dice.getrandbits(64))))
        self._client = DurableOrchestrationClient(hub, world.plan.settings)
