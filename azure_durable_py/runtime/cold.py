"""A recorded history run cold, and compared with what it recorded.

Owns what is compared beside the decisions, which the orchestration itself holds against the history: how the code
ended, its output, its custom status. Two ask for it: a worker that replays every turn at once, and whoever looks what
today's code makes of the histories of yesterday. Nothing but orchestrator code runs, and it is on replay all the time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from azure_durable_py.errors import NonDeterminismError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import ContinuedAsNew, Event, ExecutionCompleted, OrchestratorStarted
from azure_durable_py.history.rewinding import ENDS
from azure_durable_py.runtime.determinism import NOTHING_MORE, describe_end, difference, short
from azure_durable_py.runtime.orchestration import Orchestration

End: TypeAlias = ExecutionCompleted | ContinuedAsNew
Load: TypeAlias = Callable[[Sequence[Event]], Orchestration]
"""Makes an orchestration of a history."""
Replay: TypeAlias = Literal["when-needed", "every-turn"]
"""When orchestrations are replayed: where they are no longer in memory, or after each turn as well, to see whether it
comes to the same."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
STRICT = (
    "It was found because every turn is replayed as soon as it is taken "
    '(`replay="every-turn"`, `azure-durable start --strict`).'
)
"""What is added to a difference that only this finds at once."""


@dataclass(frozen=True, slots=True)
class ColdRun:
    """What the code came to over a history.

    `error` is the first thing that it did otherwise, or why it cannot be run; `in_last_turn`: that is of the last turn.
    `end` is how the code ended where the history has an end, None if it did not; `place` is where it stopped or waits.
    `custom_status` is JSON text.
    """

    error: BaseException | None
    in_last_turn: bool
    end: End | None
    place: str
    custom_status: str | None


def run_cold(load: Load, history: Sequence[Event]) -> ColdRun:
    """Run a history from its beginning.

    :param load: makes an orchestration of a history.
    :raises ValueError: the history does not begin as one does.
    """
    orchestration = load(history)
    run = ColdRun(
        error=orchestration.error,
        in_last_turn=orchestration.error_at == last_turn(history),
        end=orchestration.made_end,
        place=orchestration.place,
        custom_status=orchestration.custom_status,
    )
    orchestration.close()
    return run


def last_turn(history: Sequence[Event]) -> int:
    """The position at which the last turn of a history begins."""
    return next((at for at in reversed(range(len(history))) if isinstance(history[at], OrchestratorStarted)), 0)


def recorded_end(history: Sequence[Event]) -> End | None:
    """How a history ended; None: it has not."""
    last = history[-1] if history else None
    return last if isinstance(last, ENDS) else None


def other_end(history: Sequence[Event], run: ColdRun) -> NonDeterminismError | None:
    """How the code ended otherwise than a history that has an end; None: it did not."""
    recorded, made = recorded_end(history), run.end
    if recorded is None or (made is not None and _outcome(recorded) == _outcome(made)):
        return None
    told = NOTHING_MORE if made is None else _describe(made, recorded)
    return difference(len(history) - 1, _describe(recorded, made), told, run.place)


def other_custom_status(history: Sequence[Event], recorded: str | None, run: ColdRun) -> NonDeterminismError | None:
    """How the custom status, as JSON text, is not the one that was set before; None: it is."""
    if _value(recorded) == _value(run.custom_status):
        return None
    made = run.custom_status
    return difference(last_turn(history), _status(recorded, made), _status(made, recorded), run.place)


def verified(load: Load, history: Sequence[Event], custom_status: str | None) -> BaseException | None:
    """What a history, whose last turn was just taken, shows when it is run from its beginning; None: nothing.

    :param load: makes an orchestration of a history.
    :param custom_status: the one that the turn left, as JSON text.
    """
    run = run_cold(load, history)
    error = run.error or other_end(history, run) or other_custom_status(history, custom_status, run)
    return NonDeterminismError(f"{error}\n{STRICT}") if isinstance(error, NonDeterminismError) else error


def _status(text: str | None, other: str | None) -> str:
    return "no custom status" if text is None else f"custom status {short(text, other)}"


def _outcome(end: End) -> tuple[Any, ...]:
    """What of an end is to be the same. Where exactly a failure was raised is not."""
    if isinstance(end, ContinuedAsNew):
        return "ContinuedAsNew", _value(end.input), end.new_version
    return end.status, _value(end.result), _raised(end.failure)


def _raised(failure: FailureDetails | None) -> tuple[str, str] | None:
    return None if failure is None else (failure.error_type, _ADDRESS.sub("0x", failure.message))


def _value(text: Any) -> Any:
    """What a JSON text says, however it is written."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def _describe(end: End, other: End | None) -> str:
    """How the code or the history ended, where it parts from the other."""
    if isinstance(end, ContinuedAsNew):
        version = "" if end.new_version is None else f" as version {end.new_version}"
        against = other.input if isinstance(other, ContinuedAsNew) else None
        return f"{describe_end(end)} with {short(end.input, against)}{version}"
    if end.failure is not None:
        return describe_end(end)
    against = other.result if isinstance(other, ExecutionCompleted) else None
    return (
        f"{describe_end(end)} {short(end.result, against)}"
        if end.status == "Completed"
        else f"it ended as {end.status}"
    )
