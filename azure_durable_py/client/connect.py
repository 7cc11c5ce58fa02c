"""Opens a task hub for a client that is used outside a function app.

Owns the life of such a client's store: opened when the context is entered, closed when it is left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import TaskHubStore

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from azure_durable_py.taskhub.azure.connections import StorageConnection

_Client = TypeVar("_Client")


@asynccontextmanager
async def opened(
    make_store: Callable[[], TaskHubStore], settings: Settings, make_client: Callable[[TaskHub, Settings], _Client]
) -> AsyncGenerator[_Client, None]:
    """A client on a hub of its own, open while the context lasts."""
    hub = TaskHub(make_store())
    try:
        await hub.open()
        yield make_client(hub, settings)
    finally:
        await hub.close()


def store_from_connection_string(settings: Settings, connection_string: str) -> TaskHubStore:
    """The store of a hub in the account of a connection string.

    :raises SettingsError: the connection string cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    return _store(settings, StorageConnection.from_connection_string(connection_string))


def store_from_credential(
    settings: Settings, table_service_uri: str, queue_service_uri: str, credential: AsyncTokenCredential
) -> TaskHubStore:
    """The store of a hub in the account at two service URIs.

    :raises SettingsError: a URI cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    connection = StorageConnection.from_credential(credential, queue_uri=queue_service_uri, table_uri=table_service_uri)
    return _store(settings, connection)


def store_from_settings(settings: Settings, app_settings: Mapping[str, str]) -> TaskHubStore:
    """The store of the hub that settings name.

    :raises SettingsError: the connection is missing or cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    return _store(settings, StorageConnection.from_settings(settings.connection_name, app_settings))


def _store(settings: Settings, connection: StorageConnection) -> TaskHubStore:
    from azure_durable_py.taskhub.azure.store import AzureStore

    return AzureStore(
        connection,
        hub_name=settings.hub_name,
        instance_queue_count=settings.instance_queue_count,
        message_encoding=settings.queue_message_encoding,
    )
