"""The vocabulary of histories and inboxes: every event there is.

An event is a record that nobody changes; what it means is said where it is acted on.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, TypeAlias

from azure_durable_py import shape
from azure_durable_py.failures import FailureDetails
from azure_durable_py.record import record

MAX_CHUNKS = 2_000
"""Rows of one page or payload at most: more than the largest value takes."""
TaskId: TypeAlias = Annotated[int, shape.whole(0, 0xFFFFFFFF)]
Count: TypeAlias = Annotated[int, shape.whole(0, 0x7FFFFFFF)]
Address: TypeAlias = Annotated[str, shape.instance_id]
"""The id of an instance that answers are sent to."""


@record
class PayloadRef:
    """Names a value kept in payload rows of the instance's partition. `size` is characters of JSON."""

    key: Annotated[str, shape.blob_key]
    size: Annotated[int, shape.whole(0, 256 * 1024 * 1024)]
    chunks: Annotated[int, shape.whole(1, MAX_CHUNKS)]


Value: TypeAlias = str | PayloadRef | None
"""JSON text, a reference to it, or None where no value was given at all."""


@record
class ParentInstance:
    """Who started a sub-orchestration: the parent's ids and the task that awaits it.

    `sent_at` is the time of the parent's turn that decided it.
    """

    instance_id: Address
    execution_id: str
    generation: Count
    attempt: Count
    task_id: TaskId
    name: str
    sent_at: datetime


@record
class Event:
    """Root of all history events. `timestamp` is the time of the turn that wrote it."""

    timestamp: datetime


@record
class Decision(Event):
    """Root of what an orchestrator decides. `id` is its number among the decisions of the generation, from 0."""

    id: TaskId


@record
class Answer(Event):
    """Root of what became of a decision. `task_id` is the decision's `id`."""

    task_id: TaskId


@record
class OrchestratorStarted(Event):
    """A turn begins; replay time is this timestamp until the next one."""


@record
class ExecutionStarted(Event):
    """First event of every generation."""

    name: str
    input: Value = None
    version: str | None = None
    parent: ParentInstance | None = None
    tags: dict[str, str] | None = None


@record
class ExecutionCompleted(Event):
    """The orchestrator function returned, raised or was terminated. `status` is a runtime status name."""

    status: str
    result: Value = None
    failure: FailureDetails | None = None


@record
class ContinuedAsNew(Event):
    """Last event of a generation that goes on in the next one with `input`.

    `carried` are the external events that the next generation begins with.
    """

    input: Value = None
    new_version: str | None = None
    carried: tuple[EventRaised, ...] = ()


@record
class ExecutionTerminated(Event):
    """Asked to stop. `reason` becomes the output. `recurse` also terminates open children."""

    reason: str | None = None
    recurse: bool = False


@record
class ExecutionSuspended(Event):
    """Asked to hold: what arrives is kept, and shown to the function after `ExecutionResumed`."""

    reason: str | None = None


@record
class ExecutionResumed(Event):
    """Asked to go on after `ExecutionSuspended`."""

    reason: str | None = None


@record
class ExecutionRewound(Event):
    """A failed execution goes on from where it failed: a turn of its own, after the end.

    From the event at position `cut` of the history on, nothing counts any more (see `history.rewinding`).
    `attempt` counts the rewinds of the execution, this one included.
    """

    reason: str | None
    attempt: Count
    cut: Count


@record
class TaskScheduled(Decision):
    """An activity call was decided."""

    name: str
    input: Value = None


@record
class TaskCompleted(Answer):
    """An activity returned."""

    result: Value = None


@record
class TaskFailed(Answer):
    """An activity raised."""

    failure: FailureDetails


@record
class TimerCreated(Decision):
    """`reason` says what for, where the user did not ask for it himself (a retry ...)."""

    fire_at: datetime
    reason: str | None = None


@record
class TimerFired(Answer):
    """A timer was due."""

    fire_at: datetime


@record
class SubOrchestrationCreated(Decision):
    """The start of a sub-orchestration was decided, by the attempt with this number (0: before any rewind)."""

    name: str
    instance_id: str
    input: Value = None
    version: str | None = None
    attempt: Count = 0


@record
class SubOrchestrationCompleted(Answer):
    """A sub-orchestration returned."""

    result: Value = None


@record
class SubOrchestrationFailed(Answer):
    """A sub-orchestration failed, was terminated or could not be started."""

    failure: FailureDetails


@record
class EventSent(Decision):
    """An external event to another orchestration was decided."""

    instance_id: str
    name: str
    data: Value = None


@record
class EventRaised(Event):
    """An external event arrived."""

    name: str
    data: Value = None


@record
class EntityCaller:
    """Who asked an entity for something and waits for the answer: an orchestration's task."""

    instance_id: Address
    execution_id: str
    generation: Count
    attempt: Count
    task_id: TaskId


@record
class EntityOperationCalled(Decision):
    """A call of an entity operation was decided. `instance_id` is the entity's (@name@key).

    `section` names the critical section that it was called from: the entity lets it pass its lock.
    """

    instance_id: str
    operation: str
    input: Value = None
    section: str | None = None


@record
class EntityOperationSignaled(Decision):
    """A signal to an entity was decided, to be delivered now or at `signal_time`."""

    instance_id: str
    operation: str
    input: Value = None
    signal_time: datetime | None = None


@record
class EntityOperationCompleted(Answer):
    """An entity operation that was called returned."""

    result: Value = None


@record
class EntityOperationFailed(Answer):
    """An entity operation that was called raised."""

    failure: FailureDetails


@record
class EntityLockRequested(Decision):
    """One entity of a critical section is asked for its lock (each in turn, sorted order)."""

    instance_id: str
    section: str


@record
class EntityLockGranted(Answer):
    """An entity gave its lock. `instance_id` is the entity's, so that whoever has no use for it can give it back."""

    instance_id: str = ""
    section: str = ""


@record
class EntityLockReleased(Decision):
    """The release of one entity's lock (or of the request for it) was decided."""

    instance_id: str
    section: str


@record
class OperationArrived(Event):
    """An operation is to be run; `caller` waits for its result, a signal has none.

    `section` names the critical section that a call was made from.
    """

    operation: str
    input: Value = None
    caller: EntityCaller | None = None
    signal_time: datetime | None = None
    section: str | None = None


@record
class LockRequestArrived(Event):
    """A critical section asks for the entity's lock."""

    section: str
    caller: EntityCaller


@record
class LockReleaseArrived(Event):
    """A critical section gives the lock, or its place among those that wait for it, back."""

    section: str


DECISIONS: frozenset[type[Event]] = frozenset(
    {
        TaskScheduled,
        TimerCreated,
        SubOrchestrationCreated,
        EventSent,
        EntityOperationCalled,
        EntityOperationSignaled,
        EntityLockRequested,
        EntityLockReleased,
    }
)
"""The kinds of decisions: asked for each event of a replay, a set answers sooner than a base class."""
ANSWERED: Mapping[type[Answer], type[Decision]] = {
    TaskCompleted: TaskScheduled,
    TaskFailed: TaskScheduled,
    TimerFired: TimerCreated,
    SubOrchestrationCompleted: SubOrchestrationCreated,
    SubOrchestrationFailed: SubOrchestrationCreated,
    EntityOperationCompleted: EntityOperationCalled,
    EntityOperationFailed: EntityOperationCalled,
    EntityLockGranted: EntityLockRequested,
}
"""The kind of decision that each kind of answer belongs to. Decisions of other kinds are never answered."""
