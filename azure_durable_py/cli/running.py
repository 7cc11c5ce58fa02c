"""Runs what a command does on the event loop."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from azure_durable_py.escaping import escaped
from azure_durable_py.wording import one_line

T = TypeVar("T")
_MOST_CHARS = 2_000


def run(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command, and tell on stderr what the engine warns of meanwhile."""
    import asyncio

    if not logging.root.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.setFormatter(_WarningFormatter())
        logging.root.addHandler(handler)
    return asyncio.run(work)


class _WarningFormatter(logging.Formatter):
    """What the engine tells of, in one line. `Error:` is for a command that did not work; this one may go on."""

    def format(self, record: logging.LogRecord) -> str:
        return f"Warning: {escaped(one_line(record.getMessage(), _MOST_CHARS))}"
