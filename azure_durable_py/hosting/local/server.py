"""Serves HTTP functions and the management API.

Owns the listening socket, the way from a request to a function and back, and who counts as a
local caller. Keys of functions are not asked for, as with Core Tools.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from azure_durable_py.app.invocation import InvocationContext
from azure_durable_py.appsettings import LocalSettings
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.errors import SettingsError
from azure_durable_py.hosting.invoker import Invoker
from azure_durable_py.hosting.local.conversion import (
    HttpOut,
    from_answer,
    to_function_request,
    to_management_request,
    to_web_response,
)
from azure_durable_py.hosting.local.functions import HttpFunction
from azure_durable_py.hosting.local.routes import Endpoint, Router
from azure_durable_py.http.wire import Request, error_answer
from azure_durable_py.worker.supervision import Health

logger = logging.getLogger(__name__)

WEBHOOKS = "/runtime/webhooks/durabletask"
HEALTH = "/runtime/health"
"""Where anybody may ask whether the worker does its work: for probes. It names tasks and times, and nothing else."""
DEFAULT_BODY_LIMIT = 100 * 1024 * 1024
_BODY_LIMIT = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound


class Manage(Protocol):
    """Answers requests to the management API."""

    async def __call__(self, request: Request, *, trusted: bool) -> HttpAnswer:
        """Answer one.

        :param trusted: the caller is a program on this machine.
        """
        ...


class HttpServer:
    """The HTTP side of the local host.

    :param functions: what to serve.
    :param invoker: calls them.
    :param manage: answers requests to the management API.
    :param health: how the worker is doing; None while there is none.
    :param route_prefix: host.json's `extensions.http.routePrefix`.
    :param directory: the app's, for invocation contexts.
    :param local: CORS of local.settings.json.
    :param app_settings: `FUNCTIONS_REQUEST_BODY_SIZE_LIMIT` bounds bodies, in bytes.
    :param grace: seconds for which stopping waits for requests under way.
    :raises SettingsError: that setting is not a number.
    """

    def __init__(
        self,
        functions: Sequence[HttpFunction],
        invoker: Invoker,
        manage: Manage,
        *,
        health: Callable[[], Health | None] = lambda: None,
        route_prefix: str,
        directory: Path,
        local: LocalSettings,
        app_settings: Mapping[str, str],
        grace: float,
    ) -> None:
        self._router = Router([Endpoint(function.route, function.methods, function) for function in functions])
        self._invoker = invoker
        self._manage = manage
        self._health = health
        prefix = route_prefix.strip("/")
        self._mounts = (f"/{prefix}/durabletask" if prefix else "/durabletask", WEBHOOKS)
        self._directory = directory
        self._local = local
        self._body_limit = _body_limit(app_settings)
        self._grace = grace
        self._runner: web.AppRunner | None = None
        self._origin: str | None = None

    @property
    def origin(self) -> str | None:
        """Where it listens, such as `http://127.0.0.1:7071`; None before it does."""
        return self._origin

    async def start(self, host: str, port: int) -> str:
        """Listen; returns the server's origin, such as `http://127.0.0.1:7071`.

        :param port: 0 lets the system choose.
        :raises SettingsError: the port is taken, or the address is not this machine's.
        """
        application = web.Application(client_max_size=self._body_limit)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, handle_signals=False, access_log=None, shutdown_timeout=self._grace)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise _cannot_listen(host, port, error) from error
        self._runner = runner
        shown = "localhost" if host in _ANY_ADDRESS else f"[{host}]" if ":" in host else host
        self._origin = f"http://{shown}:{runner.addresses[0][1]}"
        return self._origin

    async def stop(self) -> None:
        """Accept nothing more, and let requests under way end. Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        begun = time.monotonic()
        response = _preflight(request, self._local) or await self._answer(request)
        _add_cors(request, response, self._local)
        spent = (time.monotonic() - begun) * 1000
        # A probe comes every few seconds.
        level = logging.DEBUG if request.path == HEALTH else logging.INFO
        logger.log(level, "%s %s -> %d (%.0f ms)", request.method, request.path, response.status, spent)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        for mount in self._mounts:
            if path.lower() == mount or path.lower().startswith(f"{mount.lower()}/"):
                return await self._answer_management(request, path[: len(mount)], path[len(mount) :])
        if path == HEALTH and request.method in ("GET", "HEAD"):
            return _health_response(self._health())
        found = self._router.find(request.method, path)
        if found is not None:
            return await self._call(found[0], request, found[1])
        if path == "/" and request.method in ("GET", "HEAD"):
            return web.Response(text="The function app is up and running.\n")
        return web.Response(status=404, text=f"No function serves {request.method} {request.path}.\n")

    async def _answer_management(self, request: web.Request, mount: str, path: str) -> web.Response:
        try:
            asked = await to_management_request(request, path, f"{request.scheme}://{request.host}{mount}")
        except web.HTTPRequestEntityTooLarge as error:
            return from_answer(error_answer(413, error.text or ""))
        return from_answer(await self._manage(asked, trusted=is_local_caller(request)))

    async def _call(self, function: HttpFunction, request: web.Request, params: Mapping[str, str]) -> web.Response:
        try:
            arguments: dict[str, Any] = {function.request_name: await to_function_request(request, params)}
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, text=f"The request's body is over the limit of {self._body_limit} bytes.\n")
        out = HttpOut()
        if function.out_name is not None:
            arguments[function.out_name] = out
        if function.takes_context:
            headers = request.headers
            arguments["context"] = InvocationContext(
                function.name, str(self._directory), headers.get("traceparent", ""), headers.get("tracestate", "")
            )
        try:
            result = await self._invoker.call(function.call, arguments)
            return to_web_response(result if function.out_name is None else out.get())
        except Exception:
            logger.exception("Function %r failed.", function.name)
            return web.Response(status=500, text=f"Function {function.name!r} failed; the host's log tells why.\n")


def is_local_caller(request: web.Request) -> bool:
    """Whether a request comes from a program on this machine that a person started.

    A page in a browser and a proxy on this machine also connect from a loopback address: a
    foreign `Origin` or `Host`, or a forwarding header, gives them away.
    """
    headers = request.headers
    if any(name in headers for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")):
        return False
    if not _is_loopback(request.remote or "") or not _is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        return False
    origin = headers.get("Origin")
    return (origin is None or origin == f"{request.scheme}://{request.host}") and headers.get(
        "Sec-Fetch-Site", "none"
    ) in ("none", "same-origin")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _preflight(request: web.Request, local: LocalSettings) -> web.Response | None:
    wanted = request.headers.get("Access-Control-Request-Method")
    if not local.cors or request.method != "OPTIONS" or wanted is None:
        return None
    headers = {"Access-Control-Allow-Methods": wanted, "Access-Control-Max-Age": "600"}
    asked = request.headers.get("Access-Control-Request-Headers")
    if asked:
        headers["Access-Control-Allow-Headers"] = asked
    return web.Response(status=204, headers=headers)


def _add_cors(request: web.Request, response: web.StreamResponse, local: LocalSettings) -> None:
    origin = request.headers.get("Origin")
    if origin is None or not ("*" in local.cors or origin in local.cors):
        return
    if local.cors_credentials and origin in local.cors:
        response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers.add("Vary", "Origin")


def _cannot_listen(host: str, port: int, error: OSError) -> SettingsError:
    if error.errno == errno.EADDRINUSE:
        return SettingsError(f"Port {port} on {host} is in use. Stop what uses it, or choose another with --port.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SettingsError(f"Port {port} on {host} may not be used by this user. Choose one above 1023 with --port.")
    reason = error.strerror or str(error)
    return SettingsError(f"The host cannot listen on {host}, port {port}: {reason}. See --host and --port.")


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


def _body_limit(app_settings: Mapping[str, str]) -> int:
    text = app_settings.get(_BODY_LIMIT, "")
    if not text:
        return DEFAULT_BODY_LIMIT
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"App setting {_BODY_LIMIT} is {text!r}; accepted is a number of bytes, at least 1.")
    return int(text)
