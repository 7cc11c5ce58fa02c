"""The activity behind `call_http`: one request each.

Owns how long a request may take and which answers are failures. How it travels is the transport's business.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, Protocol

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpRequest, DurableHttpResponse
from azure_durable_py.errors import HttpStatusError, HttpTimeoutError
from azure_durable_py.registry import ActivityDefinition

USUAL_TIMEOUT = 240.0
"""How long a request may take if nothing else is said, in seconds."""


class HttpTransport(Protocol):
    """Makes HTTP requests."""

    async def send(self, request: DurableHttpRequest) -> DurableHttpResponse:
        """Make one request and follow redirects.

        :raises HttpRequestError: there was no answer.
        :raises HttpRefusedError: it cannot be made, or its answer cannot be kept.
        """
        ...

    async def close(self) -> None:
        """Let go of connections. Idempotent; a request after it opens them again."""
        ...


def http_activity(transport: HttpTransport) -> ActivityDefinition:
    """The activity, making its requests by a transport."""

    async def make_request(request: Any) -> dict[str, Any]:
        asked = DurableHttpRequest.from_plain(request)
        timeout = USUAL_TIMEOUT if asked.timeout is None else asked.timeout
        try:
            response = await asyncio.wait_for(transport.send(asked), timeout)
        except asyncio.TimeoutError:
            raise HttpTimeoutError(
                f"{asked.subject} was not answered within {timeout:g} s. Whether it had an effect is not known. "
                "Give call_http a longer timeout, or retry_options if it may be made again."
            ) from None
        if asked.fails_with(response.status_code):
            raise HttpStatusError(
                f"{asked.subject} was answered with {_named(response.status_code)}, which its retry_options ask to try "
                "again. Without them the answer is returned."
            )
        return response.to_plain()

    return ActivityDefinition(HTTP_ACTIVITY, make_request, "request")


def _named(status_code: int) -> str:
    try:
        return f"{status_code} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(status_code)
