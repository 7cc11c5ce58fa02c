"""How much each part says: `logging.logLevel` of host.json, with the categories of the Functions host.

Owns which loggers a category stands for. The longest category that a logger belongs to decides, as there; `default` is
for all others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, cast

from azure_durable_py.errors import SettingsError

OFF = logging.CRITICAL + 10
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": OFF,
}
_CATEGORIES = {
    # logger: its category on a Functions host
    "": "Function",
    "azure_durable_py": "Host.Triggers.DurableTask",
    "azure_durable_py.orchestrator": "Function",
    "azure_durable_py.hosting": "Host",
    "azure_durable_py.access": "Host.Results",
    "azure_durable_py.worker": "DurableTask.Core",
    "azure_durable_py.taskhub": "DurableTask.Core",
    "azure_durable_py.storage": "DurableTask.AzureStorage",
    "azure_durable_py.taskhub.azure": "DurableTask.AzureStorage",
}
"""Parts of this package that do what a part of the Functions host does. Other loggers are those of the app."""


def levels_of(host_json: Mapping[str, Any]) -> dict[str, int]:
    """The level of each logger that host.json speaks of, by the logger's name ("" is the root).

    A category that is none of the host's may name a logger of Python itself, like `azure.core` or `my_app.orders`.

    :raises SettingsError: a level is none of the host's.
    """
    categories = _categories(host_json)
    if not categories:
        return {}
    levels = {
        logger: found for logger, name in _CATEGORIES.items() if (found := _level_for(name, categories)) is not None
    }
    known = {name.partition(".")[0] for name in _CATEGORIES.values()} | {"default", "Microsoft", "Worker"}
    named = {name: level for name, level in categories.items() if name.partition(".")[0] not in known}
    return {**levels, **named}


def _categories(host_json: Mapping[str, Any]) -> dict[str, int]:
    section: Any = host_json.get("logging")
    found: Any = cast("dict[str, Any]", section).get("logLevel") if isinstance(section, dict) else None
    if not isinstance(found, dict):
        return {}
    return {name: _level(name, value) for name, value in cast("dict[str, Any]", found).items()}


def _level(name: str, value: Any) -> int:
    level = _LEVELS.get(str(value).lower())
    if level is None:
        raise SettingsError(
            f"host.json: logging.logLevel.{name} is {value!r}. Accepted: "
            "Trace, Debug, Information, Warning, Error, Critical, None."
        )
    return level


def _level_for(category: str, categories: Mapping[str, int]) -> int | None:
    parts = category.split(".")
    for count in range(len(parts), 0, -1):
        found = categories.get(".".join(parts[:count]))
        if found is not None:
            return found
    return categories.get("default", categories.get("Default"))


def apply(levels: Mapping[str, int]) -> None:
    """Set the levels of loggers."""
    for name, level in levels.items():
        logging.getLogger(name or None).setLevel(level)
