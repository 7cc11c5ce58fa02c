"""A store whose every call may go wrong, as seen by one process that may die at any of them."""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import replace
from functools import partial
from types import CodeType
from typing import Any

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    MessageLostError,
    StorageError,
    StorageRejectedError,
    StorageUnavailableError,
)
from azure_durable_py.taskhub.protocol import InstanceQuery, Loaded, QueueMessage, TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from tests.simulation.weather import Weather

READS = frozenset(
    {
        *("load", "load_header", "get_blobs", "list_blobs", "blob_keys"),
        *("query", "instances_with_inbox", "next_visible", "message_counts", "untaken_counts", "poison_counts"),
    }
)


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


current_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar("current_process", default=None)


def make_task(work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
    """Every task belongs to the process that made it, so that killing the process ends it."""
    task: asyncio.Task[Any] = asyncio.Task(work, **more)
    process = current_process.get()
    if process is not None:
        process.tasks[task] = None
        task.add_done_callback(process.tasks.pop)
        if process.dead:
            task.cancel()
    return task


def within(process: Process | None, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that belongs to a process; with None, to none."""
    token = current_process.set(process)
    try:
        return asyncio.get_running_loop().create_task(work)
    finally:
        current_process.reset(token)


class Sky:
    """What all processes of a run have in common: the weather, its spells, and what was seen of it.

    :param weather: what may go wrong now.
    """

    def __init__(self, dice: random.Random, weather: Callable[[], Weather | None]) -> None:
        self.dice = dice
        self.weather = weather
        self.loop: asyncio.AbstractEventLoop
        """Asking for the running one costs a system call."""
        self.short_pages = 0.0
        """How often a query answers with fewer rows than it could."""
        self.spells: list[tuple[float, float, str, str]] = []
        """From when, until when, of what kind, for which process ('' for all)."""
        self.late = 0
        """Writes that are still to take effect."""
        self.came_late: set[str] = set()
        """Keys of the rows that storage took late: they may be left, and must be inert."""
        self.seen: Counter[tuple[str, str, str]] = Counter()
        """(call, place in the engine, what happened): how often."""
        self.calls = 0
        self._course = hashlib.blake2b(digest_size=8)

    def note(self, process: str, call: str, about: object) -> None:
        """A process asks something of storage."""
        self.calls += 1
        whom = about if isinstance(about, str) else getattr(about, "instance_id", "")
        self._course.update(f"{self.loop.time():.6f} {process} {call} {whom}\n".encode("utf-8", "backslashreplace"))

    @property
    def course(self) -> str:
        """Stands for who asked what of storage when, and how the dice fell: equal for runs that went the same way."""
        ended = self._course.copy()
        ended.update(repr(self.dice.getstate()).encode())
        return ended.hexdigest()

    def spell(self, process: str, now: float) -> str | None:
        """What a process can expect of storage at this moment, whatever it asks."""
        for start, end, kind, name in self.spells:
            if start <= now < end and name in ("", process):
                return kind
        return None


class FaultyStore(StoreWrapper):
    """Passes calls on to the real store, or not, or twice as late, as the dice say."""

    def __init__(self, inner: TaskHubStore, process: Process, sky: Sky) -> None:
        self._process = process
        self._sky = sky
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        return call if name == "delete_hub" else partial(self._call, name, call)

    async def _call(self, name: str, real: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        sky, dice, process = self._sky, self._sky.dice, self._process
        where = _place(sys._getframe(1))
        sky.note(process.name, name, args[0] if args else "")
        weather = sky.weather()
        if name == "query" and sky.short_pages and dice.random() < sky.short_pages:
            args = (_smaller(args[0], dice),)
        if weather is None:
            await self._pass_time(dice.random() * 0.01)
            return self._cut(name, await self._ask(name, where, real, *args, **kwargs))
        now = sky.loop.time()
        kind = sky.spell(process.name, now) or weather.draw(dice)
        if kind == "late" and name in READS:
            kind = "lost_before"
        sky.seen[name, where, kind or ""] += 1
        if kind == "stall":
            process.frozen_until = now + dice.uniform(20.0, 120.0)
        await self._pass_time(_delay(kind, dice))
        if kind is None or kind in ("slow", "hang", "stall"):
            result = await self._ask(name, where, real, *args, **kwargs)
            if dice.random() < 0.3 or process.frozen_until > now:
                await self._pass_time(dice.random() * 0.01)
        else:
            result = await self._fail(name, kind, lambda: real(*args, **kwargs), args)
        if name == "receive_messages" and result:
            result = await self._shuffled(result, weather)
        return self._cut(name, result)

    async def _ask(self, name: str, where: str, real: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
        """Make a call, and note what storage answers in good order."""
        try:
            result = await real(*args, **kwargs)
        except (ConcurrencyConflictError, MessageLostError) as error:
            self._sky.seen[
                name, where, "conflict" if isinstance(error, ConcurrencyConflictError) else "message lost"
            ] += 1
            raise
        if name == "receive_messages" and any(message.dequeue_count > 1 for message in result):
            self._sky.seen[name, where, "delivered again"] += 1
        return result

    async def _fail(self, name: str, kind: str, real: Callable[[], Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        """Let a call come to no good end."""
        sky = self._sky
        if kind == "refused":
            raise StorageRejectedError(f"{name}: simulated refusal (403)")
        if kind in ("lost_before", "outage"):
            raise StorageUnavailableError(f"{name}: simulated, before it took effect")
        if kind == "late":
            sky.late += 1
            within(None, self._later(name, real, args, sky.dice.uniform(0.01, 90.0)))
            raise StorageUnavailableError(f"{name}: simulated, it takes effect later")
        if kind == "crash_before":
            self._process.kill()
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        if kind == "crash_after":
            await self._quietly(real)
            self._process.kill()
            await asyncio.sleep(0)
            raise asyncio.CancelledError
        await real()
        await self._pass_time(sky.dice.random() * 0.01)
        raise StorageUnavailableError(f"{name}: simulated, after it took effect")

    async def _shuffled(self, messages: list[QueueMessage], weather: Weather) -> list[QueueMessage]:
        """Messages in any order; some become visible to others although they are held here."""
        self._sky.dice.shuffle(messages)
        for message in messages:
            if weather.again and self._sky.dice.random() < weather.again:
                await self._quietly(partial(self.inner.extend_message, message, 0))
        return messages

    def _cut(self, name: str, result: Any) -> Any:
        """What a query returns that ends a page early, as storage may at any time."""
        sky = self._sky
        if name == "load" and len(result.inbox) > 1 and sky.short_pages and sky.dice.random() < sky.short_pages:
            kept = sky.dice.randint(1, len(result.inbox))
            return Loaded(result.header, result.inbox[:kept], result.more or kept < len(result.inbox))
        return result

    async def _pass_time(self, delay: float) -> None:
        process, loop = self._process, self._sky.loop
        # As asyncio.sleep, which costs more: this is where a run spends its time.
        awake = loop.create_future()
        loop.call_later(max(delay, process.frozen_until - loop.time()), _wake, awake)
        await awake
        if process.dead:
            raise asyncio.CancelledError

    async def _later(self, name: str, real: Callable[[], Awaitable[Any]], args: tuple[Any, ...], delay: float) -> None:
        await asyncio.sleep(delay)
        if name in ("insert_inbox", "put_blobs"):
            self._sky.came_late.update(row.key for row in args[1])
        if name == "commit":
            self._sky.came_late.update(row.key for row in args[0].put)
        await self._quietly(real)
        # Only now: a world that waits for late writes waits for their effect.
        self._sky.late -= 1

    @staticmethod
    async def _quietly(real: Callable[[], Awaitable[Any]]) -> None:
        try:
            await real()
        except StorageError:
            return


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _delay(kind: str | None, dice: random.Random) -> float:
    if kind == "slow":
        return dice.uniform(0.1, 3.0)
    if kind == "hang":
        return dice.uniform(5.0, 60.0)
    return dice.random() * 0.01


def _smaller(query: InstanceQuery, dice: random.Random) -> InstanceQuery:
    return replace(query, page_size=dice.randint(1, min(3, query.page_size)))


# --- who calls --------------------------------------------------------------------------------------

_NOT_A_PLACE = ("hub.py", "reading.py", "wrapping.py")
"""What every caller goes through on its way to the store."""
_places: dict[CodeType, str] = {}


def _place(frame: Any) -> str:
    """The function of the engine that makes a call: `actor._load`."""
    while frame is not None:
        code = frame.f_code
        place = _places.get(code)
        if place is None:
            place = _places[code] = _name_place(code)
        if place:
            return place
        frame = frame.f_back
    return "elsewhere"


def _is_place(folder: str) -> bool:
    return folder in ("taskhub", "client") or folder.partition("/")[0] == "worker"


def _name_place(code: CodeType) -> str:
    _, found, path = code.co_filename.rpartition("/azure_durable_py/")
    if not found:
        return ""
    folder, _, module = path.rpartition("/")
    if module in _NOT_A_PLACE or code.co_name.startswith("<") or not _is_place(folder):
        return ""
    return f"{module.removesuffix('.py')}.{code.co_name}"


def merged(counts: Iterable[Counter[Any]]) -> Counter[Any]:
    """Counts of many runs together."""
    total: Counter[Any] = Counter()
    for count in counts:
        total.update(count)
    return total
