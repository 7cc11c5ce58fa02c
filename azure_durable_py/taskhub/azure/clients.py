"""Requests of our own and the SDK's clients, on one pool of connections.

Owns the HTTP session and the credential while a store is open. What a turn asks of storage goes by `wire.py`; the SDK's
clients do the rest. Retries of the SDK are off: it would take its own lost write for somebody else's, and callers
resolve lost answers themselves.
"""

from __future__ import annotations

import io
import ssl
from collections.abc import Mapping
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.data.tables.aio import TableClient, TableServiceClient
from azure.storage.queue.aio import QueueClient

from azure_durable_py.taskhub.azure.authorization import Service, authorization
from azure_durable_py.taskhub.azure.connections import StorageConnection
from azure_durable_py.taskhub.azure.entities import HEADERS as TABLE_HEADERS
from azure_durable_py.taskhub.azure.entities import TableWire
from azure_durable_py.taskhub.azure.messages import HEADERS as QUEUE_HEADERS
from azure_durable_py.taskhub.azure.messages import QueueWire
from azure_durable_py.taskhub.azure.wire import STREAMED_BYTES, Wire

_API_VERSION = "2019-02-02"
"""Known to every release of Azurite and of the SDK; the SDK's own default is refused by older Azurites."""
_POOL = 128
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 30
# Azure answers a query with at most 4 MiB, an emulator with up to 1,000 rows whatever their size.
_MAX_TABLE_BYTES = 256 * 1024 * 1024
# 32 messages of 64 KiB, of which every character may be escaped.
_MAX_QUEUE_BYTES = 16 * 1024 * 1024


class _Transport(AioHttpTransport):
    def _get_request_data(self, request: Any) -> Any:
        data: Any = request.data
        if isinstance(data, str | bytes) and len(data) > STREAMED_BYTES:
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
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_ANSWER_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            # Of these, what we send ourselves is signed or ours.
            skip_auto_headers=("Content-Type", "User-Agent"),
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
        uri = self._connection.table_uri
        return TableClient(uri, name, proxies=_proxies(uri), **self._options)

    def tables(self) -> TableServiceClient:
        """A client of the tables of the account as a whole."""
        uri = self._connection.table_uri
        return TableServiceClient(uri, proxies=_proxies(uri), **self._options)

    def queue(self, name: str) -> QueueClient:
        """A client of one queue; message texts are passed as they are."""
        uri = self._connection.queue_uri
        return QueueClient(uri, name, proxies=_proxies(uri), **self._options)

    def entities(self, table: str) -> TableWire:
        """Requests about the entities of one table."""
        return TableWire(self._wire(Service.table, TABLE_HEADERS, _MAX_TABLE_BYTES), table)

    def messages(self) -> QueueWire:
        """Requests about the messages of queues; their texts are passed as they are."""
        return QueueWire(self._wire(Service.queue, QUEUE_HEADERS, _MAX_QUEUE_BYTES))

    def _wire(self, service: Service, headers: Mapping[str, str], max_bytes: int) -> Wire:
        uri = self._connection.table_uri if service is Service.table else self._connection.queue_uri
        return Wire(
            self._session,
            uri,
            authorization(self._credential, service),
            headers={
                "x-ms-version": _API_VERSION,
                "User-Agent": f"azure-durable-py/{_version()}",
                "Accept-Encoding": "identity",
                **headers,
            },
            proxy=next(iter(_proxies(uri).values()), None),
            max_bytes=max_bytes,
        )

    async def close(self) -> None:
        """Close the connections, and the credential if it is ours."""
        await self._session.close()
        if self._connection.owned:
            await self._credential.close()


def _proxies(uri: str) -> dict[str, str]:
    """The proxy that the environment names for an address, by its scheme.

    Asked once: aiohttp would ask for every request, in a thread, which costs more than the request itself.
    """
    parts = urlsplit(uri)
    proxy = getproxies().get(parts.scheme)
    return {parts.scheme: proxy} if proxy and not proxy_bypass(parts.hostname or "") else {}


def _version() -> str:
    try:
        return metadata.version("azure-durable-py")
    except metadata.PackageNotFoundError:
        return "0"
