"""Orchestrators in plain asyncio that do this and that at once: any program, the same for the same seed.

They need an activity that takes a text, and one `fail` that raises. What they return tells in which order things
happened.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from azure_durable_py.retry_policy import RetryOptions

LEAVES = 7
DEEPEST = 3


def program(seed: int) -> Callable[[Any], Coroutine[Any, Any, list[Any]]]:
    """An orchestrator; its name is `orchestrator`."""

    async def orchestrator(context: Any) -> list[Any]:
        return await Program(context, seed).run()

    return orchestrator


class Program:
    """One run of a program.

    :param activity: the name of the activity that it calls.
    """

    def __init__(self, context: Any, seed: int, activity: str = "double") -> None:
        self._context = context
        self._activity = activity
        self._dice = random.Random(seed)
        self._told: list[Any] = []
        self._lock = asyncio.Lock()
        self._gate = asyncio.Semaphore(2)

    async def run(self) -> list[Any]:
        """Run three parts at once; what happened, in order."""
        await asyncio.gather(*(self._part(0, letter) for letter in "abc"))
        return self._told

    async def _part(self, depth: int, name: str) -> None:
        leaves = (self._sleep, self._call, self._fail, self._lock_, self._shield, self._retry, self._listen)
        assert len(leaves) == LEAVES
        inner = (self._gather, self._time_out, self._as_completed, self._wait, self._limit, self._cut)
        await self._dice.choice(leaves if depth == DEEPEST else leaves + inner)(depth + 1, name)
        self._told.append(name)

    async def _sleep(self, depth: int, name: str) -> None:
        await asyncio.sleep(self._dice.randrange(20))

    async def _call(self, depth: int, name: str) -> None:
        self._told.append(await self._context.call_activity(self._activity, name))

    async def _fail(self, depth: int, name: str) -> None:
        try:
            await self._context.call_activity("fail", name)
        except Exception as error:  # noqa: BLE001 - whichever it is, it is told
            self._told.append(type(error).__name__)

    async def _lock_(self, depth: int, name: str) -> None:
        async with self._lock:
            await asyncio.sleep(1)

    async def _shield(self, depth: int, name: str) -> None:
        await asyncio.shield(self._context.call_activity(self._activity, name))

    async def _retry(self, depth: int, name: str) -> None:
        try:
            await self._context.call_activity_with_retry("fail", RetryOptions(3000, 3), name)
        except Exception as error:  # noqa: BLE001 - whichever it is, it is told
            self._told.append(f"{type(error).__name__} at last")

    async def _listen(self, depth: int, name: str) -> None:
        try:
            await asyncio.wait_for(self._context.wait_for_external_event("never"), self._dice.randrange(3))
        except asyncio.TimeoutError:
            self._told.append(f"{name} heard nothing")

    async def _cut(self, depth: int, name: str) -> None:
        task = asyncio.create_task(self._part(depth, f"{name}x"))
        await asyncio.sleep(self._dice.randrange(8))
        self._told.append(task.cancel())
        await asyncio.wait([task])

    async def _gather(self, depth: int, name: str) -> None:
        await asyncio.gather(*(self._part(depth, f"{name}{number}") for number in range(self._dice.randrange(1, 4))))

    async def _time_out(self, depth: int, name: str) -> None:
        try:
            await asyncio.wait_for(self._part(depth, f"{name}w"), self._dice.randrange(1, 15))
        except asyncio.TimeoutError:
            self._told.append(f"{name} late")

    async def _as_completed(self, depth: int, name: str) -> None:
        for first in asyncio.as_completed([self._part(depth, f"{name}c{number}") for number in range(3)]):
            await first

    async def _wait(self, depth: int, name: str) -> None:
        tasks = [asyncio.create_task(self._part(depth, f"{name}t{number}")) for number in range(2)]
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        self._told.append([len(done), len(left)])
        await asyncio.gather(*left, return_exceptions=True)

    async def _limit(self, depth: int, name: str) -> None:
        async with self._gate:
            await self._part(DEEPEST, f"{name}s")
