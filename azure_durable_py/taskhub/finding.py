"""Which task hubs there are in a storage. Nothing is opened, and nothing is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.storage import ACCEPTED, DATA_DIR, has_connection


@dataclass(frozen=True, slots=True)
class FoundHub:
    """A hub, and where it is: a file, or an account."""

    name: str
    place: str


async def find_hubs(
    spec: str, settings: Settings, app_settings: Mapping[str, str], app_dir: Path
) -> tuple[FoundHub, ...]:
    """The hubs in a storage, in the order of their names.

    :param spec: as for `azure-durable start`. Of a SQLite file its neighbours are told too: one file has one hub, which
        is called after it unless the file was named.
    :raises SettingsError: it is no such storage, or the connection cannot be used.
    :raises StorageError: storage refuses, or gives no answer.
    """
    kind, _, path = spec.partition(":")
    if kind == "sqlite" and (path or spec == "sqlite"):
        return _in_files(app_dir, path)
    if spec == "memory":
        return ()
    if spec == "azurite":
        settings = replace(settings, connection_name=DEFAULT_CONNECTION)
        app_settings = {DEFAULT_CONNECTION: "UseDevelopmentStorage=true"}
    elif has_connection(spec, app_settings):
        settings = replace(settings, connection_name=spec)
    else:
        raise SettingsError(
            f"There is no storage {spec!r}: it is not the name of an app setting that is set. Accepted: {ACCEPTED}."
        )
    from azure_durable_py.taskhub.azure.connections import StorageConnection
    from azure_durable_py.taskhub.azure.finding import hub_names

    connection = StorageConnection.from_settings(settings.connection_name, app_settings)
    return tuple(FoundHub(name, connection.host) for name in await hub_names(connection))


def _in_files(app_dir: Path, path: str) -> tuple[FoundHub, ...]:
    folder = (app_dir / Path(path).expanduser()).parent if path else app_dir / DATA_DIR
    files = sorted(folder.glob("*.db"), key=lambda file: file.name.lower())
    return tuple(FoundHub(file.stem, str(file)) for file in files)
