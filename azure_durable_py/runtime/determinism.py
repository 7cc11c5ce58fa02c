"""What makes two decisions the same, and how a difference is told.

Owns the comparison of what the code decides on replay with what the history recorded.
Inputs and fire times are not part of a decision's identity: the recorded ones stay in force,
so that a deployment may change them without breaking the instances in flight.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, TypeAlias

from azure_durable_py.errors import NonDeterminismError
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Decision,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationCalled,
    EntityOperationSignaled,
    EventSent,
    ExecutionCompleted,
    SubOrchestrationCreated,
    TaskScheduled,
    TimerCreated,
)

NOTHING_MORE = "nothing more in this turn"
ENDED = "it had ended here"
"""What a history says of a turn after which there is none."""
_SHOWN_CHARS = 200
_MACHINERY = tuple(str(Path(file).parent) + os.sep for file in (Path(__file__).parent, asyncio.__file__))


def same_decision(recorded: Decision, made: Decision) -> bool:
    """Whether the code decided what the history recorded."""
    kind = type(recorded)
    if kind is not type(made) or recorded.id != made.id:
        return False
    identity = _IDENTITY[kind]
    return identity(recorded) == identity(made)


_IDENTITY: dict[type[Decision], Callable[[Any], object]] = {
    TaskScheduled: attrgetter("name"),
    TimerCreated: attrgetter("reason"),
    SubOrchestrationCreated: attrgetter("name", "instance_id"),
    EventSent: attrgetter("name", "instance_id"),
    EntityOperationCalled: attrgetter("operation", "instance_id"),
    EntityOperationSignaled: attrgetter("operation", "instance_id"),
    EntityLockRequested: attrgetter("instance_id"),
    EntityLockReleased: attrgetter("instance_id"),
}
"""What makes a decision the same on replay, beside its kind and its id."""


def _told(decision: Decision) -> str:
    """What makes it the same, for a message."""
    match decision:
        case TaskScheduled(name=name):
            return repr(name)
        case TimerCreated(reason=reason):
            return reason or ""
        case SubOrchestrationCreated(name=name, instance_id=instance_id):
            return f"{name!r} as {instance_id!r}"
        case EventSent(name=name, instance_id=instance_id):
            return f"{name!r} to {instance_id!r}"
        case (
            EntityOperationCalled(operation=operation, instance_id=instance_id)
            | EntityOperationSignaled(operation=operation, instance_id=instance_id)
        ):
            return f"{operation!r} of {instance_id!r}"
        case EntityLockRequested(instance_id=instance_id) | EntityLockReleased(instance_id=instance_id):
            return repr(instance_id)
        case _:
            raise TypeError(f"nothing is known of what makes two {type(decision).__name__} the same")


@dataclass(frozen=True, slots=True)
class Altered:
    """A decision that is the recorded one by kind, number and name, and says something else beside.

    `position` is that of the recorded one in the history (from 0), `place` where the code made it.
    """

    position: int
    recorded: Decision
    made: Decision
    place: str


Notice: TypeAlias = Callable[[Altered], None]
"""Is told of decisions that say something else than the recorded ones, which stay in force."""


def describe(decision: Decision) -> str:
    """One decision for a message: kind, id and identity."""
    return f"{type(decision).__name__}(id {decision.id}) {_told(decision)}".rstrip()


def describe_apart(decision: Decision, other: Decision) -> str:
    """One decision, with what of it is not as in another that has the same identity."""
    values = ((field.name, getattr(decision, field.name)) for field in fields(decision))
    apart = [f"{name} {short(value, getattr(other, name))}" for name, value in values if value != getattr(other, name)]
    return f"{describe(decision)} with {', '.join(apart)}"


def describe_end(event: ExecutionCompleted | ContinuedAsNew) -> str:
    """How the code ended, for a message."""
    if isinstance(event, ContinuedAsNew):
        return "it continued as new"
    return f"it ended ({event.failure.error_type}: {event.failure.message})" if event.failure else "it returned"


def short(value: object, other: object = None) -> str:
    """A value as a message shows it: JSON texts as they are, and never more than a line of it.

    :param other: what it is held against: a long value is shown where they part.
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) <= _SHOWN_CHARS:
        return text
    pairs = zip(text, other if isinstance(other, str) else "", strict=False)
    common = next((at for at, (one, two) in enumerate(pairs) if one != two), 0)
    start = max(0, min(common - _SHOWN_CHARS // 4, len(text) - _SHOWN_CHARS))
    part = text[start : start + _SHOWN_CHARS]
    return f"{'...' * (start > 0)}{part}{'...' * (start + len(part) < len(text))} ({len(text)} characters)"


def difference(position: int, recorded: str, made: str, place: str) -> NonDeterminismError:
    """The error that tells what the history recorded, what the code did, and where."""
    return NonDeterminismError(
        "Non-deterministic orchestrator: on replay it did something else than its history recorded.\n"
        f"  history event {position}: {recorded}\n"
        f"  the code did: {made}\n"
        f"  at {place}\n"
        "An orchestrator must take the same steps on every replay: use the context for time, chance, ids and I/O "
        "(`azure-durable lint` finds what does not), "
        "and give instances in flight the code that they started with (versions) when it changes."
    )


def facts(error: BaseException) -> str:
    """What a difference tells, without what is the same of all: the lines in the middle."""
    return str(error).partition("\n")[2].rpartition("\n")[0] or str(error)


def raising_place(error: BaseException) -> str | None:
    """File, line and function where an error was raised, innermost of those outside this package."""
    place, trace = None, error.__traceback__
    while trace is not None:
        if not is_machinery(trace.tb_frame.f_code):
            place = line_of(trace.tb_frame.f_code, trace.tb_lineno)
        trace = trace.tb_next
    return place


def calling_place() -> str | None:
    """File, line and function of the nearest caller outside this package."""
    frame: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if not is_machinery(frame.f_code):
            return line_of(frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def is_machinery(code: CodeType) -> bool:
    """Whether code is of this package or of asyncio, and so no place that tells a user anything."""
    return code.co_filename.startswith(_MACHINERY)


def line_of(code: CodeType, line: int) -> str:
    """`file:line in function`."""
    name = code.co_qualname if sys.version_info >= (3, 11) else code.co_name
    return f"{code.co_filename}:{line} in {name}"
