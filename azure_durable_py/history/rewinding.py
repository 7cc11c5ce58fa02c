"""What still counts of the history of a generation that was rewound, and from where to rewind one.

A history only grows. A rewind is a turn of its own at its end (`ExecutionRewound`), which says from which turn on the
history counts no more. What had arrived in those turns and is an answer to what was decided before them, or answers
nothing at all, is shown again to the turn that follows; the failures among it are not, so their tasks are open again.
What was decided in those turns was not decided: the ids of it are free. All of this is told by the history alone, so
every replay finds the same, and one rewind may follow another.

Pure: it knows events, and no code of users.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    DECISIONS,
    Answer,
    ContinuedAsNew,
    Decision,
    EntityLockReleased,
    EntityLockRequested,
    EntityOperationFailed,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationFailed,
    TaskFailed,
)

ENDS = (ExecutionCompleted, ContinuedAsNew)
FAILURES = (TaskFailed, SubOrchestrationFailed, EntityOperationFailed)


class RecordedTurn:
    """A turn as the history has it.

    :param position: the place of its first event.
    :param attempt: how many rewinds there were before it.
    :param retained: what it was shown beside its own events: what those rewinds kept of turns that count no more.
    """

    __slots__ = ("arrived", "attempt", "decisions", "end", "events", "position", "retained")

    def __init__(
        self, position: int, events: Sequence[Event], attempt: int = 0, retained: tuple[Event, ...] = ()
    ) -> None:
        self.position = position
        self.events = events
        self.attempt = attempt
        self.retained = retained
        self.arrived: list[Event] = []
        """What arrived, as recorded in it: neither decisions nor an end."""
        self.decisions: list[Decision] = []
        """What the function decided in it."""
        self.end: ExecutionCompleted | ContinuedAsNew | None = None
        event: Any
        for event in events:
            if event.__class__ in DECISIONS:
                self.decisions.append(event)
            elif event.__class__ not in ENDS:
                self.arrived.append(event)
            elif self.end is None:
                self.end = event
        if self.arrived and self.arrived[0] is events[0]:
            # The mark of its begin.
            del self.arrived[0]

    @property
    def inputs(self) -> list[Event]:
        """All that the function was shown in it."""
        return [*self.retained, *self.arrived]

    @property
    def failures(self) -> list[TaskFailed | SubOrchestrationFailed | EntityOperationFailed]:
        """The failures of tasks that the function was shown in it."""
        return [event for event in self.inputs if isinstance(event, FAILURES)]


@dataclass(slots=True)
class Standing:
    """What counts of a history.

    `retained` is for the turn to come, if the history ends with a rewind; else there is none. `attempt` counts the
    rewinds.
    """

    turns: list[RecordedTurn] = field(default_factory=lambda: [])
    retained: tuple[Event, ...] | None = None
    attempt: int = 0

    @property
    def decisions(self) -> dict[int, Decision]:
        """What was decided, by id."""
        return {event.id: event for turn in self.turns for event in turn.decisions}

    @property
    def answers(self) -> dict[int, Answer]:
        """What answered it, by the id of what was decided."""
        return {event.task_id: event for turn in self.turns for event in turn.inputs if isinstance(event, Answer)}


def standing(history: Sequence[Event], attempt: int = 0, begins_at: int = 0) -> Standing:
    """What counts of a history, in whole turns.

    :param attempt: how often the execution was rewound; asked for only if this generation of it was not.
    :param begins_at: the position of the first event given, if it is not the first of all.
    """
    kinds = list(map(type, history))
    if ExecutionRewound in kinds:
        attempt = cast("ExecutionRewound", history[kinds.index(ExecutionRewound)]).attempt - 1
    found = Standing(attempt=attempt)
    starts = [at for at, kind in enumerate(kinds) if kind is OrchestratorStarted or at == 0]
    for position, behind in zip(starts, [*starts[1:], len(history)], strict=False):
        events = history[position:behind]
        rewound = events[-1]
        if isinstance(rewound, ExecutionRewound):
            kept = [turn for turn in found.turns if turn.position < rewound.cut]
            dropped = found.turns[len(kept) :]
            found = Standing(kept, (*_retained(kept, dropped), *(found.retained or ())), rewound.attempt)
        else:
            found.turns.append(RecordedTurn(begins_at + position, events, found.attempt, found.retained or ()))
            found.retained = None
    return found


def _retained(kept: Iterable[RecordedTurn], dropped: Iterable[RecordedTurn]) -> Iterator[Event]:
    decided = {event.id for turn in kept for event in turn.decisions}
    for turn in dropped:
        for event in turn.inputs:
            if isinstance(event, Answer):
                if event.task_id in decided and not isinstance(event, FAILURES):
                    yield event
            elif not isinstance(event, ExecutionTerminated):
                yield event


# --- where to rewind ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cut:
    """From where a history that ended in failure is to count no more.

    `position` is the place of the first event that does not. `is_started`: whether what is left begins with a start;
    an instance that failed before its first turn has none. `locks` are the entities (instance id, critical section)
    that were asked for their lock by then, and not released.
    """

    position: int
    is_started: bool
    locks: frozenset[tuple[str, str]]


def where_to_rewind(history: Sequence[Event]) -> Cut | None:
    """Where to go on from after a failure; None if there is nothing that could be gone on from.

    That is before the arrival of the failure that ended the orchestration, and of others that it had been shown since
    it last decided anything: what a fan-out collected. The failure that ended it is the last one that is in the chain
    of causes of how it ended; else the last one of all, unless the function decided something since it saw it: it
    has dealt with that one. If no task's failure ended it, its last turn is taken again.
    """
    turns = standing(history).turns
    if not turns:
        return None
    kept = turns[: _index_of_cut(turns)]
    dropped = turns[len(kept) :]
    is_started = any(isinstance(event, ExecutionStarted) for turn in turns for event in turn.inputs)
    return Cut(dropped[0].position, is_started, frozenset(_open_locks(kept)))


def _index_of_cut(turns: Sequence[RecordedTurn]) -> int:
    latest = _index_of_failure(turns)
    if latest is None:
        return len(turns) - 1
    earliest = latest
    for at in range(latest - 1, -1, -1):
        if turns[at].decisions:
            break
        if turns[at].failures:
            earliest = at
    return earliest


def _index_of_failure(turns: Sequence[RecordedTurn]) -> int | None:
    """The turn with the failure of a task that ended the orchestration, if one did."""
    failing = [at for at, turn in enumerate(turns) if turn.failures]
    causes = set(map(_key, _chain(turns[-1])))
    for at in reversed(failing):
        if any(_key(event.failure) in causes for event in turns[at].failures):
            return at
    if failing and not any(turn.decisions for turn in turns[failing[-1] :]):
        return failing[-1]
    return None


def _chain(turn: RecordedTurn) -> Iterator[FailureDetails]:
    end = turn.events[-1]
    failure = end.failure if isinstance(end, ExecutionCompleted) else None
    while failure is not None:
        yield failure
        failure = failure.inner_failure


_COMPARED_CHARS = 200
"""Of a message: long ones are shortened where they are wrapped."""


def _key(failure: FailureDetails) -> tuple[str, str]:
    return failure.error_type, failure.message[:_COMPARED_CHARS]


def _open_locks(turns: Iterable[RecordedTurn]) -> set[tuple[str, str]]:
    asked: set[tuple[str, str]] = set()
    for turn in turns:
        for event in turn.decisions:
            if isinstance(event, EntityLockRequested):
                asked.add((event.instance_id, event.section))
            elif isinstance(event, EntityLockReleased):
                asked.discard((event.instance_id, event.section))
    return asked
