"""`Orchestrator.create` and `Entity.create`, the entry points of the function.json programming model.

Owns the two wrappers. In that model the Functions host would have to hand orchestrations to the
function, which only its .NET extension does; here the engine runs in the worker of a decorator
app. So `main = Orchestrator.create(fn)` gives an object that still calls `fn` and that the
decorators of an app accept, which makes an old module part of a new app without touching it:

    from Chain import main as chain
    app.orchestration_trigger(context_name="context", orchestration="Chain")(chain)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class EntryPoint(Generic[P, R]):
    """A durable function without an app: calling it calls the function."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self.__name__: str = getattr(function, "__name__", type(self).__name__)
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)


class Orchestrator(EntryPoint[P, R]):
    """An orchestrator function; register it with `app.orchestration_trigger`."""

    @classmethod
    def create(cls, fn: Callable[P, R]) -> Orchestrator[P, R]:
        """Wrap an orchestrator function.

        :param fn: called with the context; a plain function, a generator or a coroutine function.
        """
        return cls(fn)  # pyright: ignore[reportReturnType, reportArgumentType] - cls is unparametrised here


class Entity(EntryPoint[P, R]):
    """An entity function; register it with `app.entity_trigger`."""

    @classmethod
    def create(cls, fn: Callable[P, R]) -> Entity[P, R]:
        """Wrap an entity function.

        :param fn: called with the context, once per operation.
        """
        return cls(fn)  # pyright: ignore[reportReturnType, reportArgumentType] - cls is unparametrised here
