"""A gate on the way to a server: while it is shut, nobody gets through."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Gate:
    """Forwards connections on a port of its own to a port of this machine. Open at first.

    `refused` counts the connections that came while it was shut.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.refused = 0
        self._is_open = True
        self._lock = threading.Lock()
        self._live: set[socket.socket] = set()
        self._threads = [self._run(self._accept)]

    def open(self) -> None:
        """Let connections through."""
        with self._lock:
            self._is_open = True

    def shut(self) -> None:
        """Cut all connections and let none through."""
        with self._lock:
            self._is_open = False
            for end in self._live:
                _hang_up(end)

    def remove(self) -> None:
        """Shut it for good."""
        self.shut()
        _hang_up(self._listener)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._is_open:
                    self.refused += 1
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._live |= {client, server}
                self._threads.append(self._run(self._carry, client, server))

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        back = self._run(_pump, server, client)
        _pump(client, server)
        back.join()
        with self._lock:
            self._live -= {client, server}
            client.close()
            server.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        _hang_up(end)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
