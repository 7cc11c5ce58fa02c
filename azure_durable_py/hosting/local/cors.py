"""Pages of other origins: which of them may ask this host, as `Host.CORS` of local.settings.json says."""

from __future__ import annotations

from aiohttp import web

from azure_durable_py.appsettings import LocalSettings


def preflight_answer(request: web.BaseRequest, local: LocalSettings) -> web.Response | None:
    """The answer to a browser that asks what it may send; None: it does not ask, or nobody may."""
    wanted = request.headers.get("Access-Control-Request-Method")
    if not local.cors or request.method != "OPTIONS" or wanted is None:
        return None
    headers = {"Access-Control-Allow-Methods": wanted, "Access-Control-Max-Age": "600"}
    asked = request.headers.get("Access-Control-Request-Headers")
    if asked:
        headers["Access-Control-Allow-Headers"] = asked
    return web.Response(status=204, headers=headers)


def add_cors(request: web.BaseRequest, response: web.StreamResponse, local: LocalSettings) -> None:
    """Let the page that asked see the answer, if it is of an origin that may."""
    origin = request.headers.get("Origin")
    if origin is None or not ("*" in local.cors or origin in local.cors):
        return
    if local.cors_credentials and origin in local.cors:
        response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers.add("Vary", "Origin")
