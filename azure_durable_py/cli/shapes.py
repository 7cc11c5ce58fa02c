"""What is told of instances as JSON: the shapes behind `--json`, which `docs/command-line.md` describes.

Names are in camel case, times are UTC with microseconds, durations are seconds, values are JSON values and not texts.
"""

from __future__ import annotations

from typing import Any

from azure_durable_py.cli.output import encoded_time
from azure_durable_py.client.status import DurableOrchestrationStatus, plain
from azure_durable_py.inspection.json_form import as_json as record_as_json

_COLUMNS = (
    *("instanceId", "name", "runtimeStatus", "createdTime", "lastUpdatedTime", "completedTime"),
    *("version", "tags", "parentInstanceId"),
)


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


def as_json(record: Any) -> Any:
    """A record of an inspection as JSON-ready values."""
    return record_as_json(record, plain)
