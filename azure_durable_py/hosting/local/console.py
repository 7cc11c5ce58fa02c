"""What the local host tells the person who started it: the banner and the log.

Owns layout and colour. Colour is for terminals only, and never when NO_COLOR is set.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TextIO

from azure_durable_py.hosting.local.authorization import Access
from azure_durable_py.logs.formats import JsonFormatter, LineFormatter, paint
from azure_durable_py.triggers.functions import Functions

# They log every request that they make, and `-v` tells of each call of storage already.
_CHATTY = ("azure_durable_py.taskhub.azure.wire", "azure.core", "azure.identity", "aiohttp.access", "asyncio")

_ON = "each turn is replayed at once"
_OFF = "off; with --strict each turn is replayed at once, and the code is linted"


@dataclass(frozen=True, slots=True)
class Served:
    """What a running host serves, for its banner."""

    app_dir: str
    origin: str
    webhooks: str
    storage: str
    functions: Functions
    durable: Mapping[str, list[str]] = field(default_factory=lambda: {})
    access: Access = field(default_factory=Access)
    storage_is_shared: bool = True
    strict: bool = False


def banner(served: Served, color: bool) -> str:
    """The text that tells what is served and where."""
    rows = [
        (function.name, f"[{','.join(sorted(function.methods))}] {served.origin}/{function.route.template}")
        for function in served.functions.http
    ]
    rows += [(function.name, "timerTrigger") for function in served.functions.timers]
    rows += [(name, trigger) for trigger, names in served.durable.items() for name in names]
    rows += [(name, "disabled by an app setting") for name in served.functions.disabled]
    lines = ["", "Functions:", "", *_table(rows, color)]
    if not rows:
        lines += [
            "",
            "The app declares no function. Functions are declared by decorators of the app, such as",
            '@app.orchestration_trigger(context_name="context"), or of a Blueprint that the app registers.',
        ]
    if served.functions.left_out:
        left_out = [(left.name, f"{left.trigger}: {left.reason}") for left in served.functions.left_out]
        lines += ["", "Not run here, use `func start` for them:", "", *_table(left_out, color)]
    lines += [
        "",
        f"App             {served.app_dir}",
        f"Storage         {served.storage}",
        f"Monitor         {served.origin}{served.webhooks}/monitor",
        f"Management API  {served.origin}{served.webhooks}{'' if served.access.trusts_local else ' (asks for a key)'}",
        *_about_keys(served),
        f"Strict          {_ON if served.strict else _OFF}",
        "",
        "Press Ctrl+C to stop.",
        "",
    ]
    return "\n".join(lines)


def _about_keys(served: Served) -> list[str]:
    """How to get a key, where one is asked for."""
    if served.access.trusts_local and not served.access.asks_for_keys:
        return []
    if served.storage_is_shared:
        how = "azure-durable hub keys list; azure-durable hub keys show --name host/default"
    else:
        how = "those of a hub in memory cannot be seen from outside; use another --storage"
    asked = "asked for by their level" if served.access.asks_for_keys else "not asked for"
    return [f"Function keys   {asked}", f"Keys            {how}"]


def wants_color(stream: TextIO) -> bool:
    """Whether to colour what is written to a stream."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def configure_logging(level: int, log_format: str = "text", service: str = "azure-durable") -> None:
    """Send the log to stderr, unless the app has set up logging itself.

    :param log_format: `text`: lines for people; `json`: an object a line, as `JsonFormatter` writes it.
    :param service: the app's name, for JSON: `OTEL_SERVICE_NAME` in the environment has precedence.
    """
    if not logging.root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        if log_format == "json":
            handler.setFormatter(
                JsonFormatter(
                    {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "process.pid": os.getpid()}
                )
            )
        else:
            handler.setFormatter(LineFormatter(wants_color(sys.stderr)))
        logging.root.addHandler(handler)
        logging.root.setLevel(level)
        logging.captureWarnings(True)
        logging.getLogger("py.warnings").addFilter(_with_mend)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _with_mend(record: logging.LogRecord) -> bool:
    """Have a warning of the interpreter be one line, which names what to do where a call was not awaited."""
    said = record.getMessage().split("\n", 1)[0]
    if said.endswith("was never awaited"):
        said = f"{said}. Nothing of it was done: write `await` before the call."
    record.msg, record.args = said, ()
    return True


def _table(rows: list[tuple[str, str]], color: bool) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0) + 1
    lines = [f"    {paint(f'{name}:'.ljust(width), '36' if color else '')} {what}" for name, what in rows]
    return lines or ["    none"]
