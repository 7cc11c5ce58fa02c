"""What the engine tells those who watch it: the log, traces, metrics.

Owns what is told and when. An observer is told of what has become true: of a turn after its commit, of a start after it
is stored. It hears of the past of a history never: what is replayed was told when it happened. It must not wait, and it
decides nothing. That it cannot harm the engine is the business of `observers`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType, TracebackType

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Decision,
    EntityCaller,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    ParentInstance,
    TimerFired,
)
from azure_durable_py.record import record
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.trace_context import TraceContext


@record
class TurnTaken:
    """A turn of an orchestration that is committed.

    `events` are what it added to the history: what arrived, then what was decided, then the end if there is one.
    `decision` gives what was decided under a task id of this generation, in whichever turn; it raises `KeyError` or
    `CorruptRowError` where it cannot. `failed_attempts` tells, by task id, of the failures among `events` that a
    retry policy deals with, and `attempts` which attempt each thing decided is that a retry policy repeats, those that
    are the first left out. `waits_for` are the names of the external events that code waits for now;
    `never_awaited` is what a function that has returned had called, and not waited for in any way.

    `status_before` and `status` are names of runtime statuses. `taken_at` is the time of the turn, `start_at` when a
    delayed start was due. `seconds` is what it took, from the reading of the history to the commit; `replayed` is how
    many events of the history were run again for it, `rewinds` how often the execution was rewound.

    `trace` is the span that started it, if that was traced. `began_at` is the time of the first turn of this
    generation, or of what goes on since it was rewound. `raised` are the external events that arrived, each with the
    span that sent it, if that was traced. `unanswered` are the task ids of what was open when the generation ended.
    """

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    generation: int
    rewinds: int
    parent: ParentInstance | None
    tags: str | None
    created_at: datetime
    start_at: datetime | None
    status_before: str
    status: str
    taken_at: datetime
    seconds: float
    replayed: int
    events: Sequence[Event]
    decision: Callable[[int], Event]
    failed_attempts: Mapping[int, FailedAttempt] = field(default_factory=lambda: MappingProxyType({}))
    attempts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    waits_for: tuple[str, ...] = ()
    trace: TraceContext | None = None
    began_at: datetime | None = None
    raised: Sequence[tuple[EventRaised, TraceContext | None]] = ()
    unanswered: tuple[int, ...] = ()
    never_awaited: tuple[Decision, ...] = ()

    @property
    def arrived(self) -> list[Event]:
        """What it was told, in order."""
        return [event for event in self.events if not isinstance(event, (OrchestratorStarted, Decision, *_ENDS))]

    @property
    def decided(self) -> list[Decision]:
        """What it decided, in order."""
        return [event for event in self.events if isinstance(event, Decision)]

    @property
    def end(self) -> ExecutionCompleted | ContinuedAsNew | None:
        """How the generation ended, if it did."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, _ENDS) else None

    @property
    def is_first(self) -> bool:
        """Whether the execution began with it."""
        if self.generation or self.rewinds:
            return False
        return any(isinstance(event, ExecutionStarted) for event in self.events)

    @property
    def ready_since(self) -> datetime:
        """Since when there was something for it to do, by the clock of whoever sent that."""
        times = [event.fire_at if isinstance(event, TimerFired) else event.timestamp for event in self.arrived]
        ready = min(times, default=self.taken_at)
        return ready if self.start_at is None else max(ready, self.start_at)


_ENDS = (ExecutionCompleted, ContinuedAsNew)


@record
class ActivityRun:
    """An activity that is about to run. `input` is JSON text, `ready_at` when it was decided or put into the queue.

    `tries` is how often it was begun by a process that did not end it. Which attempt of a retry policy it is, only
    the orchestration knows: see `TurnTaken.attempts`. `trace` is the span of the call.
    """

    instance_id: str
    execution_id: str
    generation: int
    rewinds: int
    task_id: int
    name: str
    input: str | None
    ready_at: datetime
    tries: int = 0
    trace: TraceContext | None = None


@record
class OperationRun:
    """An operation of an entity that is about to run. `caller` waits for its result; a signal has none.

    `instance_id` is the entity's, `@name@key`. `sent_at` is when it was asked for, by the clock of who did; `due` when
    a scheduled signal was to be delivered. `trace` is the span of the call or signal.
    """

    instance_id: str
    operation: str
    input: str | None
    caller: EntityCaller | None
    sent_at: datetime
    due: datetime | None = None
    trace: TraceContext | None = None


@record
class OperationDone:
    """An operation of an entity that was run, with how it ended. `failure` is None where it succeeded."""

    operation: str
    caller: EntityCaller | None
    failure: FailureDetails | None


@record
class EntityTurnTaken:
    """A turn of an entity that is committed. `seconds` is what it took; `exists` whether it has a state after it."""

    instance_id: str
    name: str
    taken_at: datetime
    seconds: float
    exists: bool
    operations: Sequence[OperationDone]


@record
class InstanceStarted:
    """A client has stored the start of an instance. `start_at` is when it is to begin; None: now."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None
    tags: Mapping[str, str] | None
    created_at: datetime
    start_at: datetime | None


@record
class MessageSent:
    """A client has stored a message for an instance: an external event, a signal, or what steers an orchestration.

    `execution_id` is that of the execution it is for; None: whichever is there when it arrives.
    """

    instance_id: str
    execution_id: str | None
    event: Event


@record
class FirstTurn:
    """An execution whose start nobody traced is about to take its first turn."""

    instance_id: str
    execution_id: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """What there is at some moment: messages by queue, instances that this worker has in memory."""

    queues: Mapping[str, int]
    instances: int


@dataclass(frozen=True, slots=True)
class StorageCall:
    """A call of storage, by the name of the store's method. `error` is what it raised."""

    name: str
    seconds: float
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class StorageRetry:
    """Something waits `pause` seconds before it asks storage again. `what` names it, for people."""

    what: str
    error: Exception
    pause: float


class Observation:
    """What is done around the running of user code, as a context manager; here nothing.

    Code runs between `__enter__` and `ended`, in the context (`contextvars`) that `__enter__` leaves.
    """

    trace: TraceContext | None = None
    """The span of it, once it is entered: what is stored in what it starts or sends."""

    def __enter__(self) -> Observation:  # noqa: PYI034 - `Self` came with Python 3.11
        """User code is about to run."""
        return self

    def sends(self, sending: InstanceStarted | MessageSent) -> TraceContext | None:
        """An operation has asked for something to be sent; returns the span of that, if it is traced."""
        del sending

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        """It has come to its end: with a result (JSON text), or a failure. Not told if the worker stops meanwhile."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing more of it runs."""


UNOBSERVED = Observation()


class Observer:
    """Is told what the engine does. Each method does nothing; override those of interest.

    All are called on the event loop of the engine, and must return at once.
    """

    watches_storage: bool = False
    """Whether to be told of every call of storage. Asked once, when a hub is made."""

    def turn(self, taken: TurnTaken) -> None:
        """A turn of an orchestration is committed."""

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        """A turn of an entity is committed."""

    def activity(self, run: ActivityRun) -> Observation:
        """An activity is about to run. What it comes to is committed later, and may be run again if it is not."""
        del run
        return UNOBSERVED

    @property
    def watches_operations(self) -> bool:
        """Whether it wants to be told of operations before they run: where nobody does, they run many at a time."""
        return type(self).operation is not Observer.operation

    def operation(self, run: OperationRun) -> Observation:
        """An operation of an entity is about to run. As for activities."""
        del run
        return UNOBSERVED

    def within(self, place: TraceContext) -> Observation:
        """The code of an orchestrator is about to run, which stands at this place of a trace."""
        del place
        return UNOBSERVED

    def requested(self, by: TraceContext) -> Observation:
        """What somebody outside asks for by HTTP is about to be done, who stands at this place of a trace."""
        del by
        return UNOBSERVED

    def root(self, first: FirstTurn) -> TraceContext | None:
        """The span that is to stand for a start that nobody traced; None: it is not traced from here on, either."""
        del first

    def sending(self, sending: InstanceStarted | MessageSent) -> Observation:
        """A client is about to start something, or to send something."""
        del sending
        return UNOBSERVED

    @property
    def samples_every(self) -> float | None:
        """Seconds between two samples; None: none are wanted. Asked once, when a worker starts."""
        return None

    def sampled(self, sample: Sample) -> None:
        """What there is at this moment."""

    def started(self, started: InstanceStarted) -> None:
        """A client has started an instance. Of one that another instance started, the first turn alone tells."""

    def sent(self, sent: MessageSent) -> None:
        """A client has sent something to an instance."""

    def storage(self, call: StorageCall) -> None:
        """A call of storage has come to its end."""

    def retry(self, retry: StorageRetry) -> None:
        """Storage refused something, or gave no answer, and will be asked again."""


NOBODY = Observer()
"""The observer of a hub that nobody observes."""
