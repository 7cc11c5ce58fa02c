"""The local host of one function app: what `azure-durable start` runs.

Owns the order in which the parts are read, started and stopped. The parts are in the modules beside.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from azure.functions import AuthLevel
from azure.functions.timer import TimerRequest

from azure_durable_py.appsettings import app_settings, read_host_json, read_local_settings, route_prefix
from azure_durable_py.clock import Clock
from azure_durable_py.errors import SettingsError, StorageUnavailableError
from azure_durable_py.hosting.engine import Engine
from azure_durable_py.hosting.invoker import Invoker
from azure_durable_py.hosting.local import DEFAULT_PORT
from azure_durable_py.hosting.local.authorization import Access, FunctionGuard
from azure_durable_py.hosting.local.console import Served
from azure_durable_py.hosting.local.health import Phase, StorageProbe
from azure_durable_py.hosting.local.limits import HttpLimits
from azure_durable_py.hosting.local.loading import check_app_dir, load_app
from azure_durable_py.hosting.local.origins import PUBLIC_URL_SETTING, read_public_url
from azure_durable_py.hosting.local.server import HttpServer, ServerSettings
from azure_durable_py.hosting.local.tls import PASSWORD_SETTING, Certificate, CertificateFiles
from azure_durable_py.logs.levels import apply, levels_of
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.storage import DATA_DIR, data_dir, default_storage, open_store
from azure_durable_py.telemetry import telemetry
from azure_durable_py.telemetry.setup import set_up
from azure_durable_py.triggers.functions import TimerFunction, sort_functions
from azure_durable_py.triggers.http import WEBHOOKS
from azure_durable_py.triggers.timers import TimerMemory, Timers

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. None in `port` or `storage`: as the app's settings say, else the default.

    `grace`: seconds for requests and timers under way when the host stops, and as many again for the worker.
    `certfile`: serve https with this certificate, whose key is in `keyfile`, or in the same file.
    `enable_auth`: ask for keys of functions on a loopback address, too. `trust_local`: let programs of this machine use
    the management API without a key; None: if they alone reach the host. `public_url`: the origin that links carry.
    `verbose`: log all; what host.json says of the log does not count. `log_format`: `text`, or `json`.
    `strict`: replay each turn as soon as it is taken.
    """

    app_dir: Path
    host: str = "127.0.0.1"
    port: int | None = None
    storage: str | None = None
    grace: float = 10.0
    certfile: Path | None = None
    keyfile: Path | None = None
    enable_auth: bool = False
    trust_local: bool | None = None
    public_url: str | None = None
    verbose: bool = False
    log_format: str = "text"
    strict: bool = False


class LocalHost:
    """One function app, served on this machine.

    Reading is done at once, so that what is wrong with the app is told before anything starts.
    Settings of local.settings.json that `environ` lacks are added to it: user code reads them there.

    :raises SettingsError: host.json, local.settings.json or an option cannot be used.
    :raises RegistrationError: the app cannot be loaded or is declared wrongly.
    """

    def __init__(self, options: Options, environ: MutableMapping[str, str]) -> None:
        self._app_dir = options.app_dir.resolve()
        self._options = options
        self.log_format = options.log_format
        check_app_dir(self._app_dir, environ)
        self._local = read_local_settings(self._app_dir)
        self._app_settings = app_settings(self._local, environ)
        environ.update(self._app_settings)
        script = check_app_dir(self._app_dir, self._app_settings)
        host_json = read_host_json(self._app_dir, self._app_settings)
        levels = levels_of(host_json)
        if not options.verbose:
            apply(levels)
        self.settings = Settings.from_host_json(host_json, self._app_settings)
        self._route_prefix = route_prefix(host_json)
        limits = HttpLimits.from_host_json(host_json)
        certificate = _certificate(options, self._app_settings)
        self._access = Access.of(options.host, enable_auth=options.enable_auth, trust_local=options.trust_local)
        public_url = _public_url(options, self._app_settings)
        self._storage = options.storage or default_storage(self.settings, self._app_settings)
        self._store = open_store(self._storage, self.settings, self._app_settings, self._app_dir)
        # User code finds its files where Core Tools would have started it.
        os.chdir(self._app_dir)
        set_up(self._app_settings)
        self.app = load_app(script)
        self.registry = self.app.registry
        self._functions = sort_functions(self.app, self._route_prefix, self._app_settings)
        self._invoker = Invoker(self._app_settings)
        self.engine = Engine(
            self.app,
            self._store,
            self.settings,
            self._app_settings,
            lambda name, settings: open_store(name or self._storage, settings, self._app_settings, self._app_dir),
            management_path=WEBHOOKS,
            origin=lambda: self._server.origins.told,
            admitted_origin=self._admitted_origin,
            observer=telemetry(self.settings),
            replay="every-turn" if options.strict else "when-needed",
        )
        self._server = HttpServer(
            self._functions.http,
            self._invoker,
            self.engine.manage,
            ServerSettings(
                route_prefix=self._route_prefix,
                directory=self._app_dir,
                local=self._local,
                app_settings=self._app_settings,
                grace=options.grace,
                limits=limits,
                certificate=certificate,
                access=self._access,
                public_url=public_url,
                believes_callers=self.settings.http_use_forwarded_host,
            ),
            refuse=self.engine.refusal,
            guard=FunctionGuard(self.engine.hub.keys, self._access),
            health=lambda: self.engine.health,
            probe=StorageProbe(self.engine.ask_storage),
            observer=self.engine.hub.observer,
        )
        memory = TimerMemory(None if self._storage == "memory" else _timer_file(self._app_dir))
        self._timers = Timers(self._functions.timers, self._call_timer, memory, Clock())

    @property
    def origin(self) -> str | None:
        """Where it listens; None before it does."""
        return self._server.origin

    async def listen(self) -> None:
        """Listen, and answer probes, which are told that the host is not ready. Idempotent.

        :raises SettingsError: the port or address cannot be used.
        """
        if self._server.origin is None:
            port = self._options.port
            port = port if port is not None else self._local.port or DEFAULT_PORT
            await self._server.start(self._options.host, port)

    async def start(self) -> Served:
        """Listen, open the task hub, and begin to work; returns what is served and where.

        :raises StorageUnavailableError: the task hub cannot be opened now. This may be tried again; until then, or
            until `stop`, probes are answered.
        :raises StorageError: the task hub cannot be opened.
        :raises SettingsError: the port or address cannot be used.
        """
        try:
            await self.listen()
            await self._open_hub()
            if self._access.asks_for_keys:
                await self.engine.hub.keys.ensure_functions(
                    function.name for function in self._functions.http if function.level is AuthLevel.FUNCTION
                )
            await self.engine.start()
            self._server.health.phase = Phase.working
            self._timers.start()
        except StorageUnavailableError as error:
            self._server.health.why_not_open = str(error)
            await self.engine.stop(0.0)
            raise
        except BaseException:
            await self.stop()
            raise
        return Served(
            app_dir=str(self._app_dir),
            origin=self._server.origin or "",
            webhooks=WEBHOOKS,
            storage=self._store.description,
            functions=self._functions,
            durable=self.registry.kinds(),
            access=self._access,
            storage_is_shared=self._storage != "memory",
            strict=self._options.strict,
        )

    async def stop(self) -> None:
        """Accept nothing more, let what runs come to an end, and let go of the task hub. Idempotent."""
        # Requests first: they may wait for orchestrations, which need the worker.
        await self._server.stop()
        await self._timers.stop(self._options.grace)
        await self.engine.stop(self._options.grace)

    async def _open_hub(self) -> None:
        try:
            await self.engine.open()
        except StorageUnavailableError as error:
            raise StorageUnavailableError(
                f"{self._store.description} does not answer ({error}). Start it (Azurite: `npx azurite`), "
                "correct the connection, or use --storage sqlite."
            ) from error

    def _admitted_origin(self, origin: str) -> str:
        return self._server.origins.admitted(origin)

    async def _call_timer(self, function: TimerFunction, request: TimerRequest) -> None:
        await self.engine.hub.keys.current()
        logger.info("Timer function %r runs%s.", function.name, " (past due)" if request.past_due else "")
        try:
            given = {function.target.trigger: request}
            await function.target.invoke(given, self._invoker.call, str(self._app_dir))
        except Exception:
            logger.exception("Timer function %r failed.", function.name)


def _public_url(options: Options, app_settings: Mapping[str, str]) -> str | None:
    if options.public_url:
        return read_public_url(options.public_url, "--public-url")
    said = app_settings.get(PUBLIC_URL_SETTING)
    return read_public_url(said, f"App setting {PUBLIC_URL_SETTING}") if said else None


def _timer_file(app_dir: Path) -> Path:
    try:
        return data_dir(app_dir) / "timers.json"
    except SettingsError:
        # On a read-only file system. Without timer functions nothing is written; with them the log tells.
        return app_dir / DATA_DIR / "timers.json"


def _certificate(options: Options, app_settings: Mapping[str, str]) -> Certificate | None:
    if options.certfile is None:
        if options.keyfile is not None:
            raise SettingsError("--keyfile is given without --certfile: name the file of the certificate, too.")
        return None
    # Before the app is loaded: its directory becomes the current one.
    files = (options.certfile.absolute(), None if options.keyfile is None else options.keyfile.absolute())
    return Certificate(CertificateFiles(*files, app_settings.get(PASSWORD_SETTING)))
