"""Takes connections from the system and hands them to the server.

Owns the listening sockets and the loop over `accept`, which asyncio's own servers do not leave to anybody: here it
pauses while there is no room or no file descriptor, and says so in one line, not in a flood of them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.local.connections import Connection, Connections
from azure_durable_py.hosting.local.seldom import Seldom

logger = logging.getLogger(__name__)
BACKLOG = 128
HANDSHAKE_TIMEOUT = 10.0
PAUSE = 1.0
"""Seconds for which nothing is accepted after the system had no file descriptor left."""
RESERVED_FILES = 100
"""File descriptors that connections of callers leave to everything else: storage, logs, files of the app."""
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Listens on one port.

    :param speak: makes what speaks on a new connection.
    :param connections: decides whether there is room for one.
    :param tls: speak TLS on them.
    """

    def __init__(
        self, speak: Callable[[], web.RequestHandler], connections: Connections, tls: ssl.SSLContext | None = None
    ) -> None:
        self._speak = speak
        self._connections = connections
        self._tls = tls
        self._sockets: list[socket.socket] = []
        self._loops: list[asyncio.Task[None]] = []
        self._beginning: set[asyncio.Task[None]] = set()
        self._exhausted = Seldom()
        self._refused = Seldom()
        self._full = Seldom()

    async def open(self, host: str, port: int) -> int:
        """Listen on every address that a host name stands for; returns the port.

        :param port: 0 lets the system choose.
        :raises SettingsError: the port is taken, or the address is not this machine's.
        """
        try:
            self._sockets = await _listening_sockets(host, port)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        allowed = _files_allowed()
        if allowed is not None:
            self._connections.most = min(self._connections.most, max(1, allowed - RESERVED_FILES, allowed // 4))
        self._loops = [asyncio.create_task(self._accept(listening)) for listening in self._sockets]
        return self._sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Accept nothing more. Idempotent."""
        tasks = [*self._loops, *self._beginning]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        self._sockets, self._loops = [], []

    # --- one connection after the other ---------------------------------------------------------------------

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listening)
            except OSError as error:
                await self._recover(error)
                continue
            try:
                await self._room()
            except BaseException:
                accepted.close()
                raise
            self._begin(accepted, address)

    async def _room(self) -> None:
        """Wait until there is room for another connection: the system keeps those that come after it waiting."""
        while not self._connections.make_room():
            if (more := self._full.due()) is not None:
                logger.warning(
                    "All %d connections are being served; others wait until one is free.%s",
                    len(self._connections),
                    more,
                )
            self._connections.left.clear()
            await self._connections.left.wait()

    async def _recover(self, error: OSError) -> None:
        if error.errno in _EXHAUSTED:
            if (more := self._exhausted.due()) is not None:
                logger.warning(
                    "No connection can be accepted (%s), with %d open. Trying again every second. Raise the limit of "
                    "the process ('ulimit -n'), or lower extensions.http.maxConnections in host.json.%s",
                    error.strerror,
                    len(self._connections),
                    more,
                )
            await asyncio.sleep(PAUSE)
        else:
            # The caller went away before it was accepted.
            logger.debug("A connection was not accepted: %s", error)
            await asyncio.sleep(0)

    def _begin(self, accepted: socket.socket, address: Any) -> None:
        host = str(address[0]) if address else ""
        connection = self._connections.admit(host)
        if connection is None:
            if (more := self._refused.due()) is not None:
                most = self._connections.most_of_an_address
                logger.warning(
                    "A connection from %s is refused: %d are being served for that address.%s", host, most, more
                )
            accepted.close()
            return
        task = asyncio.create_task(self._hand_over(accepted, connection))
        connection.abandon = task.cancel
        self._beginning.add(task)
        task.add_done_callback(partial(self._begun, accepted, connection))

    async def _hand_over(self, accepted: socket.socket, connection: Connection) -> None:
        def speak() -> web.RequestHandler:
            protocol = self._speak()
            self._connections.attach(connection, protocol)
            return protocol

        timeout = None if self._tls is None else HANDSHAKE_TIMEOUT
        await asyncio.get_running_loop().connect_accepted_socket(
            speak, accepted, ssl=self._tls, ssl_handshake_timeout=timeout
        )

    def _begun(self, accepted: socket.socket, connection: Connection, task: asyncio.Task[None]) -> None:
        self._beginning.discard(task)
        connection.abandon = None
        if not task.cancelled() and task.exception() is None:
            return
        if connection.protocol is None:
            # Nothing has taken the socket over.
            accepted.close()
        self._connections.gone(connection)
        if not task.cancelled():
            logger.debug("A connection from %s came to nothing: %s", connection.address, task.exception())


async def _listening_sockets(host: str, port: int) -> list[socket.socket]:
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    sockets: list[socket.socket] = []
    refusal: OSError | None = None
    for family, address in addresses:
        # All of them get the port that the system chose for the first.
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_listening_socket(family, (address[0], chosen, *address[2:])))
        except OSError as error:
            refusal = error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                break
    if not sockets or (refusal is not None and refusal.errno == errno.EADDRINUSE):
        for listening in sockets:
            listening.close()
        raise refusal or OSError(errno.EADDRNOTAVAIL, "no such address")
    return sockets


def _listening_socket(family: int, address: tuple[Any, ...]) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # On Windows, SO_REUSEADDR would let two programs have one port.
        exclusive: int | None = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR if exclusive is None else exclusive, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _files_allowed() -> int | None:
    """How many file descriptors this process may have; None: as many as it likes."""
    if sys.platform == "win32":  # There is no such limit.
        return None
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(f"Port {port} on {host} is in use. Stop what uses it, or choose another with --port.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SettingsError(f"Port {port} on {host} may not be used by this user. Choose one above 1023 with --port.")
    reason = error.strerror or str(error)
    return SettingsError(f"The host cannot listen on {host}, port {port}: {reason}. See --host and --port.")
