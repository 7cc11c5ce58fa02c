"""What an annotation demands of a value that came as JSON, where nobody has asked for a type.

Owns the line between types that JSON carries and types that it does not. An annotation of the first kind is
for people and type checkers: whatever came is passed on as it came. One of the second kind has the value built.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from azure_durable_py.errors import SerializationError
from azure_durable_py.serialization.decode import (
    ARRAYS,
    OBJECTS,
    QUALIFIERS,
    SIMPLE,
    hints_of,
    is_named_tuple,
    is_typed_dict,
    own_reader,
)

NoneType = type(None)
_CARRIED: frozenset[Any] = frozenset(
    {
        Any,
        object,
        str,
        int,
        float,
        bool,
        NoneType,
        list,
        dict,
        collections.abc.Sequence,
        collections.abc.MutableSequence,
        collections.abc.Collection,
        collections.abc.Iterable,
        collections.abc.Mapping,
        collections.abc.MutableMapping,
    }
)


def demanded(annotation: Any) -> Any:
    """The type to build for an annotation; None: there is nothing to build.

    A value that is not there stays None, whatever the annotation says.
    """
    if annotation is None:
        return None
    demand = _Reading().of(annotation)
    return None if demand is Any else optional(demand)


def optional(expected_type: Any) -> Any:
    """The same type, or None; no type stays none."""
    return None if expected_type is None else _union((expected_type, NoneType))


class naming:  # noqa: N801 - used as a function; a generator would cost each value that is read three times as much
    """Put before an error of the block what had the annotation.

    :param place: asked for it when there is an error.
    :raises SerializationError: as the block does.
    """

    __slots__ = ("_place",)

    def __init__(self, place: Callable[[], str]) -> None:
        self._place = place

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        if isinstance(error, SerializationError):
            raise SerializationError(f"{self._place()}: {error}") from error.__cause__


def _union(arms: Iterable[Any]) -> Any:
    return Union[tuple(arms)]  # noqa: UP007 - of arms that are known when it runs


class _Reading:
    """Reads one annotation. What JSON carries of it, and what nothing is known of, becomes `Any`."""

    def __init__(self) -> None:
        self._open: set[Any] = set()

    def of(self, annotation: Any) -> Any:
        origin = get_origin(annotation)
        if origin is not None:
            return self._of_generic(annotation, origin, get_args(annotation))
        if isinstance(annotation, TypeVar):
            return self._of_union(annotation.__constraints__ or (annotation.__bound__ or Any,))
        if isinstance(annotation, type):
            return annotation if self._is_built(cast("type[Any]", annotation)) else Any
        for attribute in ("__supertype__", "__value__"):
            if hasattr(annotation, attribute):
                return self.of(getattr(annotation, attribute))
        return Any

    def _of_generic(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> Any:
        if origin is Annotated or getattr(origin, "_name", "") in QUALIFIERS:
            return self.of(args[0])
        if origin is Literal:
            return annotation if any(isinstance(choice, Enum) for choice in args) else Any
        if origin is Union or origin is getattr(types, "UnionType", None):
            return self._of_union(args)
        if hasattr(origin, "__value__"):
            return self.of(origin.__value__[args])
        if not args:
            return self.of(origin)
        if origin is tuple:
            return tuple[tuple(arg if arg is Ellipsis or arg == () else self.of(arg) for arg in args)]
        if origin in ARRAYS or origin in OBJECTS:
            inner = tuple(self.of(arg) for arg in args)
            return Any if origin in _CARRIED and all(arg is Any for arg in inner) else origin[inner]
        return annotation if isinstance(origin, type) and self._is_built(cast("type[Any]", origin)) else Any

    def _of_union(self, arms: tuple[Any, ...]) -> Any:
        demands = [self.of(arm) for arm in arms]
        if all(demand is Any for demand in demands):
            return Any
        # What JSON carries is tried as it is, so that its own values stay what they are; then it takes all others.
        tried = [arm if demand is Any else demand for arm, demand in zip(arms, demands, strict=True)]
        takes_all = any(demand is Any and arm is not NoneType for arm, demand in zip(arms, demands, strict=True))
        return _union([*tried, Any] if takes_all else tried)

    def _is_built(self, cls: type[Any]) -> bool:
        if cls in _CARRIED:
            return False
        if is_typed_dict(cls):
            return self._has_built_field(cls)
        return (
            cls in SIMPLE
            or cls in ARRAYS
            or cls in OBJECTS
            or cls is tuple
            or issubclass(cls, Enum | PurePath)
            or own_reader(cls) is not None
            or dataclasses.is_dataclass(cls)
            or is_named_tuple(cls)
        )

    def _has_built_field(self, cls: type[Any]) -> bool:
        if cls in self._open:
            return False
        self._open.add(cls)
        return any(self.of(hint) is not Any for hint in hints_of(cls).values())
