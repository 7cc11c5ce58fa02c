"""Measures one act of one system, in that system's environment, and prints the seconds as a line of JSON.

Runs on nothing but the standard library. That all systems do the same is held here: every act gives back what the
work came to, and it must be right.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from statistics import median
from typing import Any

CITIES = ("Tokyo", "Seattle", "London")
WARM_UP = 20
ALONE = 60
EACH_CLIENT = 10
AT_ONCE = 32
"""How many calls of a client that signals are under way at once."""
SETTLING = 3.0
"""Seconds that instances get to reach the point where they wait for their event."""
REPLAYS = 7


def greeting(name: str) -> str:
    """What the activity of every scenario returns."""
    return f"Hello {name}!"


class Acts:
    """What a system does. Each act starts instances as a client would, and comes back with what they came to.

    A system overrides those that it has. `act` on the command line is the name of a measure, not of these.
    """

    async def hello_cities(self) -> Sequence[str]:
        """One instance: three activities in sequence, which return greetings. Returns these."""
        raise NotImplementedError

    async def chain(self, length: int) -> int:
        """One instance: so many activities in sequence, which return greetings. Returns how many it got."""
        raise NotImplementedError

    async def fan_out(self, width: int) -> int:
        """One instance: so many activities at once, which return greetings. Returns how many it got."""
        raise NotImplementedError

    async def signal(self, count: int) -> None:
        """Add 1 to the counter, so many times, by `AT_ONCE` calls at once."""
        raise NotImplementedError

    async def total(self, expected: int) -> int:
        """What the counter stands at, once that is `expected`."""
        raise NotImplementedError

    async def children(self, count: int) -> int:
        """One instance: so many child instances at once, each of one activity. Returns how many results it got."""
        raise NotImplementedError

    async def wait_for_event(self) -> str:
        """Start an instance that waits for an event; returns its id."""
        raise NotImplementedError

    async def send_event(self, instance_id: str) -> str:
        """Send the event, whose data is a greeting, and wait for the instance; returns what that got."""
        raise NotImplementedError

    async def replay(self, *, fan_out: bool, size: int) -> Callable[[], object]:
        """Prepare the replay of a history; what comes back is to be called once, and timed. It returns the result.

        The history is there as the objects that the engine replays: reading it from storage is no part of it.
        """
        raise NotImplementedError


Open = Callable[[], AbstractAsyncContextManager[Acts]]
"""Starts a system on a fresh store in the current directory; everything is stopped afterwards."""


async def at_once(count: int, act: Callable[[], Awaitable[object]], together: int = AT_ONCE) -> None:
    """Do something so many times, with so many of them under way at once."""
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            await act()

    await asyncio.gather(*(caller() for _ in range(together)))


async def _hello(acts: Acts) -> float:
    began = time.perf_counter()
    got = await acts.hello_cities()
    seconds = time.perf_counter() - began
    _hold(list(got), [greeting(city) for city in CITIES])
    return seconds


def _hold(got: object, expected: object) -> None:
    if got != expected:
        raise RuntimeError(f"The work came to {got!r}, not to {expected!r}.")


async def hello_cities(acts: Acts, size: int) -> list[float]:
    """So many instances at once; seconds of the whole."""
    await asyncio.gather(*(_hello(acts) for _ in range(WARM_UP)))
    began = time.perf_counter()
    await asyncio.gather(*(_hello(acts) for _ in range(size)))
    return [time.perf_counter() - began]


async def alone(acts: Acts, size: int) -> list[float]:
    """One instance after the other; seconds of each."""
    for _ in range(WARM_UP):
        await _hello(acts)
    return [await _hello(acts) for _ in range(ALONE * size)]


async def under_load(acts: Acts, size: int) -> list[float]:
    """So many clients, each of which starts the next instance when it has the result of the last; seconds of each."""
    await asyncio.gather(*(_hello(acts) for _ in range(WARM_UP)))

    async def client() -> list[float]:
        return [await _hello(acts) for _ in range(EACH_CLIENT)]

    seen = await asyncio.gather(*(client() for _ in range(size)))
    return [seconds for each in seen for seconds in each]


async def chain(acts: Acts, size: int) -> list[float]:
    """Seconds of one chain."""
    return await _whole(acts.chain, size)


async def fan_out(acts: Acts, size: int) -> list[float]:
    """Seconds of one fan-out."""
    return await _whole(acts.fan_out, size)


async def children(acts: Acts, size: int) -> list[float]:
    """Seconds of one instance with its children."""
    return await _whole(acts.children, size)


async def _whole(act: Callable[[int], Awaitable[int]], size: int) -> list[float]:
    _hold(await act(WARM_UP), WARM_UP)
    began = time.perf_counter()
    got = await act(size)
    seconds = time.perf_counter() - began
    _hold(got, size)
    return [seconds]


async def signals(acts: Acts, size: int) -> list[float]:
    """Seconds from the first signal until the last one has taken effect."""
    await acts.signal(WARM_UP)
    _hold(await acts.total(WARM_UP), WARM_UP)
    began = time.perf_counter()
    await acts.signal(size)
    total = await acts.total(WARM_UP + size)
    seconds = time.perf_counter() - began
    _hold(total, WARM_UP + size)
    return [seconds]


async def events(acts: Acts, size: int) -> list[float]:
    """Seconds from the first event until every instance has its result; all waited before."""
    waiting = [await acts.wait_for_event() for _ in range(WARM_UP)]
    await asyncio.gather(*(acts.send_event(instance_id) for instance_id in waiting))
    waiting = list(await asyncio.gather(*(acts.wait_for_event() for _ in range(size))))
    await asyncio.sleep(SETTLING)
    began = time.perf_counter()
    got = await asyncio.gather(*(acts.send_event(instance_id) for instance_id in waiting))
    seconds = time.perf_counter() - began
    _hold(list(got), [greeting("event")] * size)
    return [seconds]


async def replay_chain(acts: Acts, size: int) -> list[float]:
    """Seconds of one replay of a chain."""
    return await _replay(acts, size, fan_out=False)


async def replay_fan_out(acts: Acts, size: int) -> list[float]:
    """Seconds of one replay of a fan-out."""
    return await _replay(acts, size, fan_out=True)


async def _replay(acts: Acts, size: int, *, fan_out: bool) -> list[float]:
    """The median of some: one replay is so short that what else the machine does shows in it."""
    seen: list[float] = []
    for _ in range(REPLAYS):
        replay = await acts.replay(fan_out=fan_out, size=size)
        gc.collect()
        began = time.perf_counter()
        got = replay()
        seen.append(time.perf_counter() - began)
        _hold(got, size)
    return [median(seen)]


MEASURES: dict[str, Callable[[Acts, int], Awaitable[list[float]]]] = {
    "alone": alone,
    "chain": chain,
    "children": children,
    "events": events,
    "fan_out": fan_out,
    "hello_cities": hello_cities,
    "replay_chain": replay_chain,
    "replay_fan_out": replay_fan_out,
    "signals": signals,
    "under_load": under_load,
}


def main(variants: dict[str, Open]) -> None:
    """Run what the command line says: `VARIANT ACT SIZE`, the variant being one way to use a system."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("variant", choices=variants)
    parser.add_argument("act", choices=MEASURES)
    parser.add_argument("size", type=int)
    options = parser.parse_args()
    line: dict[str, Any] = {"seconds": asyncio.run(_measure(variants[options.variant], options.act, options.size))}
    print(json.dumps(line), flush=True)


async def _measure(system: Open, act: str, size: int) -> list[float]:
    async with system() as acts:
        return await MEASURES[act](acts, size)
