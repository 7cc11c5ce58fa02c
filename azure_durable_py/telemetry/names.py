"""What spans and their attributes are called.

The names are those of the .NET framework's distributed tracing, version 2, so that queries and dashboards that are made
for Durable Functions find what they look for. Those that only this engine has are below a line of their own.
"""

from __future__ import annotations

from azure_durable_py.history.events import PayloadRef, Value

TYPE = "durabletask.type"
NAME = "durabletask.task.name"
VERSION = "durabletask.task.version"
INSTANCE_ID = "durabletask.task.instance_id"
EXECUTION_ID = "durabletask.task.execution_id"
STATUS = "durabletask.task.status"
TASK_ID = "durabletask.task.task_id"
OPERATION = "durabletask.task.operation"
SCHEDULED_TIME = "durabletask.task.scheduled_time"
FIRE_AT = "durabletask.fire_at"
TARGET = "durabletask.event.target_instance_id"
ENTITY_ERROR = "durabletask.entity.error_message"

ORCHESTRATION = "orchestration"
ACTIVITY = "activity"
EVENT = "event"
TIMER = "timer"
ENTITY = "entity"
CALL_ENTITY = "call_entity"
SIGNAL_ENTITY = "signal_entity"
CONTINUED_AS_NEW = "ContinuedAsNew"

# --- of this engine alone ------------------------------------------------------------------------------

INPUT = "durabletask.task.input"
OUTPUT = "durabletask.task.output"
REPLAYED = "durabletask.replayed_events"
ABANDONED = "Abandoned"
"""The status of a call that was open when the orchestration ended."""
STOPPED = "Stopped"
"""The status of a run that ended with its worker: it is run again."""
MAX_VALUE_CHARS = 8_192
"""Characters of an input or output that a span shows."""


def create_orchestration(name: str, version: str | None) -> str:
    """The span of a start."""
    return _versioned("create_orchestration", name, version)


def orchestration(name: str, version: str | None) -> str:
    """The span of an orchestration, as it runs and as its parent sees it."""
    return _versioned(ORCHESTRATION, name, version)


def activity(name: str) -> str:
    """The span of an activity, as it runs and as its caller sees it."""
    return f"{ACTIVITY}:{name}"


def timer(orchestrator: str) -> str:
    """The span of a timer."""
    return f"{ORCHESTRATION}:{orchestrator}:{TIMER}"


def replay(orchestrator: str) -> str:
    """The span of a replay."""
    return f"{ORCHESTRATION}:{orchestrator}:replay"


def event(name: str) -> str:
    """The span of an external event, as it is sent and as it is taken."""
    return f"orchestration_event:{name}"


def operation(entity: str, called: str) -> str:
    """The span of an operation of an entity (`@name@key`), as it runs and as its caller sees it."""
    return f"{ENTITY}:{entity_name(entity)}:{called}"


def entity_starts(entity: str) -> str:
    """The span of the start of an orchestration by an entity (`@name@key`)."""
    return f"{entity_name(entity)}:create_orchestration"


def entity_name(entity: str) -> str:
    """The name in an entity's id."""
    return entity.split("@", 2)[1] if entity.startswith("@") else entity


def attributes(
    kind: str, name: str | None, instance_id: str | None, version: str | None = None
) -> dict[str, str | int | bool]:
    """What most spans have."""
    found = {TYPE: kind, NAME: name, INSTANCE_ID: instance_id, VERSION: version}
    return {key: text for key, text in found.items() if text}


def value(attribute: str, found: Value) -> dict[str, str | int | bool]:
    """An input or output, cut to a length that spans may have; of a large one that is in rows, how large it is."""
    if found is None:
        return {}
    if isinstance(found, PayloadRef):
        return {attribute: f"({found.size} characters)"}
    if len(found) > MAX_VALUE_CHARS:
        return {attribute: f"{found[:MAX_VALUE_CHARS]}... ({len(found)} characters)"}
    return {attribute: found}


def sound(text: str) -> str:
    """The text as exporters can write it: half of a surrogate pair in it would cost the batch that it is in."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _versioned(kind: str, name: str, version: str | None) -> str:
    return f"{kind}:{name}@({version})" if version else f"{kind}:{name}"
