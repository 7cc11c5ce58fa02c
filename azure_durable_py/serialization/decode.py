"""Builds values of annotated types from plain JSON values.

Owns the rules for what fits which type: nothing is guessed. An `int` is accepted where a
`float` is wanted; dates, ids, decimals and the like are built from their text; objects may
have fields that a dataclass does not know. What cannot be resolved counts as `Any`.
"""

from __future__ import annotations

import base64
import binascii
import collections.abc
import dataclasses
import functools
import inspect
import json
import re
import sys
import types
import typing
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum, Flag
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

from azure_durable_py.errors import SerializationError
from azure_durable_py.signatures import resolve_annotation, signature_of
from azure_durable_py.times import from_iso

NoneType = type(None)
_PLAIN = (str, int, float, list, dict, NoneType)


def build(value: Any, wanted: Any) -> Any:
    """The plain JSON value as an instance of the wanted type; as it is for `None` and `Any`.

    :raises SerializationError: it does not fit; names the path in the value.
    """
    return value if wanted is None else _fit(value, wanted, "$")


def return_type(function: Any) -> Any:
    """What a function is annotated to return in the end; None if that is not told or cannot be resolved.

    Of a generator function that is its `return` value, of an awaitable what awaiting it gives.
    """
    try:
        annotation = resolve_annotation(function, signature_of(function).return_annotation)
    except (TypeError, ValueError):
        return None
    if get_origin(annotation) in (collections.abc.Generator, collections.abc.Coroutine, collections.abc.Awaitable):
        return get_args(annotation)[-1]
    return None if inspect.isgeneratorfunction(inspect.unwrap(function)) else annotation


def encode_duration(value: timedelta) -> str:
    """A duration as ISO 8601 text: `P{days}DT{seconds}S`, exact to the microsecond."""
    return f"P{value.days}DT{value.seconds}.{value.microseconds:06d}S"


_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<days>-?\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6})\d*)?S)?)?",
    re.ASCII,
)


def _decode_duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None or text.endswith(("P", "T")):
        raise ValueError("not an ISO 8601 duration")
    part = {name: int(match[name] or 0) for name in ("days", "hours", "minutes", "seconds")}
    duration = timedelta(**part, microseconds=int((match["fraction"] or "").ljust(6, "0")))
    return -duration if match["sign"] == "-" else duration


# --- the walk over a type ------------------------------------------------------------------------


_AS_THEY_ARE: frozenset[type[Any]] = frozenset({str, int, float, bool})


def _fit(value: Any, wanted: Any, path: str) -> Any:
    if type(value) is wanted and wanted in _AS_THEY_ARE:
        return value
    if wanted is Any or wanted is object or isinstance(wanted, str | typing.ForwardRef):
        return value
    simple = SIMPLE.get(wanted) if isinstance(wanted, type) else None
    if simple is not None:
        return simple(value, path)
    origin = get_origin(wanted)
    if origin is not None:
        return _fit_generic(value, origin, get_args(wanted), path)
    if isinstance(wanted, type):
        return _fit_class(value, cast("type[Any]", wanted), {}, path)
    if wanted is None:
        return _fit_none(value, path)
    if isinstance(wanted, TypeVar):
        choices = wanted.__constraints__
        return _fit_union(value, choices, path) if choices else _fit(value, wanted.__bound__ or Any, path)
    for attribute in ("__supertype__", "__value__"):
        if hasattr(wanted, attribute):
            return _fit(value, getattr(wanted, attribute), path)
    return value


def _fit_generic(value: Any, origin: Any, args: tuple[Any, ...], path: str) -> Any:
    if origin is Annotated or getattr(origin, "_name", "") in QUALIFIERS:
        return _fit(value, args[0], path)
    if origin is Literal:
        return _fit_literal(value, args, path)
    if origin is Union or origin is getattr(types, "UnionType", None):
        return _fit_union(value, args, path)
    if origin is tuple:
        return _fit_tuple(value, args, path)
    if origin in ARRAYS:
        return ARRAYS[origin](_fit_items(value, args[0] if args else Any, origin, path))
    if origin in OBJECTS:
        key, item = args or (Any, Any)
        return OBJECTS[origin](_fit_entries(value, key, item, path))
    if hasattr(origin, "__value__"):
        return _fit(value, origin.__value__[args], path)
    variables = getattr(origin, "__parameters__", ())
    return _fit_class(value, origin, dict(zip(variables, args, strict=False)), path)


QUALIFIERS = ("Required", "NotRequired", "ReadOnly", "Final", "ClassVar")


def _fit_class(value: Any, cls: type[Any], variables: Mapping[Any, Any], path: str) -> Any:
    if _is_plain_dataclass(cls):
        return value if isinstance(value, cls) else _fit_dataclass(value, cls, variables, path)
    if cls in ARRAYS:
        return ARRAYS[cls](_fit_items(value, Any, cls, path))
    if cls in OBJECTS:
        return OBJECTS[cls](_fit_entries(value, Any, Any, path))
    if cls is tuple:
        return _fit_tuple(value, (Any, ...), path)
    if is_typed_dict(cls):
        return _fit_typed_dict(value, cls, path)
    if isinstance(value, cls):
        return value
    if issubclass(cls, Enum):
        return _fit_enum(value, cls, path)
    own = own_reader(cls)
    if own is not None:
        if not isinstance(value, _PLAIN):
            # An object that wrote itself as one of another class.
            raise _mismatch(value, cls, path)
        return _guarded(lambda: own(value), path)
    if is_named_tuple(cls):
        return _fit_named_tuple(value, cls, path)
    if issubclass(cls, PurePath):
        return cls(_text(value, cls.__name__, path))
    raise SerializationError(
        f"{path}: a {cls.__qualname__} cannot be built from JSON; make it a dataclass or a pydantic model, "
        "or give it from_json."
    )


def own_reader(cls: Any) -> Callable[[Any], Any] | None:
    """How a class reads JSON by itself: `from_json`, or a pydantic model of version 2 or 1."""
    if callable(getattr(cls, "from_json", None)):
        return cls.from_json
    if hasattr(cls, "model_validate_json"):
        return lambda value: cls.model_validate_json(json.dumps(value))
    return getattr(cls, "parse_obj", None)


def _mismatch(value: Any, wanted: Any, path: str) -> SerializationError:
    name = wanted if isinstance(wanted, str) else _type_name(wanted)
    return SerializationError(f"{path}: expected {name}, found {type(value).__name__}")


def _type_name(wanted: Any) -> str:
    if isinstance(wanted, type) and get_origin(wanted) is None:
        return "None" if wanted is NoneType else wanted.__name__
    return str(wanted).replace("typing.", "")


def _guarded(make: Callable[[], Any], path: str) -> Any:
    try:
        return make()
    except SerializationError:
        raise
    except RecursionError:
        raise
    except Exception as error:
        raise SerializationError(f"{path}: {error}") from error


# --- scalars ---------------------------------------------------------------------------------------


def _strict(kind: type) -> Callable[[Any, str], Any]:
    def fit(value: Any, path: str) -> Any:
        if type(value) is not kind:
            raise _mismatch(value, kind, path)
        return value

    return fit


def _fit_float(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _mismatch(value, float, path)
    return cast("float", _guarded(lambda: float(value), path))


def _fit_none(value: Any, path: str) -> None:
    if value is not None:
        raise _mismatch(value, NoneType, path)


def _text(value: Any, wanted: str, path: str) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, wanted, path)
    return value


def _from_text(kind: type, parse: Callable[[str], Any], form: str) -> Callable[[Any, str], Any]:
    def fit(value: Any, path: str) -> Any:
        if isinstance(value, kind):
            return value
        text = _text(value, kind.__name__, path)
        try:
            return parse(text)
        except (ValueError, OverflowError, InvalidOperation, binascii.Error) as error:
            raise SerializationError(f"{path}: expected {kind.__name__} as {form}, found {text[:60]!r}") from error

    return fit


def _or_number(fit: Callable[[Any, str], Any], convert: Callable[[Any], Any]) -> Callable[[Any, str], Any]:
    def fit_number(value: Any, path: str) -> Any:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _guarded(lambda: convert(value), path)
        return fit(value, path)

    return fit_number


SIMPLE: dict[type, Callable[[Any, str], Any]] = {
    str: _strict(str),
    bool: _strict(bool),
    int: _strict(int),
    float: _fit_float,
    NoneType: _fit_none,
    datetime: _from_text(datetime, from_iso, "ISO 8601"),
    date: _from_text(date, date.fromisoformat, "ISO 8601"),
    time: _from_text(time, lambda text: time.fromisoformat(re.sub(r"[zZ]$", "+00:00", text)), "ISO 8601"),
    timedelta: _or_number(
        _from_text(timedelta, _decode_duration, "an ISO 8601 duration"), lambda number: timedelta(seconds=number)
    ),
    UUID: _from_text(UUID, UUID, "its text"),
    Decimal: _or_number(_from_text(Decimal, Decimal, "a number"), lambda number: Decimal(str(number))),
    bytes: _from_text(bytes, lambda text: base64.b64decode(text, validate=True), "Base64"),
    bytearray: _from_text(bytearray, lambda text: bytearray(base64.b64decode(text, validate=True)), "Base64"),
}


def _fit_literal(value: Any, choices: tuple[Any, ...], path: str) -> Any:
    for choice in choices:
        plain = choice.value if isinstance(choice, Enum) else choice
        if type(plain) is type(value) and plain == value:
            return choice
    raise SerializationError(f"{path}: expected one of {', '.join(map(repr, choices))}, found {value!r:.60}")


def _fit_enum(value: Any, cls: type[Enum], path: str) -> Enum:
    for member in cls:
        try:
            if _fit(value, type(member.value), path) == member.value:
                return member
        except SerializationError:
            continue
    if issubclass(cls, Flag) and type(value) is int:
        # Combined flags are values without a member in the iteration.
        return cast("Enum", _guarded(lambda: cls(value), path))
    choices = ", ".join(repr(member.value) for member in list(cls)[:20])
    raise SerializationError(f"{path}: expected {cls.__name__} (one of {choices}), found {value!r:.60}")


# --- unions ----------------------------------------------------------------------------------------


def _fit_union(value: Any, arms: tuple[Any, ...], path: str) -> Any:
    if type(value) in arms and not isinstance(value, list | dict):
        return value
    if value is None and None in arms:
        return None
    candidates = [arm for arm in arms if arm is not NoneType]
    if len(candidates) == 1:
        return _fit(value, candidates[0], path)
    if isinstance(value, dict):
        keys = set(cast("dict[str, Any]", value))
        candidates.sort(key=lambda arm: len(keys - _field_names(arm)))
    reasons: list[str] = []
    for arm in candidates:
        try:
            return _fit(value, arm, path)
        except SerializationError as error:
            reasons.append(str(error))
    names = " | ".join(_type_name(arm) for arm in arms)
    found = type(cast("object", value)).__name__
    raise SerializationError(f"{path}: expected {names}, found {found} ({'; '.join(reasons)})")


def _field_names(arm: Any) -> set[str]:
    cls = get_origin(arm) or arm
    if dataclasses.is_dataclass(cls):
        return {field.name for field in dataclasses.fields(cls)}
    for attribute in ("model_fields", "__fields__", "__annotations__"):
        names = getattr(cls, attribute, None)
        if isinstance(names, dict):
            return set(cast("dict[str, Any]", names))
    return set()


# --- arrays and objects --------------------------------------------------------------------------------

ARRAYS: dict[Any, Callable[[Iterable[Any]], Any]] = {
    list: list,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    set: set,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    frozenset: frozenset,
    deque: deque,
}
OBJECTS: dict[Any, Callable[[Mapping[Any, Any]], Any]] = {
    dict: dict,
    collections.abc.Mapping: dict,
    collections.abc.MutableMapping: dict,
    OrderedDict: OrderedDict,
}


def _array(value: Any, wanted: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise _mismatch(value, wanted, path)
    return cast("list[Any]", value)


def _object(value: Any, wanted: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _mismatch(value, wanted, path)
    return cast("dict[str, Any]", value)


def _fit_items(value: Any, item: Any, wanted: Any, path: str) -> list[Any]:
    items = _array(value, wanted, path)
    fitted = [_fit(entry, item, f"{path}[{at}]") for at, entry in enumerate(items)]
    if wanted in (set, frozenset, collections.abc.Set, collections.abc.MutableSet):
        _guarded(lambda: set(fitted), path)
    return fitted


def _fit_entries(value: Any, key: Any, item: Any, path: str) -> dict[Any, Any]:
    entries = _object(value, dict, path)
    return {_fit_key(name, key, path): _fit(entry, item, _below(path, name)) for name, entry in entries.items()}


def _fit_key(name: str, wanted: Any, path: str) -> Any:
    try:
        return _fit(name, wanted, _below(path, name))
    except SerializationError:
        try:
            return _fit(json.loads(name), wanted, _below(path, name))
        except ValueError:
            pass
        raise


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{name!r}]"


def _fit_tuple(value: Any, args: tuple[Any, ...], path: str) -> tuple[Any, ...]:
    items = _array(value, "tuple", path)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_fit(item, args[0], f"{path}[{at}]") for at, item in enumerate(items))
    if args == ((),):
        args = ()
    if len(items) != len(args):
        raise SerializationError(f"{path}: expected {len(args)} items, found {len(items)}")
    return tuple(_fit(item, arg, f"{path}[{at}]") for at, (item, arg) in enumerate(zip(items, args, strict=True)))


# --- classes with fields ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def hints_of(cls: type[Any]) -> dict[str, Any]:
    """The field types of a class; what cannot be resolved is `Any`."""
    try:
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except Exception:  # noqa: BLE001 - evaluating an annotation runs user code: it may raise anything
        return _hints_one_by_one(cls)


def _hints_one_by_one(cls: type[Any]) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = {**vars(sys.modules.get(base.__module__, typing)), base.__name__: base, cls.__name__: cls}
        for name, annotation in _raw_annotations(base).items():
            try:
                hints[name] = _resolve(annotation, scope)
            except Exception:  # noqa: BLE001 - as above
                hints[name] = Any
    return hints


def _resolve(annotation: Any, scope: dict[str, Any]) -> Any:
    holder = types.SimpleNamespace(__annotations__={"value": annotation})
    return typing.get_type_hints(holder, globalns=scope, include_extras=True)["value"]


def _raw_annotations(cls: type[Any]) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    return cast("dict[str, Any]", vars(cls).get("__annotations__", {}))


# What a class is takes longer to find out than to build it.
@functools.lru_cache(maxsize=1024)
def _is_plain_dataclass(cls: type[Any]) -> bool:
    """Whether a class is a dataclass, and nothing that is read in another way."""
    special = cls in ARRAYS or cls in OBJECTS or is_typed_dict(cls) or issubclass(cls, Enum)
    return dataclasses.is_dataclass(cls) and not special and own_reader(cls) is None


@functools.lru_cache(maxsize=1024)
def _fields_of(cls: type[Any]) -> tuple[tuple[str, Any, bool], ...]:
    """The name and type of each field of a dataclass that its constructor takes, and whether it needs it."""
    hints = hints_of(cls)
    return tuple(
        (
            field.name,
            hints.get(field.name, Any),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
        if field.init
    )


def _fit_dataclass(value: Any, cls: type[Any], variables: Mapping[Any, Any], path: str) -> Any:
    entries = _object(value, cls, path)
    made: dict[str, Any] = {}
    for name, hint, is_needed in _fields_of(cls):
        if name in entries:
            entry = entries[name]
            if type(entry) is hint and hint in _AS_THEY_ARE:
                made[name] = entry
            else:
                made[name] = _fit(entry, _substituted(hint, variables), _below(path, name))
        elif is_needed:
            raise SerializationError(f"{path}: {cls.__name__} needs the field {name!r}, which is missing")
    return _guarded(lambda: cls(**made), path)


def _substituted(wanted: Any, variables: Mapping[Any, Any]) -> Any:
    if not variables:
        return wanted
    if isinstance(wanted, TypeVar):
        return variables.get(wanted, wanted)
    parameters = getattr(wanted, "__parameters__", ())
    return wanted[tuple(variables.get(parameter, Any) for parameter in parameters)] if parameters else wanted


def is_typed_dict(cls: Any) -> bool:
    """Whether a class is a typed dictionary."""
    return issubclass(cls, dict) and hasattr(cast("Any", cls), "__required_keys__")


def is_named_tuple(cls: Any) -> bool:
    """Whether a class is a named tuple."""
    return issubclass(cls, tuple) and hasattr(cast("Any", cls), "_fields")


def _fit_typed_dict(value: Any, cls: type[Any], path: str) -> dict[str, Any]:
    entries = _object(value, cls.__name__, path)
    hints = hints_of(cls)
    optional = {name for name, hint in hints.items() if getattr(get_origin(hint), "_name", "") == "NotRequired"}
    missing = [name for name in cls.__required_keys__ if name not in entries and name not in optional]
    if missing:
        raise SerializationError(f"{path}: {cls.__name__} needs the key {min(missing)!r}, which is missing")
    return {name: _fit(entry, hints.get(name, Any), _below(path, name)) for name, entry in entries.items()}


def _fit_named_tuple(value: Any, cls: type[Any], path: str) -> Any:
    names = cast("tuple[str, ...]", getattr(cls, "_fields", ()))
    items = _array(value, cls, path)
    defaults = cast("dict[str, Any]", getattr(cls, "_field_defaults", {}))
    if not len(names) - len(defaults) <= len(items) <= len(names):
        raise SerializationError(f"{path}: {cls.__name__} has {len(names)} items, found {len(items)}")
    hints = hints_of(cls)
    return cls(
        *(_fit(item, hints.get(name, Any), _below(path, name)) for name, item in zip(names, items, strict=False))
    )
