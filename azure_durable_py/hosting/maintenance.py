"""Looking after the task hub of an app from outside a running host.

Owns the way from an app directory to its open hub. It never loads the app's code.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from azure_durable_py.hosting.appsettings import app_settings, read_host_json, read_local_settings
from azure_durable_py.hosting.storage import default_storage, open_store
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub


@asynccontextmanager
async def open_hub(app_dir: Path, storage: str | None, environ: Mapping[str, str]) -> AsyncGenerator[TaskHub, None]:
    """The task hub that the app in `app_dir` works on, open.

    :param storage: as for `azure-durable start`.
    :raises SettingsError: a setting or the storage cannot be used.
    :raises StorageError: the hub cannot be opened.
    """
    values = app_settings(read_local_settings(app_dir), environ)
    settings = Settings.from_host_json(read_host_json(app_dir, values), values)
    hub = TaskHub(open_store(storage or default_storage(settings, values), settings, values, app_dir))
    try:
        await hub.open()
        yield hub
    finally:
        await hub.close()
