"""Serves HTTP functions and the management API.

Owns the way from a request to a function and back. Who may call is the business of `authorization`; what the server
takes, and for how long, that of `listening`, `connections`, `bodies`, `throttle`; `health` answers probes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from aiohttp import web

from azure_durable_py.appsettings import LocalSettings
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.errors import SettingsError, StorageUnavailableError
from azure_durable_py.hosting.invoker import Invoker
from azure_durable_py.hosting.local.access_log import tell_request
from azure_durable_py.hosting.local.authorization import Access, FunctionGuard, is_local_caller
from azure_durable_py.hosting.local.bodies import ALL_BODIES, BodyReader, BodyRefusedError
from azure_durable_py.hosting.local.connections import Connections
from azure_durable_py.hosting.local.conversion import (
    from_answer,
    to_function_request,
    to_management_request,
    to_web_response,
)
from azure_durable_py.hosting.local.cors import add_cors, preflight_answer
from azure_durable_py.hosting.local.health import (
    LIVENESS,
    MOST_LAG,
    READINESS,
    HostHealth,
    LoopLag,
    Phase,
    Report,
    StorageProbe,
)
from azure_durable_py.hosting.local.limits import HttpLimits
from azure_durable_py.hosting.local.listening import Listener
from azure_durable_py.hosting.local.origins import Origins, host_problem
from azure_durable_py.hosting.local.protocol import MAX_HEADERS, HttpProtocols
from azure_durable_py.hosting.local.throttle import Throttle, TooBusyError
from azure_durable_py.hosting.local.tls import Certificate
from azure_durable_py.http.management import MAX_STRANGERS_BODY
from azure_durable_py.http.wire import Request, error_answer
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.triggers.functions import HttpFunction
from azure_durable_py.triggers.http import Site, call_http, failed, response_of
from azure_durable_py.worker.supervision import Health

logger = logging.getLogger(__name__)

HEALTH = "/runtime/health"
"""Where anybody may ask whether the worker does its work: for probes. It names tasks and times, and nothing else."""
DEFAULT_BODY_LIMIT = 100 * 1024 * 1024
_BODY_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound
_PROBES = (HEALTH, LIVENESS, READINESS)


class Manage(Protocol):
    """Answers requests to the management API."""

    async def __call__(self, request: Request, *, trusted: bool) -> HttpAnswer:
        """Answer one.

        :param trusted: the caller is a program on this machine.
        """
        ...


class Refuse(Protocol):
    """Tells before the body of a request is read whether it would be refused."""

    async def __call__(self, request: Request, *, trusted: bool) -> HttpAnswer | None:
        """The refusal; None: the body is wanted."""
        ...


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server serves.

    `route_prefix`: host.json's `extensions.http.routePrefix`; `directory`: the app's, for invocation contexts; `local`:
    CORS of local.settings.json; `app_settings`: `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT` bounds bodies, in bytes; `grace`:
    seconds for which stopping waits for requests under way; `certificate`: None serves plain HTTP; `access`: how far
    callers are let in; `public_url`: the origin that callers elsewhere use, `believes_callers`: any that they use.
    """

    route_prefix: str
    directory: Path
    local: LocalSettings
    app_settings: Mapping[str, str]
    grace: float
    limits: HttpLimits = field(default_factory=HttpLimits)
    certificate: Certificate | None = None
    access: Access = field(default_factory=Access)
    public_url: str | None = None
    believes_callers: bool = False


class HttpServer:
    """The HTTP side of the local host.

    :param functions: what to serve.
    :param invoker: calls them.
    :param manage: answers requests to the management API.
    :param settings: how to serve.
    :param refuse: says which of these need not be read.
    :param guard: admits callers to functions (default: everybody).
    :param health: how the worker is doing; None while there is none.
    :param probe: asks storage whether it answers.
    :param observer: told of the traces that requests are a part of.
    :raises SettingsError: a setting is not a number.
    """

    def __init__(
        self,
        functions: Sequence[HttpFunction],
        invoker: Invoker,
        manage: Manage,
        settings: ServerSettings,
        *,
        refuse: Refuse | None = None,
        guard: FunctionGuard | None = None,
        health: Callable[[], Health | None] = lambda: None,
        probe: StorageProbe | None = None,
        observer: Observer = NOBODY,
    ) -> None:
        self.site = Site(functions, settings.route_prefix)
        self._invoker = invoker
        self._manage = manage
        self._refuse = refuse
        self._guard = guard
        self._observer = observer
        self._worker_health = health
        self._settings = settings
        self._lag = LoopLag()
        self._probe = probe or StorageProbe(_nothing)
        self.health = HostHealth(health, self._probe, self._lag)
        self._body_limit = _body_limit(settings.app_settings)
        self.bodies = BodyReader(max(ALL_BODIES, 2 * self._body_limit))
        self.connections = Connections(settings.limits)
        self._throttle = Throttle(settings.limits, self._is_busy)
        self._under_way = 0
        self._idle = asyncio.Event()
        self._protocols: HttpProtocols | None = None
        self._listener: Listener | None = None
        self._keeping: list[asyncio.Task[None]] = []
        self._origin: str | None = None
        self.origins = Origins(lambda: self._origin, public=settings.public_url, believed=settings.believes_callers)

    @property
    def origin(self) -> str | None:
        """Where it listens, such as `http://127.0.0.1:7071`; None before it does."""
        return self._origin

    # --- life ----------------------------------------------------------------------------------------------

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the server's origin, such as `http://127.0.0.1:7071`.

        Until `health.phase` says that the host works, only probes are answered.

        :param port: 0 lets the system choose.
        :raises SettingsError: the port is taken, or the address is not this machine's.
        """
        certificate = self._settings.certificate
        protocols = HttpProtocols(self._serve, self.connections, self._settings.limits.keep_alive_timeout)
        listener = Listener(protocols, self.connections, None if certificate is None else certificate.context)
        port = await listener.open(host, port)
        self._protocols, self._listener = protocols, listener
        kept = [self.connections.keep(), self._lag.keep(), *([certificate.keep()] if certificate else [])]
        self._keeping = [asyncio.create_task(work) for work in kept]
        shown = "localhost" if host in _ANY_ADDRESS else f"[{host}]" if ":" in host else host
        self._origin = f"{'http' if certificate is None else 'https'}://{shown}:{port}"
        return self._origin

    async def stop(self) -> None:
        """Take nothing more, and let requests under way end; probes are told so meanwhile. Idempotent."""
        self.health.phase = Phase.stopping
        if self._protocols is None or self._listener is None:
            return
        protocols, listener = self._protocols, self._listener
        self._protocols = self._listener = None
        until = time.monotonic() + self._settings.grace
        if self._under_way:
            self._idle.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._idle.wait(), self._settings.grace)
        await listener.close()
        await protocols.end(max(0.5, until - time.monotonic()))
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await self._probe.close()

    def _is_busy(self) -> bool:
        connections = self.connections
        return self._lag.worst > MOST_LAG or len(connections) > 0.8 * connections.most

    # --- one request ---------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        begun = time.monotonic()
        is_probe = request.raw_path in _PROBES
        with self.connections.serving(request.protocol):
            self._under_way += not is_probe
            try:
                response = await self._answered(request)
                if request.can_read_body:
                    # Whose body nobody wanted is not asked for another request on the same connection.
                    response.force_close()
            finally:
                self._under_way -= not is_probe
                if not self._under_way:
                    self._idle.set()
        path = _printable(request.raw_path.partition("?")[0])
        tell_request(_printable(request.method), path, response.status, time.monotonic() - begun, is_probe=is_probe)
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            problem = host_problem(request) or _problem(request)
            if problem is not None:
                return _refusal(400, problem)
            self.origins.meet(request)
            # In older versions of aiohttp a response is false while it holds nothing.
            preflight = preflight_answer(request, self._settings.local)
            response = await self._answer(request) if preflight is None else preflight
            add_cors(request, response, self._settings.local)
        except BodyRefusedError as refused:
            return _refusal(refused.status, str(refused))
        except StorageUnavailableError:
            return _refusal(503, "The task hub's storage, where the keys are, gives no answer at the moment.")
        except Exception:
            logger.exception("%s %s failed.", _printable(request.method), _printable(request.raw_path[:200]))
            return _refusal(500, "The request failed; the host's log tells why.")
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if path in _PROBES and request.method in ("GET", "HEAD"):
            return await self._answer_probe(request, path)
        if self.health.phase is not Phase.working:
            return self._not_working()
        managed = self.site.management(path)
        if managed is not None:
            return await self._answer_management(request, *managed)
        found = self.site.router.find(request.method, path)
        if found is not None:
            return await self._call(found[0], request, found[1])
        return to_web_response(self.site.elsewhere(request.method, path))

    async def _answer_probe(self, request: web.BaseRequest, path: str) -> web.Response:
        if path == HEALTH:
            return _health_response(self._worker_health())
        report = self.health.live() if path == LIVENESS else await self.health.ready()
        return _report_response(report, detailed=self._trusts(request))

    def _not_working(self) -> web.Response:
        if self.health.phase is Phase.stopping:
            response = _refusal(503, "The host is stopping.")
            response.force_close()
            return response
        return _refusal(503, "The host is starting: its task hub is not open yet.")

    async def _answer_management(self, request: web.BaseRequest, mount: str, path: str) -> web.Response:
        trusted = self._trusts(request)
        asked = to_management_request(request, path, f"{request.scheme}://{request.host}{mount}")
        if request.can_read_body:
            refusal = None if self._refuse is None else await self._refuse(asked, trusted=trusted)
            if refusal is not None:
                return from_answer(refusal)
            limit = self._body_limit if trusted else min(self._body_limit, MAX_STRANGERS_BODY)
            try:
                asked = replace(asked, body=await self.bodies.read(request, limit))
            except BodyRefusedError as refused:
                return from_answer(error_answer(refused.status, str(refused)))
        return from_answer(await self._manage(asked, trusted=trusted))

    def _trusts(self, request: web.BaseRequest) -> bool:
        return self._settings.access.trusts_local and is_local_caller(request)

    async def _call(self, function: HttpFunction, request: web.BaseRequest, params: Mapping[str, str]) -> web.Response:
        if self._guard is not None and not await self._guard.admits(function.name, function.level, request):
            return web.Response(status=401)
        try:
            async with self._throttle.slot():
                body = await self.bodies.read(request, self._body_limit)
                return await self._run(function, request, params, body)
        except TooBusyError:
            return web.Response(status=429, headers={"Retry-After": "1"}, text="Too many requests at the moment.\n")

    async def _run(
        self, function: HttpFunction, request: web.BaseRequest, params: Mapping[str, str], body: bytes
    ) -> web.Response:
        asked = to_function_request(request, params, body)
        try:
            directory = str(self._settings.directory)
            invoked = await call_http(function, asked, self._invoker.call, directory, self._observer)
            return to_web_response(response_of(function, invoked))
        except Exception:
            logger.exception("Function %r failed.", function.name)
            return to_web_response(failed(function))


def _health_response(health: Health | None) -> web.Response:
    if health is None:
        return web.json_response({"status": "not running"}, status=503)
    tasks = {
        name: {
            "status": "failing" if task.is_failing else "running",
            "since": task.since.isoformat(timespec="seconds"),
            "restarts": task.restarts,
        }
        for name, task in health.tasks.items()
    }
    healthy = health.is_healthy
    body = {"status": "healthy" if healthy else "unhealthy", "tasks": tasks}
    return web.json_response(body, status=200 if healthy else 503)


def _report_response(report: Report, *, detailed: bool) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.json_response(report.to_json(detailed=detailed), status=200 if report.ok else 503, headers=headers)


def _refusal(status: int, message: str) -> web.Response:
    headers = {"Retry-After": "5"} if status == 503 else None
    return web.Response(status=status, text=f"{message}\n", headers=headers)


def _problem(request: web.BaseRequest) -> str | None:
    """What is wrong with a request that cannot be understood at all."""
    if len(request.headers) > MAX_HEADERS:  # Older versions of aiohttp do not count them.
        return f"The request has {len(request.headers)} headers; accepted are {MAX_HEADERS}."
    try:
        _ = urlsplit(f"//{request.host}").port, request.url, request.path, request.query
    except ValueError:
        return "The address of the request, or its Host header, cannot be read."
    return None


def _printable(text: str) -> str:
    """A text of a caller for the log: characters that a terminal obeys are shown, not sent."""
    return "".join(char if char.isascii() and char.isprintable() else ascii(char)[1:-1] for char in text[:2000])


async def _nothing() -> None:
    """There is no storage to ask."""


def _body_limit(app_settings: Mapping[str, str]) -> int:
    text = app_settings.get(_BODY_LIMIT, "")
    if not text:
        return DEFAULT_BODY_LIMIT
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"App setting {_BODY_LIMIT} is {text!r}; accepted is a number of bytes, at least 1.")
    return int(text)
