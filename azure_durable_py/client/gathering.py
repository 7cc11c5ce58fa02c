"""Calls that go together: what is asked for while the same is under way already is done with the next one.

Owns the gathering. A call for which nothing is under way is made at once, with those made in the same step of the event
loop; nobody waits for company. It knows nothing of what is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class GatheredCall(Generic[_Item, _Result]):
    """One call, and who waits for it.

    :param item: what is asked for.
    """

    __slots__ = ("_answer", "item")

    def __init__(self, item: _Item) -> None:
        self.item = item
        self._answer: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()

    @property
    def is_over(self) -> bool:
        """Whether it is answered, or nobody waits for it any more."""
        return self._answer.done()

    def answer(self, result: _Result) -> None:
        """It is done."""
        if not self._answer.done():
            self._answer.set_result(result)

    def fail(self, error: BaseException) -> None:
        """It has failed."""
        if self._answer.done():
            return
        if isinstance(error, asyncio.CancelledError):
            self._answer.cancel()
        else:
            self._answer.set_exception(error)

    async def wait(self) -> _Result:
        """What it comes to."""
        return await self._answer


class Gathering(Generic[_Item, _Result]):
    """Makes calls, one round at a time for each key, and all that came during a round in the next one, in order.

    :param make: makes calls of one key. It answers them, or lets them fail, from the front on; those that it leaves
        are in the next round. What it raises is the failure of all of them. It is cancelled when nobody waits any more.
    """

    def __init__(self, make: Callable[[str, Sequence[GatheredCall[_Item, _Result]]], Awaitable[None]]) -> None:
        self._make = make
        self._lanes: dict[str, _Lane[_Item, _Result]] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    async def ask(self, key: str, item: _Item) -> _Result:
        """Make a call. Whoever is cancelled here leaves the others alone."""
        call: GatheredCall[_Item, _Result] = GatheredCall(item)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key, self._make, self._lanes)
        lane.take(call)
        try:
            return await call.wait()
        except asyncio.CancelledError:
            lane.leave()
            raise


class _Lane(Generic[_Item, _Result]):
    """The calls of one key. It is in `lanes` while there are any."""

    def __init__(
        self,
        key: str,
        make: Callable[[str, Sequence[GatheredCall[_Item, _Result]]], Awaitable[None]],
        lanes: dict[str, _Lane[_Item, _Result]],
    ) -> None:
        self._key = key
        self._make = make
        self._lanes = lanes
        self._waiting: list[GatheredCall[_Item, _Result]] = []
        self._under_way: list[GatheredCall[_Item, _Result]] = []
        self._round: asyncio.Task[None] | None = None

    def take(self, call: GatheredCall[_Item, _Result]) -> None:
        self._waiting.append(call)
        if self._round is None:
            self._begin()

    def leave(self) -> None:
        """A caller has left."""
        if self._round is not None and self._under_way and all(call.is_over for call in self._under_way):
            self._round.cancel()

    def _begin(self) -> None:
        self._round = asyncio.get_running_loop().create_task(self._make_all(), name=f"calls of {self._key}")
        # Not the end of the task's own code, which never begins if it is cancelled before.
        self._round.add_done_callback(self._ended)

    async def _make_all(self) -> None:
        # Only now: what else is asked for in the same step of the loop goes along.
        self._under_way, self._waiting = [call for call in self._waiting if not call.is_over], []
        if self._under_way:
            await self._make(self._key, self._under_way)

    def _ended(self, ended: asyncio.Task[None]) -> None:
        self._round = None
        error = asyncio.CancelledError() if ended.cancelled() else ended.exception()
        left = [call for call in self._under_way if not call.is_over]
        if error is not None:
            for call in left:
                call.fail(error)
            left = []
        self._under_way = []
        self._waiting[:0] = left
        if self._waiting:
            self._begin()
        else:
            del self._lanes[self._key]
