"""One live execution of one generation of an orchestration.

Owns the order of things in a turn: control events first, then one event after the other,
each followed by the user code that it sets free. Replay and live turns take the same path;
a replayed turn holds its decisions against the recorded ones.
"""

from __future__ import annotations

import inspect
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from azure_durable_py.errors import FunctionNotFoundError, TurnTimeoutError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    ContinuedAsNew,
    Decision,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionRewound,
    ExecutionStarted,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    SubOrchestrationCreated,
    TaskScheduled,
)
from azure_durable_py.history.rewinding import RecordedTurn, standing
from azure_durable_py.record import record
from azure_durable_py.registry import Registry
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.decisions import Decisions, Halt
from azure_durable_py.runtime.determinism import (
    NOTHING_MORE,
    Notice,
    describe_end,
    difference,
    line_of,
    raising_place,
)
from azure_durable_py.runtime.driver import Driver, Raised, Returned, checked_output
from azure_durable_py.runtime.event_loop import OrchestrationLoop
from azure_durable_py.runtime.generation import Continuation, Generation, GenerationWorld
from azure_durable_py.runtime.tasks import ParentTask, Task
from azure_durable_py.serialization.annotations import naming
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.shortening import shorten
from azure_durable_py.status import OrchestrationRuntimeStatus

Status = OrchestrationRuntimeStatus
_Result = TypeVar("_Result")


class CodeRunner(Protocol):
    """Runs code that may be user code, and may interrupt it."""

    def __call__(self, code: Callable[[], _Result]) -> _Result:
        """Run it.

        :raises TurnTimeoutError: it was interrupted.
        """
        ...


class Verify(Protocol):
    """Looks at what a turn came to, before it is true."""

    def __call__(self, events: Sequence[Event], custom_status: str | None) -> BaseException | None:
        """What is wrong with the turn that appends these events; None: nothing."""
        ...


def run_plainly(code: Callable[[], _Result]) -> _Result:
    """Runs code for as long as it takes."""
    return code()


@record
class Turn:
    """What one turn did: the events to append to the history, and the state that it left.

    `output` is JSON text (of a terminated instance: the reason). `timers` are the fire times
    of the timers that are neither fired nor cancelled, by task id; `children` the
    sub-orchestrations that have not answered, by task id. `reopened` is what was decided before
    a rewind that this turn is the first after, and has no answer: it is to be done again.
    `awaited` are the names of the external events that it waits for, and since when. `failed_attempts` are,
    by task id, the failures that a retry policy dealt with; `attempts` the numbers of the attempts that it had begin,
    where they are not the first. `began_at` is the time of the first turn of the generation, or since it was rewound;
    `unanswered` are the ids of the tasks that were open when it ended. `never_awaited` is what a function that has
    returned had called, and not waited for in any way. `abandoned` are the ids of the activities under way that may be
    cancelled, as code was cancelled which waited for them.
    """

    events: tuple[Event, ...]
    status: OrchestrationRuntimeStatus
    custom_status: str | None
    output: str | None
    failure: FailureDetails | None
    timers: Mapping[int, datetime]
    children: Mapping[int, SubOrchestrationCreated]
    reopened: tuple[Decision, ...] = ()
    awaited: Mapping[str, datetime] = field(default_factory=lambda: {})
    failed_attempts: Mapping[int, FailedAttempt] = field(default_factory=lambda: MappingProxyType({}))
    attempts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    began_at: datetime | None = None
    unanswered: tuple[int, ...] = ()
    never_awaited: tuple[Decision, ...] = ()
    abandoned: tuple[int, ...] = ()


class Orchestration:
    """Runs an orchestrator function over the events of one generation.

    The history given is replayed at once; more of it, as of a long one that is read in parts, with `replay`. Whatever
    goes wrong in it - user errors included - ends the instance with the next `advance`, never raises here.

    :param history: the generation's events, whole turns only; values must be JSON text, not references.
    :param generation: how often the instance has continued as new.
    :param attempt: how often it was rewound.
    :param run_code: runs user code.
    :param verify: looks at each new turn; what it finds wrong fails the instance as if it had been found on replay.
    :param exact_from: the position in the history from which on decisions are to be repeated in every detail, and not
        only in what makes them the same.
    :param notice: is told of decisions in the history that say something else beside what makes them the same.
    """

    def __init__(
        self,
        instance_id: str,
        execution_id: str,
        registry: Registry,
        settings: Settings,
        converter: DataConverter,
        history: Sequence[Event] = (),
        *,
        generation: int = 0,
        attempt: int = 0,
        run_code: CodeRunner = run_plainly,
        verify: Verify | None = None,
        exact_from: int = sys.maxsize,
        notice: Notice | None = None,
    ) -> None:
        self._code_runner = run_code
        self._verify = verify
        self._exact_from = exact_from
        self._error_at: int | None = None
        self._made_end: ExecutionCompleted | ContinuedAsNew | None = None
        self._stopped_at: str | None = None
        self._decisions = Decisions(settings.max_orchestration_actions, self._waiting_place, notice)
        self._generation = Generation(instance_id, execution_id, generation, registry, converter, self._decisions)
        self._generation.http_pause = timedelta(seconds=settings.http_poll_interval)
        self._generation.default_version = settings.default_version
        self._loop = OrchestrationLoop(GenerationWorld(self._generation))
        self._driver: Driver | None = None
        self._suspended = False
        self._leaving: Continuation | None = None
        self._held: deque[Event] = deque()
        self._held_ids: set[int] = set()
        self._end: ExecutionCompleted | ContinuedAsNew | None = None
        self._unanswered: tuple[int, ...] = ()
        self._began_at: datetime | None = None
        self._retained: tuple[Event, ...] | None = None
        self._generation.attempt = attempt
        self.replay(history)

    # --- what the worker asks -------------------------------------------------------------------

    @property
    def status(self) -> OrchestrationRuntimeStatus:
        """The runtime status that the turns so far have led to."""
        match self._end:
            case ExecutionCompleted(status=status):
                return Status(status)
            case ContinuedAsNew():
                return Status.ContinuedAsNew
            case None:
                if self._generation.started is None:
                    return Status.Pending
                return Status.Suspended if self._suspended else Status.Running

    @property
    def is_finished(self) -> bool:
        """Whether this generation has ended: completed, failed, terminated or continued as new."""
        return self._end is not None

    @property
    def name(self) -> str:
        """The name of the orchestrator; empty before its start."""
        started = self._generation.started
        return "" if started is None else started.name

    @property
    def error(self) -> BaseException | None:
        """Why the code cannot go on: a difference from the history, most of all. An end that is recorded hides it."""
        return self._decisions.error

    @property
    def error_at(self) -> int | None:
        """The position in the history of the turn that `error` is of."""
        return self._error_at

    @property
    def made_end(self) -> ExecutionCompleted | ContinuedAsNew | None:
        """How the code ended where the history has an end, whatever that says; None: it did not."""
        return self._made_end

    @property
    def custom_status(self) -> str | None:
        """The custom status as JSON text: what the code has set, and what libraries publish beside it while it runs."""
        return self._generation.custom_status.text(with_parts=self._end is None)

    @property
    def place(self) -> str:
        """Where the code stands or stopped: where it waits, or raised what ended it; else where it begins."""
        return self._stopped_at or self._waiting_place() or self._function_place()

    def is_open(self, task_id: int) -> bool:
        """Whether the task was decided, is not cancelled, and no answer has been taken for it.

        Code that cannot go on has decided who knows what: any answer is worth the turn that tells why it cannot.
        """
        if task_id in self._held_ids or self.is_finished:
            return False
        return self._decisions.error is not None or self._decisions.task(task_id) is not None

    def decision(self, task_id: int) -> Decision:
        """The event that decided this task.

        :raises KeyError: no decision has this id.
        """
        try:
            return self._decisions.get(task_id)
        except KeyError:
            found = standing(tuple(self._generation.past)).decisions.get(task_id)
            if found is None:
                raise
            return found

    def decided_by(self, task_ids: Collection[int]) -> bool:
        """Whether the success of just these tasks would make the orchestration go on.

        A failure may set it going earlier (`task_all`). Unknown or answered ids count as
        "yes", so that the caller looks for itself; a suspended instance does not go on.
        """
        if self.is_finished or self._decisions.error is not None or self._driver is None:
            return True
        if self._suspended:
            return False
        counts: dict[ParentTask[Any], int] = {}
        for task_id in set(task_ids):
            task = self._decisions.task(task_id)
            if task is None or _sets_going(task, self._driver.awaiting, counts):
                return True
        return False

    def advance(self, events: Sequence[Event], now: datetime) -> Turn:
        """Run one turn over new events.

        The first turn of a generation gets `ExecutionStarted`. Events that nothing waits for
        (answers to closed or unknown tasks, anything after the end) are left out of the history.

        :param now: the time of the turn, UTC; never before that of the turn before it.
        """
        if self.is_finished:
            return self._turn(())
        now = max(now, self._decisions.now)
        retained, self._retained = self._retained, None
        self._decisions.begin(now)
        inputs = [*(retained or ()), *events]
        told = inputs if self._decisions.error is None else _terminations(inputs)
        applied = self._loop.run_within(lambda: self._run(told))
        # What was retained stands in the history already.
        known = set(map(id, retained or ()))
        if self._verify is not None and self._decisions.error is None and (applied or self._end or known):
            new = (event for event in applied if id(event) not in known)
            self._decisions.error = self._verify(self._recording(now, new), self.custom_status)
        if self._decisions.error is not None:
            self._give_up(self._decisions.error)
            # What it was not shown any more is kept, for a rewind to show it.
            shown = set(map(id, applied))
            applied += [event for event in inputs if id(event) not in shown]
        if not applied and self._end is None and retained is None:
            return self._turn(())
        turn = tuple(self._recording(now, (event for event in applied if id(event) not in known)))
        self._began_at = self._began_at or now
        if self._end is not None:
            self._unanswered = self._decisions.open_ids()
            self._close(quietly=False)
        self._is_over(turn)
        return self._turn(turn, () if retained is None or self._end is not None else self._reopened())

    def _recording(self, now: datetime, arrived: Iterable[Event]) -> list[Event]:
        """The current turn as the history gets it."""
        end = () if self._end is None else (self._end,)
        return [OrchestratorStarted(now), *arrived, *self._decisions.made(), *end]

    def _reopened(self) -> tuple[Decision, ...]:
        return tuple(event for event in self._decisions.open_before() if event.id not in self._held_ids)

    def _give_up(self, error: BaseException) -> None:
        """End as failed, whatever user code made of it, and let nothing of the turn leave."""
        if not (isinstance(self._end, ExecutionCompleted) and self._end.status == Status.Terminated.value):
            self._decisions.forget_turn()
            self._fail(error)

    def _is_over(self, turn: Sequence[Event]) -> None:
        past = self._generation.past
        past.add(turn)
        past.length += len(turn)

    def close(self) -> None:
        """Drop the orchestrator function where it stands; it can decide nothing any more."""
        self._close(quietly=True)
        self._generation.past.forget()
        # Nothing refers to itself any more: all of it goes at once, without waiting for the collector of garbage.
        self._driver = None
        self._decisions.forget_code()
        self._loop.forget_code()

    def _close(self, *, quietly: bool) -> None:
        self._decisions.closed = True
        driver = self._driver
        if driver is None:
            return
        if driver.has_ended:
            driver.close(quietly=quietly)  # No code of the user's is left to run.
            return
        drop = partial(driver.close, quietly=quietly)
        try:
            self._loop.run_within(lambda: self._code_runner(drop))
        except TurnTimeoutError:
            return  # It is dropped all the same.

    def _turn(self, events: tuple[Event, ...], reopened: tuple[Decision, ...] = ()) -> Turn:
        end = self._end
        completed = end if isinstance(end, ExecutionCompleted) else None
        output = completed.result if completed is not None else None
        return Turn(
            events=events,
            status=self.status,
            custom_status=self.custom_status,
            output=output if isinstance(output, str) else None,
            failure=completed.failure if completed is not None else None,
            timers=MappingProxyType({} if end is not None else self._open_timers()),
            children=MappingProxyType(dict(self._decisions.children)),
            reopened=reopened,
            awaited=MappingProxyType({} if end is not None else self._generation.events.awaited()),
            failed_attempts=MappingProxyType(dict(self._decisions.failed_attempts)),
            attempts=MappingProxyType(dict(self._decisions.attempts)),
            began_at=self._began_at,
            unanswered=self._unanswered if events else (),
            never_awaited=self._decisions.never_awaited() if _has_returned(completed) else (),
            abandoned=self._abandoned() if self._decisions.abandoned and end is None else (),
        )

    def _abandoned(self) -> tuple[int, ...]:
        activities = self._generation.registry.activities
        return tuple(
            task_id
            for task_id, decision in sorted(self._decisions.abandoned.items())
            if task_id not in self._held_ids
            and isinstance(decision, TaskScheduled)
            and (found := activities.find(decision.name)) is not None
            and found.cancellable
        )

    def _open_timers(self) -> dict[int, datetime]:
        # A timer that fired while the instance is suspended has fired: nobody need be woken for it again.
        timers = self._decisions.timers
        return {task_id: timers[task_id] for task_id in timers if task_id not in self._held_ids}

    # --- replay -----------------------------------------------------------------------------------

    def replay(self, history: Sequence[Event], source: Iterable[Event] | None = None) -> None:
        """Run the turns again that follow those of before. All of a generation that was rewound is to come at once.

        :param history: whole turns; values must be JSON text, not references.
        :param source: gives the same events whenever code asks for its history. By default they stay in memory.
        :raises ValueError: it does not begin with a turn.
        """
        if not history:
            return
        if not isinstance(history[0], OrchestratorStarted):
            raise ValueError("A history begins with OrchestratorStarted.")
        past, attempt = self._generation.past, self._generation.attempt
        self._began_at = self._began_at or _beginning(history, attempt)
        found = standing(history, attempt, past.length)
        past.add(history if source is None else source)
        self._loop.run_within(lambda: self._replay_all(found.turns))
        self._retained = found.retained
        self._generation.attempt = found.attempt

    def _replay_all(self, turns: Iterable[RecordedTurn]) -> None:
        for turn in turns:
            self._replay(turn)

    def _replay(self, turn: RecordedTurn) -> None:
        position, events = turn.position, turn.events
        self._generation.attempt = turn.attempt
        self._decisions.begin(events[0].timestamp, turn, exactly=position >= self._exact_from)
        if self._decisions.error is None:
            self._run(turn.inputs if turn.retained else turn.arrived)
            self._decisions.end(self._instead)
        behind = self._generation.past.length = position + len(events)
        if turn.end is not None or self._end is not None:
            self._compare_end(turn.end, behind)
        if self._error_at is None and self._decisions.error is not None:
            self._error_at = position

    def _compare_end(self, recorded: ExecutionCompleted | ContinuedAsNew | None, position: int) -> None:
        if recorded is not None:
            # A history that has ended is a fact, whatever the code would do today.
            if self._end is None:
                self._stopped_at = self._waiting_place()
            self._made_end, self._end = self._end, recorded
            self.close()
        elif self._end is not None:
            made, self._end = self._end, None
            if self._decisions.error is None:
                self._decisions.error = difference(
                    position,
                    NOTHING_MORE,
                    describe_end(made),
                    self._stopped_at or self._function_place(),
                )

    def _instead(self) -> tuple[str, str]:
        """What the code did where the history has more, and where."""
        if self._end is not None:
            return describe_end(self._end), self._stopped_at or f"the end of {self._function_place()}"
        return NOTHING_MORE, self._waiting_place() or self._function_place()

    def _function_place(self) -> str:
        definition = self._generation.definition
        code = getattr(inspect.unwrap(definition.function), "__code__", None) if definition is not None else None
        return line_of(code, code.co_firstlineno) if code is not None else "an unknown place"

    def _waiting_place(self) -> str | None:
        driver = self._driver
        return driver.place() if driver is not None and not driver.is_running else None

    # --- one turn ---------------------------------------------------------------------------------

    def _run(self, inputs: Sequence[Event]) -> list[Event]:
        """Apply the inputs and run user code after each; the inputs that mattered."""
        control, ordinary = _split(inputs)
        applied = [event for event in control if self._control(event)] if control else []
        try:
            if control:
                self._code_runner(self._go)
            if ordinary:
                self._code_runner(partial(self._run_over, ordinary, applied))
        except Halt:
            pass
        except TurnTimeoutError as error:
            self._decisions.error = error
        except Exception:
            raise
        except BaseException as error:  # noqa: BLE001 - user code beside the function itself: predicates, conversions
            self._decisions.error = error
        if self._leaving is not None and self._end is None:
            self._end = self._continued(self._leaving)
        return applied

    def _run_over(self, inputs: Iterable[Event], applied: list[Event]) -> None:
        for event in inputs:
            if self._take(event):
                applied.append(event)  # noqa: PERF401 - what was taken stays known when the next one raises

    def _control(self, event: Event) -> bool:
        if self._end is not None:
            return False
        match event:
            case ExecutionStarted():
                return self._start(event)
            case ExecutionTerminated(reason=reason):
                self._end = ExecutionCompleted(self._generation.now, Status.Terminated.value, self._text(reason))
            case ExecutionSuspended():
                self._suspended = True
            case _:
                self._suspended = False
        return True

    def _start(self, event: ExecutionStarted) -> bool:
        generation = self._generation
        if generation.started is not None:
            return False
        generation.started = event
        try:
            generation.definition = generation.registry.orchestrators.get(event.name)
        except FunctionNotFoundError as error:
            self._decisions.error = error
        else:
            context = self._loop.context = DurableOrchestrationContext(generation)
            self._driver = Driver(generation.definition.function, context, self._loop)
        return True

    def _take(self, event: Event) -> bool:
        if self._end is not None:
            return False
        if self._suspended:
            return self._hold(event)
        if not self._deliver(event):
            return False
        self._run_code()
        return True

    def _hold(self, event: Event) -> bool:
        if isinstance(event, Answer):
            if self._leaving is not None or event.task_id in self._held_ids or not self._decisions.expects(event):
                return False
            self._held_ids.add(event.task_id)
        elif not isinstance(event, EventRaised):
            return False
        self._held.append(event)
        return True

    def _deliver(self, event: Event) -> bool:
        """Give an event to whom it is for; False: that is nobody."""
        if isinstance(event, EventRaised):
            # Code that goes on no more takes no event: what arrives now is for the next generation.
            events = self._generation.events
            (events.raise_event if self._leaving is None else events.keep)(event)
            return True
        return self._leaving is None and isinstance(event, Answer) and self._decisions.answer(event)

    def _go(self) -> None:
        """Run user code as far as it gets; first over what was held back while suspended."""
        if self._suspended:
            return
        self._run_code()
        while self._held and self._end is None:
            event = self._held.popleft()
            if isinstance(event, Answer):
                self._held_ids.discard(event.task_id)
            self._deliver(event)
            self._run_code()

    def _run_code(self) -> None:
        driver = self._driver
        if driver is None or driver.is_waiting or self._end is not None or self._leaving is not None:
            return
        # The traceback of an error leads to this frame, which is not to hold the error.
        self._note(driver.run(self._is_interrupted))

    def _note(self, outcome: Returned | Raised | None) -> None:
        """Write down what user code came to; None: it waits."""
        if self._decisions.error is not None:
            raise Halt  # A task of asyncio keeps what stops its code to itself.
        if isinstance(outcome, Raised):
            self._fail(outcome.error)
        elif self._generation.continuation is not None:
            self._leaving = self._generation.continuation
        elif isinstance(outcome, Returned):
            self._complete(outcome.value)

    def _is_interrupted(self) -> bool:
        return self._generation.continuation is not None or self._decisions.error is not None

    def _complete(self, value: Any) -> None:
        try:
            with naming(lambda: f"result of orchestrator {self.name!r}"):
                text = self._text(checked_output(value))
        except Halt:
            raise
        except BaseException as error:  # noqa: BLE001 - the value's own conversion to JSON is user code
            self._fail(error)
        else:
            self._end = ExecutionCompleted(self._generation.now, Status.Completed.value, text)

    def _fail(self, error: BaseException) -> None:
        failure = shorten(FailureDetails.from_exception(error))
        self._stopped_at = raising_place(error)
        self._end = ExecutionCompleted(self._generation.now, Status.Failed.value, None, failure)

    def _continued(self, continuation: Continuation) -> ContinuedAsNew:
        carried = self._generation.events.unconsumed() if continuation.save_events else ()
        return ContinuedAsNew(self._generation.now, continuation.input, continuation.new_version, carried)

    def _text(self, value: Any) -> str:
        return self._generation.converter.serialize(value)


def _beginning(history: Sequence[Event], attempt: int) -> datetime | None:
    """When what still runs of a generation began: with its first turn, or when it was rewound."""
    if attempt:
        for event in reversed(history):
            if isinstance(event, ExecutionRewound):
                return event.timestamp
    return history[0].timestamp if history else None


def _has_returned(end: ExecutionCompleted | None) -> bool:
    return end is not None and end.status == Status.Completed.value


_CONTROL = frozenset({ExecutionStarted, ExecutionTerminated, ExecutionSuspended, ExecutionResumed})


def _split(inputs: Sequence[Event]) -> tuple[Sequence[Event], Sequence[Event]]:
    """The start and the control events, and all others, each in order of arrival."""
    for event in inputs:
        if type(event) in _CONTROL:
            break
    else:
        return (), inputs  # As nearly always.
    control = [event for event in inputs if type(event) in _CONTROL]
    control.sort(key=lambda event: not isinstance(event, ExecutionStarted))
    return control, [event for event in inputs if type(event) not in _CONTROL]


def _terminations(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, ExecutionTerminated)]


def _sets_going(task: Task[Any], awaited: Task[Any] | None, counts: dict[ParentTask[Any], int]) -> bool:
    """Whether the success of this task, after those counted, reaches what the code awaits."""
    if task is awaited:
        return True
    for parent in task.parents:
        if parent.acts_on(task):
            return True
        counts[parent] = counts.get(parent, 0) + 1
        if parent.decided_by(counts[parent]) and _sets_going(parent, awaited, counts):
            return True
    return False
