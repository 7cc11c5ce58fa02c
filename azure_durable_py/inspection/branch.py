"""The steps of an orchestration with those of its sub-orchestrations below them.

Owns which sub-orchestrations are opened, and below which step. How that is shown is told in `tree`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from azure_durable_py.inspection.timeline import StepKind, Timeline

ReadTimeline: TypeAlias = Callable[[str], Awaitable[Timeline | None]]
"""Gives the timeline of an instance; None: there is no such instance."""
_MOST_CHILDREN = 200
"""Sub-orchestrations that are opened in all."""


@dataclass(slots=True)
class Branch:
    """A timeline, and by the place of a step the timeline of the sub-orchestration that it started.

    `closed` counts sub-orchestrations that were not opened because there are too many.
    """

    timeline: Timeline
    children: dict[int, Branch] = field(default_factory=lambda: {})
    closed: int = 0


async def read_branch(read: ReadTimeline, instance_id: str, *, depth: int) -> Branch | None:
    """The timeline of an instance with those below it; None: there is no such instance.

    :param depth: how many levels to open.
    """
    return await _read(read, instance_id, depth, [_MOST_CHILDREN], frozenset())


async def _read(
    read: ReadTimeline, instance_id: str, depth: int, left: list[int], above: frozenset[str]
) -> Branch | None:
    timeline = await read(instance_id)
    if timeline is None:
        return None
    branch = Branch(timeline)
    above |= {instance_id}
    # After a rewind a step with the same sub-orchestration comes again: that is the one to show it under.
    last = {step.target: place for place, step in enumerate(timeline.steps)}
    for place, step in enumerate(timeline.steps):
        if step.kind is not StepKind.sub_orchestration or step.target is None or not depth:
            continue
        # An id may have been used anew, even for an instance that is above.
        if step.target in above or last[step.target] != place:
            continue
        if not left[0]:
            branch.closed += 1
            continue
        left[0] -= 1
        child = await _read(read, step.target, depth - 1, left, above)
        if child is not None:
            branch.children[place] = child
    return branch
