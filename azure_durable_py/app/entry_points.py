"""`Orchestrator.create` and `Entity.create`, the entry points of the function.json programming model.

Owns the two wrappers. `main = Orchestrator.create(fn)` gives an object that still calls `fn`, that `function_json`
takes for what the folder's function.json says, and that the decorators of an app accept:

    from Chain import main as chain
    app.orchestration_trigger(context_name="context", orchestration="Chain")(chain)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from azure_durable_py.app.app_package import is_loaded_by_worker
from azure_durable_py.errors import RegistrationError
from azure_durable_py.registry import place_of

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")


class EntryPoint(Generic[P, R]):
    """A durable function without an app: calling it calls the function.

    :raises RegistrationError: the Functions worker loads it for its function.json.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        if is_loaded_by_worker(function):
            raise RegistrationError(
                f"{place_of(function)} is loaded for its function.json by the Functions worker, which would leave it "
                "to the .NET extension. Put a function_app.py beside host.json, and the same functions run here:\n\n"
                "    from pathlib import Path\n"
                "    import azure_durable_py as df\n\n"
                "    app = df.DFApp.from_function_json(Path(__file__).parent)\n"
            )
        self.function = function
        self.__name__: str = getattr(function, "__name__", type(self).__name__)
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function."""
        return self.function(*args, **kwargs)


class Orchestrator(EntryPoint[P, R]):
    """An orchestrator function; `function.json` or `app.orchestration_trigger` makes it part of an app."""

    @property
    def orchestrator_function(self) -> Callable[P, R]:
        """The function, for unit tests."""
        return self.function

    @staticmethod
    def create(fn: Callable[Q, S]) -> Orchestrator[Q, S]:
        """Wrap an orchestrator function.

        :param fn: called with the context; a plain function, a generator or a coroutine function.
        """
        return Orchestrator(fn)


class Entity(EntryPoint[P, R]):
    """An entity function; `function.json` or `app.entity_trigger` makes it part of an app."""

    @property
    def entity_function(self) -> Callable[P, R]:
        """The function, for unit tests."""
        return self.function

    @staticmethod
    def create(fn: Callable[Q, S]) -> Entity[Q, S]:
        """Wrap an entity function.

        :param fn: called with the context, once per operation.
        """
        return Entity(fn)
