"""Typed access to class entities: an object whose methods are calls.

Owns the proxy, and the way from a class to the name that it is registered under.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.entities.classes import EntityClass, Method
from azure_durable_py.runtime.names import durable_name

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")
Result = TypeVar("Result")


@overload
def operation(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, R]]: ...
@overload
def operation(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], Awaitable[R]]: ...
def operation(method: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a sync method of a class entity, so that type checkers know its calls through a proxy as awaitable.

    It changes nothing else. An `async def` method needs no mark.
    """
    return method


class EntityProxy(Generic[Result]):
    """Stands for one entity of a class: each public method of the class performs that operation.

    :param perform: performs an operation with at most one input; gets the entity, the operation, its
        input and the type of its result.
    """

    def __init__(
        self, entity_id: EntityId, cls: type[Any], perform: Callable[[EntityId, str, Any, Any], Result]
    ) -> None:
        self._entity_id = entity_id
        self._methods = EntityClass.of(cls)
        self._perform = perform

    def __getattr__(self, name: str) -> Callable[..., Result]:
        method = self._methods.methods.get(name)
        if method is None:
            if name == "delete":
                return lambda: self._perform(self._entity_id, name, None, None)
            raise AttributeError(f"Entity {self._entity_id} has no operation {name!r}.")

        def call(*args: Any, **kwargs: Any) -> Result:
            return self._perform(self._entity_id, method.name, _only_value(method, args, kwargs), method.result_type)

        return call


def _only_value(method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    given = (*args, *kwargs.values())
    if len(given) > int(method.takes_input):
        raise OrchestratorError(
            f"Operation {method.name!r} takes {int(method.takes_input)} values, but {len(given)} were given. "
            "An operation has one input: pass several values as one (a dict, list or dataclass)."
        )
    if method.needs_input and not given:
        raise OrchestratorError(f"Operation {method.name!r} needs an input.")
    return given[0] if given else None


def class_of(ref: Any) -> tuple[str, type[Any]]:
    """The name and class of a class entity, given as the class or as what its decorator returned.

    :raises OrchestratorError: it is not a class entity.
    """
    cls: Any = getattr(ref, "function", ref)
    if not isinstance(cls, type):
        raise OrchestratorError(f"{ref!r} is not a class entity: use call_entity or signal_entity with its name.")
    found = cast("type[Any]", cls)
    return (found.__name__ if found is ref else durable_name(ref, "entity")), found
