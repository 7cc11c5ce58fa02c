"""Opens a task hub outside of a host: for a client, or for who looks after it.

Owns the way there from settings or from an app's directory, whose code it never loads, and the life of the store:
opened when the context is entered, closed when it is left.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias, TypeVar

from azure_durable_py.appsettings import read_app
from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import TaskHubStore
from azure_durable_py.taskhub.storage import default_storage, open_store, store_from_settings
from azure_durable_py.telemetry import telemetry

_Client = TypeVar("_Client")
Place: TypeAlias = tuple[TaskHubStore, Settings]
"""The store of a hub, not open yet, and the settings to work with."""


@asynccontextmanager
async def opened(
    find: Callable[[], Place], make_client: Callable[[TaskHub, Settings], _Client]
) -> AsyncGenerator[_Client, None]:
    """A client on a hub of its own, open while the context lasts."""
    store, settings = find()
    hub = TaskHub(store, observer=telemetry(settings))
    try:
        await hub.open()
        yield make_client(hub, settings)
    finally:
        await hub.close()


def open_hub(
    app_dir: Path, storage: str | None, environ: Mapping[str, str], hub_name: str | None = None
) -> AbstractAsyncContextManager[TaskHub]:
    """The task hub that the app in a directory works on, open while the context lasts.

    :param storage: as for `azure-durable start`.
    :param hub_name: another hub in the same storage.
    :raises SettingsError: a setting or the storage cannot be used (when entered).
    :raises StorageError: the hub cannot be opened (when entered).
    """
    return opened(lambda: of_app(app_dir, storage, environ, hub_name), lambda hub, _: hub)


def of_app(app_dir: Path, storage: str | None, environ: Mapping[str, str], hub_name: str | None = None) -> Place:
    """Where the app in a directory has its hub, as `azure-durable start` would find it.

    :param storage: as for `azure-durable start`.
    :param hub_name: another hub in the same storage (default: the app's own).
    :raises SettingsError: a setting or the storage cannot be used.
    """
    if not app_dir.is_dir():
        raise SettingsError(f"There is no directory {app_dir} to read the settings of an app from.")
    settings, values = read_app(app_dir, environ)
    if hub_name is not None:
        settings = replace(settings, hub_name=hub_name)
    return _open(storage or default_storage(settings, values), settings, values, app_dir)


def of_settings(settings: Settings, app_settings: Mapping[str, str], storage: str | None) -> Place:
    """Where settings that were read before say that the hub is.

    :param storage: as for `azure-durable start`; None: the connection that the settings name.
    :raises SettingsError: the connection is missing, or it or the storage cannot be used.
    """
    if storage is None:
        return store_from_settings(settings, app_settings), settings
    return _open(storage, settings, app_settings, Path())


def _open(storage: str, settings: Settings, app_settings: Mapping[str, str], app_dir: Path) -> Place:
    if storage == "memory":
        raise SettingsError(
            "A task hub in memory is only in the process that made it: no worker sees what another client does there. "
            "Use sqlite or sqlite:PATH."
        )
    return open_store(storage, settings, app_settings, app_dir), settings
