"""A store whose every call may go wrong, as seen by one worker that may die at any of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure_durable_py.errors import StorageError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import QueueMessage, TaskHubStore

WRITES = frozenset(
    {
        "commit",
        "insert_inbox",
        "delete_inbox",
        "put_blobs",
        "delete_blobs",
        "put_message",
        "extend_message",
        "delete_message",
        "receive_messages",
    }
)


@dataclass(frozen=True)
class Faults:
    """Chances per storage call. `stall` freezes the whole process for longer than visibility lasts."""

    fail_before: float = 0.02
    fail_after: float = 0.02
    late: float = 0.01
    crash: float = 0.004
    stall: float = 0.003
    again: float = 0.03
    slow: float = 0.05


CALM = Faults(0, 0, 0, 0, 0, 0, 0)


class Process:
    """One process of the simulated world: its tasks, and whether it still lives."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.frozen_until = 0.0
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.died = asyncio.Event()

    def kill(self) -> None:
        """As SIGKILL does: nothing of it runs any more, nothing is tidied up."""
        self.dead = True
        self.died.set()
        for task in list(self.tasks):
            task.cancel()


class FaultyStore:
    """Passes calls on to the real store, or not, or twice as late, as the dice say."""

    def __init__(
        self, inner: TaskHubStore, process: Process, dice: random.Random, faults: Callable[[], Faults]
    ) -> None:
        self._inner = inner
        self._process = process
        self._dice = dice
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(real):
            return real

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._call(name, lambda: real(*args, **kwargs))

        return call

    async def _call(self, name: str, real: Callable[[], Any]) -> Any:
        faults, dice = self._faults(), self._dice
        await self._pass_time(faults)
        roll = dice.random()
        if roll < faults.crash:
            if dice.random() < 0.5:
                await self._quietly(real)
            self._process.kill()
            await self._pass_time(faults)
        roll = dice.random()
        if roll < faults.fail_before:
            raise StorageUnavailableError(f"{name}: simulated, before it took effect")
        if name in WRITES and roll < faults.fail_before + faults.late:
            asyncio.get_running_loop().create_task(self._later(real, dice.uniform(0.01, 90.0)))
            raise StorageUnavailableError(f"{name}: simulated, it takes effect later")
        result = await real()
        await self._pass_time(faults)
        if roll > 1 - faults.fail_after:
            raise StorageUnavailableError(f"{name}: simulated, after it took effect")
        if name == "receive_messages":
            result = await self._shuffled(result, faults)
        return result

    async def _shuffled(self, messages: list[QueueMessage], faults: Faults) -> list[QueueMessage]:
        """Messages in any order; some become visible to others although they are held here."""
        self._dice.shuffle(messages)
        for message in messages:
            if self._dice.random() < faults.again:
                await self._quietly(lambda message=message: self._inner.extend_message(message, 0))
        return messages

    async def _pass_time(self, faults: Faults) -> None:
        dice, process = self._dice, self._process
        loop = asyncio.get_running_loop()
        if dice.random() < faults.stall:
            process.frozen_until = loop.time() + dice.uniform(20.0, 120.0)
        delay = dice.uniform(0.1, 3.0) if dice.random() < faults.slow else dice.uniform(0.0, 0.01)
        await asyncio.sleep(max(delay, process.frozen_until - loop.time()))
        if process.dead:
            raise asyncio.CancelledError

    async def _later(self, real: Callable[[], Any], delay: float) -> None:
        await asyncio.sleep(delay)
        await self._quietly(real)

    async def _quietly(self, real: Callable[[], Any]) -> None:
        try:
            await real()
        except StorageError:
            return
