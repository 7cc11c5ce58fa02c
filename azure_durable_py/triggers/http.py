"""The HTTP side of an app without a server: what is at which address, and what a function answers.

Owns both. Whoever has the request, a server or a test, hands it in and sends the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

import azure.functions as func

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.tracing import requested
from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.triggers.bound import Call, Invoked
from azure_durable_py.triggers.functions import HttpFunction
from azure_durable_py.triggers.routes import Endpoint, Router

WEBHOOKS = "/runtime/webhooks/durabletask"
MONITOR = "/monitor"
"""Leads to the page that shows the hub, unless the app has a function there."""
_FRAMING = ("content-length", "transfer-encoding")


class Site:
    """What is where on a host.

    :param functions: the HTTP functions of the app.
    :param route_prefix: host.json's `extensions.http.routePrefix`.
    """

    def __init__(self, functions: Sequence[HttpFunction], route_prefix: str) -> None:
        prefix = route_prefix.strip("/")
        self._functions = functions
        self.router = Router([Endpoint(function.route, function.methods, function) for function in functions])
        self._mounts = (f"/{prefix}/durabletask" if prefix else "/durabletask", WEBHOOKS)

    def management(self, path: str) -> tuple[str, str] | None:
        """A path below the management API as its mount, as the caller wrote it, and what follows; None: it is not."""
        for mount in self._mounts:
            if path.lower() == mount.lower() or path.lower().startswith(f"{mount.lower()}/"):
                return path[: len(mount)], path[len(mount) :]
        return None

    def told(self) -> str:
        """The routes of all functions, for people."""
        routes = (f"{'|'.join(sorted(each.methods))} /{each.route.template}" for each in self._functions)
        return ", ".join(sorted(routes, key=lambda route: route.partition(" ")[2])) or "there are none"

    def elsewhere(self, method: str, path: str) -> func.HttpResponse:
        """The answer where neither the management API nor a function is."""
        looks = method in ("GET", "HEAD")
        if looks and path.rstrip("/").lower() == MONITOR:
            return func.HttpResponse(status_code=302, headers={"Location": f"{WEBHOOKS}/monitor"})
        if looks and path == "/":
            return _told(200, "The function app is up and running.\n")
        return _told(404, f"No function serves {method} {unquote(path)}.\n")


def failed(function: HttpFunction) -> func.HttpResponse:
    """The answer of a function that raised, or returned what is no response."""
    return _told(500, f"Function {function.name!r} failed; the host's log tells why.\n")


async def call_http(
    function: HttpFunction, request: func.HttpRequest, call: Call, directory: str, observer: Observer = NOBODY
) -> Invoked:
    """Call an HTTP function; what it raises is raised.

    :param call: calls it.
    :param directory: the directory of the app.
    :param observer: told of the trace that the request is a part of.
    """
    with requested(observer, request.headers):
        return await function.target.invoke({function.target.trigger: request}, call, directory, request.headers)


def response_of(function: HttpFunction, invoked: Invoked) -> func.HttpResponse:
    """The response that a call came to (an HttpResponse, text, bytes or nothing), with all its headers.

    :raises TypeError: it came to something else.
    """
    result = invoked.returned if function.out_name is None else invoked.outputs.get(function.out_name)
    if result is None:
        return func.HttpResponse(status_code=204)
    if isinstance(result, str):
        return _with_type(func.HttpResponse(result))
    if isinstance(result, (bytes, bytearray)):
        return _with_type(func.HttpResponse(bytes(result), mimetype="application/octet-stream"))
    if isinstance(result, func.HttpResponse):
        return _with_type(result)
    raise TypeError(
        f"An HTTP function returned {type(result).__name__}; accepted are func.HttpResponse, str, bytes and None. "
        "For JSON: func.HttpResponse(json.dumps(value), mimetype='application/json')."
    )


def to_http_response(answer: HttpAnswer) -> func.HttpResponse:
    """An answer of the client or of the management API as the object that HTTP functions return."""
    kind = answer.headers.get("Content-Type")
    return func.HttpResponse(
        answer.body, status_code=answer.status_code, headers=dict(answer.headers), mimetype=kind or "text/plain"
    )


def _told(status: int, text: str) -> func.HttpResponse:
    return _with_type(func.HttpResponse(text, status_code=status))


def _with_type(response: func.HttpResponse) -> func.HttpResponse:
    """A response with its type among its headers, and without those by which a message is framed."""
    headers = [(name, value) for name, value in response.headers.items() if name.lower() not in _FRAMING]
    given = next((value for name, value in headers if name.lower() == "content-type"), None)
    kind = given or response.mimetype
    if given is None:
        text = response.mimetype.startswith("text/")
        headers.append(("Content-Type", f"{kind}; charset={response.charset}" if text else kind))
    told = func.HttpResponse(
        response.get_body(),
        status_code=response.status_code,
        mimetype=kind.partition(";")[0].strip(),
        charset=response.charset,
    )
    for name, value in headers:
        told.headers.add(name, value)
    return told
