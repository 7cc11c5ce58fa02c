"""What makes two decisions the same, and how a difference is told.

Owns the comparison of what the code decides on replay with what the history recorded.
Inputs and fire times are not part of a decision's identity: the recorded ones stay in force,
so that a deployment may change them without breaking the instances in flight.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, cast

from azure_durable_py.errors import NonDeterminismError
from azure_durable_py.history.events import (
    ContinuedAsNew,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    Event,
    EventSent,
    ExecutionCompleted,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)

_IDENTITY: dict[type[Event], Callable[[Any], str]] = {
    TaskScheduled: lambda e: repr(e.name),
    TimerCreated: lambda e: e.reason or "",
    SubOrchestrationCreated: lambda e: f"{e.name!r} as {e.instance_id!r}",
    EventSent: lambda e: f"{e.name!r} to {e.instance_id!r}",
    EntityOperationCalled: lambda e: f"{e.operation!r} of {e.instance_id!r}",
    EntityOperationSignaled: lambda e: f"{e.operation!r} of {e.instance_id!r}",
    EntityLockRequested: lambda e: repr(e.instance_id),
    EntityLockReleased: lambda e: repr(e.instance_id),
}

_PACKAGE = str(Path(__file__).parent.parent) + os.sep


def is_decision(event: Event) -> bool:
    """Whether the orchestrator made this event happen, rather than learning of it."""
    return type(event) in _IDENTITY


def same_decision(recorded: Any, made: Any) -> bool:
    """Whether the code decided what the history recorded."""
    if type(recorded) is not type(made) or recorded.id != made.id:
        return False
    identity = _IDENTITY[cast("type[Event]", type(made))]
    return identity(recorded) == identity(made)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision of the history and its place there (from 0)."""

    position: int
    event: Event


def describe(event: Any) -> str:
    """One decision for a message: kind, id and identity."""
    identity = _IDENTITY[type(event)](event)
    return f"{type(event).__name__}(id {event.id}) {identity}".rstrip()


def describe_end(event: ExecutionCompleted | ContinuedAsNew) -> str:
    """How the code ended, for a message."""
    if isinstance(event, ContinuedAsNew):
        return "it continued as new"
    return f"it ended ({event.failure.error_type}: {event.failure.message})" if event.failure else "it returned"


def difference(position: int, recorded: str, made: str, place: str) -> NonDeterminismError:
    """The error that tells what the history recorded, what the code did, and where."""
    return NonDeterminismError(
        "Non-deterministic orchestrator: on replay it did something else than its history recorded.\n"
        f"  history event {position}: {recorded}\n"
        f"  the code did: {made}\n"
        f"  at {place}\n"
        "An orchestrator must take the same steps on every replay: use the context for time, ids and I/O, "
        "and give instances in flight the code that they started with (versions) when it changes."
    )


def calling_place() -> str | None:
    """File, line and function of the nearest caller outside this package."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return place_of(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def place_of(code: CodeType, line: int) -> str:
    """`file:line in function`."""
    name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
    return f"{code.co_filename}:{line} in {name}"
