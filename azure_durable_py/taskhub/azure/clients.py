"""The SDK's clients, on one pool of connections.

Owns the HTTP session and the credential while a store is open. Retries of the SDK are off: it
would take its own lost write for somebody else's, and callers resolve lost answers themselves.
"""

from __future__ import annotations

import io
import ssl
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient

from azure_durable_py.taskhub.azure.connections import StorageConnection

_API_VERSION = "2019-02-02"
"""Known to every release of Azurite and of the SDK; the SDK's own default is refused by older Azurites."""
_POOL = 128
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30


# aiohttp warns about longer bodies that are not streams.
_STREAMED_BYTES = 1_048_576


class _Transport(AioHttpTransport):
    def _get_request_data(self, request: Any) -> Any:
        data: Any = request.data
        if isinstance(data, str | bytes) and len(data) > _STREAMED_BYTES:
            return io.BytesIO(data.encode() if isinstance(data, str) else data)
        return data


class Clients:
    """Open clients of one storage account. Make one inside the event loop that is to use it."""

    def __init__(self, connection: StorageConnection) -> None:
        secure = connection.table_uri.startswith("https")
        self._connection = connection
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_POOL,
                # Azurite closes idle connections after 5 s, Azure much later: be the first to close.
                keepalive_timeout=30.0 if secure else 4.0,
                ssl=ssl.create_default_context() if secure else True,
            ),
            trust_env=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        # aiohttp has no public way to keep it from sending a PUT or DELETE again on a new connection.
        vars(self._session)["_retry_connection"] = False
        self._credential = connection.credential()
        self._options: dict[str, Any] = {
            "credential": self._credential,
            "transport": _Transport(
                session=self._session,
                session_owner=False,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_ANSWER_SECONDS,
            ),
            "retry_total": 0,
            "api_version": _API_VERSION,
        }

    def table(self, name: str) -> TableClient:
        """A client of one table."""
        return TableClient(self._connection.table_uri, name, **self._options)

    def tables(self) -> TableServiceClient:
        """A client of the tables of the account as a whole."""
        return TableServiceClient(self._connection.table_uri, **self._options)

    def queue(self, name: str) -> QueueClient:
        """A client of one queue; message texts are passed as they are."""
        return QueueClient(self._connection.queue_uri, name, **self._options)

    async def close(self) -> None:
        """Close the connections, and the credential if it is ours."""
        await self._session.close()
        if self._connection.owned:
            await self._credential.close()
