"""What a stand-in does when it is asked: behaviours that take turns, and a record of each execution.

Owns the queue of behaviours and that record. How an activity, an orchestrator or an entity comes to ask is told in
`doubling`.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from azure_durable_py import wording
from azure_durable_py.client.status import plain
from azure_durable_py.failures import FailureDetails
from azure_durable_py.inspection.steps import StepOutcome
from azure_durable_py.registry import place_of
from azure_durable_py.signatures import signature_of

I = TypeVar("I")  # noqa: E741 - the input


@dataclass(frozen=True, slots=True)
class Execution(Generic[I]):
    """One execution of a function for which there is a double.

    `name` is the function's, or the operation's; `input` what the function gets. `instance_id` is the orchestration
    that called the activity, the orchestration itself, or the entity (`@name@key`). `attempt` counts from 1 what a
    retry policy repeats. `began` and `ended` are virtual time; `ended` is None while it runs, and of one whose worker
    died. `is_real` tells whether the app's own function ran. `result` is the plain JSON value that was stored, and
    `failure` what was stored of an exception.
    """

    name: str
    input: I
    instance_id: str
    attempt: int
    began: datetime
    is_real: bool = True
    ended: datetime | None = None
    outcome: StepOutcome = StepOutcome.open
    result: Any = None
    failure: FailureDetails | None = None

    def __repr__(self) -> str:
        """In a line, for people: what was asked, by whom, and what came of it."""
        asked = f"{self.name}({self.input!r}) for {self.instance_id}"
        tried = f" in attempt {self.attempt}" if self.attempt > 1 else ""
        match self.outcome:
            case StepOutcome.completed:
                return f"<{asked} = {self.result!r}{tried}>"
            case StepOutcome.failed if self.failure is not None:
                return f"<{asked} failed{tried}: {wording.summary(self.failure)}>"
            case _:
                return f"<{asked}, {self.outcome.value}{tried}>"


class Executions:
    """All that was taken down, in the order in which it began.

    :param wrong: told what the test's own code raises, so that the test fails with it.
    """

    def __init__(self, wrong: Callable[[Exception], object] = lambda _: None) -> None:
        self.wrong = wrong
        self._all: list[Execution[Any]] = []

    @property
    def all(self) -> list[Execution[Any]]:
        """Each execution as it is now known."""
        return list(self._all)

    def begin(self, execution: Execution[Any]) -> ExecutionRecord:
        """Take down one that has begun."""
        self._all.append(execution)
        return ExecutionRecord(self._all, len(self._all) - 1)


class ExecutionRecord:
    """An execution as it was taken down, until it has ended."""

    def __init__(self, executions: list[Execution[Any]], place: int) -> None:
        self._executions = executions
        self._place = place

    @property
    def execution(self) -> Execution[Any]:
        """The execution as it is now known."""
        return self._executions[self._place]

    def ended(
        self, at: datetime, result: str | None, failure: FailureDetails | None, *, is_cancelled: bool = False
    ) -> None:
        """It has ended: with a result (JSON text), or a failure, or because somebody has ended it."""
        outcome = StepOutcome.completed if failure is None else StepOutcome.failed
        self._executions[self._place] = replace(
            self._executions[self._place],
            ended=at,
            outcome=StepOutcome.cancelled if is_cancelled else outcome,
            result=plain(result),
            failure=failure,
        )


class Returning:
    """Gives a value."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def perform(self, given: Any, execution: Execution[Any]) -> Any:
        """What the function would return."""
        del given, execution
        return self._value


class Raising:
    """Raises an exception: this one, or a new one of this class.

    :raises TypeError: it is none, or none can be made of the class without arguments.
    """

    def __init__(self, error: BaseException | type[BaseException]) -> None:
        if not _is_raisable(error):
            raise TypeError(f"raises(...) takes an exception, or a class of exceptions, not {error!r}.")
        if isinstance(error, type):
            _made(error)
        self._error = error

    def perform(self, given: Any, execution: Execution[Any]) -> Any:
        """Raise it, without the places where it was raised before."""
        del given, execution
        error = _made(self._error) if isinstance(self._error, type) else self._error
        raise error.with_traceback(None)


class Broken:
    """Raises because the test's own code did, which keeps the place where that happened."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def perform(self, given: Any, execution: Execution[Any]) -> Any:
        """Raise another error, so that the test's own stays as it is."""
        del given, execution
        raise RuntimeError(f"A condition of the test has raised: {self._error!r}") from self._error


def _made(error: type[BaseException]) -> BaseException:
    try:
        return error()
    except TypeError as refused:
        raise TypeError(f"{error.__name__}() cannot be made ({refused}): give raises(...) an exception.") from None


def _is_raisable(given: object) -> bool:
    return isinstance(given, BaseException) or (isinstance(given, type) and issubclass(given, BaseException))


class Calling:
    """Calls another function, with what the app's own would get, or with that and the `Execution`.

    :raises TypeError: it takes neither one value nor two.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        if not callable(function):
            raise TypeError(f"calls(...) takes a function, not {function!r}.")
        is_durable = isinstance(getattr(function, "durable_name", None), str)
        # Of a decorated function, what was decorated.
        self._function: Callable[..., Any] = cast("Any", function).function if is_durable else function
        self._takes_execution = _takes_two(self._function)

    def perform(self, given: Any, execution: Execution[Any]) -> Any:
        """What it returns; that may be something to await."""
        return self._function(given, execution) if self._takes_execution else self._function(given)


class Real:
    """Leaves it to the app's own function."""


StandIn = Returning | Raising | Calling | Broken
Behaviour = StandIn | Real


class Behaviours:
    """Behaviours that take turns.

    One that is given a number is used so often; one without lasts until another is given.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[Behaviour, int | None]] = deque()
        self._is_given = self._is_used = False

    @property
    def are_in_vain(self) -> bool:
        """Whether there are some, and none has had its turn."""
        return self._is_given and not self._is_used

    def add(self, behaviour: Behaviour, times: int | None) -> None:
        """Have a behaviour take its turn after the others.

        :raises ValueError: `times` is less than 1.
        """
        if times is not None and times < 1:
            raise ValueError(f"times tells how often a behaviour is used: 1 or more, not {times}.")
        if self._queue and self._queue[-1][1] is None:
            self._queue.pop()
        self._queue.append((behaviour, times))
        self._is_given = True

    def add_first(self, function: Callable[[Any], Any], times: int) -> None:
        """Call a function so often before any other behaviour has its turn."""
        self._queue.appendleft((Calling(function), times))

    def next(self) -> Behaviour | None:
        """Whose turn it is; None: none is left."""
        if not self._queue:
            return None
        self._is_used = True
        behaviour, times = self._queue[0]
        if times == 1:
            self._queue.popleft()
        elif times is not None:
            self._queue[0] = (behaviour, times - 1)
        return behaviour


def _takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function needs a second value.

    :raises TypeError: it takes neither one nor two.
    """
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):
        return False  # Some functions of Python's own do not say.
    if _fits(signature, 1):
        return False
    if _fits(signature, 2):
        return True
    raise TypeError(f"{place_of(function)} takes {signature}; a stand-in takes one value, or that and the Execution.")


def _fits(signature: inspect.Signature, count: int) -> bool:
    """Whether it can be called with so many values."""
    try:
        signature.bind(*range(count))
    except TypeError:
        return False
    return True
