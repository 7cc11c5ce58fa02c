"""HTTP/1.1 as aiohttp speaks it, set up for callers that nobody knows.

Owns the knobs of its server, and what it logs of requests that are none.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from azure_durable_py.hosting.local.connections import Connections

logger = logging.getLogger(__name__)
MAX_LINE = 8190
"""Bytes of a request line, and of one header."""
MAX_HEADERS = 128
LINGERING = 5.0
"""Seconds for which the rest of a body that nobody wants is read, so that the answer arrives."""


class _Unreadable(logging.Filter):
    """What a stranger sends is no error of ours: no line per request that is none, and no stack."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out what tells of such a request, and mention it to who wants everything."""
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if not isinstance(error, HttpProcessingError):
            return True
        logger.debug("A request could not be read: %s", type(error).__name__)
        return False


_OWN = logger
_OWN.addFilter(_Unreadable())


class HttpProtocols(web.Server):
    """Makes what speaks HTTP on a connection.

    :param serve: answers a request.
    :param connections: hears of those that end.
    :param keep_alive: seconds for which a connection is kept between two requests.
    """

    def __init__(
        self,
        serve: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        connections: Connections,
        keep_alive: float,
    ) -> None:
        super().__init__(
            serve,
            logger=logger,
            access_log=None,
            keepalive_timeout=keep_alive,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            max_headers=MAX_HEADERS,
            lingering_time=LINGERING,
            # As on Functions. A small body that becomes a large one would pass every limit.
            auto_decompress=False,
        )
        self._table = connections

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """A connection has ended."""
        super().connection_lost(handler, exc)
        self._table.lost(handler)

    async def end(self, timeout: float) -> None:
        """Close what waits, and what is being served as soon as it is answered, at the latest after some seconds."""
        self.pre_shutdown()
        await self.shutdown(timeout)
