"""The log that the local host keeps beside the hub of an app, for `azure-durable logs`.

Owns where it is and how large it gets: JSON lines in `.azure-durable/logs`, a few files of a few megabytes, of which
the oldest goes when a new one begins. Where it cannot be written there is none: the console has every line as well.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from azure_durable_py.errors import SettingsError
from azure_durable_py.logs.formats import JsonFormatter
from azure_durable_py.taskhub.storage import DATA_DIR, data_dir

logger = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of one file at most, but for its last line."""
OLDER_FILES = 3
"""Files that are kept beside the one that is written."""


def log_files(app_dir: Path) -> list[Path]:
    """The files of the log of an app that there are, the oldest first."""
    newest = app_dir / DATA_DIR / "logs" / "host.jsonl"
    older = [newest.with_name(f"{newest.name}.{number}") for number in range(OLDER_FILES, 0, -1)]
    return [file for file in (*older, newest) if file.is_file()]


@contextmanager
def kept_log(app_dir: Path) -> Generator[None, None, None]:
    """Keep a log of what is logged while the context lasts."""
    handler = _handler(app_dir)
    if handler is None:
        yield
        return
    logging.root.addHandler(handler)
    try:
        yield
    finally:
        logging.root.removeHandler(handler)
        with suppress(OSError):  # What is still to be written has no room.
            handler.close()


class LogFileHandler(RotatingFileHandler):
    """Writes JSON lines to files of bounded size; what cannot be written is left out."""

    def _open(self) -> TextIOWrapper:
        # Like the hub beside it: what is told of instances is for the owner alone.
        file = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(file, "a", encoding="ascii")

    def doRollover(self) -> None:  # noqa: N802 - named by `logging`
        try:
            super().doRollover()
        except OSError:  # Another host of this app has the file open, where files in use cannot be renamed.
            if self.stream is None:
                self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by `logging`
        del record


def _handler(app_dir: Path) -> LogFileHandler | None:
    if not app_dir.is_dir():
        return None
    try:
        directory = data_dir(app_dir) / "logs"
        directory.mkdir(exist_ok=True)
        handler = LogFileHandler(
            directory / "host.jsonl", maxBytes=MOST_BYTES, backupCount=OLDER_FILES, encoding="ascii"
        )
    except (OSError, SettingsError) as error:
        logger.debug("No log is kept for `azure-durable logs`: %s", error)
        return None
    handler.setFormatter(JsonFormatter({"service.name": app_dir.resolve().name, "process.pid": os.getpid()}))
    return handler
