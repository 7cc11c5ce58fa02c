"""Deterministic ids: the same on every replay.

The formulas of `new_uuid` and `new_guid` are those of azure-functions-durable 1.x.
"""

from __future__ import annotations

from datetime import datetime
from random import Random
from uuid import NAMESPACE_OID, NAMESPACE_URL, UUID, uuid5

from azure_durable_py.constants import DATETIME_STRING_FORMAT

_UUID_NAMESPACE = uuid5(NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")


def new_uuid(instance_id: str, now: datetime, counter: int) -> str:
    """The text of `DurableOrchestrationContext.new_uuid`."""
    return str(uuid5(_UUID_NAMESPACE, f"{instance_id}_{now.strftime(DATETIME_STRING_FORMAT)}_{counter}"))


def new_guid(instance_id: str, now: datetime, counter: int) -> UUID:
    """The UUID of `DurableOrchestrationContext.new_guid`."""
    return uuid5(NAMESPACE_URL, f"{instance_id}_{now}_{counter}")


def child_id(
    instance_id: str, execution_id: str, generation: int, attempt: int, started: datetime, task_id: int
) -> str:
    """The instance id of a sub-orchestration that was given none: 32 hex digits.

    It differs between incarnations of the parent, its generations, its tasks, and attempts that use the number of a
    task anew.
    """
    origin = f"{instance_id}\n{execution_id}\n{generation}\n{started.isoformat()}\n{task_id}"
    return uuid5(NAMESPACE_OID, f"{origin}\n{attempt}" if attempt else origin).hex


def section_name(execution_id: str, generation: int, attempt: int, counter: int) -> str:
    """The name of a critical section; what was sent for one of an earlier attempt means nothing to it."""
    return f"{execution_id}-{generation}-{counter}" + (f"-{attempt}" if attempt else "")


def new_random(instance_id: str, execution_id: str, generation: int) -> Random:
    """The generator of random numbers of one generation of one start of an instance."""
    # Text is hashed by SHA-512 for a seed: the same everywhere, whatever `PYTHONHASHSEED` is.
    return Random(f"{instance_id}\n{execution_id}\n{generation}")  # noqa: S311 - it is to be predictable
