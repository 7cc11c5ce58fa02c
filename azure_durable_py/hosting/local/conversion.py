"""Turns HTTP as the server speaks it into what functions and the management API take and return, and back.

Owns the conversion of one request and one response.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import azure.functions as func
from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.wire import Request


class HttpOut(func.Out[Any]):
    """The `func.Out` parameter of a function whose response is not its return value."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Set the response."""
        self._value = val

    def get(self) -> Any:
        """The response that was set, or None."""
        return self._value


def to_function_request(request: web.BaseRequest, route_params: Mapping[str, str], body: bytes) -> func.HttpRequest:
    """The request as a function sees it. Values of repeated headers and parameters are joined by commas."""
    return func.HttpRequest(
        request.method,
        str(request.url),
        headers=_joined(request.headers),
        params=_joined(request.query),
        route_params=dict(route_params),
        body=body,
    )


def to_web_response(result: Any) -> web.Response:
    """The response for what a function returned: an HttpResponse, text, bytes or nothing.

    :raises TypeError: it is something else.
    """
    if result is None:
        return web.Response(status=204)
    if isinstance(result, str):
        return web.Response(text=result, content_type="text/plain", charset="utf-8")
    if isinstance(result, (bytes, bytearray)):
        return web.Response(body=bytes(result), content_type="application/octet-stream")
    if isinstance(result, func.HttpResponse):
        return _from_http_response(result)
    raise TypeError(
        f"An HTTP function returned {type(result).__name__}; accepted are func.HttpResponse, str, bytes and None. "
        "For JSON: func.HttpResponse(json.dumps(value), mimetype='application/json')."
    )


def _from_http_response(result: func.HttpResponse) -> web.Response:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in result.headers.items():
        # The server frames the message itself.
        if name.lower() not in ("content-length", "transfer-encoding"):
            headers.add(name, value)
    if "content-type" not in headers:
        text = result.mimetype.startswith("text/")
        headers["Content-Type"] = f"{result.mimetype}; charset={result.charset}" if text else result.mimetype
    return web.Response(status=result.status_code, headers=headers, body=result.get_body())


def to_management_request(request: web.BaseRequest, path: str, base_url: str) -> Request:
    """The request as the management API takes it, still without its body.

    :param path: what follows its mount, still percent-encoded.
    :param base_url: the absolute URL of the mount, as the caller used it.
    """
    return Request(
        method=request.method,
        path=path,
        base_url=base_url,
        query={name: request.query.getall(name) for name in request.query},
        headers=_joined(request.headers),
    )


def from_answer(answer: HttpAnswer) -> web.Response:
    """The response for an answer of the management API."""
    return web.Response(status=answer.status_code, headers=CIMultiDict(answer.headers), body=answer.body)


def _joined(values: MultiMapping[str]) -> dict[str, str]:
    return {name: ",".join(values.getall(name)) for name in values}
