"""Runs the local host in a process of its own, and starts it again whenever the app's code or settings change.

Owns which changes count, and the life of that process. Instances lose nothing by it: they are in the task hub, and what
runs has its grace, as at every stop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from watchfiles import (
    Change,
    awatch,  # pyright: ignore[reportUnknownVariableType] - it knows of trio, which is not here
)

from azure_durable_py.appsettings import HOST_JSON, LOCAL_SETTINGS
from azure_durable_py.hosting.local.stopping import on_signals, say_stopping

logger = logging.getLogger(__name__)
_SETTINGS = {HOST_JSON, LOCAL_SETTINGS, "function.json"}
# Beside whatever begins with a dot: the task hub in a file, environments, caches, what editors keep.
_IGNORED = {"__pycache__", "node_modules", "site-packages"}
_TEMPORARY = "flycheck_"
_SETTLED = 100
"""Milliseconds without a change after which a burst of them counts as over."""
_LONGEST_BURST = 1000
_SHOWN = 3


def run_reloading(app_dir: Path, command: Sequence[str]) -> int:
    """Run a host until SIGINT or SIGTERM, and start it again at each change below a directory.

    A host that ends by itself, as one does whose code cannot be loaded, is started again at the next change.

    :param app_dir: the directory of the app.
    :param command: starts the host, which is to stop when its standard input ends.
    :return: what the host ended with when it was told to stop; 0 if it was not running then.
    """
    # It tells of each change, whether it counts or not.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    return asyncio.run(_Supervisor(app_dir.resolve(), command).run())


class _Supervisor:
    def __init__(self, app_dir: Path, command: Sequence[str]) -> None:
        self._app_dir = app_dir
        self._command = command
        self._changed: set[str] = set()
        self._is_stopping = False
        self._host: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    async def run(self) -> int:
        on_signals(self._begin_to_stop, at_first=say_stopping, at_second=self._kill)
        self._watching = asyncio.create_task(self._watch())
        self._watching.add_done_callback(lambda _: self._news.set())
        code = 0
        try:
            while not self._is_stopping:
                code = await self._run_until_a_change()
            return code
        finally:
            await self._end_host()
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _run_until_a_change(self) -> int:
        # Forgotten before the code is loaded: what changes while it is being loaded counts again.
        self._changed.clear()
        self._host = host = await asyncio.create_subprocess_exec(*self._command, stdin=asyncio.subprocess.PIPE)
        ending = asyncio.create_task(host.wait())
        ending.add_done_callback(lambda _: self._news.set())
        await self._until(lambda: self._is_stopping or bool(self._changed) or ending.done())
        if ending.done() and not self._is_stopping:
            logger.info("The app has ended (exit code %d). It is started again at the next change.", ending.result())
            await self._until(lambda: self._is_stopping or bool(self._changed))
            return 0
        if not self._is_stopping:
            logger.info("%s: starting the app again.", _told(self._changed))
        return await self._end_host()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._news.clear()
            await self._news.wait()
            if self._watching is not None and self._watching.done():
                self._watching.result()

    async def _watch(self) -> None:
        async for paths in changes(self._app_dir):
            self._changed |= paths
            self._news.set()

    def _begin_to_stop(self) -> None:
        self._is_stopping = True
        self._news.set()

    async def _end_host(self) -> int:
        """Let the host come to its end; it has a limit of its own for how long that takes."""
        if self._host is None:
            return 0
        if self._host.stdin is not None:
            self._host.stdin.close()
        return await self._host.wait()

    def _kill(self) -> None:
        if self._host is not None and self._host.returncode is None:
            with suppress(ProcessLookupError):
                self._host.kill()


async def changes(app_dir: Path) -> AsyncIterator[set[str]]:
    """The files of an app that change, as paths below its directory: together what changes in one burst."""

    def let_through(_: Change, path: str) -> bool:
        return counts(Path(path).relative_to(app_dir))

    batches = awatch(
        app_dir, watch_filter=let_through, debounce=_LONGEST_BURST, step=_SETTLED, ignore_permission_denied=True
    )
    async for batch in batches:
        yield {Path(path).relative_to(app_dir).as_posix() for _, path in batch}


def counts(path: Path) -> bool:
    """Whether the host reads a file of an app when it starts: code, and the files of settings.

    :param path: below the directory of the app.
    """
    if any(part.startswith(".") or part in _IGNORED for part in path.parts):
        return False
    return path.name in _SETTINGS or (path.suffix == ".py" and not path.name.startswith(_TEMPORARY))


def _told(paths: Iterable[str]) -> str:
    names = sorted(paths)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more} changed"
