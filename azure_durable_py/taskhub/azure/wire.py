"""Requests to a service of the account, as lean as its protocol allows.

Owns how a request is sent, and what counts as an answer: one that is whole, within bounds and not a refusal. What is in
a request or an answer is the business of `entities.py` and `messages.py`. Nothing is sent twice but a request that was
refused for its token.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from azure_durable_py.taskhub.azure.answers import NoAnswerError, RefusalError
from azure_durable_py.taskhub.azure.authorization import Authorization, WireRequest

logger = logging.getLogger(__name__)

STREAMED_BYTES = 1_048_576
"""aiohttp warns about longer bodies that are not streams."""
_QUERY = re.compile(r"\?[^\s'\"]*")
_ERROR_CODE = re.compile(rb'"code"\s*:\s*"(\w+)"|<(?:\w+:)?[Cc]ode>(\w+)<')
_ERROR_MESSAGE = re.compile(rb"<(?:\w+:)?[Mm]essage[^>]*>([^<]*)")


class WireAnswer(NamedTuple):
    """An answer that is not a refusal."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header.

        :raises NoAnswerError: there is none of that name.
        """
        value = self.headers.get(name)
        if value is None:
            raise NoAnswerError(f"an answer without {name}")
        return value


class Wire:
    """Sends requests to one service.

    :param session: which must neither follow the environment nor send anything again by itself.
    :param uri: address of the service.
    :param headers: that every request has.
    :param proxy: address of the proxy to use.
    :param max_bytes: of an answer.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        uri: str,
        authorization: Authorization,
        *,
        headers: Mapping[str, str],
        proxy: str | None,
        max_bytes: int,
    ) -> None:
        parts = urlsplit(uri)
        self._session = session
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._base = parts.path.rstrip("/")
        self._authorization = authorization
        self._headers = dict(headers)
        self._proxy = proxy
        self._max_bytes = max_bytes

    @property
    def uri(self) -> str:
        """Address of the service."""
        return self._origin + self._base

    async def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> WireAnswer:
        """Send a request and read the answer to it.

        :param path: below the address of the service, encoded, with the slash.
        :param query: names and values, not encoded.
        :raises RefusalError: the service refused.
        :raises NoAnswerError: none came, or none that can be read.
        """
        request = WireRequest(method, self._base + path, query or {}, {**self._headers, **(headers or {})}, body)
        await self._authorization.authorize(request)
        answer = await self._exchange(request)
        if answer.status == 401 and await self._authorization.renew(request, answer.headers.get("WWW-Authenticate")):
            answer = await self._exchange(request)
        if not 200 <= answer.status < 300:
            raise refusal(answer.status, answer.headers, answer.body)
        return answer

    async def _exchange(self, request: WireRequest) -> WireAnswer:
        data: Any = request.body or None
        if len(request.body) > STREAMED_BYTES:
            data = io.BytesIO(request.body)
        began = time.perf_counter()
        try:
            async with self._session.request(
                request.method,
                URL(self._origin + request.target, encoded=True),
                data=data,
                headers=request.headers,
                allow_redirects=False,
                proxy=self._proxy,
            ) as response:
                answer = WireAnswer(response.status, response.headers, await self._read(response))
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            # Some texts have the whole address, with the signature if there is one. Nor is it to be in a traceback.
            raise NoAnswerError(_QUERY.sub("", str(error)) or type(error).__name__) from None
        if logger.isEnabledFor(logging.DEBUG):
            # Receipts and signatures are in the query: it is left out.
            logger.debug(
                "%s %s%s: %d in %.1f ms (request %s)",
                *(request.method, self._origin, request.path, answer.status, (time.perf_counter() - began) * 1000),
                answer.headers.get("x-ms-request-id"),
            )
        return answer

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        parts: list[bytes] = []
        size = 0
        while part := await response.content.readany():
            size += len(part)
            if size > self._max_bytes:
                raise NoAnswerError(f"an answer of more than {self._max_bytes:,} bytes")
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> RefusalError:
    """The error that an answer stands for: JSON or XML, or whatever something on the way to storage answered."""
    match = _ERROR_CODE.search(body, 0, 4096)
    found = (match[1] or match[2]).decode() if match else ""
    skew = _skew(headers) if status == 403 else 0.0
    return RefusalError(status, found or headers.get("x-ms-error-code", ""), _message(body), clock_skew=skew)


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["odata.error"]["message"]["value"])
    except (ValueError, KeyError, TypeError, RecursionError):
        match = _ERROR_MESSAGE.search(body, 0, 4096)
        return match[1].decode(errors="replace") if match else ""


def _skew(headers: Mapping[str, str]) -> float:
    """How many seconds the clock of the service is ahead of ours."""
    try:
        return parsedate_to_datetime(headers.get("Date", "")).timestamp() - time.time()
    except (ValueError, TypeError, IndexError):
        return 0.0
