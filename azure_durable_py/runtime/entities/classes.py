"""Class entities: a class whose public methods are operations.

Owns which methods are operations, what they take, and what of an object is its state:

- a dataclass, a pydantic model, or a class with `to_json` and `from_json`: all of it;
- a class that annotates an attribute `state`: that attribute, built as its annotation;
- any other class: its public attributes, built as the class annotates them.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, get_type_hints

from azure_durable_py.errors import FunctionNotFoundError, RegistrationError
from azure_durable_py.registry import place_of
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.runtime.entities.state import StateBox
from azure_durable_py.serialization.annotations import naming, optional
from azure_durable_py.serialization.decode import build, return_type
from azure_durable_py.signatures import resolve_annotation, signature_of

IMPLICIT_DELETE = "delete"
"""The operation that every class entity has, unless it has its own: it takes the state away."""


@dataclass(frozen=True, slots=True)
class Method:
    """One operation of a class entity. `takes_input`: it has a parameter; `needs_input`: without a default."""

    name: str
    function: Callable[..., Any]
    takes_input: bool
    needs_input: bool
    input_type: Any
    result_type: Any

    @property
    def is_async(self) -> bool:
        """Whether it is a coroutine function."""
        return inspect.iscoroutinefunction(self.function)


class EntityClass:
    """A class as an entity.

    :raises RegistrationError: a method takes more than one value.
    """

    def __init__(self, cls: type[Any]) -> None:
        self._cls = cls
        self.methods = {name: _method(function) for name, function in _public_functions(cls).items()}
        self._annotations = _annotations(cls)
        self._whole = (
            dataclasses.is_dataclass(cls)
            or hasattr(cls, "model_validate")
            or (callable(getattr(cls, "to_json", None)) and callable(getattr(cls, "from_json", None)))
        )

    @classmethod
    def of(cls, given: type[Any]) -> EntityClass:
        """The description of a class, made once."""
        return _described(given)

    def method(self, operation: str) -> Method | None:
        """The method of an operation: of that name, else of that name in another case."""
        found = self.methods.get(operation)
        if found is None:
            lower = operation.lower()
            found = next((method for name, method in self.methods.items() if name.lower() == lower), None)
        return found

    def named(self, operation: str) -> Method:
        """The method of an operation.

        :raises FunctionNotFoundError: there is none; the message lists a near name.
        """
        found = self.method(operation)
        if found is not None:
            return found
        near = difflib.get_close_matches(operation, self.methods, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise FunctionNotFoundError(
            f"Entity class {place_of(self._cls)} has no operation {operation!r}.{hint} "
            f"Its operations: {', '.join(sorted({*self.methods, IMPLICIT_DELETE}))}."
        )

    def call_of(
        self, context: DurableEntityContext, state: StateBox, expected: Callable[[Any], Any]
    ) -> Callable[[], Any]:
        """What performs an operation on the object behind a state; a coroutine function if the method is one.

        :param expected: the type to build for an annotation.
        """
        method = self.method(context.operation_name)
        if method is None and context.operation_name.lower() == IMPLICIT_DELETE:
            return state.delete
        if method is not None and method.is_async:

            async def run_async() -> Any:
                target, arguments = self._prepare(method, context, state, expected)
                result = await method.function(target, *arguments)
                self._finish(target, state)
                return result

            return run_async

        def run() -> Any:
            found = method or self.named(context.operation_name)
            target, arguments = self._prepare(found, context, state, expected)
            result = found.function(target, *arguments)
            self._finish(target, state)
            return result

        return run

    def _prepare(
        self, method: Method, context: DurableEntityContext, state: StateBox, expected: Callable[[Any], Any]
    ) -> tuple[Any, list[Any]]:
        arguments: list[Any] = []
        if method.takes_input:
            with naming(lambda: f"input of operation {method.name!r}, {place_of(method.function)}"):
                value = context.get_input(optional(expected(method.input_type)))
            if value is not None or method.needs_input:
                arguments.append(value)
        return self._open(state), arguments

    # --- the object and its state -----------------------------------------------------------------

    def _open(self, state: StateBox) -> Any:
        if self._whole:
            found = state.value(self._cls)
            return self._cls() if found is None else found
        plain = state.value()
        target = self._cls()
        if plain is None:
            return target
        if "state" in self._annotations:
            target.state = build(plain, self._annotations["state"])
        else:
            for name, value in cast("dict[str, Any]", plain).items():
                setattr(target, name, build(value, self._annotations.get(name)))
        return target

    def _finish(self, target: Any, state: StateBox) -> None:
        if self._whole:
            state.set(target, self._cls)
        elif "state" in self._annotations:
            state.set(target.state)
        else:
            state.set({name: value for name, value in _attributes(target).items() if not name.startswith("_")})


def _attributes(target: object) -> dict[str, Any]:
    return dict(vars(target))


@functools.lru_cache(maxsize=1024)
def _described(cls: type[Any]) -> EntityClass:
    return EntityClass(cls)


def _public_functions(cls: type[Any]) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for base in reversed(cls.__mro__):
        if base is object or base.__module__.partition(".")[0] == "pydantic":
            continue
        functions = {name: value for name, value in vars(base).items() if inspect.isfunction(value)}
        found.update({name: value for name, value in functions.items() if not name.startswith("_")})
    return {name: value for name, value in found.items() if name not in ("to_json", "from_json")}


def _method(function: Callable[..., Any]) -> Method:
    parameters = list(signature_of(function).parameters.values())[1:]
    parameters = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    required = [p for p in parameters if p.default is p.empty]
    if len(required) > 1 or any(p.kind is p.KEYWORD_ONLY for p in required):
        raise RegistrationError(
            f"Operation {place_of(function)} takes {len(required)} values, but an operation has one input. "
            "Pass several values as one (a dict, list or dataclass)."
        )
    first = next((p for p in parameters if p.kind is not p.KEYWORD_ONLY), None)
    return Method(
        name=function.__name__,
        function=function,
        takes_input=first is not None,
        needs_input=bool(required),
        input_type=None if first is None else resolve_annotation(function, first.annotation),
        result_type=return_type(function),
    )


def _annotations(cls: type[Any]) -> dict[str, Any]:
    try:
        return get_type_hints(cls)
    except Exception:  # noqa: BLE001 - evaluating annotations runs user code: it may raise anything
        return {}
