"""Tests of agents reach nothing but this machine, whatever keys for providers its environment has.

A plugin for pytest, too: `-p tests.offline` has the tests of another process keep to it.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


def forget_providers() -> None:
    """Take out of the environment what would have an agent ask a real model, or another one than a test means."""
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name == "AGENT_MODEL":
            del os.environ[name]


@contextmanager
def keeping_to_this_machine() -> Generator[None, None, None]:
    """Refuse connections elsewhere, and look-ups of names.

    The one who asked may take the error for a provider that is down, and try again or go on without. So in the end the
    test fails, and says what was asked for.
    """
    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _checked_connect(getattr(socket.socket, name), asked))
        patch.setattr(socket, "getaddrinfo", _checked_look_up(socket.getaddrinfo, asked))
        yield
    if asked:
        pytest.fail(f"This test is to reach nothing but this machine, and asked for {', '.join(asked)}.")


def _checked_connect(connect: Any, asked: list[str]) -> Any:
    def checked(self: socket.socket, address: Any) -> Any:
        # One of a Unix socket is a path.
        if isinstance(address, tuple):
            _check(address[0], address[1], asked)
        return connect(self, address)

    return checked


def _checked_look_up(look_up: Any, asked: list[str]) -> Any:
    def checked(host: Any, port: Any, *given: Any, **options: Any) -> Any:
        _check(host, port, asked)
        return look_up(host, port, *given, **options)

    return checked


def _check(host: Any, port: Any, asked: list[str]) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        is_here = ipaddress.ip_address(name).is_loopback
    except ValueError:
        is_here = False
    if not is_here:
        asked.append(f"{name}:{port}")
        raise ConnectionRefusedError(f"A test of agents asked for {name}:{port}.")


@pytest.fixture(autouse=True)
def only_this_machine() -> Iterator[None]:
    """No test can reach a provider by mistake."""
    with keeping_to_this_machine():
        yield
