"""How functions of an app come to ask their doubles, and what is taken down of each execution.

Theory of operation
-------------------
An activity and an operation ask each time they run, in whichever worker. An orchestration asks once, when it begins,
and is told the same on each replay and in each generation; one that had begun before there was a double keeps the
app's own function. Only the rewind of one that a double made to fail asks again.

What an execution is of (its instance, its task) is told to observers before it runs, and left in a context variable
where the function finds it. What it came to is told to observers as well, after it became JSON. Which attempt it is of
what a retry policy repeats, the turn that decided it tells.

What runs without a double is noted as well, so that one that is asked for later tells of all that ran.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from azure_durable_py.errors import SerializationError
from azure_durable_py.failures import FailureDetails, is_cancellation
from azure_durable_py.history.events import (
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    ParentInstance,
)
from azure_durable_py.observer import ActivityRun, Observation, OperationRun, TurnTaken
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.classes import EntityClass
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.serialization.annotations import optional
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing.doubles.behaviours import Behaviour, Execution, ExecutionRecord, Raising, Real
from azure_durable_py.testing.doubles.noted import Noted, Notes
from azure_durable_py.testing.doubles.stand_ins import ActivityDouble, EntityDouble, OrchestratorDouble
from azure_durable_py.testing.virtual.off_loop import off_loop


class Attempts:
    """Which attempt each task is of what is repeated."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, int, int], int] = {}

    def take(self, turn: TurnTaken) -> None:
        """Take up what a turn decided."""
        for task_id, number in turn.attempts.items():
            self._numbers[turn.instance_id, turn.execution_id, turn.generation, task_id] = number

    def of(self, task: ActivityRun | ParentInstance | None) -> int:
        """The number of the attempt that an activity or a child is, from 1."""
        if task is None:
            return 1
        return self._numbers.get((task.instance_id, task.execution_id, task.generation, task.task_id), 1)


# --- activities and operations ---------------------------------------------------------------------------


class Run(Observation, Noted):
    """An activity or operation that is about to run."""

    def __init__(self, of: ActivityRun | OperationRun, attempt: int, now: Callable[[], datetime]) -> None:
        name = of.name if isinstance(of, ActivityRun) else of.operation
        Noted.__init__(self, name, of.input, of.instance_id, attempt, now())
        self.now = now

    def __enter__(self) -> Run:  # noqa: PYI034 - `Self` came with Python 3.11
        """Let the function find it."""
        RUN.set(self)
        return self

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        """Take down what it came to."""
        if failure is not None and is_cancellation(failure):
            self.end(self.now(), None, None, is_cancelled=True)
        else:
            self.end(self.now(), result, failure)


RUN: ContextVar[Run] = ContextVar("azure_durable_py_double")
"""What runs here, where there is a double for it."""


def doubled_activity(definition: ActivityDefinition, double: ActivityDouble[Any, Any]) -> ActivityDefinition:
    """An activity that asks its double."""
    function = definition.function

    @functools.wraps(function)
    async def execute(**arguments: Any) -> Any:
        run, given = RUN.get(), arguments[definition.input_name]
        behaviour = double.next(given) or Real()
        execution = Execution(double.name, given, run.instance_id, run.attempt, run.now(), isinstance(behaviour, Real))
        run.records.append(double.executions.begin(execution))
        if not isinstance(behaviour, Real):
            stand_in = behaviour
            return await _awaited(off_loop(lambda: stand_in.perform(given, execution)))
        return await function(**arguments) if definition.is_async else off_loop(lambda: function(**arguments))

    return replace(definition, function=execute)


async def _awaited(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


Around = Callable[[DurableEntityContext, Callable[[], Any]], Callable[[], Any]]


def around_operations(
    definition: EntityDefinition, doubles: Callable[[str], Sequence[EntityDouble]], expected: Callable[[Any], Any]
) -> Around:
    """What has the operations of entities ask their doubles.

    :param doubles: those of the entity with a key, the one that is asked first before the others.
    :param expected: the type to build for an annotation of a class.
    """
    cls = EntityClass.of(definition.function) if isinstance(definition.function, type) else None

    def around(context: DurableEntityContext, call: Callable[[], Any]) -> Callable[[], Any]:
        asked = doubles(context.entity_key)
        if not asked:
            return call
        try:
            given = _input_of(context, cls, expected)
        except Exception:  # noqa: BLE001 - the call fails with it, whatever it is: the operation never sees its input
            return call
        run, name = RUN.get(), context.operation_name
        told = (double.next(name, given) for double in asked)
        behaviour = next((each for each in told if each is not None), Real())
        execution = Execution(name, given, run.instance_id, 1, run.now(), isinstance(behaviour, Real))
        run.is_real = execution.is_real
        run.records += [double.executions.begin(execution) for double in asked]
        if isinstance(behaviour, Real):
            return call
        stand_in = behaviour

        async def perform() -> Any:
            return await _awaited(off_loop(lambda: stand_in.perform(given, execution)))

        return perform

    return around


def _input_of(context: DurableEntityContext, cls: EntityClass | None, expected: Callable[[Any], Any]) -> Any:
    """The input as the code of the operation gets it."""
    method = None if cls is None else cls.method(context.operation_name)
    return context.get_input(None if method is None else optional(expected(method.input_type)))


# --- orchestrations --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Choice:
    """What an orchestration was told to do when it began, after so many rewinds."""

    behaviour: Behaviour
    execution: Execution[Any]
    record: ExecutionRecord
    rewinds: int


class Orchestrations:
    """The orchestrations that asked a double, and those that had none to ask.

    :param attempts: tells which attempt a child is.
    """

    def __init__(self, attempts: Attempts) -> None:
        self.notes = Notes()
        self._attempts = attempts
        self._choices: dict[tuple[str, str], _Choice] = {}
        self._noted: dict[tuple[str, str], Noted] = {}

    def doubled(
        self, definition: OrchestratorDefinition, double: OrchestratorDouble[Any, Any]
    ) -> OrchestratorDefinition:
        """An orchestrator that asks its double."""
        function = definition.function

        @functools.wraps(function)
        def start(context: DurableOrchestrationContext) -> Any:
            choice = self._choice(double, context)
            if choice is None or isinstance(choice.behaviour, Real):
                return function(context)
            # Whatever the app's own function would fail with if it asked for its input.
            context.get_input()
            return choice.behaviour.perform(context, choice.execution)

        return replace(definition, function=start)

    def _choice(self, double: OrchestratorDouble[Any, Any], context: DurableOrchestrationContext) -> _Choice | None:
        generation = context._generation  # pyright: ignore[reportPrivateUsage] - users have no need of what it is of
        key = (generation.instance_id, generation.execution_id)
        known = self._choices.get(key)
        if known is not None and not (isinstance(known.behaviour, Raising) and generation.attempt > known.rewinds):
            return known
        if context.is_replaying or generation.number:
            return None
        given = _input_or_plain(context)
        behaviour = double.next(given) or Real()
        execution = Execution(
            double.name,
            given,
            context.instance_id,
            self._attempts.of(generation.start.parent),
            context.current_utc_datetime,
            isinstance(behaviour, Real),
        )
        choice = _Choice(behaviour, execution, double.executions.begin(execution), generation.attempt)
        self._choices[key] = choice
        return choice

    def take(self, turn: TurnTaken) -> None:
        """Note an orchestration that begins, and take down what one came to in a turn."""
        key = (turn.instance_id, turn.execution_id)
        if turn.is_first and key not in self._choices:
            self._noted[key] = noted = _noted(turn, self._attempts.of(turn.parent))
            self.notes.add(turn.name, noted)
        choice, noted, end = self._choices.get(key), self._noted.get(key), turn.end
        if not isinstance(end, ExecutionCompleted):
            return
        result, is_cancelled = (
            end.result if isinstance(end.result, str) else None,
            end.status == Status.Terminated.value,
        )
        if choice is not None:
            choice.record.ended(end.timestamp, result, end.failure, is_cancelled=is_cancelled)
        elif noted is not None:
            noted.end(end.timestamp, result, end.failure, is_cancelled=is_cancelled)


def _noted(turn: TurnTaken, attempt: int) -> Noted:
    started = next(event for event in turn.events if isinstance(event, ExecutionStarted))
    began = next((each.timestamp for each in turn.events if isinstance(each, OrchestratorStarted)), turn.taken_at)
    given = started.input if isinstance(started.input, str) else None
    return Noted(turn.name, given, turn.instance_id, attempt, began)


def _input_or_plain(context: DurableOrchestrationContext) -> Any:
    """The input as the function gets it; what does not fit its type, as it came."""
    try:
        return context.get_input()
    except SerializationError:
        return context.get_input(Any)
