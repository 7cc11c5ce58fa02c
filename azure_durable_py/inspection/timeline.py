"""What an orchestration did and when: its history as steps with a beginning, an end and an outcome.

Replays and turns are not steps. How events become steps is told in `joining`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import ExecutionCompleted
from azure_durable_py.inspection.joining import JoinedHistory, join
from azure_durable_py.inspection.looking import Look, look_closely
from azure_durable_py.inspection.steps import Step, StepKind, StepOutcome
from azure_durable_py.taskhub.hub import TaskHub

__all__ = ["Seen", "Step", "StepKind", "StepOutcome", "Timeline", "read_timeline", "see", "timeline_of"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps of the newest generation of an orchestration, in the order in which they began.

    What it waits for by the name of an event comes last: its place changes when more begins. `generation` counts from
    0: of one above 0 the steps before `continue_as_new` are not kept. `began` is when this generation began; `ended`
    is None while it runs. `events` is how many events the history has. `left_out` counts steps that were not asked for
    (see `read_timeline`). `problem` tells why there are no steps, where the history cannot be read.
    """

    instance_id: str
    name: str
    runtime_status: str
    generation: int
    began: datetime
    ended: datetime | None
    events: int
    steps: tuple[Step, ...]
    left_out: int = 0
    failure: FailureDetails | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of an orchestration, and its history as steps. It may be kept, to see the next change by."""

    look: Look
    joined: JoinedHistory


async def see(hub: TaskHub, instance_id: str, *, with_inbox: bool = False, known: Seen | None = None) -> Seen | None:
    """Look at an instance; None: there is none of this id.

    :param with_inbox: with the beginning of its inbox.
    :param known: what was seen of it before: while its header is the same, no history is read.
    :raises StorageError: storage refuses, or gives no answer.
    """
    look = await look_closely(hub, instance_id, with_inbox=with_inbox, known=None if known is None else known.look)
    if look is None:
        return None
    if known is not None and look.events is known.look.events and look.state is known.look.state:
        return Seen(look, known.joined)
    return Seen(look, join(look.events, () if look.state is None else look.state.timers))


async def read_timeline(hub: TaskHub, instance_id: str, *, skip: int = 0, limit: int | None = None) -> Timeline | None:
    """The timeline of an orchestration; None: there is none of this id.

    It takes one read of the header, and one for each row of its history. It never fails for what is damaged.

    :param skip: how many steps to leave out at the beginning.
    :param limit: how many steps to give at most (None: all).
    :raises StorageError: storage refuses, or gives no answer.
    """
    seen = await see(hub, instance_id)
    return None if seen is None else timeline_of(seen, skip=skip, limit=limit)


def timeline_of(seen: Seen, *, skip: int = 0, limit: int | None = None) -> Timeline:
    """The timeline behind what was seen of an orchestration (see `read_timeline`)."""
    look, found = seen.look, seen.joined
    columns = look.header.columns
    steps = (*found.steps, *_awaited(look))
    shown = steps[skip : None if limit is None else skip + limit]
    return Timeline(
        instance_id=look.header.instance_id,
        name=columns.name,
        runtime_status=columns.runtime_status,
        generation=columns.generation,
        began=found.began or columns.created_time,
        ended=found.ended or columns.completed_time,
        events=len(look.events),
        steps=shown,
        left_out=len(steps) - len(shown),
        failure=found.failure or failure_in_tail(look),
        problem=look.problem or look.damage or look.newer or None,
    )


def _awaited(look: Look) -> list[Step]:
    """The external events that it waits for now: no history has them."""
    awaited = {} if look.state is None else look.state.awaited
    return [Step(StepKind.event, name, None, since, None, StepOutcome.open) for name, since in awaited.items()]


def failure_in_tail(look: Look) -> FailureDetails | None:
    """How an instance failed whose older history cannot be read: the newest of it is in the header."""
    return next((event.failure for event in reversed(look.tail) if isinstance(event, ExecutionCompleted)), None)
