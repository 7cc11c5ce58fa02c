"""What is told of instances as JSON: the shapes behind `--json`, which `docs/command-line.md` describes.

Names are in camel case, times are UTC with microseconds, durations are seconds, values are JSON values and not texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from azure_durable_py.cli.output import encoded_time
from azure_durable_py.client.status import DurableOrchestrationStatus, plain
from azure_durable_py.history.events import PayloadRef

_COLUMNS = (
    *("instanceId", "name", "runtimeStatus", "createdTime", "lastUpdatedTime", "completedTime"),
    *("version", "tags", "parentInstanceId"),
)
_VALUES = frozenset({"input", "output", "result", "custom_status"})
"""Fields of dataclasses that hold texts of JSON."""


def status_json(status: DurableOrchestrationStatus, *, values: bool = True) -> dict[str, Any]:
    """The status of an instance, as a client tells it.

    :param values: with input, output and custom status.
    """
    told = status.to_json()
    told |= {
        "completedTime": encoded_time(status.completed_time),
        "version": status.version,
        "parentInstanceId": status.parent_instance_id,
        "tags": dict(status.tags),
    }
    shown: dict[str, Any] = {name: told[name] for name in _COLUMNS}
    if values:
        shown |= {name: told[name] for name in ("input", "output", "customStatus")}
    return shown | {name: told[name] for name in ("attempt", "damaged", "waitingFor") if name in told}


def as_json(value: Any) -> Any:
    """Data of this package as JSON-ready values."""
    match value:
        case PayloadRef(size=size):
            return {"size": size, "large": True}
        case datetime():
            return encoded_time(value)
        case timedelta():
            return value.total_seconds()
        case Enum():
            return value.value
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {camel(one.name): _field(one.name, getattr(value, one.name)) for one in fields(value)}
        case Mapping():
            return {str(name): as_json(item) for name, item in cast("Mapping[Any, Any]", value).items()}
        case str():
            return value
        case Sequence():
            return [as_json(item) for item in cast("Sequence[Any]", value)]
        case _:
            return value


def camel(name: str) -> str:
    """A name in camel case: `instance_id` is `instanceId`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _field(name: str, value: Any) -> Any:
    return plain(value) if name in _VALUES and isinstance(value, str) else as_json(value)
