"""Which durable client a function gets: whose, and the async one or, where its annotation asks for that, a sync one."""

from __future__ import annotations

import asyncio
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Union, get_args, get_origin

from azure_durable_py.bindings import DurableClient
from azure_durable_py.errors import RegistrationError
from azure_durable_py.registry import place_of
from azure_durable_py.signatures import resolve_annotation, signature_of

if TYPE_CHECKING:
    from azure_durable_py.client.bridge import LoopBridge
    from azure_durable_py.client.client import DurableOrchestrationClient

ClientSource: TypeAlias = "Callable[[DurableClient], DurableOrchestrationClient]"
"""Gives the async client for a binding."""
BridgeSource: TypeAlias = "Callable[[], LoopBridge | None]"
"""Gives what leads from sync code to the event loop that its client works on."""


@dataclass(frozen=True, slots=True)
class Host:
    """Who runs an app, as its client bindings see it.

    `loop` is the event loop on which its clients work, if known; `bridge` gives what leads sync clients there, where it
    is something of the host's own.
    """

    clients: ClientSource
    loop: asyncio.AbstractEventLoop | None
    bridge: BridgeSource = lambda: None

    @staticmethod
    def on_this_loop(clients: ClientSource, bridge: BridgeSource = lambda: None) -> Host:
        """One whose clients work on the event loop that runs, if one does."""
        try:
            return Host(clients, asyncio.get_running_loop(), bridge)
        except RuntimeError:
            return Host(clients, None, bridge)

    def sync_bridge(self) -> LoopBridge:
        """What leads a sync client from here to the event loop."""
        from azure_durable_py.client.bridge import LoopBridge

        return self.bridge() or LoopBridge(self.loop)


class Hosts:
    """Who runs one app: one host in the process, or several, each in contexts of its own, as tests do side by side."""

    def __init__(self) -> None:
        self._everywhere: Host | None = None

    def set(self, host: Host | None) -> None:
        """Say who runs it, where nothing else is said."""
        self._everywhere = host

    def set_here(self, host: Host | None) -> None:
        """Say who runs it in this context, and in what begins in it."""
        others = {hosts: other for hosts, other in _here.get().items() if hosts is not self}
        _here.set(others if host is None else {**others, self: host})

    def get(self) -> Host | None:
        """Who runs it here."""
        return _here.get().get(self, self._everywhere)


_here: ContextVar[Mapping[Hosts, Host]] = ContextVar("hosts", default=types.MappingProxyType({}))
_SYNC_CLIENT = "azure_durable_py.client.sync_client"


def filler(
    binding: DurableClient, function: Callable[..., Any], host: Callable[[DurableClient], Host]
) -> Callable[[], Any]:
    """What gives the value of a client parameter at each call of its function.

    :param host: tells who runs the app.
    :raises RegistrationError: an `async def` function asks for a client that waits.
    """
    if not takes_sync_client(function, binding.name):
        return lambda: host(binding).clients(binding)

    def fill() -> Any:
        from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient

        found = host(binding)
        return DurableOrchestrationSyncClient(found.clients(binding), found.sync_bridge())

    return fill


def takes_sync_client(function: Callable[..., Any], name: str) -> bool:
    """Whether the annotation of a parameter asks for the client that waits.

    :raises RegistrationError: it does, and the function is an `async def`.
    """
    parameter = signature_of(function).parameters.get(name)
    annotation = None if parameter is None else resolve_annotation(function, parameter.annotation)
    # An annotation that names the class has imported it. Who has not pays nothing for looking.
    module = sys.modules.get(_SYNC_CLIENT)
    if module is None or annotation is None:
        return False
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    if not any(isinstance(kind, type) and issubclass(kind, module.DurableOrchestrationSyncClient) for kind in kinds):
        return False
    if inspect.iscoroutinefunction(function):
        raise RegistrationError(
            f"{place_of(function)} is `async def`, and asks for a DurableOrchestrationSyncClient in {name!r}, whose "
            "calls would stop the event loop. Ask for a DurableOrchestrationClient and await what it does, or make it "
            "a plain `def`."
        )
    return True
