"""What instances wait for, told when a run is stuck.

Owns that sentence.
"""

from __future__ import annotations

from collections.abc import Iterator

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import DurableError
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome
from azure_durable_py.inspection.timeline import read_timeline
from azure_durable_py.status import OrchestrationRuntimeStatus as Status

MOST_TOLD = 10
"""Instances that a message tells of."""


async def told(client: DurableOrchestrationClient) -> str:
    """A line for each instance of a hub that is not finished."""
    try:
        found = await client.get_status_by(
            runtime_status=[Status.Pending, Status.Running, Status.Suspended], show_input=False
        )
        lines = [await _told(client, status) for status in found[:MOST_TOLD]]
    except DurableError as error:
        return f"The instances cannot be told of: {error}"
    if len(found) > MOST_TOLD:
        lines.append(f"{len(found) - MOST_TOLD} more instances are not finished.")
    return "\n".join(lines)


async def _told(client: DurableOrchestrationClient, status: DurableOrchestrationStatus) -> str:
    instance_id = status.instance_id or ""
    who = f"Instance {instance_id!r} ({status.name})"
    if status.runtime_status is Status.Pending:
        return f"{who} has not begun: its start is yet to come, or no worker runs that may run it."
    if status.runtime_status is Status.Suspended:
        return f"{who} is suspended: client.resume(...) lets it go on."
    timeline = await read_timeline(client.hub, instance_id)
    waits = [] if timeline is None else [step for step in timeline.steps if step.outcome is StepOutcome.open]
    return f"{who} waits for {', '.join(_described(waits)) or 'nothing that is known'}."


def _described(waits: list[Step]) -> Iterator[str]:
    for wait in waits:
        match wait.kind:
            case StepKind.activity:
                yield f"activity {wait.name!r}"
            case StepKind.http:
                yield f"the answer to {wait.name}"
            case StepKind.sub_orchestration:
                yield f"sub-orchestration {wait.target!r} ({wait.name})"
            case StepKind.timer | StepKind.retry_delay:
                yield f"a timer at {wait.due:%Y-%m-%d %H:%M:%S}"
            case StepKind.entity_call:
                yield f"operation {wait.name!r} of entity {wait.target}"
            case StepKind.lock:
                yield f"the lock of entity {wait.target}"
            case StepKind.event:
                yield f"external event {wait.name!r} (raise_event({wait.name!r}, ...) sends it)"
            case _:
                pass
