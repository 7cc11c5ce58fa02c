"""The keys of a hub for one process: made on first need, read now and then, changed by whoever may.

Owns when they are read again, and the race of those who make or change them at once: one wins, all others go on from
what it wrote.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from azure_durable_py.clock import Clock
from azure_durable_py.errors import ConcurrencyConflictError, InvalidRequestError, StorageError
from azure_durable_py.taskhub.keyring import Keyring
from azure_durable_py.taskhub.protocol import CorruptRowError, HubInfo, TaskHubStore

logger = logging.getLogger("azure_durable_py.taskhub")
FRESH_SECONDS = 30.0
"""A change that another process makes is seen at the latest after this time."""
MISS_SECONDS = 1.0
"""How often keys are read again at most because somebody brings one that is not known."""
_RETRY_SECONDS = 5.0
_Change = Callable[[Keyring], Keyring]


class HubKeys:
    """The keys of one hub, as this process knows them.

    :param store: where the hub is kept.
    :param reliable: the same store, which repeats calls while it gives no answer.
    :param info: the marker of the hub.
    """

    def __init__(self, store: TaskHubStore, reliable: TaskHubStore, clock: Clock, info: Callable[[], HubInfo]) -> None:
        self._store = store
        self._reliable = reliable
        self._clock = clock
        self._info = info
        self._ring: Keyring | None = None
        self._fresh_until = 0.0
        self._read_at = 0.0
        self._reading: asyncio.Lock | None = None

    @property
    def known(self) -> Keyring:
        """The keys as they were read last; `current` reads them."""
        if self._ring is None:
            raise RuntimeError("The keys of the task hub are not read yet: await `hub.keys.current()` first.")
        return self._ring

    @property
    def is_fresh(self) -> bool:
        """Whether `current` would read nothing."""
        return self._ring is not None and self._clock.monotonic() < self._fresh_until

    async def current(self) -> Keyring:
        """The keys as they were at most `FRESH_SECONDS` ago. They are made if there are none.

        While storage gives no answer, those that are known count.

        :raises StorageError: none are known, and they cannot be read.
        """
        if self._ring is not None and self._clock.monotonic() < self._fresh_until:
            return self._ring
        async with self._lock:
            if self._ring is None:
                return await self._update(lambda ring: ring)
            if self._clock.monotonic() >= self._fresh_until:
                await self._read_again(self._ring)
            return self._ring

    async def anew(self) -> Keyring:
        """The keys as they are now, for who was brought one that is not known.

        Strangers may bring such keys as often as they like: those read less than `MISS_SECONDS` ago are not read again.
        """
        async with self._lock:
            if self._ring is not None and self._clock.monotonic() >= self._read_at + MISS_SECONDS:
                await self._read_again(self._ring)
        return await self.current()

    async def change(self, change: _Change) -> Keyring:
        """Change the keys; returns them as they are then.

        :param change: makes other keys of those that there are. It may be called again, with what another wrote.
        :raises StorageError: they cannot be read or written.
        """
        async with self._lock:
            return await self._update(change)

    async def ensure_functions(self, functions: Iterable[str]) -> Keyring:
        """Have a key `default` for each of these functions."""
        names, now = tuple(functions), self._clock.now()
        ring = await self.current()
        if ring.with_functions(names, now) is ring:
            return ring
        return await self.change(lambda ring: ring.with_functions(names, now))

    def forget(self) -> None:
        """Know of nothing, as before the first reading."""
        self._ring = None

    # ---------------------------------------------------------------------------------------------------

    @property
    def _lock(self) -> asyncio.Lock:
        # Made where it is used: on older versions of Python a lock belongs to the loop on which it was made.
        if self._reading is None:
            self._reading = asyncio.Lock()
        return self._reading

    async def _read_again(self, known: Keyring) -> None:
        try:
            stored = await self._store.load_keys()
            if stored is None:
                await self._update(lambda ring: ring)
            else:
                self._know(Keyring.decode(stored.body))
        except StorageError as error:
            logger.warning("The keys of the task hub cannot be read again; those known so far count: %s", error)
            self._know(known)
            self._fresh_until = self._read_at + _RETRY_SECONDS

    async def _update(self, change: _Change) -> Keyring:
        while True:
            stored = await self._reliable.load_keys()
            before = (
                Keyring.first(self._info().signing_key, self._clock.now())
                if stored is None
                else Keyring.decode(stored.body)
            )
            after = change(before)
            if stored is not None and after is before:
                return self._know(after)
            body = _readable(after)
            try:
                await self._reliable.save_keys(body, None if stored is None else stored.etag)
            except ConcurrencyConflictError:
                # Somebody else was quicker, unless it was this very call, whose answer was lost.
                found = await self._reliable.load_keys()
                if found is None or found.body != body:
                    continue
            return self._know(after)

    def _first(self) -> Keyring:
        return Keyring.first(self._info().signing_key, self._clock.now())

    def _know(self, ring: Keyring) -> Keyring:
        self._ring = ring
        self._read_at = self._clock.monotonic()
        self._fresh_until = self._read_at + FRESH_SECONDS
        return ring


def _readable(ring: Keyring) -> bytes:
    """The record of a ring that every host will be able to read: one that none could would end them all.

    :raises InvalidRequestError: a name in it is none that can be stored.
    """
    body = ring.encode()
    try:
        Keyring.decode(body)
    except CorruptRowError:
        raise InvalidRequestError(
            "The keys of the task hub cannot be kept so, and stay as they were: a name or an id in the change cannot "
            "be stored. Is it Unicode text?"
        ) from None
    return body
