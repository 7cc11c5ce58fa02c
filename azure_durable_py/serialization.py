"""Values of user code as JSON text, and back.

Owns the `DataConverter` seam, the default JSON encoding, and the envelope of custom classes.
Building typed values from plain JSON is in `typed.py`. It never imports a module because some
data names it.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import sys
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Protocol, cast
from uuid import UUID

from azure_durable_py.errors import PayloadTooLargeError, SerializationError
from azure_durable_py.typed import build, encode_duration, return_type

__all__ = ["DataConverter", "JsonDataConverter", "return_type"]


class DataConverter(Protocol):
    """Turns inputs, results and event data into JSON text and back. Both ways must be deterministic."""

    def serialize(self, value: Any) -> str:
        """The value as JSON text.

        :raises SerializationError: it cannot be expressed.
        """
        ...

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text, built as `expected_type` if that is given.

        :raises SerializationError: the text is not JSON, or not of that type.
        """
        ...


class JsonDataConverter:
    """The default converter.

    Beyond plain JSON it writes dataclasses, pydantic models, named tuples and typed
    dictionaries (as objects or arrays), enums (by value), datetimes, dates, times and durations
    (ISO 8601), UUIDs, decimals and paths (text), bytes (Base64), sets (sorted) and tuples. To
    get such a value back, name its type: `expected_type`, or an annotation.

    A class with `to_json` and `from_json` is written as `{"__class__", "__module__",
    "__data__"}` and comes back as itself. Data may only name a class that the running program
    has: its module is imported, the class is defined there under that public name, and it
    defines both methods. Nothing is ever imported for the sake of data.

    NaN and infinities are refused: JSON does not have them.
    """

    def serialize(self, value: Any) -> str:
        """The value as compact JSON text.

        :raises SerializationError: names the place and type of what cannot be expressed.
        """
        try:
            return _checked(_dump(value, _simplify))
        except (TypeError, ValueError, RecursionError):
            pass
        try:
            return _checked(_dump(_plain(value, "$"), None))
        except RecursionError:
            raise SerializationError("The value is nested too deeply for JSON, or contains itself.") from None

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text, built as `expected_type` if that is given.

        :raises SerializationError: not JSON (with the position), an unknown class, or not of that
            type (with the path: `$.items[2].price: expected float, found str`).
        """
        try:
            plain = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
            if '"__class__"' in text:
                plain = _open_envelopes(plain, expected_type)
            return build(plain, expected_type)
        except RecursionError:
            raise SerializationError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise SerializationError(f"Not JSON: {error}; the text begins {text[:60]!r}.") from error


class BoundedConverter:
    """A converter that refuses values which are larger than a task hub stores, before they cost more.

    :param inner: does the work.
    :param limit: characters of JSON text.
    """

    def __init__(self, inner: DataConverter, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    def serialize(self, value: Any) -> str:
        """The value as JSON text.

        :raises PayloadTooLargeError: it has more characters than the limit.
        :raises SerializationError: it cannot be expressed.
        """
        if isinstance(value, (str, bytes)):
            self._check(len(value))
        text = self._inner.serialize(value)
        self._check(len(text))
        return text

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text.

        :raises SerializationError: the text is not JSON, or not of that type.
        """
        return self._inner.deserialize(text, expected_type)

    def _check(self, chars: int) -> None:
        if chars > self._limit:
            raise PayloadTooLargeError(
                f"A value of {chars} characters is over the limit of {self._limit}. Keep large data in storage of your "
                "own, and pass on where it is."
            )


def _dump(value: Any, default: Callable[[Any], Any] | None) -> str:
    return json.dumps(value, default=default, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _checked(text: str) -> str:
    """Text that every store can keep: a lone surrogate is escaped."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), separators=(",", ":"))
    return text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise SerializationError(f"{text[:40]} is larger than any float.")
    return number


def _refuse_constant(name: str) -> Any:
    raise SerializationError(f"{name} is not JSON.")


# --- writing -------------------------------------------------------------------------------------


def _simplify(value: Any) -> Any:
    """One step from an object towards JSON.

    :raises TypeError: there is no such step.
    """
    for kind, step in _STEPS:
        if isinstance(value, kind):
            return step(value)
    cls = cast("type[Any]", type(value))
    if isinstance(value, type):
        raise TypeError(f"the class {value.__qualname__} itself is no value")
    if _has_codec(cls):
        return {"__class__": cls.__name__, "__module__": cls.__module__, "__data__": cls.to_json(value)}
    if hasattr(cls, "model_dump") and hasattr(cls, "model_validate"):
        return value.model_dump(mode="json", by_alias=True)
    if hasattr(cls, "parse_obj"):
        return json.loads(value.json(by_alias=True))
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"objects of type {cls.__module__}.{cls.__qualname__} are not JSON-serializable")


def _sorted_set(value: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(value, key=lambda item: _dump(_plain(item, "$"), None))
    except SerializationError:
        # Unsorted, the item is met again on the way down and reported with its path.
        return list(value)


_STEPS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, encode_duration),
    ((UUID, Decimal, PurePath), str),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode("ascii")),
    (AbstractSet, _sorted_set),
    (deque, list),
    (Mapping, dict),
)


def _plain(value: Any, path: str) -> Any:
    """The value in plain JSON terms, step by step, so that an error can name the place."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, path)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SerializationError(f"{path}: {value!r} is not JSON; use None or text in its place.")
        return float(value)
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [_plain(item, f"{path}[{at}]") for at, item in enumerate(items)]
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in entries.items()}
    try:
        simpler = _simplify(value)
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(
            f"{path}: {error}. Use a dataclass, a pydantic model or plain data, "
            "or give the class to_json and from_json."
        ) from error
    return _plain(simpler, path)


def _key(key: Any, path: str) -> str:
    if isinstance(key, Enum):
        return _key(key.value, path)
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return str(json.dumps(key))
    if isinstance(key, datetime | date | time | timedelta | UUID | Decimal | bytes):
        return str(_simplify(key))
    raise SerializationError(f"{path}: a key of type {type(key).__qualname__} is not JSON; keys are text.")


# --- classes with to_json and from_json -------------------------------------------------------------


def _has_codec(cls: type) -> bool:
    return callable(getattr(cls, "to_json", None)) and callable(getattr(cls, "from_json", None))


def _open_envelopes(value: Any, expected_type: Any) -> Any:
    if isinstance(value, list):
        return [_open_envelopes(item, expected_type) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    opened = {name: _open_envelopes(item, expected_type) for name, item in fields.items()}
    if set(fields) != {"__class__", "__module__", "__data__"}:
        return opened
    cls = _known_class(fields["__module__"], fields["__class__"], expected_type)
    try:
        return cls.from_json(opened["__data__"])
    except Exception as error:
        raise SerializationError(f"{cls.__qualname__}.from_json could not read its data: {error!r}") from error


def _known_class(module_name: Any, name: Any, expected_type: Any) -> Any:
    expected: Any = expected_type
    if isinstance(expected, type) and (expected.__module__, expected.__name__) == (module_name, name):
        found: Any = expected
    else:
        module = sys.modules.get(module_name) if isinstance(module_name, str) else None
        found = vars(module).get(name) if module is not None and isinstance(name, str) else None
    own = isinstance(found, type) and (found.__module__, found.__name__) == (module_name, name)
    if not own or str(name).startswith("_") or not _has_codec(found):
        raise SerializationError(
            f"The data names the class {name!r} of module {module_name!r}, which this program does not have. "
            "Import that module where the functions are defined, and give the class, at its top level, "
            "to_json and from_json; or pass it as expected_type."
        )
    return found
