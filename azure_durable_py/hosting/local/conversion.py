"""Turns HTTP as the server speaks it into what functions and the management API take and return, and back.

Owns the conversion of one request and one response.
"""

from __future__ import annotations

from collections.abc import Mapping

import azure.functions as func
from aiohttp import web
from multidict import CIMultiDict, MultiMapping

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.wire import Request


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


def to_web_response(response: func.HttpResponse) -> web.Response:
    """The response of a function as it is sent."""
    return web.Response(
        status=response.status_code, headers=CIMultiDict(response.headers.items()), body=response.get_body()
    )


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
