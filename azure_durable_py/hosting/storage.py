"""Chooses the storage of a task hub: what `--storage` accepts, and the default.

Owns that choice. How each store works is the business of `taskhub`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from azure_durable_py.client.connect import store_from_settings
from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.protocol import TaskHubStore

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
        return _sqlite(Path(path) if path else data_dir(app_dir) / f"{settings.hub_name}.db", settings, app_dir)
    if spec == "memory":
        from azure_durable_py.taskhub.sqlite import SqliteStore

        return SqliteStore(None, hub_name=settings.hub_name, instance_queue_count=settings.instance_queue_count)
    if spec == "azurite":
        local = {DEFAULT_CONNECTION: "UseDevelopmentStorage=true"}
        return store_from_settings(replace(settings, connection_name=DEFAULT_CONNECTION), local)
    if not has_connection(spec, app_settings):
        raise SettingsError(
            f"There is no storage {spec!r}: it is not the name of an app setting that is set. Accepted: {ACCEPTED}."
        )
    return store_from_settings(replace(settings, connection_name=spec), app_settings)


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


def _sqlite(path: Path, settings: Settings, app_dir: Path) -> TaskHubStore:
    from azure_durable_py.taskhub.sqlite import SqliteStore

    file = app_dir / path.expanduser()
    if not file.parent.is_dir():
        raise SettingsError(f"The directory {file.parent} of --storage sqlite:{path} does not exist; create it first.")
    return SqliteStore(str(file), hub_name=settings.hub_name, instance_queue_count=settings.instance_queue_count)
