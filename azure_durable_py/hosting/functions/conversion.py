"""Turns HTTP as the Functions worker hands it out into what the management API takes and answers, and back.

The worker hands out `azure.functions.HttpRequest`, or, in an app that streams HTTP, the requests of FastAPI.
Owns the conversion of one request and one response.
"""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import parse_qs, urlsplit

import azure.functions as func

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.wire import Request

_STREAMING = "azurefunctions.extensions.base"


async def to_management_request(request: Any, mount: str) -> Request | None:
    """The request as the management API takes it; None: it is not one for what is below `mount`."""
    parts = urlsplit(str(request.url))
    at = parts.path.lower().find(f"{mount.lower()}/")
    if at < 0:
        return None
    end = at + len(mount)
    return Request(
        method=str(request.method).upper(),
        path=parts.path[end + 1 :],
        base_url=f"{parts.scheme}://{parts.netloc}{parts.path[:end]}",
        query=parse_qs(parts.query, keep_blank_values=True),
        headers=dict(request.headers),
        body=await _body(request),
    )


def to_worker_response(answer: HttpAnswer) -> Any:
    """An answer as the object that HTTP functions return here."""
    kind = sys.modules["fastapi"].Response if _is_streaming() else func.HttpResponse
    return kind(answer.body, status_code=answer.status_code, headers=dict(answer.headers))


def _is_streaming() -> bool:
    base: Any = sys.modules.get(_STREAMING)
    return base is not None and "fastapi" in sys.modules and bool(base.HttpV2FeatureChecker.http_v2_enabled())


async def _body(request: Any) -> bytes:
    return request.get_body() if isinstance(request, func.HttpRequest) else await request.body()
