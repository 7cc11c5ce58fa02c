"""The durable side of an app inside the Functions worker: one engine per process, opened when first needed.

Owns when that is. Storage is neither imported nor reached while functions are indexed: a cold start
that serves none of them pays nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure_durable_py.app import DFApp
from azure_durable_py.errors import RegistrationError, StorageError
from azure_durable_py.hosting.engine import Engine
from azure_durable_py.hosting.functions.addresses import host_origin, management_path
from azure_durable_py.hosting.functions.conversion import to_management_request, to_worker_response
from azure_durable_py.hosting.functions.hostjson import host_limits
from azure_durable_py.http.wire import error_answer
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.keys import FRESH_SECONDS
from azure_durable_py.taskhub.storage import open_store
from azure_durable_py.telemetry import telemetry
from azure_durable_py.worker.intake.invocations import Invocations

logger = logging.getLogger(__name__)
STORAGE_PAUSE = 10.0
"""How long an invocation waits, in seconds, before it tells the host that storage cannot be reached."""


class FunctionsHost:
    """One app in one worker process.

    :param host_json: the content of host.json.
    :param app_settings: the environment.
    :raises SettingsError: host.json has a setting that cannot be used.
    """

    def __init__(
        self, app: DFApp, app_dir: Path, host_json: Mapping[str, Any], app_settings: Mapping[str, str]
    ) -> None:
        self.settings = Settings.from_host_json(host_json, app_settings)
        self._management_path = management_path(host_json)
        self._app = app
        self._app_dir = app_dir
        self._app_settings = dict(app_settings)
        self._invocations = Invocations(host_limits(host_json, app_settings))
        self._opening = asyncio.Lock()
        self._engine: Engine | None = None
        self._keys_read_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self.remember_loop()

    def remember_loop(self) -> None:
        """Note the worker's event loop, if this is it: sync functions run outside of it and need it."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            return

    async def engine(self) -> Engine:
        """The engine, at work.

        :raises StorageError: the task hub cannot be opened; the next call tries again.
        :raises SettingsError: the connection cannot be used.
        """
        self.remember_loop()
        async with self._opening:
            if self._engine is None:
                self._engine = await self._open()
        # Links are signed without waiting: with the keys of today, if they are read before.
        await self._engine.hub.keys.current()
        self._keys_read_at = time.monotonic()
        return self._engine

    def engine_from_thread(self) -> Engine:
        """The engine, for a sync function, which the worker runs in a thread.

        :raises StorageError: the task hub cannot be opened; the next call tries again.
        """
        if self._engine is not None and time.monotonic() < self._keys_read_at + FRESH_SECONDS:
            return self._engine
        if self._loop is None:
            raise RegistrationError(
                "A sync function with a durable client was called before the worker's event loop was known. Make it "
                "`async def`, or call get_functions() on the event loop."
            )
        return asyncio.run_coroutine_threadsafe(self.engine(), self._loop).result()

    async def invocations(self) -> Invocations:
        """Takes what the host delivers.

        :raises StorageError: the task hub cannot be opened; raised late, as the host tries again at once.
        """
        try:
            await self.engine()
        except StorageError:
            await asyncio.sleep(STORAGE_PAUSE)
            raise
        return self._invocations

    async def manage(self, request: Any) -> Any:
        """Answer a request to the management API, by an object of the same kind.

        :raises StorageError: the task hub cannot be opened; the next call tries again.
        """
        engine = await self.engine()
        asked = await to_management_request(request, self._management_path)
        if asked is None:
            return to_worker_response(
                error_answer(404, f"There is nothing at {urlsplit(str(request.url)).path[:200]!r}.")
            )
        return to_worker_response(await engine.manage(asked, trusted=False))

    async def _open(self) -> Engine:
        connection = self.settings.connection_name
        engine = Engine(
            self._app,
            open_store(connection, self.settings, self._app_settings, self._app_dir),
            self.settings,
            self._app_settings,
            lambda name, settings: open_store(name or connection, settings, self._app_settings, self._app_dir),
            management_path=self._management_path,
            origin=lambda: host_origin(self._app_settings),
            observer=telemetry(self.settings),
            respond=to_worker_response,
        )
        try:
            await engine.open()
        except BaseException:
            await engine.stop(0.0)
            raise
        await engine.start(self._invocations)
        logger.info("Task hub %s is open.", engine.hub.store.description)
        return engine
