"""Looking after the task hub of an app from outside a running host.

Owns the way from an app directory to its open hub. It never loads the app's code.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from azure_durable_py.appsettings import read_app
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.storage import default_storage, open_store


@asynccontextmanager
async def open_hub(app_dir: Path, storage: str | None, environ: Mapping[str, str]) -> AsyncGenerator[TaskHub, None]:
    """The task hub that the app in `app_dir` works on, open.

    :param storage: as for `azure-durable start`.
    :raises SettingsError: a setting or the storage cannot be used.
    :raises StorageError: the hub cannot be opened.
    """
    settings, values = read_app(app_dir, environ)
    hub = TaskHub(open_store(storage or default_storage(settings, values), settings, values, app_dir))
    try:
        await hub.open()
        yield hub
    finally:
        await hub.close()
