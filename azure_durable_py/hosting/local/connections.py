"""The connections of the local host: how many, from where, and for how long they may wait.

Theory of operation
-------------------
A connection *waits* from when it is accepted until the headers of a request are there, and again from when that is
answered until the next one. While a request is served nothing here ends the connection: reading its body has
limits of its own (`bodies`), and how long a function takes is the app's business.

A connection that waits for too long is closed; one that is sent an answer and takes none of it, too. Where there
is no room for another connection, the one that has waited longest makes way, so that somebody who opens many and
says nothing costs others nothing: of the same address if that has too many, else of the address that has
the most. Only what is being served never makes way.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

from azure_durable_py.hosting.local.limits import HttpLimits

SWEEP_EVERY = 0.5
SEND_TIMEOUT = 30.0
"""Seconds for which a caller may take nothing of an answer."""


@dataclass(slots=True, eq=False)
class Connection:
    """One connection.

    `since`: when it began to wait; `abandon`: ends it while TLS is still being agreed upon; `serving`: how many of its
    requests are being served, and `served` how many were; `unsent`: bytes of answers when that was last looked at.
    """

    address: str
    since: float
    protocol: web.RequestHandler | None = None
    abandon: Callable[[], object] | None = None
    serving: int = 0
    served: int = 0
    unsent: int = 0

    @property
    def waits(self) -> bool:
        """Whether it may be closed without anybody losing an answer."""
        return self.serving == 0

    def close(self) -> None:
        """Close it; what was not sent is lost."""
        transport = None if self.protocol is None else self.protocol.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
        elif self.abandon is not None:
            self.abandon()


class Connections:
    """All connections of one server.

    :param limits: how many, and how long they may wait.
    :param now: seconds of a clock that never goes back.
    """

    def __init__(self, limits: HttpLimits, now: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._now = now
        self._all: dict[Connection, None] = {}
        self._by_protocol: dict[web.RequestHandler, Connection] = {}
        self.most = limits.max_connections
        """How many there may be: less than the settings say where the system gives less."""
        self.left = asyncio.Event()
        """Set when a connection is gone or has begun to wait."""

    def __len__(self) -> int:
        return len(self._all)

    @property
    def most_of_an_address(self) -> int:
        """How many one address may have."""
        return self._limits.max_connections_per_address or max(1, self.most // 2)

    # --- life ----------------------------------------------------------------------------------------------

    def admit(self, address: str) -> Connection | None:
        """Enter a new connection; None if its address has too many that are being served."""
        of_address = sum(connection.address == address for connection in self._all)
        if of_address >= self.most_of_an_address and not self._make_way(address):
            return None
        connection = Connection(address, self._now())
        self._all[connection] = None
        return connection

    def attach(self, connection: Connection, protocol: web.RequestHandler) -> None:
        """Say what speaks on a connection."""
        connection.protocol = protocol
        self._by_protocol[protocol] = connection

    def gone(self, connection: Connection) -> None:
        """Forget a connection that is closed. Idempotent."""
        self._all.pop(connection, None)
        if connection.protocol is not None:
            self._by_protocol.pop(connection.protocol, None)
        self.left.set()

    def lost(self, protocol: web.RequestHandler) -> None:
        """Forget the connection on which this spoke."""
        connection = self._by_protocol.get(protocol)
        if connection is not None:
            self.gone(connection)

    @contextmanager
    def serving(self, protocol: web.RequestHandler | None) -> Generator[None]:
        """A request of a connection is served meanwhile."""
        connection = None if protocol is None else self._by_protocol.get(protocol)
        if connection is None:
            yield
            return
        connection.serving += 1
        try:
            yield
        finally:
            connection.serving -= 1
            connection.served += 1
            connection.since = self._now()
            self.left.set()

    # --- room ----------------------------------------------------------------------------------------------

    def make_room(self) -> bool:
        """Whether there is room for another one, which another may have to make."""
        return len(self._all) < self.most or self._make_way(self._largest_address())

    def _largest_address(self) -> str:
        """The address with the most connections that wait."""
        waiting = Counter(connection.address for connection in self._all if connection.waits)
        return waiting.most_common(1)[0][0] if waiting else ""

    def _make_way(self, address: str) -> bool:
        waiting = [connection for connection in self._all if connection.address == address and connection.waits]
        if not waiting:
            return False
        longest = min(waiting, key=lambda connection: connection.since)
        longest.close()
        self.gone(longest)
        return True

    # --- time ----------------------------------------------------------------------------------------------

    async def keep(self) -> None:
        """Close what has waited for too long, for ever."""
        while True:
            await asyncio.sleep(SWEEP_EVERY)
            self.sweep()

    def sweep(self) -> None:
        """Close what has waited for too long."""
        now = self._now()
        for connection in [connection for connection in self._all if connection.waits]:
            self._look_at(connection, now)

    def _look_at(self, connection: Connection, now: float) -> None:
        transport = None if connection.protocol is None else connection.protocol.transport
        if not isinstance(transport, asyncio.Transport):
            return
        unsent = transport.get_write_buffer_size()
        if unsent != connection.unsent:
            connection.unsent, connection.since = unsent, now
        if unsent:
            patience = SEND_TIMEOUT
        else:
            patience = self._limits.keep_alive_timeout if connection.served else self._limits.headers_timeout
        if now - connection.since >= patience:
            connection.close()
