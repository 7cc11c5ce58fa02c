"""The durable side of a host: an app's task hub, its worker and its clients, in this process.

Owns their life. Who is allowed to call them over HTTP is the business of the hosts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from azure_durable_py.app import DFApp
from azure_durable_py.bindings import DurableClient
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer, ResponseFactory
from azure_durable_py.hosting.collector import Collector
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.routing import ManagementRoute
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.urls import SignedUrls
from azure_durable_py.http.wire import Request
from azure_durable_py.logs.log import Log
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.observers import joined
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings, expand
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.wrapping import OpenedWhenUsed
from azure_durable_py.triggers.http import to_http_response
from azure_durable_py.worker.intake.protocol import Intake
from azure_durable_py.worker.supervision import Health
from azure_durable_py.worker.worker import Worker

_PROBE_ID = "storage-probe"
"""An instance id that is looked up to see whether storage answers; whether there is one does not matter."""
OpenStore = Callable[[str | None, Settings], TaskHubStore]
"""Makes the store of another hub: from the name of a connection (None: where the app's own is) and settings."""


@dataclass(frozen=True, slots=True)
class _Own:
    """What there is on the app's own hub once that is open."""

    client: DurableOrchestrationClient
    management: ManagementApi


class Engine:
    """An app's task hub with everything on it.

    :param app: the app; its clients come from here once `open` was called.
    :param store: the store of the app's own hub.
    :param other_store: makes the stores of other hubs that functions ask clients of.
    :param management_path: where the host serves the management API, like `/runtime/webhooks/durabletask`.
    :param origin: tells `scheme://host[:port]` under which the host is reached; None while it is not known.
    :param observer: told what happens on the hubs, beside the log.
    :param respond: makes what HTTP functions return (default: `azure.functions.HttpResponse`).
    :param replay: `"every-turn"`: each turn of an orchestration is at once run again from its history, see `Worker`.
    :param admitted_origin: tells which origin management URLs have for a caller who used one (default: that one).
    """

    def __init__(
        self,
        app: DFApp,
        store: TaskHubStore,
        settings: Settings,
        app_settings: Mapping[str, str],
        other_store: OpenStore,
        *,
        management_path: str,
        origin: Callable[[], str | None],
        observer: Observer = NOBODY,
        respond: ResponseFactory | None = None,
        admitted_origin: Callable[[str], str] = lambda origin: origin,
        replay: Replay = "when-needed",
    ) -> None:
        self.settings = settings
        self._observer = joined(Log(), observer)
        self._collector = Collector()
        self.hub = TaskHub(store, observer=self._observer)
        self._app = app
        self._app_settings = app_settings
        self._other_store = other_store
        self._management_path = management_path
        self._origin = origin
        self._admitted_origin = admitted_origin
        self._replay: Replay = replay
        self._respond: ResponseFactory = respond or to_http_response
        self._own: _Own | None = None
        self._others: dict[tuple[str, str], DurableOrchestrationClient] = {}
        self._worker: Worker | None = None

    @property
    def client(self) -> DurableOrchestrationClient:
        """The client of the app's own hub; there is one once `open` was called."""
        return self._opened.client

    @property
    def _opened(self) -> _Own:
        if self._own is None:
            raise RuntimeError("The engine is not open: call `await engine.open()` first.")
        return self._own

    async def open(self) -> None:
        """Open the hub and every other hub that functions ask clients of.

        :raises StorageError: a hub cannot be opened.
        :raises SettingsError: a client binding names a setting or connection that cannot be used.
        """
        await self.hub.open()
        settings, hub = self.settings, self.hub
        await hub.keys.current()
        signer = UrlSigner.of(hub, settings)
        client = DurableOrchestrationClient(
            hub,
            settings,
            registry=self._app.registry,
            urls=SignedUrls(signer, path=self._management_path, origin=self._origin, admitted=self._admitted_origin),
            elsewhere=self._client_of,
            respond=self._respond,
        )
        self._own = _Own(client, ManagementApi(client, signer, self._admitted_origin, self._app.registry))
        for binding in self._app.client_bindings():
            await self.client_for(binding).hub.open()
        self._app.use_clients(self.client_for)

    async def manage(self, request: Request, *, trusted: bool) -> HttpAnswer:
        """Answer a request to the management API of the app's own hub.

        :param trusted: the host vouches for the caller, who then needs no key.
        """
        return await self._opened.management.handle(request, trusted=trusted)

    @property
    def routes(self) -> tuple[ManagementRoute, ...]:
        """The routes of the management API of the app's own hub."""
        return self._opened.management.routes

    async def refusal(self, request: Request, *, trusted: bool) -> HttpAnswer | None:
        """The answer to a request that is refused whatever its body is; None: its body is needed.

        :param trusted: the host vouches for the caller.
        """
        return await self._opened.management.refusal(request, trusted=trusted)

    async def ask_storage(self) -> None:
        """One cheap call to the storage of the app's own hub.

        :raises StorageError: it does not answer, or refuses.
        """
        with contextlib.suppress(DamagedHeaderError):
            await self.hub.store.load_header(_PROBE_ID)

    @property
    def health(self) -> Health | None:
        """How the worker is doing; None: there is none, not yet or not any more."""
        return None if self._worker is None else self._worker.health

    async def start(self, intake: Intake | None = None) -> None:
        """Begin to work on the app's hub.

        :param intake: brings messages; None: the worker takes them itself.
        """
        self._worker = Worker(self.hub, self._app.registry, self.settings, intake=intake, replay=self._replay)
        await self._worker.start()
        self._collector.start()

    async def stop(self, grace: float) -> None:
        """Stop working, giving what runs `grace` seconds to end, and close the hubs. Idempotent."""
        await self._collector.stop()
        if self._worker is not None:
            await self._worker.stop(grace)
            self._worker = None
        for client in self._others.values():
            await client.hub.close()
        self._others.clear()
        await self.hub.close()

    def client_for(self, binding: DurableClient) -> DurableOrchestrationClient:
        """The client that a binding asks for."""
        where = f"durable_client_input of {binding.name!r}"
        return self._client_of(
            expand(binding.task_hub or "", self._app_settings, f"task_hub in {where}"),
            expand(binding.connection_name or "", self._app_settings, f"connection_name in {where}"),
        )

    def _client_of(self, hub_name: str | None, connection: str | None) -> DurableOrchestrationClient:
        """The client of a hub; an empty or missing name stands for the app's own."""
        hub_name = hub_name or self.settings.hub_name
        connection = "" if connection == self.settings.connection_name else connection or ""
        if not connection and hub_name.lower() == self.settings.hub_name.lower():
            return self.client
        key = (hub_name.lower(), connection)
        if key not in self._others:
            settings = replace(self.settings, hub_name=hub_name)
            hub = TaskHub(OpenedWhenUsed(self._other_store(connection or None, settings)), observer=self._observer)
            self._others[key] = DurableOrchestrationClient(hub, settings, respond=self._respond)
        return self._others[key]
