"""Readers of stored records: each takes a value as JSON gives it, and refuses what does not fit its shape.

Anybody may have written to storage, so nothing that was read is believed. A reader returns the value
that it stands for or raises `ShapeError`, and never anything else; what it costs is bounded by the size
of what it is given. Owns the readers and that error; which record has which shape, its owner declares.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints, overload

from azure_durable_py.compact_json import compact_decoder

_T = TypeVar("_T")
_K = TypeVar("_K")
_V = TypeVar("_V")
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_Choice = TypeVar("_Choice", bound=Enum)

Reader: TypeAlias = Callable[[Any], _T]
"""Takes a JSON value and returns what it stands for.

:raises ShapeError: it stands for nothing of that kind.
"""

MAX_INSTANCE_ID_CHARS = 1024
LARGEST = 2**63 - 1
"""Largest whole number that any record holds."""

_BLOB_KEY = re.compile(r"[2-9]0-[A-Za-z0-9._~!-]{1,480}")


class ShapeError(ValueError):
    """A stored value is not what it should be. `path` leads from the record to it: names of fields, places in lists."""

    def __init__(self, problem: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{place.removeprefix('.')[:200]}: {self.problem}" if place else self.problem

    def under(self, step: str | int) -> ShapeError:
        """The same error as seen from one level up."""
        return ShapeError(self.problem, (step, *self.path))


def refused(wanted: str, value: Any) -> ShapeError:
    """The error for a value of another kind than wanted."""
    return ShapeError(f"expected {wanted}, found {_shown(value)}")


def _shown(value: Any) -> str:
    """A value for people: short, whatever it is."""
    if isinstance(value, str):
        return repr(value[:60]) + (f" and {len(value) - 60} characters more" if len(value) > 60 else "")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return "null" if value is None else repr(value)
    return {dict: "an object", list: "a list", bytes: "bytes"}.get(cast("type[Any]", type(value)), type(value).__name__)


def parse(text: str | bytes) -> Any:
    """The value of a JSON text.

    :raises ShapeError: it is not JSON, or nested too deeply to be ours.
    """
    try:
        return _decode(text) if isinstance(text, str) else json.loads(text)
    except RecursionError:
        raise ShapeError("JSON that is nested too deeply") from None
    except ValueError as error:
        raise ShapeError(f"not JSON: {error}") from None


_decode = compact_decoder(json.JSONDecoder())


# --- single values -------------------------------------------------------------------------------


def anything(value: Any) -> Any:
    """Any JSON value: whoever uses it looks what it is."""
    return value


def text(value: Any) -> str:
    """A text of any length."""
    if type(value) is not str:
        raise refused("a text", value)
    return value


def word(most: int, *, least: int = 1) -> Reader[str]:
    """A text of `least` to `most` characters that is Unicode, so that every part of storage can keep it."""

    def read(value: Any) -> str:
        if type(value) is not str or not least <= len(value) <= most:
            raise refused(f"a text of {least} to {most} characters", value)
        return _unicode(value)

    return read


def _unicode(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ShapeError(f"a lone surrogate in {value[:60]!r}: not Unicode text") from None
    return value


def whole(low: int, high: int) -> Reader[int]:
    """A whole number within bounds. Truth values, floats and texts of digits are none."""

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise refused(f"a whole number, {low} to {high}", value)
        return value

    return read


def flag(value: Any) -> bool:
    """A truth value."""
    if type(value) is not bool:
        raise refused("true or false", value)
    return value


def choice(kind: type[_Choice]) -> Reader[_Choice]:
    """The member of an enumeration whose value a text is."""
    members = {member.value: member for member in kind}

    def read(value: Any) -> _Choice:
        member = members.get(value) if isinstance(value, str) else None
        if member is None:
            raise refused(f"one of {', '.join(members)}", value)
        return member

    return read


def time(value: Any) -> datetime:
    """A moment as `2026-01-31T08:30:00.000000Z`."""
    if type(value) is str and len(value) == 27:
        try:
            return _moment(value)
        except ValueError:
            pass
    raise refused("a time like 2026-01-31T08:30:00.000000Z", value)


def duration(most: timedelta) -> Reader[timedelta]:
    """A time of 0 seconds to `most`, as a number of seconds."""
    high = most.total_seconds()

    def read(value: Any) -> timedelta:
        if type(value) not in (int, float) or not 0 <= value <= high:
            raise refused(f"a number of seconds, 0 to {high:g}", value)
        return timedelta(seconds=value)

    return read


@lru_cache(256)  # The events of one turn have one time.
def _moment(text: str) -> datetime:
    if not (text[10] == "T" and text[19] == "." and text[26] == "Z"):
        raise ValueError(text)
    return datetime.fromisoformat(f"{text[:26]}+00:00")


def instance_id(value: Any) -> str:
    """The id of an instance that a store can keep; one that begins with `@` is an entity's (`@name@key`)."""
    if type(value) is not str or not 0 < len(value) <= MAX_INSTANCE_ID_CHARS:
        raise refused(f"an instance id of 1 to {MAX_INSTANCE_ID_CHARS} characters", value)
    if value[0] == "@" and not 1 < value.find("@", 1) < len(value) - 1:
        raise refused("the id of an entity, @name@key", value)
    return _unicode(value)


def blob_key(value: Any) -> str:
    """The RowKey of a page or payload, or the part of it before the number of the chunk."""
    if type(value) is not str or _BLOB_KEY.fullmatch(value) is None:
        raise refused("the key of a page or payload (20-..., 30-...)", value)
    return value


# --- what holds values -----------------------------------------------------------------------------


def optional(reader: Reader[_T]) -> Reader[_T | None]:
    """What the reader takes, or null."""

    def read(value: Any) -> _T | None:
        return None if value is None else reader(value)

    return read


def items(reader: Reader[_T]) -> Reader[list[_T]]:
    """A list of what the reader takes."""

    def read(value: Any) -> list[_T]:
        found, made = _list(value), list[_T]()
        try:
            for item in found:
                made.append(reader(item))
        except ShapeError as error:
            raise error.under(len(made)) from None
        return made

    return read


def mapping(key: Reader[_K], reader: Reader[_V]) -> Reader[dict[_K, _V]]:
    """An object whose names and values the readers take."""

    def read(value: Any) -> dict[_K, _V]:
        made: dict[_K, _V] = {}
        for name, item in _object(value).items():
            try:
                made[key(name)] = reader(item)
            except ShapeError as error:
                raise error.under(name) from None
        return made

    return read


@overload
def row(first: Reader[_A], second: Reader[_B], /) -> Reader[tuple[_A, _B]]: ...
@overload
def row(first: Reader[_A], second: Reader[_B], third: Reader[_C], /) -> Reader[tuple[_A, _B, _C]]: ...
@overload
def row(
    first: Reader[_A], second: Reader[_B], third: Reader[_C], fourth: Reader[_D], /
) -> Reader[tuple[_A, _B, _C, _D]]: ...
def row(*readers: Reader[Any]) -> Reader[tuple[Any, ...]]:
    """A list of just so many values, one for each reader."""

    def read(value: Any) -> tuple[Any, ...]:
        found = _list(value)
        if len(found) != len(readers):
            raise ShapeError(f"expected {len(readers)} values, found {len(found)}")
        made: list[Any] = []
        try:
            for reader, item in zip(readers, found, strict=True):
                made.append(reader(item))
        except ShapeError as error:
            raise error.under(len(made)) from None
        return tuple(made)

    return read


class Fields:
    """The fields of a record that was read as a JSON object.

    :raises ShapeError: it is not an object.
    """

    def __init__(self, value: Any) -> None:
        self._values = _object(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def read(self, name: str, reader: Reader[_T]) -> _T:
        """A field that must be there.

        :raises ShapeError: it is missing, or the reader refuses it.
        """
        if name not in self._values:
            raise ShapeError("the field is missing", (name,))
        try:
            return reader(self._values[name])
        except ShapeError as error:
            raise error.under(name) from None

    def get(self, name: str, reader: Reader[_T], default: _T) -> _T:
        """A field that may be left out.

        :raises ShapeError: the reader refuses it.
        """
        return self.read(name, reader) if name in self._values else default


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise refused("a list", value)
    return cast("list[Any]", value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refused("an object", value)
    return cast("dict[str, Any]", value)


# --- dataclasses -----------------------------------------------------------------------------------

_READERS: dict[Any, Reader[Any]] = {str: text, int: whole(-LARGEST, LARGEST), bool: flag, datetime: time}


def record(cls: type[_T], known: Mapping[Any, Reader[Any]] | None = None) -> Reader[_T]:
    """A dataclass from an object with its fields, those with defaults optional; derived from its annotations.

    An annotation `Annotated[type, reader]` names the reader itself.

    :param known: readers for types of fields that are not read by their own annotations.
    """
    hints = get_type_hints(cls, include_extras=True)
    fields = dataclasses.fields(cast("Any", cls))
    readers = {field.name: _reader_of(hints[field.name], known or {}) for field in fields}
    required = [field.name for field in fields if field.default is dataclasses.MISSING]

    def read(value: Any) -> _T:
        found = _object(value)
        made: dict[str, Any] = {}
        name = ""
        try:
            for name, content in found.items():
                made[name] = readers[name](content)
        except ShapeError as error:
            raise error.under(name) from None
        except KeyError:
            raise ShapeError(f"{cls.__name__} has no such field", (name,)) from None
        for name in required:
            if name not in made:
                raise ShapeError(f"{cls.__name__} needs this field", (name,))
        return cls(**made)

    return read


def _reader_of(hint: Any, known: Mapping[Any, Reader[Any]]) -> Reader[Any]:
    """The reader that an annotation stands for."""
    if hint in known:
        return known[hint]
    if hint in _READERS:
        return _READERS[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return arguments[1]
    if origin in (Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        return optional(_reader_of(next(kind for kind in arguments if kind is not type(None)), known))
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        each = items(_reader_of(arguments[0], known))
        return lambda value: tuple(each(value))
    if origin is dict:
        return mapping(_reader_of(arguments[0], known), _reader_of(arguments[1], known))
    if dataclasses.is_dataclass(hint):
        return record(cast("type[Any]", hint), known)
    raise TypeError(f"there is no reader for {hint!r}")
