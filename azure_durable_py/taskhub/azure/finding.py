"""Which task hubs there are in a storage account: its tables tell."""

from __future__ import annotations

from typing import Any

from azure_durable_py.taskhub.azure import answers
from azure_durable_py.taskhub.azure.clients import Clients
from azure_durable_py.taskhub.azure.connections import StorageConnection
from azure_durable_py.taskhub.naming import MARKER_KEY, MARKER_PARTITION, hub_of_table, table_name


async def hub_names(connection: StorageConnection) -> list[str]:
    """The names of the hubs in an account, in alphabetical order.

    :raises StorageError: it refuses, or gives no answer.
    """
    clients = Clients(connection)
    try:
        # Strictly typed code cannot call it: its methods take keywords without types.
        service: Any = clients.tables()
        names = [hub_of_table(table.name) async for table in service.list_tables()]
    except answers.TROUBLE as error:
        raise answers.translate(error, f"Listing the tables at {connection.host}") from error
    finally:
        await clients.close()
    return sorted((name for name in names if name is not None), key=str.lower)


async def has_hub(connection: StorageConnection, hub_name: str) -> bool:
    """Whether a hub is in an account: a point read of its marker.

    :raises StorageError: the account refuses, or gives no answer.
    """
    clients = Clients(connection)
    try:
        await clients.entities(table_name(hub_name)).read(MARKER_PARTITION, MARKER_KEY)
    except answers.TROUBLE as error:
        if answers.status(error) == 404:
            return False
        raise answers.translate(error, f"Looking for task hub {hub_name} at {connection.host}") from error
    finally:
        await clients.close()
    return True
