"""Asking for doubles: the same words wherever a test does.

Owns what type checkers know of a double by the function that is given. Which functions have one is the business of
`doubles`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Concatenate, Literal, Protocol, TypeVar, overload

from azure_durable_py.runtime.names import FunctionReference
from azure_durable_py.testing.doubles.stand_ins import ActivityDouble, OrchestratorDouble

I = TypeVar("I")  # noqa: E741 - the input
T = TypeVar("T")


class FindsDoubles(Protocol):
    """Has the doubles of a run."""

    def find_double(
        self, kind: Literal["activity", "orchestrator"], given: str | Callable[..., Any], *, create: bool
    ) -> Any:
        """The double of a function of this kind.

        :raises FunctionNotFoundError: the app has none of that name.
        """
        ...


class GivesDoubles:
    """Gives doubles of the activities and orchestrators of an app."""

    @property
    def _finder(self) -> FindsDoubles:
        """Has them."""
        raise NotImplementedError

    @overload
    def activity(
        self, activity: FunctionReference[Concatenate[I, ...], Coroutine[Any, Any, T]], *, create: Literal[False] = ...
    ) -> ActivityDouble[I, T]: ...
    @overload
    def activity(
        self, activity: FunctionReference[Concatenate[I, ...], T], *, create: Literal[False] = ...
    ) -> ActivityDouble[I, T]: ...
    @overload
    def activity(self, activity: str, *, create: bool = False) -> ActivityDouble[Any, Any]: ...
    def activity(self, activity: str | Callable[..., Any], *, create: bool = False) -> ActivityDouble[Any, Any]:
        """The double of an activity: says what it is to do, and tells what it was called with.

        :param activity: its name, or the decorated function.
        :param create: for one that the app is still to get. Without a behaviour it is not found.
        :raises FunctionNotFoundError: the app has no such activity; the message lists a near name.
        :raises ValueError: it is to be created, and the app has it.
        """
        return self._finder.find_double("activity", activity, create=create)

    @overload
    def orchestrator(
        self, orchestrator: FunctionReference[..., Coroutine[Any, Any, T]], *, create: Literal[False] = ...
    ) -> OrchestratorDouble[Any, T]: ...
    @overload
    def orchestrator(
        self, orchestrator: FunctionReference[..., Generator[Any, Any, T]], *, create: Literal[False] = ...
    ) -> OrchestratorDouble[Any, T]: ...
    @overload
    def orchestrator(
        self, orchestrator: str | FunctionReference[..., Any], *, create: bool = False
    ) -> OrchestratorDouble[Any, Any]: ...
    def orchestrator(
        self, orchestrator: str | Callable[..., Any], *, create: bool = False
    ) -> OrchestratorDouble[Any, Any]:
        """The double of an orchestrator, however it is started. An orchestration that has begun does not change.

        :param orchestrator: its name, or the decorated function.
        :param create: for one that the app is still to get. Without a behaviour it is not found.
        :raises FunctionNotFoundError: the app has no such orchestrator; the message lists a near name.
        :raises ValueError: it is to be created, and the app has it.
        """
        return self._finder.find_double("orchestrator", orchestrator, create=create)
