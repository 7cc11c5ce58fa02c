"""Time and randomness, taken from outside so that tests and the simulator can own them.

Owns the two seams `Clock` and `Ids`. Waiting is `asyncio.sleep`: a virtual event loop moves
it together with the clock.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from azure_durable_py.times import UTC

_NOW = partial(datetime.now, UTC)


@dataclass(frozen=True)
class Clock:
    """Tells UTC time. Durations are measured with `monotonic`, in seconds."""

    now: Callable[[], datetime] = _NOW

    @staticmethod
    def monotonic() -> float:
        """Seconds on the running event loop's clock."""
        return asyncio.get_running_loop().time()


def loop_clock(epoch: datetime) -> Clock:
    """A clock that follows the time of the event loop on which it is first asked, from `epoch` (for virtual loops)."""
    told, moment = 0.0, epoch
    loop: asyncio.AbstractEventLoop | None = None

    def now() -> datetime:
        nonlocal told, moment, loop
        if loop is None:
            loop = asyncio.get_running_loop()
        seconds = loop.time()
        # Time stands still while code runs on a virtual loop, and all ask for it.
        if seconds != told:
            told, moment = seconds, epoch + timedelta(seconds=seconds)
        return moment

    return Clock(now)


_BLOCK, _WORD = 4096, 16


class _SystemRandom(random.SystemRandom):
    """The chance of the operating system, asked for in blocks.

    Each call of the system lets go of the interpreter's lock, which then has to be waited for: with one for each id,
    ids took a twentieth of the time of small orchestrations. Safe for threads; a forked process draws its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._words: list[bytes] = []
        if sys.platform != "win32":
            os.register_at_fork(after_in_child=self._words.clear)

    def getrandbits(self, k: int) -> int:
        if k > 8 * _WORD:
            return super().getrandbits(k)
        try:
            word = self._words.pop()
        except IndexError:
            block = os.urandom(_BLOCK)
            self._words += [block[at : at + _WORD] for at in range(_WORD, _BLOCK, _WORD)]
            word = block[:_WORD]
        return int.from_bytes(word, "big") >> (8 * _WORD - k)


_SYSTEM = _SystemRandom()


class Ids:
    """Source of unique ids and of jitter. Seed it to make a run repeatable."""

    def __init__(self, source: random.Random | None = None) -> None:
        self._random = source or _SYSTEM

    def new(self) -> str:
        """32 hex digits, unique."""
        # Those of a UUID of version 4 and its variant, without the making of one.
        bits = self._random.getrandbits(128) & ~(0xF000 << 64 | 0xC000 << 48)
        return f"{bits | 4 << 76 | 0x8000 << 48:032x}"

    def short(self) -> str:
        """12 hex digits: unique among the turns and deliveries of one instance."""
        return f"{self._random.getrandbits(48):012x}"

    def jitter(self, seconds: float, spread: float = 0.2) -> float:
        """`seconds`, more or less by up to `spread` of it."""
        return seconds * (1 + spread * (2 * self._random.random() - 1))
