"""What a test says to a double, and asks of it.

Owns the words: `returns`, `raises`, `calls`, `really`, `received`. How the functions of the app come to ask their
double is told in `doubling`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from azure_durable_py.registry import place_of
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.classes import IMPLICIT_DELETE, EntityClass
from azure_durable_py.testing.doubles.behaviours import (
    Behaviour,
    Behaviours,
    Broken,
    Calling,
    Execution,
    Executions,
    Raising,
    Real,
    Returning,
)

if TYPE_CHECKING:
    from typing_extensions import Self

I = TypeVar("I")  # noqa: E741 - the input
T = TypeVar("T")


class Double(Generic[I, T]):
    """Stands in for one function of the app, and records each of its executions.

    Behaviours take turns in the order in which they were given: one with `times` is used so often, one without lasts
    until another is given. When none is left, the app's own function runs, as it does where none was ever given. They
    may be given before an orchestration is started or in the middle of a test.
    """

    def __init__(
        self, name: str, executions: Executions | None = None, condition: Callable[[I], object] | None = None
    ) -> None:
        self.name = name
        self.executions = executions or Executions()
        self.behaviours = Behaviours()
        self._condition = condition
        self._some: list[Self] = []
        self._told = repr(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {len(self.received)} executions>"

    def returns(self, value: T, *, times: int | None = None) -> Self:
        """Return a value. It becomes JSON as the function's own would.

        :param times: how often; None: until another behaviour is given.
        :raises ValueError: `times` is less than 1.
        """
        self.behaviours.add(Returning(value), times)
        return self

    def raises(self, error: BaseException | type[BaseException], *, times: int | None = None) -> Self:
        """Raise an exception. What is kept of it, and whether it is tried again, is as if the function raised it.

        :param error: an exception, or a class of which one is made each time.
        :param times: how often; None: until another behaviour is given.
        :raises TypeError: `error` is no exception, or of its class none can be made without arguments.
        :raises ValueError: `times` is less than 1.
        """
        self.behaviours.add(Raising(error), times)
        return self

    def really(self, *, times: int | None = None) -> Self:
        """Run the app's own function.

        :param times: how often; None: until another behaviour is given.
        :raises ValueError: `times` is less than 1.
        """
        self.behaviours.add(Real(), times)
        return self

    def when(self, condition: Callable[[I], object]) -> Self:
        """The double for some inputs only. It is asked before this one, which has its turn when nothing is left there.

        :param condition: gets the input, and tells whether it is one of these. What it raises is raised by what the
            test waits for.
        :raises TypeError: it is no function.
        """
        some = self._for(condition)
        self._some.append(some)
        return some

    def before_all(self, condition: Callable[[I], object]) -> Self:
        """As `when`, and asked before all others that are for some inputs."""
        some = self._for(condition)
        self._some.insert(0, some)
        return some

    def only(self, condition: Callable[[I], object] | None) -> Self:
        """A double for some inputs only, that is not asked what to do; None: this one."""
        return self if condition is None else self._for(condition)

    def _for(self, condition: Callable[[I], object]) -> Self:
        if not callable(condition):
            raise TypeError(f"when(...) takes a function of the input, as lambda given: ..., not {condition!r}.")

        def both(given: I) -> bool:
            return self.is_for(given) and bool(condition(given))

        some = type(self)(self.name, self.executions, both)
        some._told = f"{self._told} when {place_of(condition)}"
        return some

    @property
    def in_vain(self) -> list[str]:
        """What of it was told what to do, and never had to, for people: itself, and each that is for some inputs."""
        mine = [self._told] if self.behaviours.are_in_vain else []
        return [*mine, *(told for some in self._some for told in some.in_vain)]

    @property
    def received(self) -> list[Execution[I]]:
        """Each execution, in the order in which they began: those of the app's own function, too."""
        name = self.name.lower()
        return [each for each in self.executions.all if each.name.lower() == name and self.is_for(each.input)]

    @property
    def inputs(self) -> list[I]:
        """The input of each execution, in the order in which they began."""
        return [execution.input for execution in self.received]

    # --- for the engine ------------------------------------------------------------------------------

    def wants(self, given: I) -> bool:
        """Whether it stands in where the function gets this; if nobody can tell, the test fails."""
        try:
            return self.is_for(given)
        except Exception as error:  # noqa: BLE001 - as for `next`
            self.executions.wrong(error)
            return False

    def is_for(self, given: I) -> bool:
        """Whether it stands in where the function gets this."""
        return self._condition is None or bool(self._condition(given))

    def next(self, given: I) -> Behaviour | None:
        """What is to be done with this input; None: there is nothing left."""
        try:
            asked = [some for some in self._some if some.is_for(given)]
        except Exception as error:  # noqa: BLE001 - the condition is the test's: it is the test that fails with it
            self.executions.wrong(error)
            return Broken(error)
        found = (some.next(given) for some in asked)
        return next((behaviour for behaviour in found if behaviour is not None), None) or self.behaviours.next()


class _FunctionDouble(Double[I, T]):
    def calls(
        self,
        function: Callable[[I], T | Awaitable[T]] | Callable[[I, Execution[I]], T | Awaitable[T]],
        *,
        times: int | None = None,
    ) -> Self:
        """Call another function, sync or async, with the input, or with the input and the `Execution`.

        :param times: how often; None: until another behaviour is given.
        :raises TypeError: it is no function of one or two values. :raises ValueError: `times` is less than 1.
        """
        self.behaviours.add(Calling(function), times)
        return self


class ActivityDouble(_FunctionDouble[I, T]):
    """Stands in for an activity."""


class OperationDouble(_FunctionDouble[I, T]):
    """Stands in for one operation of an entity. What it returns is the result.

    A function that it calls reaches the state by `df.entity_context()`.
    """


class OrchestratorDouble(Double[I, T]):
    """Stands in for an orchestrator. Its behaviours count orchestrations, not their replays."""

    def calls(self, orchestrator: Callable[[DurableOrchestrationContext], Any], *, times: int | None = None) -> Self:
        """Run another orchestrator function in its place: a function, generator function or coroutine function.

        :param times: how often; None: until another behaviour is given.
        :raises TypeError: it does not take one value, the context. :raises ValueError: `times` is less than 1.
        """
        self.behaviours.add(Calling(orchestrator), times)
        return self


class EntityDouble:
    """Stands in for operations of one entity, or of all entities of a name, and records all operations.

    :param operations: the class that tells its operations; None: any may be asked for.
    """

    def __init__(self, name: str, key: str | None, operations: EntityClass | None, executions: Executions) -> None:
        self.name = name
        self.key = key
        self.executions = executions
        self._class = operations
        self._operations: dict[str, OperationDouble[Any, Any]] = {}

    def operation(self, operation: str | Callable[..., Any]) -> OperationDouble[Any, Any]:
        """The double of an operation.

        :param operation: its name, or the method of the class.
        :raises FunctionNotFoundError: the class of the entity has no such operation; the message has a near one.
        """
        name = operation if isinstance(operation, str) else operation.__name__
        if name.lower() not in self._operations:
            if self._class is not None and name.lower() != IMPLICIT_DELETE:
                self._class.named(name)
            self._operations[name.lower()] = OperationDouble(name, self.executions)
        return self._operations[name.lower()]

    def next(self, operation: str, given: Any) -> Behaviour | None:
        """What an operation is to do with this input; None: there is nothing left."""
        double = self._operations.get(operation.lower())
        return None if double is None else double.next(given)

    @property
    def in_vain(self) -> list[str]:
        """What of it was told what to do, and never had to, for people."""
        return [told for operation in self._operations.values() for told in operation.in_vain]

    @property
    def received(self) -> list[Execution[Any]]:
        """Each operation, in the order in which they began: those of the app's own code, too."""
        return self.executions.all

    def __repr__(self) -> str:
        return f"<EntityDouble {self.name!r}, {len(self.received)} operations>"
