"""Chooses the storage of a task hub: what `--storage` accepts, and the default.

Owns that choice. How each store works is the business of the stores. Their libraries are imported
when one is asked for: who uses the one need not pay for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.protocol import TaskHubStore

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential

    from azure_durable_py.taskhub.azure.connections import StorageConnection

DATA_DIR = ".azure-durable"
ACCEPTED = (
    "sqlite, sqlite:PATH, memory, azurite, or the name of an app setting that holds a storage connection "
    "(such as AzureWebJobsStorage)"
)


def default_storage(settings: Settings, app_settings: Mapping[str, str]) -> str:
    """The storage to use when none is asked for.

    The connection that host.json names (AzureWebJobsStorage unless it says otherwise), and
    `sqlite` when that is AzureWebJobsStorage and is not set.
    """
    name = settings.connection_name
    return name if name != DEFAULT_CONNECTION or has_connection(name, app_settings) else "sqlite"


def has_connection(name: str, app_settings: Mapping[str, str]) -> bool:
    """Whether the app settings hold a connection of that name, in any of its forms."""
    stems = {stem.lower().replace("__", ":") for stem in (name, f"AzureWebJobs{name}", f"ConnectionStrings:{name}")}
    for key, value in app_settings.items():
        plain = key.lower().replace("__", ":")
        if value and any(plain == stem or plain.startswith(f"{stem}:") for stem in stems):
            return True
    return False


def open_store(spec: str, settings: Settings, app_settings: Mapping[str, str], app_dir: Path) -> TaskHubStore:
    """The store that `spec` asks for; it is not opened yet.

    :param spec: one of `ACCEPTED`. A relative PATH is below `app_dir`; the default file is
        `.azure-durable/<hub>.db` there.
    :raises SettingsError: it is none of them, or the connection cannot be used.
    """
    kind, _, path = spec.partition(":")
    if kind == "sqlite" and (path or spec == "sqlite"):
        file = app_dir / Path(path).expanduser() if path else data_dir(app_dir) / f"{settings.hub_name}.db"
        return store_from_file(settings, file)
    if spec == "memory":
        from azure_durable_py.taskhub.sqlite import SqliteStore

        return SqliteStore(None, hub_name=settings.hub_name, instance_queue_count=settings.instance_queue_count)
    if spec == "azurite":
        local = {DEFAULT_CONNECTION: "UseDevelopmentStorage=true"}
        return store_from_settings(replace(settings, connection_name=DEFAULT_CONNECTION), local)
    if not has_connection(spec, app_settings):
        if spec == settings.connection_name:
            raise SettingsError(
                f"host.json asks for the connection {spec!r} (extensions.durableTask.storageProvider.connectionName), "
                f"and there is no app setting of that name. Set {spec}, or {spec}__accountName for an identity, or "
                "give another storage, such as --storage sqlite."
            )
        raise SettingsError(
            f"There is no storage {shown_spec(spec)}: it is not the name of an app setting that is set. Accepted: "
            f"{ACCEPTED}."
        )
    return store_from_settings(replace(settings, connection_name=spec), app_settings)


def shown_spec(spec: str) -> str:
    """What somebody named as a storage, for messages; a connection string, which has a key in it, is not shown."""
    return "(a connection string)" if ";" in spec or "=" in spec else repr(spec)


def data_dir(app_dir: Path) -> Path:
    """The directory for what the local host keeps of an app; made on first use and kept out of git.

    :raises SettingsError: it cannot be made.
    """
    directory = app_dir / DATA_DIR
    try:
        directory.mkdir(parents=True, exist_ok=True)
        ignore = directory / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{directory} cannot be made: {error}. Choose another place with --storage.") from error
    return directory


def store_from_file(settings: Settings, file: Path) -> TaskHubStore:
    """The store of a hub in a SQLite file, which is made when it is not there.

    :raises SettingsError: its directory does not exist, or it is a directory itself.
    """
    from azure_durable_py.taskhub.sqlite import SqliteStore

    if not file.parent.is_dir():
        raise SettingsError(
            f"The directory {file.parent} of the SQLite file {file.name} does not exist; create it first."
        )
    if file.is_dir():
        raise SettingsError(f"{file} is a directory. Name a file for the hub in it, such as {file / 'hub.db'}.")
    return SqliteStore(str(file), hub_name=settings.hub_name, instance_queue_count=settings.instance_queue_count)


def store_from_connection_string(settings: Settings, connection_string: str) -> TaskHubStore:
    """The store of a hub in the account of a connection string.

    :raises SettingsError: the connection string cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    return _azure(settings, StorageConnection.from_connection_string(connection_string))


def store_from_credential(
    settings: Settings,
    table_service_uri: str,
    queue_service_uri: str,
    credential: AsyncTokenCredential | TokenCredential,
) -> TaskHubStore:
    """The store of a hub in the account at two service URIs.

    :raises SettingsError: a URI cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    connection = StorageConnection.from_credential(credential, queue_uri=queue_service_uri, table_uri=table_service_uri)
    return _azure(settings, connection)


def store_from_settings(settings: Settings, app_settings: Mapping[str, str]) -> TaskHubStore:
    """The store of the hub that settings name.

    :raises SettingsError: the connection is missing or cannot be used.
    """
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    return _azure(settings, StorageConnection.from_settings(settings.connection_name, app_settings))


def _azure(settings: Settings, connection: StorageConnection) -> TaskHubStore:
    from azure_durable_py.taskhub.azure.store import AzureStore

    return AzureStore(
        connection,
        hub_name=settings.hub_name,
        instance_queue_count=settings.instance_queue_count,
        message_encoding=settings.queue_message_encoding,
    )
