"""Reads the body of a request: no more of it than its caller may send, and no slower than a slow network.

Owns the limits of bodies while they come in. What is too large is refused before it is read where its length is known.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

BYTES_PER_SECOND = 240
"""A body that comes in more slowly than that, on the average after `PATIENCE` seconds, is given up."""
PATIENCE = 10.0
ALL_BODIES = 256 * 1024 * 1024
"""Bytes of bodies that may be under way at a time, unless one alone may be larger."""


class BodyRefusedError(Exception):
    """The body is not taken; `status` and the message say why. Never leaves the server."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BodyReader:
    """Reads the bodies of one server.

    :param room: bytes that all bodies may have while they come in.
    :param now: seconds of a clock that never goes back.
    """

    def __init__(self, room: int = ALL_BODIES, now: Callable[[], float] = time.monotonic) -> None:
        self.room = room
        self._now = now
        self.held = 0
        """Bytes of bodies that are coming in."""

    async def read(self, request: web.BaseRequest, limit: int) -> bytes:
        """The whole body.

        :param limit: bytes that this caller may send.
        :raises BodyRefusedError: it is larger, it does not come, or it is damaged.
        """
        if (request.content_length or 0) > limit:
            raise _too_large(limit)
        if not request.can_read_body:
            return b""
        await _continue(request)
        body = bytearray()
        begun = self._now()
        try:
            while chunk := await self._chunk(request, begun + PATIENCE + len(body) / BYTES_PER_SECOND):
                self._take(len(chunk))
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
        finally:
            self.held -= len(body)
        return bytes(body)

    def _take(self, size: int) -> None:
        if self.held + size > self.room:
            raise BodyRefusedError(503, "Too many bodies are coming in at the moment. Try again in a few seconds.")
        self.held += size

    async def _chunk(self, request: web.BaseRequest, until: float) -> bytes:
        try:
            return await asyncio.wait_for(request.content.readany(), max(0.0, until - self._now()))
        except asyncio.TimeoutError:
            raise BodyRefusedError(408, f"The body comes in at less than {BYTES_PER_SECOND} bytes a second.") from None
        except (web.RequestPayloadError, aiohttp.ClientError, HttpProcessingError) as error:
            raise BodyRefusedError(400, f"The body cannot be read: {type(error).__name__}.") from None
        except (ConnectionError, EOFError):
            raise BodyRefusedError(400, "The connection ended before the body did.") from None


def _too_large(limit: int) -> BodyRefusedError:
    return BodyRefusedError(413, f"The request's body is over the limit of {limit} bytes.")


async def _continue(request: web.BaseRequest) -> None:
    """Tell a caller who asks that the body may come."""
    expected = request.headers.get("Expect")
    if expected is None:
        return
    if expected.strip().lower() != "100-continue":
        raise BodyRefusedError(417, f"Expectation {expected[:40]!r} cannot be met; accepted is '100-continue'.")
    if request.version >= aiohttp.HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # It is no part of the answer.
        request.writer.output_size = 0
