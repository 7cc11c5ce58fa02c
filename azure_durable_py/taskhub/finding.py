"""Which task hubs there are in a storage. Nothing is opened, and nothing is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.storage import ACCEPTED, DATA_DIR, has_connection, shown_spec

if TYPE_CHECKING:
    from azure_durable_py.taskhub.azure.connections import StorageConnection


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A hub by its name, and where it is: a file, or an account. `is_own`: it is the one that the settings name."""

    name: str
    place: str
    is_own: bool = False


async def own_hub(
    spec: str, settings: Settings, app_settings: Mapping[str, str], app_dir: Path
) -> tuple[HubPlace, bool]:
    """Where the hub is that the settings name, and whether it is there. That of memory is never there.

    :param spec: as for `azure-durable start`.
    :raises SettingsError: it is no such storage, or the connection cannot be used.
    :raises StorageError: storage refuses, or gives no answer.
    """
    name, path = settings.hub_name, _path_of(spec)
    if path is not None:
        file = _file(app_dir, path, name)
        return HubPlace(name, str(file), is_own=True), file.exists()
    if spec == "memory":
        return HubPlace(name, "memory", is_own=True), False
    from azure_durable_py.taskhub.azure.finding import has_hub

    connection = _connection(spec, app_settings)
    return HubPlace(name, connection.host, is_own=True), await has_hub(connection, name)


async def find_hubs(
    spec: str, settings: Settings, app_settings: Mapping[str, str], app_dir: Path
) -> tuple[HubPlace, ...]:
    """The hubs in a storage, in the order of their names.

    Of a SQLite file its neighbours are told: one file has one hub, which is called after it unless the file was named.

    :param spec: as for `azure-durable start`.
    :raises SettingsError: it is no such storage, or the connection cannot be used.
    :raises StorageError: storage refuses, or gives no answer.
    """
    path = _path_of(spec)
    if path is not None:
        return _in_files(_file(app_dir, path, settings.hub_name))
    if spec == "memory":
        return ()
    from azure_durable_py.taskhub.azure.finding import hub_names

    connection = _connection(spec, app_settings)
    own = settings.hub_name.lower()
    return tuple(HubPlace(name, connection.host, name.lower() == own) for name in await hub_names(connection))


def _path_of(spec: str) -> str | None:
    """The path of a SQLite file, empty for the usual one; None: it is another storage."""
    kind, _, path = spec.partition(":")
    return path if kind == "sqlite" and (path or spec == "sqlite") else None


def _file(app_dir: Path, path: str, hub_name: str) -> Path:
    return app_dir / (Path(path).expanduser() if path else Path(DATA_DIR) / f"{hub_name}.db")


def _in_files(own: Path) -> tuple[HubPlace, ...]:
    files = sorted(own.parent.glob("*.db"), key=lambda file: file.name.lower())
    return tuple(HubPlace(file.stem, str(file), file == own) for file in files)


def _connection(spec: str, app_settings: Mapping[str, str]) -> StorageConnection:
    from azure_durable_py.taskhub.azure.connections import StorageConnection

    if spec == "azurite":
        return StorageConnection.from_settings(DEFAULT_CONNECTION, {DEFAULT_CONNECTION: "UseDevelopmentStorage=true"})
    if not has_connection(spec, app_settings):
        raise SettingsError(
            f"There is no storage {shown_spec(spec)}: it is not the name of an app setting that is set. Accepted: "
            f"{ACCEPTED}."
        )
    return StorageConnection.from_settings(spec, app_settings)
